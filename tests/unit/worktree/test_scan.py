"""What a scan shows of a folder, and what it leaves out."""

from __future__ import annotations

import errno
import os
import shlex
import socket
from pathlib import Path

import pytest

from tests.support.repos import write_tree
from tests.support.trees import not_root, posix
from xver.errors import InvalidInput
from xver.worktree.ignore import Ignore, user_rules
from xver.worktree.scan import Directory, scan


def found(root: Path, path: str = "d") -> list[str]:
    names = []
    for directory in scan(root, path, Ignore(root)):
        folder = f"{directory.path}/" if directory.path else ""
        names += [folder + name.decode() for name in directory.names]
    return names


def whole(root: Path) -> Directory:
    (only,) = scan(root, "d", Ignore(root))
    return only


def test_every_file_once_parents_first_names_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    write_tree(tmp_path, dict.fromkeys(["d/b", "d/a/x", "d/a/y/z", "d/ä", "d/B", "d/a.txt", "other"], b""))
    assert found(tmp_path) == ["B", "a.txt", "b", "ä", "a/x", "a/y/z"]


def test_nothing_where_nothing_is(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize("name", [" lead", "trail ", "a b", "line\nend", "tab\t", "back\\slash", "#", "*?[", "-x", "~"])
@posix
def test_any_name_is_a_name(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, {f"d/{name}": b""})
    assert found(tmp_path) == [name]


@posix
def test_one_letter_in_two_normal_forms_is_two_names(tmp_path: Path) -> None:
    write_tree(tmp_path, {"d/caf\u00e9": b"", "d/cafe\u0301": b""})
    if len(os.listdir(tmp_path / "d")) == 1:
        pytest.skip("this file system normalises names")
    assert sorted(found(tmp_path)) == ["cafe\u0301", "caf\u00e9"]


@posix
def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, {"d/file": b""})
    os.mkfifo(tmp_path / "d" / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the path of a socket is at most a hundred bytes long
        listening.bind("d/socket")
    assert whole(tmp_path).names == (b"file",)
    assert whole(tmp_path).special == ("d/pipe", "d/socket")


@posix
def test_a_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    try:
        (tmp_path / "d" / os.fsdecode(b"caf\xe9")).touch()
        (tmp_path / "d" / os.fsdecode(b"dir\xff")).mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    assert whole(tmp_path).special == ("d/caf\udce9", "d/dir\udcff")


@posix
def test_links_are_shown_and_not_followed(tmp_path: Path) -> None:
    write_tree(tmp_path, {"outside/secret": b"", "d/in/x": b""})
    (tmp_path / "d" / "to folder").symlink_to("../outside")
    (tmp_path / "d" / "loop").symlink_to("../d")
    (tmp_path / "d" / "broken").symlink_to("nowhere")
    assert found(tmp_path) == ["broken", "loop", "to folder", "in/x"]


@pytest.mark.parametrize("own", [".git", ".xver"])
def test_repositories_inside_keep_their_own_places_to_themselves(tmp_path: Path, own: str) -> None:
    write_tree(tmp_path, {f"d/{own}/HEAD": b"", f"d/sub/{own}/objects/x": b"", "d/sub/file": b""})
    assert found(tmp_path) == ["sub/file"]


def test_a_git_file_of_a_linked_worktree_is_left_out_too(tmp_path: Path) -> None:
    write_tree(tmp_path, {"d/.git": b"gitdir: elsewhere", "d/x": b""})
    assert found(tmp_path) == ["x"]


def test_what_a_killed_checkout_left_is_told_apart(tmp_path: Path) -> None:
    write_tree(tmp_path, {"d/.xver-0123456789ab.tmp": b"half", "d/.xver-notes.tmp": b"mine"})
    assert whole(tmp_path).names == (b".xver-notes.tmp",)
    assert whole(tmp_path).leftovers == ("d/.xver-0123456789ab.tmp",)


def test_ignore_rules_have_the_patterns_of_gitignore(tmp_path: Path) -> None:
    rules = "*.log\n!keep.log\n/d/build/\n# comment\n\nd/**/cache\n"
    write_tree(tmp_path, {".xverignore": rules.encode()})
    names = ["d/a.log", "d/keep.log", "d/build/x", "d/sub/build/x", "d/sub/cache/x", "d/cache", "d/x"]
    write_tree(tmp_path, dict.fromkeys(names, b""))
    assert found(tmp_path) == ["keep.log", "x", "sub/build/x"]


def rules_of_the_user(monkeypatch: pytest.MonkeyPatch, folder: Path, rules: bytes) -> None:
    monkeypatch.setenv("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME", str(folder))
    write_tree(folder, {"xver/ignore": rules})


def test_rules_of_the_user_hold_in_every_repository_unless_it_takes_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules_of_the_user(monkeypatch, tmp_path / "own", b"*.swp\n.DS_Store\n")
    root = tmp_path / "work"
    write_tree(root, {"d/a.swp": b"", "d/sub/.DS_Store": b"", "d/x": b""})
    assert found(root) == ["x"]
    write_tree(root, {".xverignore": b"!a.swp\n"})
    assert found(root) == ["a.swp", "x"]


def test_rules_of_the_user_that_are_not_utf_8_are_refused_by_their_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules_of_the_user(monkeypatch, tmp_path, b"caf\xe9")
    with pytest.raises(InvalidInput, match=r"xver.ignore is not UTF-8"):
        Ignore(tmp_path)


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"XDG_CONFIG_HOME": "/c"}, "linux", "/c/xver/ignore"),
        ({"XDG_CONFIG_HOME": "not/absolute"}, "linux", "~/.config/xver/ignore"),
        ({}, "darwin", "~/.config/xver/ignore"),
        ({"APPDATA": "/roaming"}, "win32", "/roaming/xver/ignore"),
    ],
)
def test_where_the_rules_of_the_user_are(environ: dict[str, str], platform: str, expected: str) -> None:
    assert user_rules(environ, platform) == Path(expected).expanduser()


def test_rules_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".xverignore").write_bytes(b"caf\xe9")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        Ignore(tmp_path)


@not_root
@posix
@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_a_folder_that_cannot_be_read_comes_with_the_reason(tmp_path: Path, mode: int) -> None:
    write_tree(tmp_path, {"d/closed/x": b""})
    (tmp_path / "d" / "closed").chmod(mode)
    try:
        _, closed = scan(tmp_path, "d", Ignore(tmp_path))
    finally:
        (tmp_path / "d" / "closed").chmod(0o700)
    assert (closed.path, closed.names) == ("closed", ())
    assert str(closed.closed) == "cannot read the folder d/closed: Permission denied"


def test_a_folder_that_is_closed_is_opened_by_what_the_hint_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path, {"d/it's here/a": b"", "d/b": b""})

    def refuse(folder: bytes) -> list[bytes]:
        if b"here" in folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(folder)

    listed = os.listdir
    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    (closed,) = [one.closed for one in scan(tmp_path, "d", Ignore(tmp_path)) if one.closed is not None]
    assert closed.hint is not None
    assert shlex.split(closed.hint) == ["chmod", "u+rx", "d/it's here"]
