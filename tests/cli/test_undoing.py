"""Names and steps back as they are typed: mv, restore --staged, revert, undo."""

from __future__ import annotations

import shlex

from tests.support.trees import picture

from .workplace import Workplace


def test_a_move(place: Workplace) -> None:
    place.save("first", d__a="1", d__b="2", e="3")
    assert place.ok("mv", "d/a", "d/c") == "Moved d/a to d/c\n"
    assert place.ok("mv", "c", "../e2", where="d") == "Moved d/c to e2\n"
    assert place.ok("mv", "e", "e2", "d") == "Moved e to d/e\nMoved e2 to d/e2\n"
    assert picture(place.root) == {"d/b": b"2", "d/e": b"3", "d/e2": b"1"}
    place.ok("mv", "d", "data/all")
    assert place.ok("diff", "--staged") == (
        "R d/b -> data/all/b  1 B\nR e -> data/all/e  1 B\nR d/a -> data/all/e2  1 B\n0 added, 3 changed, 0 deleted\n"
    )
    if (place.root / ".git").exists():
        assert b"/data/all/" in place.read(".gitignore")
        place.write(code="1")
        place.git("add", "code")
        assert place.fails(2, "mv", "data/all", "code/all")[0] == "error: code is a file where code/all needs a folder"
    assert place.fails(3, "mv", "none", "x")[0] == "error: none is not tracked"
    assert place.fails(2, "mv", "data")[0] == "error: a path and where it is to go are needed"
    assert place.fails(2, "mv", "data", "xver.toml")[0] == "error: there is something at xver.toml already"


def test_nothing_moves_where_git_has_files(in_git: Workplace) -> None:
    in_git.save("first", d__a="1")
    in_git.write(src__code="1")
    in_git.git("add", "src")
    (in_git.root / "src" / "code").unlink()
    (in_git.root / "src").rmdir()
    assert in_git.fails(2, "mv", "d", "src")[0] == "error: git tracks src"


def test_restore_staged(place: Workplace) -> None:
    place.save("first", d__a="1", e="1")
    place.write(d__a="22", e="22")
    place.ok("add", "d", "e")
    assert place.ok("restore", "--staged", "d/a") == "xver.lock has again what HEAD has of d\n"
    assert [one["path"] for one in place.json("status")["staged"]] == ["e"]
    assert place.ok("restore", "--staged") == "xver.lock has again what HEAD has of e\n"
    assert place.ok("restore", "--staged") == "xver.lock says what HEAD says\n"
    assert picture(place.root) == {"d/a": b"22", "e": b"22"}
    assert place.fails(3, "restore", "--staged", "none")[0] == "error: none is not tracked"
    assert len(place.fails(2, "restore")) == 2
    assert len(place.fails(2, "restore", "--staged", "--source", "HEAD", "d")) == 2


def test_what_is_named_again_and_not_on_the_disk_comes_by_the_command_that_status_names(place: Workplace) -> None:
    place.save("first", d__a="1", d__s__b="22", e="1")
    place.ok("rm", "d/s", "e")
    place.ok("restore", "--staged")
    assert place.ok("status", where="d") == (
        "Not on this disk\n"
        " not here d  1 file  2 B  (xver checkout .)\n"
        " not here e  1 file  1 B  (xver checkout ../e)\n"
    )
    assert [one["local"] for one in place.json("status")["not_here"]] == [True, True]
    place.ok("checkout", ".", "../e", where="d")
    assert picture(place.root) == {"d/a": b"1", "d/s/b": b"22", "e": b"1"}
    assert place.ok("status") == "Nothing has changed\n"


def test_revert(place: Workplace) -> None:
    place.save("first", d__a="1", d__b="1")
    second = place.save("second", d__a="2")
    place.save("third", d__b="3")
    assert place.ok("revert", second) == '[main <id>] Revert "second"\n ~ d  +0 B\n'
    assert picture(place.root) == {"d/a": b"1", "d/b": b"3"}
    assert place.json("show")["message"] == f'Revert "second"\n\nThis reverts commit {second}.'
    assert place.ok("revert", "-n", "HEAD") == "Reverted: xver commit\n"
    assert picture(place.root) == {"d/a": b"2", "d/b": b"3"}
    assert place.fails(9, "revert", "HEAD")[0] == "error: xver.lock holds what is not committed"
    place.ok("commit", "-m", "fourth")
    place.save("fifth", d__a="5")
    assert place.fails(8, "revert", second)[0] == "error: both sides changed d/a"
    place.ok("revert", second, "--theirs")
    assert place.read("d/a") == b"1"


def test_a_revert_takes_no_code_along(in_git: Workplace) -> None:
    in_git.save("first", d__a="1")
    in_git.save("second", d__a="2")
    in_git.write(code="1")
    in_git.git("add", "code")
    assert in_git.fails(2, "revert", "HEAD")[0] == "error: git has changes staged that are no part of this"
    in_git.git("commit", "-qm", "code")
    assert in_git.fails(2, "revert", "HEAD")[0].endswith(" changed no data")
    in_git.ok("revert", "HEAD~1")
    assert (in_git.read("d/a"), in_git.read("code")) == (b"1", b"1")


def test_undo(place: Workplace) -> None:
    place.save("first", d__a="1", e="1")
    place.ok("rm", "d")
    place.ok("mv", "e", "f")
    assert [one["operation"] for one in place.json("undo")[:2]] == ["mv e f", "rm d"]
    assert place.ok("undo", "-n") == "Would undo: mv e f\n"
    assert place.ok("undo") == "Undone: mv e f\n"
    assert place.ok("undo", "--list").startswith("<date>  rm d\n")
    assert place.ok("undo") == "Undone: rm d\n"
    assert picture(place.root) == {"d/a": b"1", "e": b"1"}
    assert place.ok("status") == "Nothing has changed\n"
    if (place.root / ".git").exists():
        assert place.fails(7, "undo")[1] == "hint: git reset --soft HEAD~1 undoes a commit"
    else:
        assert place.ok("undo") == "Undone: commit first\n"
        assert place.ok("undo") == "Undone: add d e\n"
        assert place.fails(2, "undo")[0] == "error: there is nothing to undo"
    assert picture(place.root) == {"d/a": b"1", "e": b"1"}


def test_hints_name_paths_as_they_are_typed_where_one_stands(place: Workplace) -> None:
    place.save("first", d__s__a="1", e="1")
    place.write(d__s__a="22", e="22")
    away = "hint: xver add ../../{0} to keep the changes, or xver checkout --force ../../{0} to lose them"
    assert place.fails(9, "checkout", "../../e", where="d/s")[-1] == away.format("e")
    place.ok("checkout", "--force", "../../e", where="d/s")
    assert place.read("e") == b"1"
    hint = "hint: xver add .. to keep the changes, or xver checkout --force .. to lose them"
    assert place.fails(9, "checkout", where="d/s")[-1] == hint
    assert place.fails(6, "import", "https://example.org/e", "../../e", where="d/s")[-1] == (
        "hint: xver update ../../e, or xver rm ../../e first"
    )
    place.ok("checkout", "--force", "..", where="d/s")
    assert place.read("d/s/a") == b"1"


def test_hints_name_a_repository_with_a_space_in_its_path_as_one_word(alone: Workplace) -> None:
    alone.save("first", d__a="1")
    address = f"xver://{alone.root.as_posix()}//none"
    for words in (["get", address, "../to"], ["import", address, "to"], ["ls", address], ["cat", address]):
        hint = alone.fails(3, *words)[-1].removeprefix("hint: ")
        assert alone.ok(*shlex.split(hint)[1:]) == "d\n"
