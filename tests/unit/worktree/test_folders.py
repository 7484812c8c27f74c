"""Writing below a root, in both ways: nothing is followed, nothing half-written stays, what is in the way is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.repos import write_tree
from tests.support.trees import WAYS, not_root, picture, posix, windows
from xver.errors import Conflict, CorruptData, InvalidInput, StorageError
from xver.model.entries import File, Link
from xver.model.ids import EMPTY_ID, ChunkId, chunk_id, fingerprint
from xver.patience import patiently
from xver.worktree.folders import Folders, NamedFolders, long_path, open_folders
from xver.worktree.stats import pack_stat

FILE = File(EMPTY_ID, 0, fingerprint(b""))
LINK = Link(ChunkId(chunk_id(b"a/b")), 3)

both = pytest.mark.parametrize("kind", WAYS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tree(tmp_path, {"root/keep": b"kept", "root/d/s/old": b"old", "away/x": b"theirs"})
    return tmp_path / "root"


@both
def test_a_file_is_written_with_its_folders_and_removed_with_them(root: Path, kind: type[Folders]) -> None:
    with kind(root) as folders:
        folders.write("new/t/f", FILE, iter([b"one", memoryview(b"two")]), seen=b"")
        assert picture(root)["new/t/f"] == b"onetwo"
        folders.write("new/t/f", FILE, iter([b"three"]), seen=pack_stat(os.lstat(root / "new/t/f")))
        assert picture(root)["new/t/f"] == b"three"
        folders.remove("new/t/f", "", seen=None)
        folders.remove("gone/f", "", seen=b"")
    assert picture(root) == {"keep": b"kept", "d/s/old": b"old"}


@both
def test_folders_that_are_emptied_go_up_to_the_top(root: Path, kind: type[Folders]) -> None:
    with kind(root) as folders:
        folders.remove("d/s/old", "d", seen=None)
        assert picture(root) == {"keep": b"kept", "d": "/"}
        assert folders.prune("d")
        assert not folders.prune("d")
        assert not folders.prune("keep")
    assert picture(root) == {"keep": b"kept"}


@posix
@both
@pytest.mark.parametrize("act", ["ensure", "write", "remove", "prune"])
def test_a_planted_link_is_an_error_and_never_a_way_out(root: Path, kind: type[Folders], act: str) -> None:
    (root / "l").symlink_to(root.parent / "away")
    with kind(root) as folders:
        if act == "prune":
            assert not folders.prune("l")
        else:
            acts: dict[str, Callable[[], object]] = {
                "ensure": lambda: folders.ensure("l/s/t"),
                "write": lambda: folders.write("l/x", FILE, iter([b"ours"]), seen=None),
                "remove": lambda: folders.remove("l/x", "", seen=None),
            }
            with pytest.raises(CorruptData, match="'l' is no folder but something else"):
                acts[act]()
    assert picture(root.parent / "away") == {"x": b"theirs"}
    assert (root / "l").is_symlink()


@posix
@both
def test_a_link_is_replaced_and_not_what_it_leads_to(root: Path, kind: type[Folders]) -> None:
    (root / "l").symlink_to(root.parent / "away" / "x")
    (root / "dangling").symlink_to(root.parent / "away" / "new")
    with kind(root) as folders:
        folders.write("l", FILE, iter([b"ours"]), seen=None)
        folders.write("dangling", FILE, iter([b"ours"]), seen=None)
        folders.write("keep", LINK, iter([b"a/b"]), seen=None)
    assert picture(root.parent / "away") == {"x": b"theirs"}
    assert picture(root) == {"l": b"ours", "dangling": b"ours", "keep": "-> a/b", "d/s/old": b"old"}


@both
def test_a_file_on_the_way_is_no_folder(root: Path, kind: type[Folders]) -> None:
    with kind(root) as folders, pytest.raises(CorruptData, match="'keep' is no folder"):
        folders.write("keep/f", FILE, iter([b"x"]), seen=b"")


@both
@pytest.mark.parametrize("seen", [b"", b"something else"])
def test_what_is_not_as_it_was_seen_stays(root: Path, kind: type[Folders], seen: bytes) -> None:
    with kind(root) as folders:
        with pytest.raises(Conflict, match="keep changed while"):
            folders.write("keep", FILE, iter([b"ours"]), seen=seen)
        with pytest.raises(Conflict, match="keep changed while"):
            folders.remove("keep", "", seen=seen)
    assert picture(root) == {"keep": b"kept", "d/s/old": b"old"}


@both
def test_a_folder_gives_way_to_a_file_only_if_it_holds_nothing(root: Path, kind: type[Folders]) -> None:
    (root / "e" / "f" / "g").mkdir(parents=True)
    (root / "e" / "h").mkdir()
    with kind(root) as folders:
        folders.write("e", FILE, iter([b"x"]), seen=b"")
        with pytest.raises(InvalidInput, match="d is a folder, and a file belongs there"):
            folders.write("d", FILE, iter([b"x"]), seen=None)
    assert picture(root) == {"keep": b"kept", "d/s/old": b"old", "e": b"x"}


@posix
@both
def test_a_link_in_a_folder_that_gives_way_is_not_entered(root: Path, kind: type[Folders]) -> None:
    (root.parent / "away" / "empty").mkdir()
    (root / "e").mkdir()
    (root / "e" / "l").symlink_to(root.parent / "away" / "empty")
    with kind(root) as folders, pytest.raises(InvalidInput, match="e is a folder"):
        folders.write("e", FILE, iter([b"x"]), seen=None)
    assert (root.parent / "away" / "empty").is_dir()


@both
def test_content_that_ends_in_an_error_leaves_nothing(root: Path, kind: type[Folders]) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with kind(root) as folders, pytest.raises(StorageError, match="keep cannot be written: no space left"):
        folders.write("keep", FILE, parts(), seen=None)
    assert sorted(os.listdir(root)) == ["d", "keep"]
    assert picture(root)["keep"] == b"kept"


@both
def test_more_folders_than_are_kept_open(root: Path, kind: type[Folders]) -> None:
    deep = "/".join(["deep"] * 70)
    with kind(root) as folders:
        folders.write(f"{deep}/f", FILE, iter([b"x"]), seen=b"")
        for number in range(150):
            folders.write(f"n{number}/s/f", FILE, iter([b"x"]), seen=b"")
        folders.remove(f"{deep}/f", "", seen=None)
    assert len(picture(root)) == 152
    assert not (root / "deep").exists()


@posix
@not_root
@both
def test_a_folder_that_may_not_be_written(root: Path, kind: type[Folders]) -> None:
    (root / "d").chmod(0o500)
    try:
        with kind(root) as folders, pytest.raises(StorageError, match="d/new cannot be written: permission denied"):
            folders.write("d/new", FILE, iter([b"x"]), seen=b"")
    finally:
        (root / "d").chmod(0o700)


@windows
def test_a_junction_is_no_folder(root: Path) -> None:
    away = root.parent / "away"
    subprocess.run(["cmd", "/c", "mklink", "/J", str(root / "j"), str(away)], check=True, capture_output=True)
    with open_folders(root) as folders:
        with pytest.raises(CorruptData, match="'j' is no folder"):
            folders.write("j/x", FILE, iter([b"ours"]), seen=None)
        assert not folders.prune("j")
    assert picture(away) == {"x": b"theirs"}


@windows
def test_a_file_that_is_marked_as_read_only_is_replaced_and_removed(root: Path) -> None:
    with open_folders(root) as folders:
        (root / "keep").chmod(0o400)
        folders.write("keep", FILE, iter([b"new"]), seen=None)
        (root / "keep").chmod(0o400)
        folders.remove("keep", "", seen=None)
    assert not (root / "keep").exists()


@windows
def test_paths_of_any_length(root: Path) -> None:
    deep = "/".join(["a-folder-with-a-long-name"] * 20)
    with open_folders(root) as folders:
        folders.write(f"{deep}/f", FILE, iter([b"x"]), seen=b"")
        folders.remove(f"{deep}/f", "", seen=None)
    assert picture(root) == {"keep": b"kept", "d/s/old": b"old"}


def test_the_long_form_of_paths() -> None:
    name = "\\n" * 120
    assert long_path("C:\\short") == "C:\\short"
    assert long_path("C:" + name) == "\\\\?\\C:" + name
    assert long_path("\\\\server\\share" + name) == "\\\\?\\UNC\\server\\share" + name
    assert long_path("\\\\?\\C:" + name) == "\\\\?\\C:" + name


@pytest.mark.parametrize("busy", [0, 1, 3, 4])
def test_a_file_that_is_busy_for_a_moment_is_waited_for(busy: int) -> None:
    calls: list[int] = []

    def act() -> str:
        calls.append(1)
        if len(calls) <= busy:
            raise PermissionError(13, "the process cannot access the file")
        return "done"

    if busy > 3:
        with pytest.raises(PermissionError):
            patiently(act, waits=(0, 0, 0))
    else:
        assert patiently(act, waits=(0, 0, 0)) == "done"
    assert len(calls) == min(busy + 1, 4)


@posix
def test_elsewhere_nothing_is_waited_for() -> None:
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        raise PermissionError

    with pytest.raises(PermissionError):
        patiently(act)
    assert calls == [1]


def test_a_name_cannot_begin_a_path_of_its_own(root: Path) -> None:
    place = NamedFolders(root).ensure("d")
    assert place.of("C:") == f"{root}{os.sep}d{os.sep}C:"
