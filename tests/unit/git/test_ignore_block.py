from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.trees import posix
from xver.errors import InvalidInput
from xver.git.ignore_block import END, START, merge_blocks, read_block, update_block, write_block

from .repository import Repository

TABLE = [
    "plain",
    "with space",
    "trailing ",
    "trailing  ",
    " leading",
    "#hash",
    "!bang",
    "*star",
    "a*b",
    "what?",
    "[x]",
    "[",
    "x]",
    "back\\slash",
    "end\\",
    "end\\ ",
    "\\ ",
    " ",
    "tab\t",
    "line\nend",
    "\n",
    "cr\rin",
    "cr at end\r",
    "\r",
    "\\\r",
    "é 漢字",
    "e\u0301",
    "\u2028sep\x85\x0c",
    "{a,b}",
    "a/b c/*/d",
    "**",
    "a/**/b",
    "~",
    "-",
    "[!a]",
    "# >>> xver",
    "# <<< xver",
    "$x`y`",
]

part = st.text(alphabet=st.sampled_from("ab *?[]!#\\ \t\n\ré.^-"), min_size=1, max_size=5).filter(
    lambda name: name not in (".", "..")
)
path = st.lists(part, min_size=1, max_size=3).map("/".join)
outside = st.text(alphabet=st.sampled_from("ab#!/ \r\n\x85\x0c\u2028"), max_size=30)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("end", ["", "/"])
def test_round_trip(name: str, end: str) -> None:
    assert read_block(update_block("", [name + end])) == [name + end]


@given(before=outside, after=outside, paths=st.sets(path), more=st.sets(path))
def test_only_the_block_is_written(before: str, after: str, paths: set[str], more: set[str]) -> None:
    assert update_block(before, []) == before
    text = update_block(before, paths)
    assert update_block(text, paths) == text
    assert read_block(text) == sorted(paths)
    assert text.startswith(before)
    if paths and (not before or before.endswith("\n")):
        assert update_block(text + after, more | {"x"}).endswith(after)
        assert update_block(text + after, []) == before + after


def test_the_block() -> None:
    text = update_block("*.pyc\n", ["model.pkl", "data/raw/", "data/raw/", "a b/"])
    assert text == f"*.pyc\n{START}\n/a b/\n/data/raw/\n/model.pkl\n{END}\n"
    assert update_block("*.pyc", ["x"]) == f"*.pyc\n{START}\n/x\n{END}\n"


def test_the_block_stays_where_it_is() -> None:
    text = f"one\n{START}\n/old\n{END}\ntwo"
    assert update_block(text, ["new"]) == f"one\n{START}\n/new\n{END}\ntwo"
    assert update_block(text, []) == "one\ntwo"


def test_line_ends_of_windows() -> None:
    text = update_block("one\r\ntwo", ["x", "y/"])
    assert text == f"one\r\ntwo\r\n{START}\r\n/x\r\n/y/\r\n{END}\r\n"
    assert read_block(text) == ["x", "y/"]
    assert update_block(text, ["x", "y/"]) == text
    mixed = f"one\r\n{START}\n/x\n{END}\ntwo\n"
    assert update_block(mixed, ["z"]) == f"one\r\n{START}\n/z\n{END}\ntwo\n"


def test_a_second_block_and_a_conflict_inside() -> None:
    block = f"{START}\n/x\n{END}\n"
    assert update_block(f"a\n{block}b\n{block}c\n", ["y"]) == f"a\n{START}\n/y\n{END}\nb\nc\n"
    conflict = f"{START}\n<<<<<<< HEAD\n/a/\n=======\n/b/\n>>>>>>> side\n{END}\n"
    assert read_block(conflict) == ["a/", "b/"]
    assert update_block(conflict, ["a/"]) == f"{START}\n/a/\n{END}\n"


@pytest.mark.parametrize("text", [f"{START}\n/x\n", f"/x\n{END}\n", f"{START}\n{START}\n{END}\n", f"{END}\n{START}\n"])
def test_broken_markers_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(text)
    for act in (lambda: update_block(text, []), lambda: read_block(text), lambda: write_block(tmp_path, [], ["x"])):
        with pytest.raises(InvalidInput, match=r"line [12]"):
            act()
    assert (tmp_path / ".gitignore").read_text() == text
    assert os.listdir(tmp_path) == [".gitignore"]


def ignored(repo: Repository, names: list[str]) -> set[str]:
    """Which of these names git ignores; a name that ends with `/` is taken for a folder."""
    asked = "\0".join(names)
    return set(repo.command.text("check-ignore", "-z", "--stdin", input=asked, check=False).split("\0")) - {""}


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_git_agrees_on_odd_names(repo: Repository, eol: str) -> None:
    repo.write(".gitignore", f"nothing{eol}")
    for name in TABLE:
        write_block(repo.root, [], [name])
        assert ignored(repo, [name, name + "/x"]) == {name, name + "/x"}
        near = [other for other in ["plai", "x", name + "x", "x" + name, "sub/" + name, *TABLE] if other != name]
        near = [other for other in near if not other.startswith(name + "/")]
        wrong = ignored(repo, near)
        assert wrong == set(), name
        write_block(repo.root, [name], [])
        repo.write("folder/x", "")
        assert ignored(repo, [name + "/", name + "/x"]) == {name + "/", name + "/x"}
        assert ignored(repo, [name]) == set()  # as a file it is not ours


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.sets(path, max_size=20), others=st.sets(path, max_size=20))
def test_git_agrees(tmp_path_factory: pytest.TempPathFactory, paths: set[str], others: set[str]) -> None:
    repo = Repository(tmp_path_factory.mktemp("agrees"))
    write_block(repo.root, [], paths)
    names = sorted(paths | others)
    below = {name for name in names if any(name == path or name.startswith(path + "/") for path in paths)}
    found = ignored(repo, names)
    assert below <= found
    # In the place of a line end a TAB is ignored, too.
    assert {name.replace("\t", "\n") for name in found} <= {name.replace("\t", "\n") for name in below}


def test_write_block(tmp_path: Path) -> None:
    target = tmp_path / ".gitignore"
    assert not write_block(tmp_path, [], [])
    assert not target.exists()
    assert write_block(tmp_path, ["data/raw"], ["model.pkl"])
    assert target.read_text() == f"{START}\n/data/raw/\n/model.pkl\n{END}\n"
    before = target.stat()
    assert not write_block(tmp_path, ["data/raw"], ["model.pkl"])
    assert target.stat().st_ino == before.st_ino
    assert write_block(tmp_path, ["data/raw"], [])
    assert os.listdir(tmp_path) == [".gitignore"]


@posix
def test_the_mode_is_the_user_s(tmp_path: Path) -> None:
    target = tmp_path / ".gitignore"
    write_block(tmp_path, ["data/raw"], [])
    assert target.stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o22))
    target.chmod(0o640)
    write_block(tmp_path, ["data/new"], [])
    assert target.stat().st_mode & 0o777 == 0o640


def test_bytes_outside_are_kept(tmp_path: Path) -> None:
    target = tmp_path / ".gitignore"
    odd = b"\xef\xbb\xbfcaf\xe9\r\n\x00\x0c\x85\nlast"
    target.write_bytes(odd)
    write_block(tmp_path, [], ["x"])
    assert target.read_bytes() == odd + f"\n{START}\n/x\n{END}\n".encode()
    write_block(tmp_path, [], [])
    assert target.read_bytes() == odd + b"\n"


@posix
def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").symlink_to("elsewhere")
    with pytest.raises(InvalidInput, match="symbolic link"):
        write_block(tmp_path, [], ["x"])


def test_a_failure_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_block(tmp_path, [], ["x"])
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert os.listdir(tmp_path) == [".gitignore"]


def test_blocks_are_merged_as_sets_of_paths_and_the_rest_is_left() -> None:
    base = update_block("*.pyc\n", ["a/", "b/"])
    ours = update_block("*.pyc\n*.log\n", ["a/", "c"])
    theirs = update_block("*.pyc\n", ["a/", "b/", "d/"])
    merged = merge_blocks(base, ours, theirs)
    assert [read_block(text) for text in merged] == [["a/", "c", "d/"]] * 3
    assert [text.partition(START)[0] for text in merged] == ["*.pyc\n", "*.pyc\n*.log\n", "*.pyc\n"]
    assert merge_blocks("", "x\n", "") == ("", "x\n", "")
