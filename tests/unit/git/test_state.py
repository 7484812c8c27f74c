from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xver.errors import CommandFailed, InvalidInput
from xver.git.command import GitCommand
from xver.git.state import (
    author,
    dirty_patch,
    is_tracked,
    remote_url,
    strip_secrets,
    tracked_files,
)
from xver.git.tracked_conflict import git_tracks_any
from xver.model.snapshots import Author

from .repository import Repository

MOST = 1024 * 1024

ODD = [
    "with space",
    "é 漢字",
    "line\nend",
    "tab\t",
    "quote\"'",
    "back\\slash",
    "*star",
    ":(top)magic",
    "-dash",
    "sub é/b",
]


def test_odd_names(repo: Repository) -> None:
    for name in ODD:
        repo.write(name, name)
    repo.write(".gitignore", "*.tmp\n")
    repo.write("x.tmp", "ignored")
    assert tracked_files(repo.command) == []
    repo.save("all")
    assert tracked_files(repo.command) == sorted([".gitignore", *ODD])
    for name in [*ODD, "sub é"]:
        assert is_tracked(repo.command, name)
    assert not is_tracked(repo.command, "sub*")
    assert not is_tracked(repo.command, "with")


def test_bytes_that_are_no_utf8(repo: Repository) -> None:
    (Path(os.fsdecode(os.fsencode(repo.root) + b"/caf\xe9"))).write_bytes(b"x")
    repo.run("add", ".")
    (name,) = tracked_files(repo.command)
    assert os.fsencode(name) == b"caf\xe9"


def test_a_path_in_conflict_is_listed_once(repo: Repository) -> None:
    repo.save("base", a="0", b="0")
    repo.run("switch", "--quiet", "-c", "side")
    repo.save("one", a="1")
    repo.run("switch", "--quiet", "main")
    repo.save("two", a="2")
    assert not repo.command.ok("merge", "side")
    assert repo.run("ls-files").split() == ["a", "a", "a", "b"]
    assert tracked_files(repo.command) == ["a", "b"]


def test_what_git_tracks_already(repo: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.save("first", file="x")
    repo.run("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.root), "module")
    for name in ("data/a b", "data.txt", "deep/er/é"):
        repo.write(name, "x")
    repo.save("all")
    repo.write("new", "x")
    asked = ["new", "deep", "data", "dat", "data/", "data/a b", "data/c", "module/file", "module", "deep/er", "é"]
    assert git_tracks_any(repo.command, asked) == [
        "deep",
        "data",
        "data/",
        "data/a b",
        "module/file",
        "module",
        "deep/er",
    ]
    assert git_tracks_any(repo.command, []) == []
    assert git_tracks_any(repo.command, [""]) == [""]


def test_a_patch_brings_head_to_what_is_on_disk(repo: Repository, tmp_path: Path) -> None:
    repo.write("binary", bytes(range(256)))
    repo.save("first", code="a\nb\nc\n", gone="x\n", lock="1\n", **{"é n": "1\n"})
    assert dirty_patch(repo.command, MOST) == b""
    first = repo.run("rev-parse", "HEAD")
    repo.run("clone", "--quiet", str(repo.root), str(tmp_path / "clone"))
    repo.write("binary", bytes(reversed(range(256))))
    repo.write("code", b"a\r\nB caf\xe9\nc\n")
    repo.write("é n", "2\n")
    repo.write("xver.lock", "2\n")
    repo.write("staged", "new\n")
    repo.write("untracked", "new\n")
    repo.run("add", "staged")
    (repo.root / "gone").unlink()
    for key, value in {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "color.ui": "always",
        "diff.external": "false",
        "diff.context": "0",
        "core.quotePath": "false",
        "diff.renames": "copies",
        "diff.submodule": "log",
        "diff.relative": "true",
    }.items():
        repo.run("config", key, value)
    patch = dirty_patch(repo.command, MOST)
    assert patch is not None
    assert b"xver.lock" not in patch
    assert b"untracked" not in patch
    clone = Repository(tmp_path / "clone", init=False)
    clone.run("apply", "--binary", "--index", "-", input=patch)
    for name in ("binary", "code", "é n", "staged"):
        assert (clone.root / name).read_bytes() == (repo.root / name).read_bytes()
    assert not (clone.root / "gone").exists()
    assert (clone.root / "xver.lock").read_text() == "1\n"
    assert clone.run("rev-parse", "HEAD") == first


def test_a_changed_lock_alone_is_clean_and_so_is_an_unborn_branch(repo: Repository) -> None:
    repo.write("xver.lock", "1")
    repo.run("add", "xver.lock")
    assert dirty_patch(repo.command, MOST) == b""
    repo.save("first")
    repo.write("xver.lock", "2")
    assert dirty_patch(repo.command, MOST) == b""


def test_a_patch_that_is_too_large_is_not_held(repo: Repository) -> None:
    repo.save("first", code="a\n")
    repo.write("code", os.urandom(40_000).hex())
    patch = dirty_patch(repo.command, MOST)
    assert patch is not None
    assert dirty_patch(repo.command, len(patch)) == patch
    assert dirty_patch(repo.command, len(patch) - 1) is None
    assert dirty_patch(repo.command, 1_000) is None  # git has not said all: it is ended


def test_a_patch_that_git_cannot_make_is_an_error(repo: Repository) -> None:
    repo.save("first", code="a\n")
    blob = repo.run("rev-parse", "HEAD:code")
    repo.write("code", "b\n")
    (repo.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(CommandFailed, match=blob):
        dirty_patch(repo.command, MOST)


def test_a_patch_outside_of_git(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed):
        tracked_files(GitCommand(tmp_path))


def test_remote_url(repo: Repository) -> None:
    assert remote_url(repo.command) is None
    repo.run("remote", "add", "upstream", "git@example.com:team/repo.git")
    assert remote_url(repo.command) == "git@example.com:team/repo.git"
    repo.run("remote", "add", "origin", "https://ada:secret@example.com/team/repo.git")
    assert remote_url(repo.command) == "https://example.com/team/repo.git"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://token@github.com/a/b", "https://github.com/a/b"),
        ("https://u:p@ss@host:8443/a@b?x=@y", "https://host:8443/a@b?x=@y"),
        ("ssh://git:pw@host:22/a", "ssh://git@host:22/a"),
        ("ssh://:pw@host/a", "ssh://host/a"),
        ("git+ssh://git@host/a", "git+ssh://git@host/a"),
        ("foo::https://u:p@host/a", "foo::https://host/a"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("https://host/a@b", "https://host/a@b"),
        ("/a/folder@here", "/a/folder@here"),
        ("", ""),
    ],
)
def test_strip_secrets(url: str, plain: str) -> None:
    assert strip_secrets(url) == plain


def test_author(repo: Repository, tmp_path: Path) -> None:
    ada = Author("Ada Łovelace", "ada@example.com")
    assert author(repo.command) == author(GitCommand(tmp_path)) == ada


def test_author_from_configuration(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_AUTHOR_NAME")
    monkeypatch.delenv("GIT_AUTHOR_EMAIL")
    repo.run("config", "user.useConfigOnly", "true")
    with pytest.raises(InvalidInput, match="does not know who you are") as caught:
        author(repo.command)
    assert caught.value.hint
    assert caught.value.hint.startswith("git config --global user.name")
    repo.run("config", "user.name", "Grace")
    repo.run("config", "user.email", "grace@example.com")
    assert author(repo.command) == Author("Grace", "grace@example.com")


def test_author_without_git(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LOGNAME", "ada")
    assert author(repo.command) == Author("ada", f"ada@{socket.gethostname()}")
