from __future__ import annotations

from pathlib import Path

import pytest

from xver.errors import CommandFailed, InvalidInput, RepositoryNotFound
from xver.git.command import NO_EXECUTABLE, CatFile, GitCommand, first_line

from .repository import Repository


def test_the_error_is_gits_own_line(repo: Repository) -> None:
    with pytest.raises(CommandFailed, match=r"^git cat-file failed: Not a valid object name nope$") as caught:
        repo.command.raw("cat-file", "blob", "nope")
    assert caught.value.status == 128


def test_what_a_killed_git_left_is_named(repo: Repository) -> None:
    repo.write("a", "1")
    lock = repo.root / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(CommandFailed, match="File exists") as caught:
        repo.command.change("add", "a", env={"LC_ALL": "C"})
    assert caught.value.hint is not None
    assert f"{lock.as_posix()} to be deleted" in caught.value.hint


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (b"", ""),
        (b"hint: do this\nfatal: no\n", "no"),
        (b"warning: careful\nerror: first\nfatal: second\n", "first"),
        (b"Running hooks\nfatal: no\n", "no"),
        (b"\nplain words\nmore\n", "plain words"),
    ],
)
def test_first_line(output: bytes, line: str) -> None:
    assert first_line(output) == line


def test_without_git(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CommandFailed, match="not installed") as caught:
        repo.command.text("status")
    assert caught.value.status == NO_EXECUTABLE
    assert caught.value.hint
    with CatFile(repo.command) as cat, pytest.raises(CommandFailed, match="not installed"):
        cat.read("HEAD:a")


def test_without_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFound):
        GitCommand(tmp_path / "gone").text("status")


def test_what_no_program_can_be_given(repo: Repository) -> None:
    with pytest.raises(InvalidInput):
        repo.command.text("log", "a\0b")


def test_a_hooks_variables_lead_nowhere_else(repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = repo.save("first")
    other = Repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.root / "index"))
    assert repo.command.lines("rev-parse", "HEAD") == [made]


def test_the_index_handed_to_a_hook(repo: Repository, tmp_path: Path) -> None:
    repo.save("first", a="1")
    git = GitCommand(repo.root, index=tmp_path / "another index")
    assert git.paths("ls-files", "-z") == []
    repo.write("b", "2")
    git.change("add", "b")
    assert git.paths("ls-files", "-z") == ["b"]
    assert repo.command.paths("ls-files", "-z") == ["a"]


def test_ok_lines_and_unchecked(repo: Repository) -> None:
    assert repo.command.ok("rev-parse", "--git-dir")
    assert not repo.command.ok("rev-parse", "--verify", "HEAD")
    assert repo.command.lines("ls-files") == []
    assert repo.command.text("rev-parse", "--verify", "--quiet", "HEAD", check=False) == ""
    assert repo.command.text("hash-object", "--stdin", input="é\udcff") != ""


def test_cat_file(repo: Repository) -> None:
    big = bytes(range(256)) * 4096
    repo.write("a file é", b"one\ntwo\0")
    repo.write("big", big)
    repo.write("empty", b"")
    made = repo.save("first")
    with CatFile(repo.command) as cat:
        assert cat.read(f"{made}:a file é") == b"one\ntwo\0"
        assert cat.read(f"{made}:big") == big
        assert cat.read("HEAD:empty") == b""
        assert cat.read(":empty") == b""
        assert cat.read(f"{made}:nothing here missing") is None
        assert cat.read("0" * 40) is None
        with pytest.raises(InvalidInput):
            cat.read("HEAD:a\nHEAD:b")
        assert cat.read("HEAD:a file é") == b"one\ntwo\0"


def test_cat_file_tells_why_it_ended(tmp_path: Path) -> None:
    with CatFile(GitCommand(tmp_path)) as cat, pytest.raises(CommandFailed, match="not a git repository"):
        cat.read("HEAD:a")


def test_cat_file_ends_with_an_error_inside(repo: Repository) -> None:
    repo.write("big", bytes(1 << 22))
    repo.save("first")

    def interrupted() -> None:
        with CatFile(repo.command) as cat:
            cat.read("HEAD:big")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
