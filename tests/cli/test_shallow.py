"""What a person sees of a clone that has not all."""

from __future__ import annotations

from tests.cli.workplace import Workplace


def test_a_shallow_clone_says_where_its_history_ends_and_how_to_get_the_rest(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    for word in ("one", "two", "three"):
        alone.save(word, d__a=word)
    alone.ok("push")
    assert alone.ok("clone", "--depth", "1", "../remote", "../copy").endswith("main, 1 tracked path, 5 B\n")
    lines = alone.ok("log", where="../copy").splitlines()
    assert [line.split("  ")[-1] for line in lines if line.startswith("<id>")] == ["three", "two"]
    assert "    the data of the version before is not kept here, so what changed is not known" in lines
    assert "    its data is not kept here" in lines
    assert lines[-1] == "What came before is not here: xver fetch --unshallow"
    hint = "hint: xver log shows what there is"
    assert alone.fails(3, "show", "HEAD~2", where="../copy")[1] == hint
    alone.ok("fetch", "--depth", "2", where="../copy")
    assert alone("cat", "d/a", "--rev", "HEAD~1", where="../copy").stdout == "two"
    assert alone.ok("fetch", "--unshallow", where="../copy")
    assert "not here" not in alone.ok("log", where="../copy")
    assert alone.fails(2, "fetch", "--depth", "1", where="../copy") == [
        "error: this clone has its whole history",
        "hint: xver clone --depth makes a shallow one",
    ]


def test_a_clone_of_a_path(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("one", d__a="1", d__s__b="22", e="333")
    alone.ok("push")
    alone.ok("clone", "../remote", "../copy", "--path", "d/s", "--path", "e")
    assert (alone.root.parent / "copy" / "d" / "s" / "b").read_text() == "22"
    assert not (alone.root.parent / "copy" / "d" / "a").exists()
    assert alone.ok("status", where="../copy") == (
        "Only 2 paths wanted on this disk  (xver sparse list)\nNothing has changed\n"
    )
    alone.ok("sparse", "off", where="../copy")
    assert alone.ok("status", where="../copy") == ("Not on this disk\n not here d  1 file  1 B  (xver pull d)\n")
    alone.ok("pull", "d", where="../copy")
    assert alone.ok("status", where="../copy") == "Nothing has changed\n"
    assert (alone.root.parent / "copy" / "d" / "a").read_text() == "1"
    assert alone.fails(3, "clone", "../remote", "../other", "--path", "f")[0] == "error: f is not tracked"


def test_beside_git_depth_is_gits(in_git: Workplace) -> None:
    in_git.ok("remote", "add", "origin", "../remote")
    in_git.save("one", d__a="1")
    in_git.ok("push")
    refs = in_git.json("log")
    assert in_git.fails(2, "fetch", "--depth", "1") == [
        "error: beside git, how much history there is is git's to say",
        "hint: git fetch --depth N; xver pull PATH brings the data of a part",
    ]
    assert in_git.json("log") == refs
