"""Merges as they are typed: git's, whose conflicts in xver.lock are settled file by file, and xver's own."""

from __future__ import annotations

import pytest

from tests.support.repos import read_tree
from tests.support.trees import picture

from .workplace import Workplace


def branched(place: Workplace, ours: dict[str, str], theirs: dict[str, str]) -> None:
    place.save("base", d__a="base", d__b="base", e__a="base")
    place.git("switch", "-qc", "side")
    place.save("theirs", **theirs)
    place.git("switch", "-q", "main")
    place.ok("checkout")
    place.save("ours", **ours)


def test_two_branches_that_changed_different_data_merge_by_git_alone(in_git: Workplace) -> None:
    branched(in_git, {"d__a": "ours"}, {"e__a": "theirs"})
    in_git.git("merge", "-q", "--no-edit", "side")
    assert in_git.ok("checkout") == "1 file written (6 B), 0 removed\n"
    assert picture(in_git.root) == {"d/a": b"ours", "d/b": b"base", "e/a": b"theirs"}
    assert in_git.ok("status") == "Nothing has changed\n"


def test_a_conflict_in_one_dataset_is_settled_file_by_file(in_git: Workplace) -> None:
    branched(in_git, {"d__a": "ours", "new_ours": "1"}, {"d__b": "theirs", "new_theirs": "2"})
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    for words in (["status"], ["checkout"], ["add", "d"]):
        assert in_git.fails(2, *words) == ["error: xver.lock has merge conflicts", "hint: xver merge"]
    for words in (["commit", "-m", "x"], ["commit", "--no-commit"]):
        lines = in_git.fails(2, *words)
        assert (lines[0].endswith(" has merge conflicts"), lines[1]) == (True, "hint: xver merge")
    assert in_git.ok("merge") == "Settled xver.lock: git commit\n"
    assert picture(in_git.root) == {
        "d/a": b"ours", "d/b": b"theirs", "e/a": b"base", "new_ours": b"1", "new_theirs": b"2",
    }  # fmt: skip
    assert in_git.git("ls-files", "--unmerged") == ""
    in_git.ok("commit", "-m", "merged")
    assert len(in_git.git("rev-parse", "HEAD^@").split()) == 2
    assert in_git.ok("status") == "Nothing has changed\n"
    assert b"<<<<" not in in_git.read(".gitignore")


def test_a_real_conflict_is_listed_and_nothing_is_lost(in_git: Workplace) -> None:
    branched(in_git, {"d__a": "ours"}, {"d__a": "theirs", "d__b": "theirs"})
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    lock = in_git.read("xver.lock")
    hint = "hint: xver merge --ours, or --theirs, takes one side's; compare them in .git/xver/conflicts"
    assert in_git.fails(8, "merge") == ["error: both sides changed d/a", "  d/a", hint]
    assert read_tree(in_git.root / ".git/xver/conflicts") == {
        "d/a.base": b"base", "d/a.ours": b"ours", "d/a.theirs": b"theirs",
    }  # fmt: skip
    assert picture(in_git.root) == {"d/a": b"ours", "d/b": b"base", "e/a": b"base"}
    assert in_git.read("xver.lock") == lock
    in_git.git("merge", "--abort")
    assert in_git.ok("status") == "Nothing has changed\n"
    assert in_git.fails(2, "merge") == ["error: git has no conflict in xver.lock", "hint: git merge BRANCH"]
    assert in_git.fails(2, "merge", "side")[1] == "hint: git merge side, then xver checkout"


@pytest.mark.parametrize("words", [("--ours",), ("--theirs",)])
def test_changes_of_other_data_that_are_not_added_are_no_hindrance(in_git: Workplace, words: tuple[str]) -> None:
    branched(in_git, {"d__a": "ours"}, {"d__a": "theirs"})
    in_git.write(e__a="mine")
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    assert in_git.ok("merge", *words) == "Settled xver.lock: git commit\n"
    assert picture(in_git.root) == {"d/a": words[0][2:].encode(), "d/b": b"base", "e/a": b"mine"}
    in_git.git("commit", "-qm", "merged")
    in_git.ok("add", "e")


def test_changes_that_the_settled_data_would_overwrite_are_kept_and_the_way_out_works(in_git: Workplace) -> None:
    branched(in_git, {"d__a": "ours"}, {"d__a": "theirs"})
    in_git.write(d__a="mine")
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    lines = in_git.fails(9, "merge", "--theirs")
    assert lines[1:] == ["  d/a", "hint: git merge --abort, then xver add what you changed, then do it again"]
    in_git.git("merge", "--abort")
    in_git.ok("add", "d")
    in_git.ok("commit", "-m", "mine")
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    in_git.ok("merge", "--theirs")
    assert in_git.read("d/a") == b"theirs"


@pytest.mark.parametrize("command", ["rebase", "cherry-pick", "revert"])
def test_what_git_stopped_in_goes_on_as_git_does(in_git: Workplace, command: str) -> None:
    branched(in_git, {"d__a": "ours"}, {"d__a": "theirs"})
    in_git.git("-c", "core.editor=true", command, "side", check=False)
    assert in_git.ok("merge", "--theirs") == f"Settled xver.lock: git {command} --continue\n"
    in_git.git("-c", "core.editor=true", command, "--continue")
    assert in_git.ok("status") == "Nothing has changed\n"


@pytest.mark.parametrize("command", ["rebase", "cherry-pick", "revert"])
def test_what_git_stopped_in_is_given_up_as_git_does(in_git: Workplace, command: str) -> None:
    branched(in_git, {"d__a": "ours"}, {"d__a": "theirs"})
    in_git.git("-c", "core.editor=true", command, "side", check=False)
    in_git.write(d__a="mine")
    assert in_git.fails(9, "merge", "--theirs")[-1].startswith(f"hint: git {command} --abort, then xver add")


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_real_conflict_is_settled_by_taking_one_side_s(in_git: Workplace, side: str) -> None:
    branched(in_git, {"d__a": "ours", "e__a": "ours"}, {"d__a": "theirs", "d__b": "theirs"})
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    assert in_git.ok("merge", f"--{side}") == "Settled xver.lock: git commit\n"
    assert picture(in_git.root) == {"d/a": side.encode(), "d/b": b"theirs", "e/a": b"ours"}
    in_git.ok("commit", "-m", "merged")
    assert in_git.ok("status") == "Nothing has changed\n"


def test_a_merge_that_is_going_on_is_given_up(in_git: Workplace) -> None:
    assert in_git.fails(2, "merge", "--abort")[0] == "error: no merge is going on"
    branched(in_git, {"d__a": "ours", "e__a": "ours"}, {"d__a": "theirs", "d__b": "theirs"})
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    in_git.ok("merge", "--theirs")
    assert picture(in_git.root) == {"d/a": b"theirs", "d/b": b"theirs", "e/a": b"ours"}
    assert in_git.ok("merge", "--abort") == "Everything is as it was before the merge\n"
    assert picture(in_git.root) == {"d/a": b"ours", "d/b": b"base", "e/a": b"ours"}
    assert in_git.ok("status") == "Nothing has changed\n"


def test_conflicts_outside_git_are_laid_out_and_change_nothing(alone: Workplace) -> None:
    alone.save("base", d__t_csv="base", d__x="1", e="1")
    alone.ok("switch", "-c", "side")
    (alone.root / "d" / "x").unlink()
    alone.save("theirs", d__t_csv="theirs", d__new="n")
    alone.ok("switch", "main")
    alone.save("ours", d__t_csv="ours", d__x="2")
    lines = alone.fails(8, "merge", "side")
    assert lines[1:3] == ["  d/t_csv", "  d/x"]
    assert lines[3].endswith("; compare them in .xver/conflicts")
    assert read_tree(alone.root / ".xver/conflicts") == {
        "d/t_csv.base": b"base", "d/t_csv.ours": b"ours", "d/t_csv.theirs": b"theirs",
        "d/x.base": b"1", "d/x.ours": b"2",
    }  # fmt: skip
    assert alone.ok("status") == "Nothing has changed\n"
    assert alone.fails(2, "merge", "--abort")[1] == "hint: xver undo takes a merge back"
    alone.ok("merge", "side", "--theirs")
    assert picture(alone.root) == {"d/t_csv": b"theirs", "d/new": b"n", "e": b"1"}
    assert not (alone.root / ".xver/conflicts").exists()
    alone.ok("undo")
    assert picture(alone.root) == {"d/t_csv": b"ours", "d/x": b"2", "e": b"1"}


def test_a_file_against_a_folder_is_settled_by_taking_one_side_s(alone: Workplace) -> None:
    alone.save("base", d__a="base")
    alone.ok("switch", "-c", "side")
    alone.save("theirs", d__s__x="theirs")
    alone.ok("switch", "main")
    alone.save("ours", d__s="ours")
    assert alone.fails(8, "merge", "side")[0] == "error: both sides changed d/s/x"
    alone.ok("merge", "side", "--theirs")
    assert picture(alone.root) == {"d/a": b"base", "d/s/x": b"theirs"}


def test_commit_never_takes_conflict_markers_for_a_solution(in_git: Workplace) -> None:
    in_git.write(_dot_gitignore="base\n")
    branched(in_git, {"d__a": "ours"}, {"e__a": "theirs"})
    in_git.git("switch", "-q", "side")
    (in_git.root / ".gitignore").write_bytes(b"theirs\n" + in_git.read(".gitignore"))
    in_git.git("commit", "-qam", "their rules")
    in_git.git("switch", "-q", "main")
    (in_git.root / ".gitignore").write_bytes(b"ours\n" + in_git.read(".gitignore"))
    in_git.git("commit", "-qam", "our rules")
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    for words in (["commit", "-m", "x"], ["commit", "--no-commit"]):
        assert in_git.fails(2, *words)[0] == "error: .gitignore has merge conflicts"
    assert ".gitignore" in in_git.git("ls-files", "--unmerged")


def test_a_gitignore_that_one_side_deleted_is_settled_and_the_data_follows(hooked: Workplace) -> None:
    hooked.git("add", "-A")
    hooked.git("commit", "-qm", "begin")
    hooked.save("base", d__a="base")
    hooked.git("switch", "-qc", "side")
    hooked.save("theirs", e__a="theirs")
    hooked.git("switch", "-q", "main")
    hooked.git("revert", "--no-edit", "HEAD")
    # It takes the file away, in which the other side has one line more: no driver is asked for that.
    hooked.git("merge", "-q", "--no-edit", "side", check=False)
    assert ".gitignore" in hooked.git("ls-files", "--unmerged")
    assert hooked.ok("merge") == "Settled xver.lock: git commit\n"
    hooked.git("commit", "-q", "--no-edit")
    assert picture(hooked.root) == {"e/a": b"theirs"}
    assert hooked.ok("status") == "Nothing has changed\n"


def test_merge_outside_git(alone: Workplace) -> None:
    alone.save("base", d__a="base", d__b="base")
    alone.ok("switch", "-c", "side")
    alone.save("theirs", d__b="theirs")
    alone.ok("switch", "main")
    alone.save("ours", d__a="ours")
    assert alone.ok("merge", "side") == "Merged as <id>\n"
    assert picture(alone.root) == {"d/a": b"ours", "d/b": b"theirs"}
    assert alone.ok("merge", "side") == "Already up to date\n"
    assert alone.fails(2, "merge") == [
        "error: a branch or revision to merge is needed", "hint: xver branch lists them",
    ]  # fmt: skip
    alone.ok("switch", "side")
    assert alone.ok("merge", "main") == "Moved forward to main\n"
