"""Checkout: the disk becomes what `xver.lock` says, and nothing that is not in the store is lost on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repos import partial_clone, read_tree, reopened, save, write_tree
from tests.support.trees import picture, posix
from xver.errors import DirtyWorktree, InvalidInput, NotFound
from xver.format.lockfile import Lock
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout, restore, switch_to
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.worktree.stats import pack_stat

from .conftest import ONE, TWO, lock_of

pytestmark = pytest.mark.usefixtures("folders")


def test_only_what_differs_is_touched(repo: Repo) -> None:
    first = save(repo, {"d/a": b"1", "d/same": b"1", "d/s/same": b"1"})
    save(repo, {"d/a": b"2", "d/new": b"2"})
    stats = {name: (repo.root / name).stat().st_ino for name in ("d/same", "d/s/same")}
    lock_of(repo, first)
    done = checkout(repo)
    assert (done.written, done.removed, done.size) == (1, 1, 1)
    assert stats == {name: (repo.root / name).stat().st_ino for name in stats}
    assert checkout(repo).written == 0


def test_a_folder_named_like_a_temporary_file_is_left_alone(repo: Repo) -> None:
    name = ".xver-0123456789ab.tmp"
    write_tree(repo.root, {f"d/{name}/mine": b"m", "d/a": b"1", f"{name}/mine": b"m", "f": b"1"})
    add(repo, ["d", "f"])
    write_tree(repo.root, {"d/a": b"2", "f": b"2"})
    checkout(repo, force=True)
    want = {"d/a": b"1", "f": b"1", f"d/{name}/mine": b"m", f"{name}/mine": b"m"}
    assert {path: data for path, data in read_tree(repo.root).items() if path in want} == want


def test_versions_come_and_go_with_their_folders(two: tuple[Repo, str, str]) -> None:
    repo, first, second = two
    for rev, files in ((first, ONE), (second, TWO), (first, ONE)):
        lock_of(repo, rev)
        checkout(reopened(repo))
        assert picture(repo.root) == files
        assert status(reopened(repo)).changed == {}


def test_what_was_written_is_known_without_being_read_again(two: tuple[Repo, str, str]) -> None:
    repo, first, _ = two
    lock_of(repo, first)
    checkout(repo)
    tree = reopened(repo).stat_index.tree("d")
    assert tree is not None
    assert tree.id == repo.lock.entries[TrackedPath("d")].id  # type: ignore[union-attr]
    assert {path: stat for path, stat, _ in tree.rows()} == {
        name.removeprefix("d/"): pack_stat(os.lstat(repo.root / name)) for name in ONE
    }


def test_a_write_right_after_a_checkout_is_seen(two: tuple[Repo, str, str]) -> None:
    repo, first, second = two
    for n in range(20):
        lock_of(repo, second if n % 2 else first)
        checkout(repo)
        (repo.root / "d" / "both").write_bytes(b"9")  # as large as before, and perhaps in the same tick of the clock
        changed = status(reopened(repo)).changed[TrackedPath("d")]
        assert [one.path for one in changed.differences] == ["both"]
        (repo.root / "d" / "both").unlink()


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_lost_stat_index_loses_nothing(two: tuple[Repo, str, str], damage: bytes | None) -> None:
    repo, first, _ = two
    index = repo.places.own / "stat-index"
    index.unlink() if damage is None else index.write_bytes(damage)
    lock_of(repo, first)
    write_tree(repo.root, {"d/mine": b"never added"})
    checkout(reopened(repo))
    assert picture(repo.root) == ONE | {"d/mine": b"never added"}


@pytest.mark.parametrize(
    "unsaved",
    [{"d/both": b"mine"}, {"d/a": b"mine"}, {"d/b": b"mine"}, {"d/s": b"mine"}, {"d/s/x": b"mine"}],
    ids=["modified", "new where a file comes", "modified and gone there", "where a folder comes", "in a new folder"],
)
def test_work_that_was_never_added_is_never_lost(two: tuple[Repo, str, str], unsaved: dict[str, bytes]) -> None:
    repo, first, second = two
    write_tree(repo.root, unsaved)
    before = picture(repo.root)
    lock_of(repo, first)
    with pytest.raises(DirtyWorktree) as caught:
        checkout(repo)
    assert caught.value.paths == tuple(unsaved)
    assert caught.value.hint == "xver add d to keep the changes, or xver checkout --force d to lose them"
    assert picture(repo.root) == before
    checkout(repo, force=True)
    assert picture(repo.root) == ONE
    del second


def test_a_restore_that_was_refused_leaves_the_user_s_files_to_the_user(repo: Repo) -> None:
    save(repo, {"old/a": b"1", "old/b": b"2", "keep": b"k"})
    remove(repo, ["old"])
    save(repo, {"keep": b"k2"})
    mine = {"old/a": b"1", "old/b": b"mine", "keep": b"k2"}
    before = repo.store.log.refs[repo.lock_ref]
    write_tree(repo.root, mine)
    with pytest.raises(DirtyWorktree):
        restore(repo, ["old"], rev="HEAD~1")
    assert repo.store.log.refs[repo.lock_ref] == before
    checkout(reopened(repo))
    assert picture(repo.root) == mine


def test_work_that_was_added_once_may_go(two: tuple[Repo, str, str]) -> None:
    repo, first, _ = two
    write_tree(repo.root, {"d/both": b"mine"})
    add(repo, ["d"])
    lock_of(repo, first)
    checkout(repo)
    assert picture(repo.root) == ONE


def test_files_that_no_version_had_stay(two: tuple[Repo, str, str]) -> None:
    repo, first, _ = two
    write_tree(repo.root, {"d/mine": b"!", "d/t/mine": b"!", "d/s/mine": b"!"})
    lock_of(repo, first)
    checkout(repo)
    assert picture(repo.root) == ONE | {"d/mine": b"!", "d/t/mine": b"!", "d/s/mine": b"!"}


def test_force_takes_no_more_than_it_must(two: tuple[Repo, str, str]) -> None:
    repo, first, _ = two
    write_tree(repo.root, {"d/mine": b"!", "d/both": b"mine"})
    lock_of(repo, first)
    checkout(repo, force=True)
    assert picture(repo.root) == ONE | {"d/mine": b"!"}


def test_an_ignored_file_is_as_safe_as_any(two: tuple[Repo, str, str]) -> None:
    repo, first, _ = two
    (repo.root / ".xverignore").write_text("a\n/d/s/\n", encoding="utf-8")
    write_tree(repo.root, {"d/a": b"mine"})
    lock_of(repo, first)
    with pytest.raises(DirtyWorktree) as caught:
        checkout(reopened(repo))
    assert caught.value.paths == ("d/a",)
    (repo.root / "d" / "a").unlink()
    checkout(reopened(repo))
    assert status(reopened(repo)).changed == {}
    assert (repo.root / "d" / "s" / "x").read_bytes() == b"1"


def make_folder(path: Path) -> None:
    (path / "deep" / "er").mkdir(parents=True)


def make_full_folder(path: Path) -> None:
    write_tree(path, {"mine": b"!"})


def make_repository(path: Path) -> None:
    write_tree(path, {".git/HEAD": b"ref: x"})


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


@posix
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (make_folder, None),
        (make_full_folder, DirtyWorktree),
        (make_repository, InvalidInput),
        (make_pipe, InvalidInput),
    ],
)
@pytest.mark.parametrize("is_dataset", [True, False])
def test_what_stands_where_a_file_belongs(
    repo: Repo, make: Callable[[Path], None], error: type[Exception] | None, is_dataset: bool
) -> None:
    save(repo, {"d/a": b"1", "d/b": b"1"} if is_dataset else {"f": b"1", "g": b"1"})
    target = repo.root / ("d/a" if is_dataset else "f")
    target.unlink()
    make(target)
    before = picture(repo.root)
    if error is None:
        checkout(repo)
        assert target.read_bytes() == b"1"
        return
    for force in (False, *([True] if error is InvalidInput else [])):
        with pytest.raises(error):
            checkout(repo, force=force)
        assert picture(repo.root) == before


@posix
@pytest.mark.parametrize("top", ["d", "d/s", "out/in"])
def test_a_planted_link_is_never_followed(repo: Repo, tmp_path: Path, top: str) -> None:
    files = {"d/s/x": b"1"} if top != "out/in" else {"out/in/x": b"1"}
    write_tree(repo.root, files)
    add(repo, ["out/in" if top == "out/in" else "d"])
    away = tmp_path / "away"
    planted = repo.root / top.partition("/")[0] if top == "out/in" else repo.root / top
    os.rename(planted, away)
    planted.symlink_to(away)
    write_tree(away, {"s/x": b"theirs", "x": b"theirs", "in/x": b"theirs"})
    outside = picture(away)
    with pytest.raises((DirtyWorktree, InvalidInput)):
        checkout(repo)
    assert picture(away) == outside
    if top != "out/in":
        checkout(repo, force=True)
        assert picture(repo.root) == files
        assert picture(away) == outside


def test_a_part_is_checked_out_and_nothing_else(two: tuple[Repo, str, str]) -> None:
    repo, first, _ = two
    write_tree(repo.root, {"d/both": b"mine"})
    lock_of(repo, first)
    checkout(repo, ["d/a", "d/s"])
    assert picture(repo.root) == TWO | {"d/both": b"mine", "d/a": b"1", "d/s/x": b"1"}
    with pytest.raises(DirtyWorktree):
        checkout(repo, ["d/both"])
    checkout(repo, ["d/both"], force=True)
    assert picture(repo.root) == TWO | ONE
    with pytest.raises(NotFound, match="dd is not tracked"):
        checkout(repo, ["dd"])


def test_paths_that_are_no_longer_tracked_go_if_they_are_clean(repo: Repo) -> None:
    first = save(repo, {"keep/a": b"1"})
    save(repo, {"gone/a": b"1", "gone/s/b": b"1", "edited/a": b"1", "single": b"1"})
    (repo.root / "empty").mkdir()
    add(repo, ["empty"])
    write_tree(repo.root, {"edited/a": b"mine", "gone/new": b"mine"})
    lock_of(repo, first)
    checkout(repo)
    assert picture(repo.root) == {"keep/a": b"1", "edited/a": b"mine", "gone/new": b"mine"}


@pytest.mark.parametrize("is_index_lost", [False, True])
def test_what_was_tracked_apart_and_is_tracked_as_one_stays(repo: Repo, is_index_lost: bool) -> None:
    files = {"d/one/a": b"1", "d/two/b": b"1"}
    write_tree(repo.root, files)
    add(repo, ["d/one", "d/two"])
    apart = repo.lock.entries
    repo.write_lock(Lock(repo.lock.repository, {}))
    add(repo, ["d"])
    together = repo.lock.entries
    for entries in (apart, together, apart):
        if is_index_lost:
            (repo.places.own / "stat-index").unlink()
        switch_to(reopened(repo), entries)
        assert picture(repo.root) == files
        assert status(reopened(repo)).changed == {}


def test_a_tracked_file_becomes_the_folder_of_a_dataset_and_back(repo: Repo) -> None:
    write_tree(repo.root, {"d": b"file"})
    add(repo, ["d"])
    file = repo.lock.entries
    (repo.root / "d").unlink()
    repo.write_lock(Lock(repo.lock.repository, {}))
    write_tree(repo.root, {"d/s/a": b"1"})
    add(repo, ["d/s"])
    folder = repo.lock.entries
    switch_to(repo, file)
    assert picture(repo.root) == {"d": b"file"}
    switch_to(repo, folder)
    assert picture(repo.root) == {"d/s/a": b"1"}
    switch_to(repo, file)
    write_tree(repo.root, {"d": b"mine"})
    with pytest.raises(InvalidInput, match="d is a file where d/s needs a folder"):
        switch_to(repo, folder)
    assert picture(repo.root) == {"d": b"mine"}


def test_content_that_is_not_here_is_asked_for_before_anything_is_written(repo: Repo, tmp_path: Path) -> None:
    save(repo, {"d/a": b"1", "d/b": b"22", "e": b"3"})
    clone = partial_clone(repo, tmp_path / "clone", without=b"22")
    for paths in ([], ["d"], ["d/b"]):
        with pytest.raises(NotFound, match=r"1 file \(2 bytes\) not local"):
            checkout(clone, paths)
        assert picture(clone.root) == {}
    checkout(clone, ["d/a", "e"])
    assert picture(clone.root) == {"d/a": b"1", "e": b"3"}


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("d", {"d/a": b"1", "d/both": b"1", "d/s/x": b"1", "e": b"2"}),
        ("d/both", {"d/b": b"2", "d/both": b"1", "d/t/y": b"2", "e": b"2"}),
        ("d/s", {"d/b": b"2", "d/both": b"2", "d/s/x": b"1", "d/t/y": b"2", "e": b"2"}),
        ("", {"d/a": b"1", "d/both": b"1", "d/s/x": b"1"}),
    ],
)
def test_restoring_from_another_version(two: tuple[Repo, str, str], path: str, files: dict[str, bytes]) -> None:
    repo, first, _ = two
    save(repo, {"e": b"2"})
    restore(repo, [path], rev=first)
    assert picture(repo.root) == files
    assert status(repo).changed == {}
    assert check(repo).problems == ()


def test_restoring_never_makes_a_path_part_of_another(repo: Repo) -> None:
    write_tree(repo.root, {"d/s/a": b"1"})
    add(repo, ["d/s"])
    first = save(repo, {"e": b"1"})
    repo.write_lock(Lock(repo.lock.repository, {}))
    add(repo, ["d"])
    with pytest.raises(InvalidInput, match=r"d/s was tracked in .*, and d is tracked now"):
        restore(repo, ["d/s"], rev=first)
    assert list(repo.lock.entries) == ["d"]


@pytest.mark.parametrize("path", ["none", "d/none", "e/x"])
def test_restoring_what_a_version_has_not(two: tuple[Repo, str, str], path: str) -> None:
    repo, first, _ = two
    with pytest.raises(NotFound, match=f"{path} is not in"):
        restore(repo, [path], rev=first)
