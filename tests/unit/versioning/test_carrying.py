"""What was changed, or added and not committed, goes along to another version where the two are alike."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.support.repos import reopened, save, write_tree
from tests.support.trees import picture
from xver.errors import DirtyWorktree
from xver.model.refs import HEADS
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.merging import merge_snapshot
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.reverting import revert
from xver.versioning.state import status
from xver.versioning.tracking import add

BASE = {"d/a": b"1", "d/b": b"1", "e/a": b"1", "f": b"1"}


def to_side(repo: Repo) -> Repo:
    branches.switch(repo, "side")
    return reopened(repo)


def to_first(repo: Repo) -> Repo:
    branches.switch(repo, "HEAD~1")
    return reopened(repo)


def forward(repo: Repo) -> Repo:
    branches.switch(repo, "behind")
    assert merge_snapshot(reopened(repo), "side").kind == "forward"
    return reopened(repo)


def merged(repo: Repo) -> Repo:
    assert merge_snapshot(repo, "side").kind == "merge"
    return reopened(repo)


def reverted(repo: Repo) -> Repo:
    revert(repo, "HEAD")
    return reopened(repo)


def alike(repo: Repo) -> dict[str, object]:
    """Return what lies on the disk where all versions of `sides` are alike."""
    return {path: data for path, data in picture(repo.root).items() if not path.startswith("e") and path != "d/b"}


@pytest.fixture
def sides(repo: Repo) -> Repo:
    """A repository whose branches `main` and `side` differ in d/b and e alone, and `behind` from both in them."""
    save(repo, BASE)
    branches.create(repo, HEADS, "behind")
    branches.switch(repo, "side", new=True)
    save(repo, {"e/a": b"2"})
    branches.switch(repo, "main")
    save(repo, {"d/b": b"2"})
    return reopened(repo)


@pytest.mark.parametrize("go", [to_side, to_first, forward, merged, reverted])
@pytest.mark.parametrize("change", ["edited", "deleted", "a folder now"])
def test_a_change_on_the_disk_goes_along_where_versions_are_alike(
    sides: Repo, go: Callable[[Repo], Repo], change: str
) -> None:
    for name in ("d/a", "f"):
        (sides.root / name).unlink()
    edit: dict[str, bytes] = {
        "edited": {"d/a": b"mine", "f": b"mine"},
        "deleted": {},
        "a folder now": {"d/a/x": b"mine", "f/x": b"mine"},
    }[change]
    write_tree(sides.root, edit | {"d/untracked": b"mine"})
    before = {path: data for path, data in picture(sides.root).items() if not path.startswith("e") and path != "d/b"}
    repo = go(sides)
    assert {
        path: data for path, data in picture(repo.root).items() if not path.startswith("e") and path != "d/b"
    } == before
    assert status(repo).staged == ()
    assert set(status(repo).changed) | set(status(repo).absent) == {"d", "f"}
    checkout(repo, force=True)
    assert status(repo).changed.keys() <= {"d"}


@pytest.mark.parametrize("go", [to_side, to_first, forward])
def test_what_is_added_goes_along_where_versions_are_alike(sides: Repo, go: Callable[[Repo], Repo]) -> None:
    write_tree(sides.root, {"f": b"mine", "new/x": b"mine"})
    add(sides, ["f", "new"])
    staged = [one.path for one in status(sides).staged]
    repo = go(reopened(sides))
    assert [one.path for one in status(repo).staged] == staged
    assert status(repo).changed == {}
    assert ((repo.root / "f").read_bytes(), (repo.root / "new/x").read_bytes()) == (b"mine", b"mine")
    assert check(repo).problems == ()


def test_what_is_taken_out_goes_along_where_versions_are_alike(sides: Repo) -> None:
    remove(sides, ["f"])
    repo = to_side(sides)
    assert [(one.path, one.after) for one in status(repo).staged] == [("f", None)]
    assert not (repo.root / "f").exists()


def test_what_is_added_where_versions_differ_is_a_reason_to_stay(sides: Repo) -> None:
    write_tree(sides.root, {"e/a": b"mine"})
    add(sides, ["e"])
    before = (picture(sides.root), sides.lock_path.read_bytes())
    with pytest.raises(DirtyWorktree, match="not committed") as caught:
        branches.switch(sides, "side")
    assert caught.value.paths == ("e",)
    assert (picture(sides.root), sides.lock_path.read_bytes()) == before


def test_what_is_added_as_the_other_version_has_it_is_no_change_there(sides: Repo) -> None:
    write_tree(sides.root, {"e/a": b"2"})
    add(sides, ["e"])
    assert status(to_side(sides)).is_clean


def test_what_is_added_inside_of_what_the_other_version_tracks_is_a_reason_to_stay(sides: Repo) -> None:
    branches.switch(sides, "nested", new=True)
    save(sides, {"g/a": b"1"})
    branches.switch(sides, "main")
    write_tree(sides.root, {"g/s/x": b"mine"})
    add(sides, ["g/s"])
    with pytest.raises(DirtyWorktree, match="not committed") as caught:
        branches.switch(sides, "nested")
    assert caught.value.paths == ("g/s",)


def test_a_switch_that_was_killed_is_done_by_the_next(sides: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("xver.versioning.restoring.execute_checkout", lambda *_, **__: os._exit(9))
        if (child := os.fork()) == 0:
            branches.switch(sides, "side")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [one.path for one in status(reopened(sides)).staged] == ["d", "e"]
    assert status(to_side(reopened(sides))).is_clean
    assert picture(sides.root)["e/a"] == b"2"
