"""Any sequence of commands in a work tree, and every one of them cut off anywhere: nothing is lost, all is known.

`work_tree.py` has the model and daily work; here are the commands that rename, merge and go back.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.stateful.work_tree import BRANCHES, PATHS, TOPS, WorkTree, below, flat
from tests.support.repos import SOMEBODY
from xver.errors import Conflict, DirtyWorktree, InvalidInput, MergeConflict, NotFound
from xver.history.graph import merge_base
from xver.model.ids import SnapshotId
from xver.model.paths import is_below, overlaps
from xver.model.refs import HEADS
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.merging import merge_snapshot
from xver.versioning.moving import move
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout, restore
from xver.versioning.tracking import add
from xver.versioning.undoing import undo
from xver.versioning.unstaging import unstage

CUT = ("add", "remove", "move", "restore", "unstage", "commit", "switch", "checkout", "undo", "merge")
CUT_OFF = ("replace", "rename", "unlink", "open", "link", "mkdir", "fsync")


class CutOff(BaseException):
    """The process ends here, as far as the command is concerned."""


@contextmanager
def cut_off(after: int) -> Iterator[None]:
    """Let the call to the disk that follows so many others not happen, and nothing after it."""
    left = after

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == -1:
                raise CutOff
            return real(*args, **options)

        return call

    patched: dict[str, Any] = {name: failing(getattr(os, name)) for name in CUT_OFF}
    with mock.patch.multiple(os, **patched), suppress(CutOff):
        yield


class Everything(WorkTree):
    """Daily work, and names, merges, steps back and cuts."""

    @rule(source=st.sampled_from((*TOPS, *PATHS)), place=st.sampled_from((*TOPS, *PATHS)))
    def move(self, source: str, place: str) -> None:
        wanted = place
        if ("/" in wanted or (self.root / wanted).is_dir()) and wanted.partition("/")[0] not in self.lock:
            return
        try:
            with self.noted():
                ((_, place),) = move(self.repo, [source], wanted)
        except (InvalidInput, NotFound):
            return
        assert place in (wanted, f"{wanted}/{source.rpartition('/')[2]}")

        def renamed(path: str) -> str:
            return place + path[len(source) :] if is_below(path, source) else path

        self.disk = {renamed(path): data for path, data in self.disk.items()}
        moved = below(flat(self.lock), source)
        assert moved
        self.lock = {
            top: {path: data for path, data in files.items() if path not in moved}
            for top, files in self.lock.items()
            if top != source
        }
        host = next((top for top in self.lock if is_below(place, top)), place)
        self.lock[host] = self.lock.get(host, {}) | {renamed(path): data for path, data in moved.items()}

    @rule(path=st.sampled_from((*TOPS, *PATHS)))
    def unstage(self, path: str) -> None:
        top = path.partition("/")[0]
        was, now = self.head.get(top), self.lock.get(top)
        wanted = was
        if path != top:
            part = below(was, path) if was is not None and top not in was else {}
            rows = now if now is not None and top not in now else {}
            wanted = {name: one for name, one in rows.items() if not any(overlaps(name, new) for new in part)}
            wanted = {name: one for name, one in wanted.items() if not is_below(name, path)} | part
            if was is None and now is None:
                wanted = None
            elif not part and wanted == rows:
                with pytest.raises(NotFound):
                    unstage(self.repo, [path])
                return
        if was is None and now is None:
            with pytest.raises(NotFound):
                unstage(self.repo, [path])
            return
        with self.noted():
            unstage(self.repo, [path])
        self.lock.pop(top, None)
        if wanted is not None:
            self.lock[top] = dict(wanted)

    @precondition(lambda self: len(self.heads) > 1)
    @rule()
    def merge(self) -> None:
        other = next(name for name in BRANCHES if name != self.branch)
        if other not in self.heads or self.lock != self.head:
            return
        repo = self.repo
        ours, theirs = self.heads.get(self.branch), self.heads[other]
        base = (
            None
            if ours is None
            else merge_base(repo.store, *(SnapshotId(bytes.fromhex(one)) for one in (ours, theirs)))
        )
        sides = [{} if base is None else self.versions[base.hex()], self.head, self.versions[theirs]]
        before = dict(self.disk)
        try:
            with self.noted():
                done = merge_snapshot(repo, other)
        except (DirtyWorktree, InvalidInput, MergeConflict):
            return
        if done.kind == "up to date":
            return
        self.arrive(branches.names(self.repo, HEADS)[self.branch].hex())
        self.lock = copy.deepcopy(self.head)
        if done.kind == "forward":
            assert self.lock == sides[2]
        for path in {path for side in sides for path in flat(side)}:
            was, mine, other_s = (flat(side).get(path) for side in sides)
            assert flat(self.lock).get(path) == (other_s if mine == was else mine), path
            assert mine == other_s or was in (mine, other_s), f"{path}: both sides changed it"
        self.see(before, flat(self.lock))

    @precondition(lambda self: self.undoable)
    @rule()
    def undo(self) -> None:
        before = dict(self.disk)
        try:
            undo(self.repo)
        except (Conflict, InvalidInput):
            return
        self.lock, self.heads, self.branch = self.undoable.pop()
        # What was renamed goes back as it is, also what is in no version.
        for data in before.values():
            assert data in self.stored or data in self.picture().values(), f"{data!r} is in no file any more"
        self.disk = self.picture()

    @rule(
        name=st.sampled_from(
            ("add", "remove", "move", "restore", "unstage", "commit", "switch", "checkout", "undo", "merge")
        ),
        path=st.sampled_from((*TOPS, *PATHS)),
        place=st.sampled_from(TOPS),
        after=st.integers(0, 60),
    )
    def crash(self, name: str, path: str, place: str, after: int) -> None:
        acts: dict[str, Callable[[Repo], object]] = {
            "add": lambda repo: add(repo, [path]),
            "remove": lambda repo: remove(repo, [path]),
            "move": lambda repo: move(repo, [path], place),
            "restore": lambda repo: restore(repo, [path], rev="HEAD"),
            "unstage": lambda repo: unstage(repo, [path]),
            "commit": lambda repo: commit(repo, "cut off", author=SOMEBODY),
            "switch": lambda repo: branches.switch(repo, BRANCHES[self.branch == BRANCHES[0]]),
            "checkout": checkout,
            "undo": undo,
            "merge": lambda repo: merge_snapshot(repo, BRANCHES[self.branch == BRANCHES[0]]),
        }
        if name == "move" and ("/" in path or (self.root / place).is_dir()):
            return
        if name == "add" and path.partition("/")[0] not in (path, *self.lock):
            return
        before = copy.deepcopy((self.disk, self.lock, self.heads))
        known = self.stored | set(self.disk.values()) if name == "add" else self.stored
        with suppress(Conflict, InvalidInput, NotFound), cut_off(after):
            acts[name](self.repo)
        self.adopt()
        found = self.picture()
        for one, data in before[0].items():
            if found.get(one) != data:
                assert data in self.stored or data in found.values(), f"{one} is lost"
        for data in flat(self.lock).values():
            assert data in known
        self.stored |= set(flat(self.lock).values())
        assert not check(self.repo).problems


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )


def test_any_sequence_of_commands() -> None:
    run(examples=12, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_long_sequences_of_commands() -> None:
    run(examples=400, steps=60)
