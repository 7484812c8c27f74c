"""Errors travel: from a process to another they keep all that they say."""

from __future__ import annotations

import pickle

import pytest

from xver import errors
from xver.cli.failures import EXIT_CODES
from xver.errors import (
    Changing,
    Collected,
    CommandFailed,
    ContentNotFound,
    DirtyWorktree,
    ForeignChanged,
    HasMoved,
    Incomplete,
    MergeConflict,
    Overtaken,
    Purged,
    RefConflict,
    Unreadable,
    XverError,
)

MADE = {
    ContentNotFound: ContentNotFound(bytes(32), hint="xver pull"),
    RefConflict: RefConflict("heads/main", expected=None, actual="b3:1", hint="again"),
    MergeConflict: MergeConflict(["a", "b"]),
    DirtyWorktree: DirtyWorktree("work would be lost", ["a"], hint="xver add a"),
    CommandFailed: CommandFailed("git failed", status=3),
    Incomplete: Incomplete("part is done", ["a: no"], hint="again"),
    Overtaken: Overtaken("s3://bucket"),
    Collected: Collected("s3://bucket", packs=frozenset({"packs/0.a.data"})),
    Changing: Changing("d/a"),
    Unreadable: Unreadable("d/a", "permission denied", hint="chmod u+r d/a"),
    HasMoved: HasMoved("s3://bucket", "s3://other", name="origin"),
    ForeignChanged: ForeignChanged(bytes(32), "cache/a", "is gone"),
    Purged: Purged(bytes(32), entry=3, url="s3://bucket", path="data/a"),
}


@pytest.mark.parametrize("kind", list(EXIT_CODES), ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_after_pickling(kind: type[XverError]) -> None:
    error = MADE.get(kind) or kind("what is wrong", hint="what to type")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))


def test_every_class_that_is_made_in_its_own_way_is_tried() -> None:
    own = {one for one in vars(errors).values() if isinstance(one, type) and "__init__" in vars(one)} - {XverError}
    assert own <= MADE.keys()
