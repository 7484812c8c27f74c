"""Looking inside versions as it is typed: ls, cat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.trees import posix

from .workplace import Workplace, plain


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
        "Not on this disk\n not here d  1 file  1 B  (xver pull d)\n not here e  1 file  1 B  (xver pull e)\n"
    )
    assert in_git.ok("ls", where=there) == "d\ne\n"
    assert in_git.fails(5, "checkout", where=there)[1] == "hint: xver pull d"
    assert in_git.fails(3, "checkout", "e", where=there) == ["error: 1 file (1 bytes) not local", "hint: xver pull"]
    assert in_git.fails(5, "ls", "d", where=there)[1] == "hint: xver fetch gets the history, xver pull the data"
    for words in (["cat", "e"], ["cat", "d/a"], ["show"]):
        assert in_git.fails(5, *words, where=there)[1] == "hint: no remote has it: xver push where it was added"
    (in_git.root.parent / "clone" / "d").mkdir()
    assert " not local d  (xver pull d)" in in_git.ok("status", where=there).splitlines()


def test_in_a_clone_made_by_git_what_a_remote_has_is_shown_without_being_fetched(in_git: Workplace) -> None:
    in_git.ok("remote", "add", "origin", "../remote")
    in_git.save("one", d__a="1", e="1")
    in_git.save("two", d__a="2", e="1")
    in_git.ok("push")
    in_git.git("clone", "-q", ".", "../clone")
    said = "reading from origin: not all of this is here\n"
    for words, answer in {
        ("cat", "d/a"): "2",
        ("cat", "d/a", "--rev", "HEAD~1"): "1",
        ("diff", "HEAD~1"): "M d/a  1 B -> 1 B\n0 added, 1 changed, 0 deleted\n",
    }.items():
        done = in_git(*words, where="../clone")
        assert (done.returncode, done.stdout, done.stderr) == (0, answer, said)
    assert in_git("cat", "-q", "e", where="../clone") == (0, "1", "")
    assert in_git.fails(5, "ls", "d", where="../clone")[1] == "hint: xver fetch gets the history, xver pull the data"
    assert in_git.fails(5, "checkout", where="../clone")[1] == "hint: xver pull d"


def test_what_another_added_is_not_dropped_where_nothing_of_it_is_here(in_git: Workplace) -> None:
    in_git.ok("remote", "add", "origin", "../remote")
    in_git.save("one", d__a="1")
    in_git.ok("push")
    in_git.git("clone", "-q", ".", "../clone")
    in_git.ok("pull", where="../clone")
    in_git.save("two", d__a="1", d__theirs="2")
    in_git.git("-C", "../clone", "pull", "-q")
    (in_git.root.parent / "clone" / "d" / "mine").write_bytes(b"3")
    lines = in_git.fails(5, "add", "d", where="../clone")
    assert lines[1] == "hint: xver pull d; or xver rm --cached d, which drops what xver.lock names there"
    # Whether the second version changed that file cannot be told here.
    done = in_git("log", "d/theirs", where="../clone")
    assert done.stdout == ""
    assert "what 1 version changed is not known here: xver fetch brings what is kept" in done.stderr
    in_git.ok("push")
    in_git.ok("fetch", where="../clone")
    assert in_git("log", "d/theirs", where="../clone").stdout.splitlines()[0].endswith("  two")
    in_git.ok("pull", where="../clone")
    in_git.ok("add", "d", where="../clone")
    assert in_git.ok("ls", "d", where="../clone") == "d/a\nd/mine\nd/theirs\n"


@posix
def test_cat_of_a_link_is_its_target(alone: Workplace) -> None:
    (alone.root / "link").symlink_to("/etc/passwd")
    alone.ok("add", "link")
    assert alone("cat", "link").stdout == "/etc/passwd"


def test_an_address_of_this_repository_or_of_another_one_here(filled: Workplace, tmp_path: Path) -> None:
    root = filled.root.as_posix()
    assert filled("cat", "xver://d/a@HEAD~1").stdout == "first"
    assert filled("cat", "xver://d/a", where="d").stdout == "second"
    assert filled("cat", "xver://d/a", "--rev", "HEAD~1").stdout == "first"
    assert filled.ok("ls", "xver://d/s@HEAD~1").splitlines() == ["d/s/x", "d/s/y"]
    assert filled.ok("ls", "xver://").splitlines() == ["d", "e"]
    other = Workplace(tmp_path / "other", tmp_path / "home", git=False)
    assert other("cat", f"xver://{root}//d/a@HEAD~1").stdout == "first"
    assert other.ok("ls", f"xver://{root}//d/s").splitlines() == ["d/s/x", "d/s/y", "d/s/z"]
    assert other.fails(3, "cat", f"xver://{root}//d/none")[0] == "error: d/none is not tracked there"
    assert other.fails(4, "ls", f"xver://{tmp_path.as_posix()}/home//d")[1] == "hint: xver init"


@pytest.mark.parametrize("address", ["s3://bucket/prefix//d/a@main", "https://example.org/d/a"])
def test_what_is_no_address_of_a_versioned_file(alone: Workplace, address: str) -> None:
    for command in ("cat", "ls"):
        assert alone.fails(2, command, address) == [
            f"error: {address} is no address of a versioned file",
            "hint: xver://path@version of a repository here, xver+s3://bucket/prefix//path@version of a remote",
        ]


def test_a_view_is_a_folder_of_a_version(filled: Workplace, tmp_path: Path) -> None:
    filled.environment["XVER_CACHE"] = str(tmp_path / "cache")
    ways = (["d@HEAD~1"], ["HEAD~1:d"], ["d", "--rev", "HEAD~1"], ["xver://d@HEAD~1"])
    made = [filled.json("view", *words) for words in (["d"], *ways)]
    now, before = (Path(one["path"]) for one in made[:2])
    assert (before.parent, before.name) == (tmp_path / "cache" / "views", made[1]["id"])
    assert made[2:] == [made[1] | {"made": False}] * 3
    assert [(one / "a").read_bytes() for one in (now, before)] == [b"second", b"first"]
    assert plain(str(now)) == filled.ok("view", "d").strip()
    assert filled.ok("view", "--drop", "30") == "0 views removed\n"
    assert sorted(filled.json("view", "--drop", "0")["dropped"]) == sorted([str(now), str(before)])
    assert not now.exists()


@pytest.mark.parametrize(
    ("words", "told"), [([], "the path to view is needed"), (["d", "--drop", "3"], "--drop goes by age alone")]
)
def test_views_that_cannot_be(filled: Workplace, words: list[str], told: str) -> None:
    assert told in filled.fails(2, "view", *words)[0]
