"""Looking inside versions as it is typed: ls, cat."""

from __future__ import annotations

import pytest

from tests.support.trees import posix

from .workplace import Workplace


@pytest.fixture
def filled(place: Workplace) -> Workplace:
    place.save("one", d__a="first", d__s__x="x", d__s__y="", e=bytes(300_000))
    place.save("two", d__a="second", d__s__z="z")
    return place


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ([], ["d", "e"]),
        (["d"], ["d/a", "d/s/x", "d/s/y", "d/s/z"]),
        (["d/s"], ["d/s/x", "d/s/y", "d/s/z"]),
        (["d/s/"], ["d/s/x", "d/s/y", "d/s/z"]),
        (["d/s/x"], ["d/s/x"]),
        (["e"], ["e"]),
        (["."], ["d", "e"]),
        (["d/s", "--rev", "HEAD~1"], ["d/s/x", "d/s/y"]),
    ],
)
def test_ls(filled: Workplace, words: list[str], lines: list[str]) -> None:
    assert filled.ok("ls", *words).splitlines() == lines


def test_ls_from_a_folder_below(filled: Workplace) -> None:
    assert filled.ok("ls", "x", where="d/s") == "d/s/x\n"
    assert filled.ok("ls", "..", where="d/s").splitlines()[0] == "d/a"


def test_ls_with_kind_size_and_id(filled: Workplace) -> None:
    rows = [line.split() for line in filled.ok("ls", "-l").splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [("dataset", "d"), ("file", "e")]
    assert all(row[-2].startswith("b3:") for row in rows)
    found = {one["path"]: one for one in filled.json("ls")}
    assert set(found["d"]) == {"path", "kind", "size", "id", "files"}
    assert set(found["e"]) == {"path", "kind", "size", "id", "sha256"}
    assert (found["d"]["files"], found["d"]["size"], found["e"]["size"]) == (4, 8, 300_000)


@pytest.mark.parametrize("words", [["none"], ["d/none"], ["e/x"], ["d/s/z", "--rev", "HEAD~1"]])
def test_what_is_not_tracked(filled: Workplace, words: list[str]) -> None:
    where = " in HEAD~1" if "--rev" in words else ""
    assert filled.fails(3, "ls", *words) == [
        f"error: {words[0]} is not tracked{where}", "hint: xver ls shows what is",
    ]  # fmt: skip
    assert filled.fails(3, "cat", *words)[0].startswith(f"error: {words[0]} is not ")


@pytest.mark.parametrize(
    ("words", "content"),
    [(["d/a"], "second"), (["d/a", "--rev", "HEAD~1"], "first"), (["d/s/y"], ""), (["e"], "\0" * 300_000)],
    ids=["now", "before", "empty", "of several chunks"],
)
def test_cat(filled: Workplace, words: list[str], content: str) -> None:
    filled.write(d__a="on the disk")
    assert filled("cat", *words).stdout == content


def test_cat_of_what_has_no_content(filled: Workplace) -> None:
    assert filled.fails(2, "cat", "d/s") == ["error: d/s is no file (dataset, 2 B)", "hint: xver ls d/s"]


def test_in_a_fresh_clone_made_by_git_nothing_is_local_and_each_command_says_what_to_type(in_git: Workplace) -> None:
    in_git.save("one", d__a="1", e="1")
    in_git.git("clone", "-q", ".", "../clone")
    there = "../clone"
    in_git.git("-C", "../clone", "config", "user.name", "x")
    assert in_git.ok("status", where=there) == (
        "Changed on the disk  (xver add to keep, xver checkout to undo)\n"
        " missing  d  not on the disk\n missing  e  not on the disk\n"
    )
    assert in_git.ok("ls", where=there) == "d\ne\n"
    assert in_git.fails(5, "checkout", where=there)[1] == "hint: xver pull d"
    assert in_git.fails(3, "checkout", "e", where=there) == ["error: 1 file (1 bytes) not local", "hint: xver pull"]
    assert in_git.fails(5, "cat", "e", where=there)[1] == "hint: xver pull e"
    for words in (["ls", "d"], ["cat", "d/a"], ["show"]):
        assert in_git.fails(5, *words, where=there)[1] == "hint: xver fetch gets the history, xver pull the data"
    (in_git.root.parent / "clone" / "d").mkdir()
    assert " not local d  (xver pull d)" in in_git.ok("status", where=there).splitlines()


@posix
def test_cat_of_a_link_is_its_target(alone: Workplace) -> None:
    (alone.root / "link").symlink_to("/etc/passwd")
    alone.ok("add", "link")
    assert alone("cat", "link").stdout == "/etc/passwd"
