"""Daily work as it is typed: add, status, commit, checkout, restore, rm, diff."""

from __future__ import annotations

import os
import shlex

import pytest

from tests.support.trees import picture, posix

from .workplace import Workplace, plain


def test_a_first_day(place: Workplace) -> None:
    place.write(data__raw__a_dot_csv="x,y\n", data__raw__b_dot_csv="x,y,z\n", model_dot_bin=bytes(1500))
    assert place.ok("status") == "Nothing is tracked yet: xver add PATH\n"
    assert place.ok("add", "data/raw", "model.bin") == (
        "Added data/raw  2 files  10 B  (<new>)  in <time>\nAdded model.bin  1.5 kB  (<new>)  in <time>\n"
    )
    assert place.ok("status") == ("To be committed  (xver commit)\n + data/raw  2 files  10 B\n + model.bin  1.5 kB\n")
    assert place.ok("commit", "-m", "first data") == (
        "[main <id>] first data\n + data/raw  2 files  10 B\n + model.bin  1.5 kB\n"
    )
    assert place.ok("status") == "Nothing has changed\n"
    place.write(data__raw__b_dot_csv="1,2,3\n", data__raw__new="!")
    (place.root / "data/raw/a.csv").unlink()
    (place.root / "model.bin").unlink()
    assert place.ok("status", where="data") == (
        "Changed on the disk  (xver add to keep, xver checkout to undo)\n"
        " deleted  data/raw/a.csv  4 B\n modified data/raw/b.csv  6 B\n added    data/raw/new  1 B\n"
        " missing  model.bin  not on the disk\n"
    )
    assert place.ok("add", "raw/*", where="data").startswith("Added data/raw  3 files  11 B")
    assert place.ok("checkout", "model.bin") == "1 file written (1.5 kB), 0 removed\n"
    assert place.ok("diff") == "D data/raw/a.csv  4 B\n0 added, 0 changed, 1 deleted\n"
    assert place.ok("diff", "--staged") == (
        "M data/raw/b.csv  6 B -> 6 B\nA data/raw/new  1 B\n1 added, 1 changed, 0 deleted\n"
    )


def test_status_as_json(place: Workplace) -> None:
    place.save("one", d__a="1", e="1", g="1")
    place.write(d__a="22", e="22")
    place.ok("add", "e")
    (place.root / "g").unlink()
    found = place.json("status")
    assert list(found) == [
        "clean",
        "staged",
        "changed",
        "absent",
        "not_here",
        "not_local",
        "special",
        "unreadable",
        "sparse",
    ]
    assert found["changed"] == [{"path": "d/a", "tracked": "d", "change": "modified", "size": 2}]
    assert (found["absent"], found["not_local"], found["special"]) == (["g"], [], [])
    (staged,) = found["staged"]
    assert staged["path"] == "e"
    assert set(staged["before"]) == set(staged["after"]) == {"kind", "size", "id"}
    assert (staged["before"]["size"], staged["after"]["size"]) == (1, 2)
    place.ok("add", "d")
    place.ok("checkout")
    place.ok("commit", "-m", "two")
    assert place.json("status") == {
        "clean": True,
        "staged": [],
        "changed": [],
        "absent": [],
        "not_here": [],
        "not_local": [],
        "special": [],
        "unreadable": [],
        "sparse": None,
    }


def test_status_of_paths(place: Workplace) -> None:
    place.save("one", d__a="1", d__s__b="1", e="1")
    place.write(d__a="2", d__s__b="2", e="2")
    assert [one["path"] for one in place.json("status", "d/s")["changed"]] == ["d/s/b"]
    assert [one["path"] for one in place.json("status", "d/a", "e")["changed"]] == ["d/a", "e"]
    place.write(free="!")
    assert place.fails(3, "status", "free") == ["error: free is not tracked", "hint: xver ls shows what is"]
    assert place.fails(3, "status", "dd")[1] == "hint: did you mean d?"


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["add", "none"], 2, "there is no none", "give the path of a file or folder that exists"),
        (
            ["add", "."],
            2,
            "the whole repository cannot be one dataset",
            "name the folders and files that are data: xver add d",
        ),
        (
            ["add", "../x"],
            2,
            "../x lies outside of the repository",
            "xver add PATH --as NAME tracks what lies elsewhere",
        ),
        (["add", ""], 2, "an empty path", "for everything, give the folder: ."),
        (["rm", ""], 2, "an empty path", "for everything, give the folder: ."),
        (["add", "no*"], 3, "nothing matches no*", "quote the pattern, and check the folder you are in"),
        (["rm", "none"], 3, "none is not tracked", "xver ls shows what is"),
        (["checkout", "none"], 3, "none is not tracked", "xver ls shows what is"),
        (["restore", "none"], 3, "none is not tracked", "xver ls shows what is"),
        (["checkout", "d/x"], 3, "xver.lock has no d/x", "xver restore --source HEAD d/x, if it was there"),
        (["restore", "-s", "HEAD", "none"], 3, "none is not in HEAD", "xver ls --rev HEAD"),
    ],
)
def test_mistakes_end_in_two_lines(alone: Workplace, words: list[str], code: int, error: str, hint: str | None) -> None:
    alone.save("one", d__a="1")
    lines = alone.fails(code, *words)
    assert lines[0].startswith(f"error: {error}")
    assert lines[1:] == ([] if hint is None else [f"hint: {hint}"])


@posix
def test_names_of_every_kind_are_shown_on_one_line(alone: Workplace) -> None:
    alone.write(**{"d/a\nb": "1", "d/\x1b[2Jred": "1", "d/caf\u00e9": "1", "d/e f": "1"})
    os.mkfifo(alone.root / "d" / "pipe")
    done = alone("add", "d")
    assert done.returncode == 0
    assert done.stderr == "warning: d/pipe is no file, link or folder, and was left out\n"
    assert alone.ok("ls", "d").splitlines() == [r"d/\x1b[2Jred", r"d/a\nb", "d/caf\u00e9", "d/e f"]
    try:
        (alone.root / "d" / os.fsdecode(b"\xff")).touch()
    except OSError:
        pytest.skip("this file system has no such names")
    assert alone.fails(2, "add", "d") == [
        r"error: the name of d/\udcff is not UTF-8",
        "hint: rename it, or leave it out with .xverignore",
    ]


def test_outside_of_a_repository(alone: Workplace) -> None:
    for words in (["add", "x"], ["status"], ["commit", "-m", "x"], ["checkout"], ["log"], ["ls"]):
        done = alone("-C", str(alone.root.parent), *words)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.endswith("hint: xver init\n")


def test_no_git_on_the_path(place: Workplace) -> None:
    place.save("one", d__a="1")
    place.write(d__a="22")
    place.environment["PATH"] = str(place.root / "nothing here")
    if (place.root / ".git").exists():
        lines = place.fails(15, "status")
        assert lines == [
            "error: git is not installed, or not on the PATH",
            "hint: install git from https://git-scm.com",
        ]
        return
    assert place.ok("status").endswith("modified d/a  2 B\n")
    place.ok("add", "d")
    place.ok("commit", "-m", "two")
    assert len(place.json("log")) == 2


def test_git_brings_the_lock_and_checkout_the_data(in_git: Workplace) -> None:
    one = {"d/a": b"1", "d/same": b"1"}
    two = {"d/b": b"2", "d/same": b"1", "e": b"2"}
    in_git.save("one", d__a="1", d__same="1")
    in_git.git("tag", "v1")
    (in_git.root / "d" / "a").unlink()
    in_git.save("two", d__b="2", e="2")
    in_git.git("checkout", "-q", "v1")
    assert in_git.ok("checkout") == "1 file written (1 B), 2 removed\n"
    assert picture(in_git.root) == one
    in_git.git("checkout", "-q", "main")
    in_git.ok("checkout")
    assert picture(in_git.root) == two
    assert in_git.ok("checkout") == "Everything is as xver.lock says\n"

    in_git.write(d__b="edited")
    in_git.ok("add", "d")
    in_git.git("stash", "-q")
    in_git.ok("checkout")
    assert picture(in_git.root) == two
    in_git.git("stash", "pop", "-q")
    in_git.ok("checkout")
    assert in_git.read("d/b") == b"edited"

    in_git.git("reset", "-q", "--hard", "HEAD~1")
    in_git.ok("checkout")
    assert picture(in_git.root) == one

    in_git.git("clean", "-qfdx")
    assert picture(in_git.root) == {}
    in_git.ok("checkout")
    assert picture(in_git.root) == one

    in_git.git("worktree", "add", "-q", "../linked", "ORIG_HEAD")
    in_git.ok("checkout", where="../linked")
    assert picture(in_git.root.parent / "linked") == two
    assert in_git.ok("status", where="../linked") == "Nothing has changed\n"
    assert in_git.ok("status") == "Nothing has changed\n"


def test_unsaved_work_is_listed_and_kept(in_git: Workplace) -> None:
    in_git.save("one", d__a="1", d__b="1")
    in_git.save("two", d__a="2", d__b="2")
    in_git.write(d__a="mine", d__b="mine too", d__c="new")
    in_git.git("checkout", "-q", "HEAD~1")
    assert in_git.fails(9, "checkout") == [
        "error: 2 changed files would be lost",
        "  d/a",
        "  d/b",
        "hint: xver add d to keep the changes, or xver checkout --force d to lose them",
    ]
    assert picture(in_git.root) == {"d/a": b"mine", "d/b": b"mine too", "d/c": b"new"}
    in_git.ok("checkout", "--force", "d/a")
    assert picture(in_git.root) == {"d/a": b"1", "d/b": b"mine too", "d/c": b"new"}
    in_git.ok("add", "d/b")
    assert in_git.ok("restore", "--source", "HEAD", "d/b") == "1 file written (1 B), 0 removed\n"
    assert picture(in_git.root) == {"d/a": b"1", "d/b": b"1", "d/c": b"new"}


def test_a_hint_is_typed_as_it_stands_whatever_the_name(in_git: Workplace) -> None:
    in_git.write(**{"my data/a": "1", "data/b": "1"})
    in_git.ok("add", "my data", "data")
    in_git.write(**{"my data/a": "2", "data/b": "2"})
    hint = in_git.fails(9, "restore", "my data")[-1]
    assert hint == "hint: xver add 'my data' to keep the changes, or xver checkout --force 'my data' to lose them"
    in_git.ok(*shlex.split(hint.partition(", or xver ")[2].removesuffix(" to lose them")))
    assert picture(in_git.root) == {"my data/a": b"1", "data/b": b"2"}


def test_what_git_tracks_is_git_s(in_git: Workplace) -> None:
    in_git.write(d__a="1", sub__x="1")
    in_git.git("add", "d/a")
    for path in ("d", "d/a"):
        lines = in_git.fails(2, "add", path)
        assert lines == [f"error: git tracks {path}", f"hint: git rm -r --cached {path}, then xver add it"]
    in_git.git("rm", "-rq", "--cached", "d")
    in_git.save("one", d__a="1")
    in_git.git("add", "-f", "d/a")
    in_git.write(d__a="2")
    assert in_git.fails(2, "checkout", "--force")[0] == "error: git tracks d, so xver will not write it"


def test_rm(place: Workplace) -> None:
    place.save("one", d__a="1", d__b="1", e__x="1")
    assert place.ok("rm", "d/a", "e") == "No longer tracked: d/a\nNo longer tracked: e\n2 files removed\n"
    assert picture(place.root) == {"d/b": b"1"}
    assert place.ok("rm", "--cached", "d") == "No longer tracked: d\n"
    assert picture(place.root) == {"d/b": b"1"}
    place.ok("commit", "-m", "nothing left")
    assert place.ok("ls") == ""
    place.ok("restore", "--source", "HEAD~1", "d", "e/x")
    assert picture(place.root) == {"d/a": b"1", "d/b": b"1", "e/x": b"1"}


def test_diff(place: Workplace) -> None:
    place.save("one", d__a="1", d__gone="4444", d__moves="content that moves", e="1")
    first = place.json("show")["id"]
    (place.root / "d" / "gone").unlink()
    os.rename(place.root / "d" / "moves", place.root / "d" / "moved")
    place.save("two", d__a="22", d__new="333")
    shown = (
        "M d/a  1 B -> 2 B\nD d/gone  4 B\nR d/moves -> d/moved  18 B\nA d/new  3 B\n1 added, 2 changed, 1 deleted\n"
    )
    assert place.ok("diff", "HEAD~1") == shown
    assert place.ok("diff", first[:9], "main", "d") == shown
    assert place.ok("diff", "HEAD~1", "d/moves") == "R d/moves -> d/moved  18 B\n0 added, 1 changed, 0 deleted\n"
    assert place.ok("diff", "--stat", "HEAD~1").splitlines()[0] == "~ d  +0 B"
    assert place.ok("diff") == "No difference in the data\n"
    found = {one["path"]: one for one in place.json("diff", "HEAD~1")}
    assert found["d/moved"]["source"] == "d/moves"
    assert (found["d/new"]["before"], found["d/gone"]["after"]) == (None, None)
    assert place.fails(3, "diff", "mian")[0].startswith("error: no ")
    place.write(e="2", untracked="!")
    changed = "M e  1 B -> 1 B\n0 added, 1 changed, 0 deleted\n"
    assert place.ok("diff") == changed
    place.ok("add", "e")
    assert place.ok("diff") == "No difference in the data\nWhat xver.lock has otherwise than HEAD: xver diff --staged\n"
    assert place.ok("diff", "--staged") == place.ok("diff", "HEAD") == place.ok("diff", "--cached", "HEAD") == changed
    assert place.fails(2, "diff", "--staged", "HEAD~1", "HEAD")[0].startswith("error: --staged compares xver.lock")


def test_diff_of_the_disk(place: Workplace) -> None:
    place.save("one", d__a="1", d__gone="4444", d__moves="content that moves", e="1", f__x="1", g="g", h="h")
    place.save("two", d__a="22", e="2")
    (place.root / "d" / "gone").unlink()
    os.rename(place.root / "d" / "moves", place.root / "d" / "moved")
    (place.root / "g").unlink()
    (place.root / "f" / "x").unlink()
    (place.root / "f").rmdir()
    (place.root / "h").unlink()
    place.write(d__a="1", e="333", untracked="!", h__y="y")
    shown = [
        "M d/a  2 B -> 1 B", "D d/gone  4 B", "R d/moves -> d/moved  18 B", "M e  1 B -> 3 B", "D f/x  1 B", "D g  1 B",
        "D h  1 B", "A h/y  1 B", "1 added, 3 changed, 4 deleted",
    ]  # fmt: skip
    assert place.ok("diff").splitlines() == shown
    assert place.ok("diff", "HEAD~1", "d").splitlines() == [*shown[1:3], "0 added, 1 changed, 1 deleted"]
    assert place.ok("diff", "--stat").splitlines()[:-1] == [
        "~ d  -1 file  -5 B", "~ e  +2 B", "- f  1 file  1 B", "- g  1 B", "~ h  +0 B",
    ]  # fmt: skip
    assert "| `f` | 0 | 0 | 1 | not tracked | -1 B |" in place.ok("diff", "--md").splitlines()
    assert place.ok("diff", "--staged") == "No difference in the data\n"
    place.ok("restore", "--force", ".")
    assert place.ok("diff") == "A d/moved  18 B\n1 added, 0 changed, 0 deleted\n"


def test_a_second_command_waits_for_the_first(alone: Workplace) -> None:
    from xver.repo import open_repo

    alone.write(d__a="1")
    with open_repo(alone.root).held():
        second = alone.process("add", "d")
        assert second.stderr is not None
        told = second.stderr.readline()
        assert told.startswith(f"warning: waiting for another command in this work tree (pid {os.getpid()} on ")
        assert second.poll() is None
        assert alone.ok("status") == "Nothing is tracked yet: xver add PATH\n", "looking waits for nobody"
    out, _ = second.communicate(timeout=60)
    assert (second.returncode, plain(out)) == (0, "Added d  1 file  1 B  (<new>)  in <time>\n")
