"""Checkout: the disk becomes what `xver.lock` says, and nothing that is not in the store is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repos import partial_clone, reopened, save, write_tree
from tests.support.trees import picture, posix
from xver.errors import Conflict, DirtyWorktree, InvalidInput, NotFound, StorageError
from xver.format.lockfile import Lock
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning.restoring import checkout, restore, switch_to
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import entries_at
from xver.worktree.checkout import check_names
from xver.worktree.folders import Folders

ONE = {"d/a": b"1", "d/both": b"1", "d/s/x": b"1"}
TWO = {"d/b": b"2", "d/both": b"2", "d/t/y": b"2"}


@pytest.fixture
def two(repo: Repo) -> tuple[Repo, str, str]:
    """A repository with two versions of `d`, the second on the disk, and their ids."""
    first = save(repo, ONE)
    for name in set(ONE) - set(TWO):
        (repo.root / name).unlink()
    (repo.root / "d" / "s").rmdir()
    return repo, first, save(repo, TWO)


def lock_of(repo: Repo, rev: str) -> None:
    """Let `xver.lock` be another version's, as `git checkout` does, and nothing else."""
    repo.write_lock(Lock(repo.lock.repository, entries_at(repo, rev)))


def test_only_what_differs_is_touched(repo: Repo) -> None:
    first = save(repo, {"d/a": b"1", "d/same": b"1", "d/s/same": b"1"})
    save(repo, {"d/a": b"2", "d/new": b"2"})
    stats = {name: (repo.root / name).stat().st_ino for name in ("d/same", "d/s/same")}
    lock_of(repo, first)
    done = checkout(repo)
    assert (done.written, done.removed, done.size) == (1, 1, 1)
    assert stats == {name: (repo.root / name).stat().st_ino for name in stats}
    assert checkout(repo).written == 0


def test_versions_come_and_go_with_their_folders(two: tuple[Repo, str, str]) -> None:
    repo, first, second = two
    for rev, files in ((first, ONE), (second, TWO), (first, ONE)):
        lock_of(repo, rev)
        checkout(reopened(repo))
        assert picture(repo.root) == files
        assert status(reopened(repo)).changed == {}


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
    assert caught.value.hint == "xver add d to keep the changes, or xver checkout --force to lose them"
    assert picture(repo.root) == before
    checkout(repo, force=True)
    assert picture(repo.root) == ONE
    del second


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


@posix
def test_a_link_planted_between_plan_and_write_is_an_error(tmp_path: Path) -> None:
    write_tree(tmp_path, {"root/keep": b"", "away/x": b"theirs"})
    (tmp_path / "root" / "d").symlink_to(tmp_path / "away")
    with Folders(tmp_path / "root") as folders, pytest.raises(Exception, match="'d' is no folder"):
        folders.ensure("d/s")
    assert os.listdir(tmp_path / "away") == ["x"]


@pytest.mark.parametrize("appears", [b"mine", None])
def test_what_appears_between_plan_and_write_is_not_overwritten(
    two: tuple[Repo, str, str], monkeypatch: pytest.MonkeyPatch, appears: bytes | None
) -> None:
    repo, first, _ = two
    lock_of(repo, first)
    ensure = Folders.ensure

    def meanwhile(self: Folders, folder: str, **options: bool) -> int:
        if appears:
            (repo.root / "d" / "both").write_bytes(appears)
        else:
            (repo.root / "d" / "both").unlink(missing_ok=True)
        return ensure(self, folder, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Folders, "ensure", meanwhile)
        if appears:
            with pytest.raises(Conflict, match="d/both changed while it was being checked out"):
                checkout(repo)
            assert (repo.root / "d" / "both").read_bytes() == appears
            (repo.root / "d" / "both").unlink()
    checkout(repo)
    assert picture(repo.root) == ONE
    assert not [name for name in os.listdir(repo.root / "d") if name.endswith(".tmp")]


def test_a_disk_that_is_full_leaves_no_half_file_and_a_retry_works(
    two: tuple[Repo, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, first, second = two
    lock_of(repo, first)

    replace = os.replace

    def full(*args: Path, **options: int) -> None:
        if options:  # in the data, not for xver's own files
            raise OSError(28, "No space left on device")
        replace(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(StorageError, match="cannot be written: no space left on device"):
            checkout(repo)
    assert not [name for name in os.listdir(repo.root / "d") if name.endswith(".tmp")]
    checkout(reopened(repo))
    assert picture(repo.root) == ONE
    del second


KILLED = """
import os, sys
from pathlib import Path
from xver.repo import open_repo
from xver.versioning.restoring import checkout
from xver.worktree import folders
left, replace = int(sys.argv[1]), os.replace
def replaces(*args, **options):
    global left
    if options and not left:
        os.kill(os.getpid(), 9)
    left -= bool(options)
    return replace(*args, **options)
os.replace = replaces
checkout(open_repo(sys.argv[2]))
"""


@posix
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("then", ["again", "back", "back with the index lost"])
def test_a_checkout_that_was_killed(two: tuple[Repo, str, str], after: int, then: str) -> None:
    repo, first, second = two
    lock_of(repo, first)
    done = subprocess.run([sys.executable, "-c", KILLED, str(after), str(repo.root)], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if then != "again":
        lock_of(repo, second)
    if then.endswith("lost"):
        (repo.places.own / "stat-index").unlink()
    checkout(reopened(repo))
    expected = ONE if then == "again" else TWO
    found = {path: one for path, one in picture(repo.root).items() if one != "/"}
    if then.endswith("lost"):
        # Files of the version that was never reached are not known to be ours any more: they stay.
        assert expected.items() <= found.items() <= (ONE | TWO).items()
    else:
        assert found == expected
    assert not [name for _, _, names in os.walk(repo.root / "d") for name in names if name.endswith(".tmp")]
    assert check(reopened(repo)).problems == ()


def test_an_interrupted_switch_leaves_xver_lock_as_it_was(
    two: tuple[Repo, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, first, _ = two
    before = repo.lock_path.read_bytes()

    replace = os.replace

    def interrupted(*args: Path, **options: int) -> None:
        if options:
            raise KeyboardInterrupt
        replace(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            switch_to(repo, entries_at(repo, first))
    assert repo.lock_path.read_bytes() == before
    checkout(reopened(repo))
    assert picture(repo.root) == TWO


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


@pytest.mark.parametrize("names", [["A", "a"], ["s/x", "S/y", "s/X"], ["caf\u00e9", "cafe\u0301"], ["ß", "SS"]])
def test_names_that_a_file_system_takes_for_one(names: list[str]) -> None:
    check_names(names, folds=False, windows=False)
    with pytest.raises(InvalidInput, match="are one name on this file system"):
        check_names(names, folds=True, windows=False)


@pytest.mark.parametrize("name", ["con", "a/NUL.txt", "COM1", "lpt9.a.b", "a:b", "x.", "x /y", "a\\b", "aux .txt"])
def test_names_that_windows_reserves(name: str) -> None:
    check_names([name], folds=False, windows=False)
    with pytest.raises(InvalidInput, match="is no name for a file on Windows"):
        check_names(["ok", name], folds=False, windows=True)


def test_names_that_only_look_reserved() -> None:
    check_names(["console", "com0", "com10", "a.con", "nul_", ".x"], folds=True, windows=True)
