"""Undo: what each operation did goes back, and no work on the disk goes with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repos import SOMEBODY, new_repo, reopened, save, write_tree
from tests.support.trees import picture
from tests.unit.git.repository import Repository
from xver.errors import Conflict, DirtyWorktree, InvalidInput, MergeConflict, StorageError
from xver.history.graph import read_snapshot
from xver.history.merge import Side
from xver.model.ids import SnapshotId
from xver.model.refs import HEADS, TAGS
from xver.repo import Repo, init_repo
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.heads import head_entries
from xver.versioning.merging import merge_snapshot
from xver.versioning.moving import move
from xver.versioning.operations import operations
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout, restore
from xver.versioning.reverting import revert
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.undoing import undo
from xver.versioning.unstaging import unstage
from xver.versioning.versions import head_id, read_head
from xver.worktree.stat_index import StatIndex

FILES = {"d/a": b"a", "d/s/x": b"x", "e/b": b"b", "f": b"f"}


def _write_and_add(repo: Repo) -> None:
    write_tree(repo.root, {"d/new": b"new", "g": b"g"})
    add(repo, ["d", "g"])


OPERATIONS: dict[str, Callable[[Repo], object]] = {
    "rm d": lambda repo: remove(repo, ["d"]),
    "rm d/s": lambda repo: remove(repo, ["d/s"]),
    "rm --cached d": lambda repo: remove(repo, ["d"], cached=True),
    "rm --cached d/s": lambda repo: remove(repo, ["d/s"], cached=True),
    "mv d n/d": lambda repo: move(repo, ["d"], "n/d"),
    "mv d/s f e": lambda repo: move(repo, ["d/s", "f"], "e"),
    "restore --source HEAD~1 d": lambda repo: restore(repo, ["d"], rev="HEAD~1"),
    "revert HEAD": lambda repo: revert(repo, "HEAD"),
    "revert --no-commit HEAD": lambda repo: revert(repo, "HEAD", no_commit=True),
    "switch side": lambda repo: branches.switch(repo, "side"),
    "switch -c more": lambda repo: branches.switch(repo, "more", new=True),
    "switch HEAD~1": lambda repo: branches.switch(repo, "HEAD~1"),
    "merge side": lambda repo: merge_snapshot(repo, "side"),
    "branch more": lambda repo: branches.create(repo, HEADS, "more"),
    "branch -d side": lambda repo: branches.delete(repo, HEADS, "side"),
    "tag -d v1": lambda repo: branches.delete(repo, TAGS, "v1"),
}


@pytest.fixture
def rich(repo: Repo) -> Repo:
    """A repository with two versions, a branch that left the first, and a tag."""
    save(repo, FILES)
    branches.create(repo, TAGS, "v1")
    branches.switch(repo, "side", new=True)
    save(repo, {"e/theirs": b"theirs"})
    branches.switch(repo, "main")
    save(repo, {"d/a": b"second"})
    return reopened(repo)


def everything(repo: Repo) -> object:
    again = reopened(repo)
    found = status(again)
    names = {prefix: branches.names(again, prefix) for prefix in (HEADS, TAGS)}
    disk = {path: data for path, data in picture(again.root).items() if data != "/"}
    return disk, again.lock, read_head(again), head_id(again), names, found.staged, found.changed, found.absent


@pytest.mark.parametrize("words", OPERATIONS)
def test_an_operation_is_undone(rich: Repo, words: str) -> None:
    before, known = everything(rich), operations(rich)
    OPERATIONS[words](rich)
    assert everything(rich) != before
    assert undo(reopened(rich)).words == words
    assert everything(rich) == before
    assert operations(rich) == known
    assert check(reopened(rich)).problems == ()


def _unstaged(repo: Repo) -> None:
    remove(repo, ["d/s", "f"], cached=True)
    unstage(repo)


def _undone(words: str) -> Callable[[Repo], None]:
    def act(repo: Repo) -> None:
        OPERATIONS[words](repo)
        undo(reopened(repo))

    return act


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_unstaged, id="restore --staged"),
        *(pytest.param(_undone(words), id=words) for words in OPERATIONS if words.startswith(("rm --cached", "mv"))),
    ],
)
def test_what_is_tracked_again_goes_with_its_version(rich: Repo, act: Callable[[Repo], None]) -> None:
    """Though nobody asked for the status in between, from which the files would be known again."""
    here = read_head(rich).removeprefix(HEADS)
    branches.switch(rich, "few", new=True)
    remove(rich, ["d", "f"])
    commit(rich, "few", author=SOMEBODY)
    branches.switch(rich, here)
    before = picture(rich.root)
    act(reopened(rich))
    assert {path: data for path, data in picture(rich.root).items() if data != "/"} == before
    branches.switch(reopened(rich), "few")
    assert [path for path, data in picture(rich.root).items() if data != "/"] == ["e/b"]


@pytest.mark.parametrize("step", ["undoing.rename_all", "undoing.write_lock_only"])
def test_a_move_whose_undo_was_cut_off_is_undone(rich: Repo, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before = everything(rich)
    move(rich, ["d"], "n")
    with monkeypatch.context() as patch:
        patch.setattr(f"xver.versioning.{step}", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            undo(reopened(rich))
    undo(reopened(rich))
    assert everything(rich) == before


def test_an_add_leaves_the_files_and_a_commit_leaves_the_lock(rich: Repo) -> None:
    before = rich.lock
    _write_and_add(rich)
    added = rich.lock
    commit(rich, "a version\n\nand why", author=SOMEBODY)
    assert [one.words for one in operations(rich)[:2]] == ["commit a version", "add d g"]
    undo(rich)
    assert rich.lock == added
    assert [one.path for one in status(rich).staged] == ["d", "g"]
    undo(rich)
    assert rich.lock == before
    # They are the user's again: nothing takes them for a version's.
    checkout(reopened(rich))
    assert (rich.root / "g").read_bytes() == b"g"
    assert (rich.root / "d" / "new").read_bytes() == b"new"


def test_the_first_commit_is_undone(repo: Repo) -> None:
    save(repo, FILES)
    undo(repo)
    assert head_id(repo) is None
    assert branches.names(repo, HEADS) == {}
    assert [one.path for one in status(repo).staged] == ["d", "e", "f"]


def test_one_after_the_other_down_to_nothing(rich: Repo) -> None:
    count = len(operations(rich))
    assert count == 9
    for _ in range(count):
        undo(rich)
    assert rich.lock.entries == {}
    with pytest.raises(InvalidInput, match="nothing to undo"):
        undo(rich)


def test_work_that_was_not_added_is_never_lost(rich: Repo) -> None:
    remove(rich, ["d"])
    write_tree(rich.root, {"d/a": b"mine"})
    with pytest.raises(DirtyWorktree):
        undo(rich)
    assert picture(rich.root)["d/a"] == b"mine"
    assert "d" not in rich.lock.entries
    (rich.root / "d" / "a").unlink()
    undo(rich)
    assert picture(rich.root)["d/a"] == b"second"


def test_other_changes_on_the_disk_stay_when_a_removal_is_undone(rich: Repo) -> None:
    write_tree(rich.root, {"e/b": b"changed"})
    remove(rich, ["d/s"])
    write_tree(rich.root, {"d/a": b"changed too"})
    undo(rich)
    found = picture(rich.root)
    assert (found["d/s/x"], found["d/a"], found["e/b"]) == (b"x", b"changed too", b"changed")


def test_changes_that_moved_move_back(rich: Repo) -> None:
    write_tree(rich.root, {"d/a": b"mine"})
    move(rich, ["d"], "n")
    write_tree(rich.root, {"n/more": b"more"})
    undo(rich)
    assert (picture(rich.root)["d/a"], picture(rich.root)["d/more"]) == (b"mine", b"more")


def test_what_something_else_changed_since_is_not_undone(rich: Repo) -> None:
    before = rich.lock
    _write_and_add(rich)
    rich.write_lock(before)
    undo(rich)  # somebody put xver.lock back already
    _write_and_add(rich)
    now = rich.lock
    entries = dict(now.entries)
    del entries[next(iter(entries))]
    rich.write_lock(type(now)(now.repository, entries))
    with pytest.raises(Conflict, match=r"xver.lock was changed by something else since add d g"):
        undo(rich)


def test_an_operation_that_never_ended_is_undone(rich: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(rich)
    with monkeypatch.context() as patch:
        patch.setattr("xver.versioning.removing.execute_checkout", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            remove(rich, ["d"])
    assert operations(rich)[0].after is None
    undo(reopened(rich))
    assert everything(rich) == before


def test_what_failed_and_changed_nothing_is_no_operation(rich: Repo) -> None:
    known = operations(rich)
    write_tree(rich.root, {"d/a": b"mine", "e/theirs": b"mine"})
    for fails in (
        lambda: branches.switch(rich, "side"),
        lambda: merge_snapshot(rich, "side"),
        lambda: commit(rich, "again"),
        lambda: revert(rich, "HEAD"),
    ):
        with pytest.raises((DirtyWorktree, InvalidInput)):
            fails()
    add(rich, ["f"])
    assert operations(rich) == known


def test_beside_git_a_commit_is_git_s(tmp_path: Path) -> None:
    git = Repository(tmp_path / "work")
    git.save("code", code="1")
    repo, _ = init_repo(tmp_path / "work")
    write_tree(repo.root, {"d/a": b"1"})
    add(repo, ["d"])
    undo(repo)
    assert repo.lock.entries == {}
    add(repo, ["d"])
    git.save("data")
    with pytest.raises(Conflict, match="git's HEAD moved since add d"):
        undo(repo)
    remove(repo, ["d"])
    undo(repo)
    assert picture(repo.root)["d/a"] == b"1"


def test_beside_git_what_never_ended_is_not_undone_behind_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = Repository(tmp_path / "work")
    git.save("code", code="1")
    repo, _ = init_repo(tmp_path / "work")
    write_tree(repo.root, {"d/a": b"1"})
    with monkeypatch.context() as patch:
        patch.setattr(StatIndex, "write", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            add(repo, ["d"])
    git.save("data")
    with pytest.raises(Conflict, match="git's HEAD moved since add d"):
        undo(reopened(repo))
    assert [*reopened(repo).lock.entries] == ["d"]


def test_unstaging_leaves_the_disk(rich: Repo) -> None:
    head = rich.lock
    write_tree(rich.root, {"d/new": b"new", "d/s/x": b"changed", "g": b"g"})
    add(rich, ["d", "g"])
    remove(rich, ["f"], cached=True)
    disk = picture(rich.root)
    assert [one.path for one in unstage(rich, ["d/new"])] == ["d"]
    assert {one.path for one in status(rich).changed["d"].differences} == {"new"}  # type: ignore[index]
    assert [one.path for one in unstage(rich, ["d/s"])] == ["d"]
    assert rich.lock.entries["d"] == head.entries["d"]  # type: ignore[index]
    assert [one.path for one in unstage(rich, ["f"])] == ["f"]
    assert [one.path for one in unstage(rich)] == ["g"]
    assert rich.lock == head
    assert unstage(rich) == []
    assert picture(rich.root) == disk
    write_tree(rich.root, {"d/s/x": b"never added"})
    with pytest.raises(DirtyWorktree):
        checkout(reopened(rich))


def test_what_went_while_it_was_not_tracked_counts_as_not_brought_here(rich: Repo) -> None:
    before = rich.lock.entries
    remove(rich, ["d"], cached=True)
    (rich.root / "d/a").unlink()
    undo(rich)
    assert rich.lock.entries == before
    found = status(rich)
    assert (found.changed, found.absent) == ({}, ())
    assert {str(top): away.names for top, away in found.away.items()} == {"d": frozenset({"a"})}
    checkout(rich)
    assert (rich.root / "d/a").read_bytes() == b"second"


def test_a_revert_is_a_merge(rich: Repo) -> None:
    save(rich, {"d/a": b"third", "e/more": b"more"})
    with pytest.raises(MergeConflict, match="d/a"):
        revert(rich, "HEAD~1")
    assert revert(rich, "HEAD~1", prefer=Side.THEIRS) is not None
    found = picture(rich.root)
    assert (found["d/a"], found["e/more"]) == (b"a", b"more")
    assert status(rich).is_clean
    with pytest.raises(InvalidInput, match=r"nothing of what .* changed is left"):
        revert(rich, "HEAD~2")


def test_what_cannot_be_reverted(rich: Repo, tmp_path: Path) -> None:
    merge_snapshot(rich, "side")
    with pytest.raises(InvalidInput, match="is a merge"):
        revert(rich, "HEAD")
    write_tree(rich.root, {"g": b"g"})
    add(rich, ["g"])
    with pytest.raises(DirtyWorktree, match="not committed"):
        revert(rich, "HEAD~1")
    one = new_repo(tmp_path / "one", {"d/a": b"1"})
    revert(one, "HEAD")
    assert picture(one.root) == {}
    assert one.lock.entries == {}


def test_a_merge_that_was_cut_off_is_ended_by_a_commit_or_taken_back(
    rich: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("xver.versioning.merging.commit_merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            merge_snapshot(rich, "side")
    ours, theirs = head_id(rich), branches.names(rich, HEADS)["side"]
    for _ in range(2):
        made = commit(reopened(rich), "both", author=SOMEBODY)
        assert read_snapshot(reopened(rich).store, SnapshotId(bytes.fromhex(made.id))).parents == (ours, theirs)
        rich = reopened(rich)
        assert merge_snapshot(rich, "side").kind == "up to date"
        undo(reopened(rich))
    undo(reopened(rich))
    assert reopened(rich).lock.entries == head_entries(reopened(rich))
    one = save(reopened(rich), {"d/a": b"more"})
    assert read_snapshot(reopened(rich).store, SnapshotId(bytes.fromhex(one))).parents == (ours,)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full needs /dev/full")
def test_what_cannot_be_noted_is_not_begun(rich: Repo) -> None:
    before = rich.lock
    (rich.places.own / "operations" / f"{operations(rich)[0].number + 1:010d}.tmp").symlink_to("/dev/full")
    write_tree(rich.root, {"g": b"g"})
    with pytest.raises(StorageError, match="cannot be written: no space left on device"):
        add(rich, ["g"])
    assert rich.lock == before
