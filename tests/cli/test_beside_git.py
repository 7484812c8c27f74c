"""What git does once xver is installed beside it: hooks, merge driver, diff driver; and what it does without."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.trees import picture

from .workplace import Workplace

HOOKS = {"pre-commit", "post-checkout", "post-merge", "post-commit", "post-rewrite", "pre-push"}


def hooks(place: Workplace) -> dict[str, str]:
    folder = place.root / ".git/hooks"
    return {one.name: one.read_text() for one in folder.iterdir() if not one.name.endswith(".sample")}


def theirs(place: Workplace, name: str, text: str) -> None:
    path = place.root / ".git/hooks" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def push(place: Workplace, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["git", "push", "-q", *words],
        cwd=place.root,
        env=place.environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stderr


def test_init_installs_and_installing_again_changes_nothing(hooked: Workplace) -> None:
    before = hooks(hooked), hooked.read(".git/config"), hooked.read(".git/info/attributes")
    assert set(before[0]) == HOOKS
    assert str(hooked.root) not in "".join(before[0].values()) + before[1].decode() + before[2].decode()
    assert hooked.ok("install") == "Installed hooks, merge driver and diff driver in this clone of git\n"
    assert (hooks(hooked), hooked.read(".git/config"), hooked.read(".git/info/attributes")) == before


def test_uninstall_leaves_git_as_it_was(hooked: Workplace) -> None:
    hooked.ok("install", "--uninstall")
    theirs(hooked, "pre-push", "exit 3")
    (hooked.root / ".git/info/attributes").write_text("*.bin binary")
    before = hooks(hooked), hooked.git("config", "--local", "--list")
    assert "Hooks in " in hooked.ok("install")
    assert set(hooks(hooked)) == {*HOOKS, "pre-push.before-xver"}
    hooked.ok("install", "--uninstall")
    assert (hooks(hooked), hooked.git("config", "--local", "--list")) == before
    assert hooked.read(".git/info/attributes") == b"*.bin binary\n"


def test_hooks_of_others_are_called_first_with_the_same_words_and_input(hooked: Workplace, tmp_path: Path) -> None:
    hooked.ok("install", "--uninstall")
    theirs(hooked, "pre-push", f'cat > "{tmp_path}/input"; echo "$@" > "{tmp_path}/words"; exit 7')
    theirs(hooked, "pre-commit", 'echo no >&2; [ -z "$REFUSE" ]')
    hooked.ok("install")
    hooked.save("base", d__a="1")
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare"], check=True)
    assert push(hooked, str(tmp_path / "bare"), "main")[0] == 1
    assert (tmp_path / "words").read_text() == f"{tmp_path}/bare {tmp_path}/bare\n"
    head = hooked.git("rev-parse", "HEAD")
    assert (tmp_path / "input").read_text() == f"refs/heads/main {head} refs/heads/main {'0' * 40}\n"
    hooked.write(d__a="2")
    hooked.ok("add", "d")
    hooked.environment["REFUSE"] = "1"
    hooked.git("commit", "-qm", "refused", check=False)
    assert hooked.git("rev-parse", "HEAD") == head


def test_a_tool_that_chains_our_hook_makes_no_circle(hooked: Workplace) -> None:
    hooked.ok("install", "--uninstall")
    # As pre-commit does: what is there becomes `.legacy`, and is called by the tool's own.
    tool = '[ ! -x "$(dirname "$0")/pre-commit.legacy" ] || "$(dirname "$0")/pre-commit.legacy"; echo tool >> ran'
    theirs(hooked, "pre-commit", tool)
    hooked.ok("install")
    (hooked.root / ".git/hooks/pre-commit").rename(hooked.root / ".git/hooks/pre-commit.legacy")
    theirs(hooked, "pre-commit", tool)
    hooked.write(d__a="1")
    hooked.ok("add", "d")
    hooked.git("commit", "-qm", "one")
    assert hooked.read("ran") == b"tool\ntool\n"
    line, hint = hooked.fails(6, "install")
    assert line.startswith("error: there are two other hooks: ")
    assert hint == "hint: make one of them, pre-commit, and remove pre-commit.before-xver"


def test_core_hooks_path(hooked: Workplace) -> None:
    hooked.ok("install", "--uninstall")
    hooked.git("config", "core.hooksPath", ".husky")
    hooked.ok("install")
    assert {one.name for one in (hooked.root / ".husky").iterdir()} == HOOKS
    hooked.write(d__a="1")
    hooked.ok("add", "d")
    hooked.git("commit", "-qm", "one")
    assert ".gitignore" in hooked.git("ls-files")


def test_a_plain_commit_takes_the_lock_along(hooked: Workplace) -> None:
    hooked.write(d__a="1")
    hooked.ok("add", "d")
    hooked.git("commit", "-qm", "nothing but data")
    assert hooked.git("ls-files").split() == [".gitignore", "xver.lock", "xver.toml"]
    hooked.write(d__a="2", train_dot_py="x")
    hooked.ok("add", "d")
    (hooked.root / ".gitignore").write_bytes(b"*.pyc\n" + hooked.read(".gitignore"))
    hooked.git("add", ".gitignore")
    (hooked.root / ".gitignore").write_bytes(b"*.log\n" + hooked.read(".gitignore"))
    hooked.git("add", "train.py")
    hooked.git("commit", "-qm", "code and data")
    assert hooked.git("status", "--short") == "M .gitignore"
    assert hooked.ok("status") == "Nothing has changed\n"


def test_after_stash_and_pop_the_ways_on_are_told_and_work(hooked: Workplace) -> None:
    behind = "git changed xver.lock and called no hook (git stash, git reset): xver checkout brings the data"
    hooked.save("one", d__a="1")
    hooked.write(d__a="edited")
    assert behind not in hooked.ok("status")
    hooked.ok("add", "d")
    for gesture, data in (("push", b"1"), ("pop", b"edited")):
        hooked.git("stash", gesture, "-q")
        assert behind in hooked.ok("status").splitlines()
        hooked.ok("checkout")
        assert hooked.read("d/a") == data
        assert behind not in hooked.ok("status")
    told = "xver: xver.lock is staged now; if git says that nothing is, type git commit again"
    words = ["git", "commit", "-qm", "two"]
    for code, lines in ((1, [told]), (0, [])):
        done = subprocess.run(words, cwd=hooked.root, env=hooked.environment, capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stderr.splitlines()) == (code, lines)
    assert hooked.ok("status") == "Nothing has changed\n"
    assert hooked.ok("cat", "HEAD:d/a") == "edited"


def test_what_was_taken_back_is_no_work_of_git_s(hooked: Workplace) -> None:
    hooked.save("one", d__a="1")
    hooked.write(d__a="edited")
    hooked.ok("add", "d")
    hooked.ok("restore", "--staged", "d")
    assert "called no hook" not in hooked.ok("status")


def test_a_commit_of_named_files_has_only_those(hooked: Workplace) -> None:
    hooked.write(a_dot_py="1")
    hooked.git("add", "a.py")
    hooked.save("base", d__a="1")
    hooked.write(d__a="2", a_dot_py="2")
    hooked.ok("add", "d")
    hooked.git("commit", "-qm", "code alone", "a.py")
    assert hooked.git("show", "--format=", "--name-only") == "a.py"
    assert hooked.git("status", "--short") == "M  xver.lock"


def test_conflict_marks_are_not_committed(hooked: Workplace) -> None:
    hooked.save("base", d__a="1")
    (hooked.root / "xver.lock").write_bytes(b"<<<<<<< ours\n" + hooked.read("xver.lock"))
    hooked.git("add", "xver.lock")
    hooked.git("commit", "-qm", "marks", check=False)
    assert hooked.git("log", "--format=%s") == "base"


def test_the_disk_follows_checkout_merge_cherry_pick_rebase_and_revert(hooked: Workplace) -> None:
    hooked.save("base", d__a="base", e__a="base")
    hooked.git("switch", "-qc", "side")
    hooked.save("side", e__a="side", new="1")
    hooked.git("switch", "-q", "main")
    base = {"d/a": b"base", "e/a": b"base"}
    assert picture(hooked.root) == base
    hooked.git("merge", "-q", "side")
    side = {**base, "e/a": b"side", "new": b"1"}
    assert picture(hooked.root) == side
    hooked.git("revert", "--no-edit", "HEAD")
    assert picture(hooked.root) == base
    hooked.git("switch", "-qc", "picked", "HEAD~2")
    hooked.git("cherry-pick", "side")
    assert picture(hooked.root) == side
    hooked.git("switch", "-qc", "rebased", "HEAD~1")
    hooked.save("more", d__a="more")
    hooked.git("rebase", "-q", "side")
    assert picture(hooked.root) == {**side, "d/a": b"more"}
    assert hooked.ok("status") == "Nothing has changed\n"


def test_what_the_user_removed_does_not_come_back_by_a_commit(hooked: Workplace) -> None:
    hooked.save("base", d__a="1", d__b="1", e="1", f="1")
    (hooked.root / "d" / "a").unlink()
    (hooked.root / "f").unlink()
    hooked.write(e="2")
    hooked.ok("add", "e")
    hooked.git("commit", "-qm", "e alone")
    assert picture(hooked.root) == {"d/b": b"1", "e": b"2"}
    hooked.git("switch", "-q", "--detach", "HEAD~1")
    assert picture(hooked.root) == {"d/b": b"1", "e": b"1"}
    hooked.ok("checkout")
    assert picture(hooked.root) == {"d/a": b"1", "d/b": b"1", "e": b"1", "f": b"1"}


def test_what_was_taken_out_of_the_lock_stays_on_the_disk(hooked: Workplace) -> None:
    """By a commit of something else, and by a switch to a branch that has it as it was."""
    hooked.save("one", d__a="1")
    hooked.git("branch", "side")
    hooked.write(d__a="2", e="1")
    hooked.ok("add", "d")
    hooked.ok("restore", "--staged", "d")
    hooked.ok("add", "e")
    hooked.git("commit", "-qm", "something else")
    assert picture(hooked.root) == {"d/a": b"2", "e": b"1"}
    hooked.git("switch", "-q", "side")
    assert picture(hooked.root) == {"d/a": b"2"}
    assert hooked.ok("status").splitlines()[-1] == " modified d/a  1 B"


def test_what_cannot_follow_is_told_and_ends_nothing(hooked: Workplace, tmp_path: Path) -> None:
    first = hooked.save("one", d__a="1", e__a="1")
    hooked.save("two", d__a="2", e__a="2")
    hooked.write(d__a="changed")
    done = subprocess.run(
        ["git", "checkout", "-q", first], cwd=hooked.root, env=hooked.environment, capture_output=True, check=True
    )
    assert b"xver: d has changes that are not added, and stays as it is: xver status d\n" in done.stderr
    assert picture(hooked.root) == {"d/a": b"changed", "e/a": b"1"}


def test_a_change_goes_along_inside_of_a_dataset_where_the_commits_are_alike(hooked: Workplace) -> None:
    first = hooked.save("one", d__a="1", d__b="1", d__c="1")
    hooked.save("two", d__a="1", d__b="2", d__c="1")
    hooked.write(d__a="changed")
    (hooked.root / "d" / "c").unlink()
    hooked.git("checkout", "-q", first)
    assert picture(hooked.root) == {"d/a": b"changed", "d/b": b"1"}
    assert sorted(hooked.ok("status").splitlines()[1:]) == [" deleted  d/c  1 B", " modified d/a  7 B"]


def test_in_a_clone_the_disk_follows_as_far_as_data_is_local(hooked: Workplace, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    hooked.ok("remote", "add", "origin", str(tmp_path / "data"))
    hooked.save("one", d__a="1", e__a="1")
    hooked.git("tag", "one")
    hooked.save("two", d__a="2", d__b="22", e__a="2")
    hooked.ok("push")
    subprocess.run(["git", "clone", "-q", hooked.root, tmp_path / "clone"], env=hooked.environment, check=True)
    clone = object.__new__(Workplace)
    clone.root, clone.environment = tmp_path / "clone", hooked.environment
    clone.ok("install")
    clone.ok("pull", "d")
    clone.ok("fetch")
    done = subprocess.run(
        ["git", "checkout", "-q", "one"], cwd=clone.root, env=clone.environment, capture_output=True, check=True
    )
    assert done.stderr == b"xver: 0 files written (0 B), 1 removed\nxver: 2 B not local: xver pull\n"
    clone.ok("pull")
    assert picture(clone.root) == {"d/a": b"1", "e/a": b"1"}


def test_a_push_of_commits_whose_data_is_nowhere_is_refused(hooked: Workplace, tmp_path: Path) -> None:
    bare, data = tmp_path / "bare", tmp_path / "data"
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    hooked.git("remote", "add", "origin", str(bare))
    hooked.save("one", d__a="1")
    status, told = push(hooked, "origin", "main")
    assert (status, told) == (0, "xver: the data has no remote yet: xver remote add origin s3://bucket/prefix\n")
    hooked.ok("remote", "add", "origin", str(data))
    hooked.save("two", d__a="2")
    status, told = push(hooked, "origin", "main")
    assert status == 1
    assert told.splitlines()[:2] == [
        f"error: origin has not been given the data of {hooked.git('rev-parse', '--short=7', 'HEAD')} two",
        "hint: xver push, then git push again",
    ]
    hooked.ok("push")
    assert push(hooked, "origin", "main") == (0, "")
    hooked.git("commit", "-q", "--allow-empty", "-m", "code only")
    assert push(hooked, "origin", "main") == (0, "")
    hooked.git("switch", "-qc", "side")
    hooked.save("aside", d__a="aside")
    hooked.git("switch", "-q", "main")
    assert push(hooked, "origin", "side")[1].splitlines()[1] == "hint: xver push on that branch, then git push again"
    hooked.save("three", d__a="3")
    (data / "xver.json").rename(tmp_path / "away")
    assert push(hooked, "origin", "main")[0] == 1
    (tmp_path / "away").rename(data / "xver.json")
    hooked.ok("config", "set", "git.push_data", "true")
    status, told = push(hooked, "origin", "main", ":gone")
    assert push(hooked, "origin", "main") == (0, "")
    assert hooked.ok("push") == "origin has everything already\n"


def test_a_worktree_and_a_submodule(hooked: Workplace, tmp_path: Path) -> None:
    hooked.save("one", d__a="1")
    hooked.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    assert picture(tmp_path / "linked") == {"d/a": b"1"}
    outer = Workplace(tmp_path / "outer", tmp_path / "home", git=True, hooks=True)
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(hooked.root), "sub")
    inner = object.__new__(Workplace)
    inner.root, inner.environment = outer.root / "sub", outer.environment
    inner.ok("install")
    assert (outer.root / ".git/modules/sub/hooks/post-merge").exists()
    assert "merge.xver.driver" in inner.git("config", "--local", "--list")
    inner.write(n="2")
    inner.ok("add", "n")
    inner.git("commit", "-qm", "in the submodule")
    inner.git("checkout", "-q", "HEAD~1")
    assert picture(inner.root) == {}


def test_two_who_changed_one_dataset_merge_by_the_driver(hooked: Workplace) -> None:
    (hooked.root / "xver.toml").write_text('[merge.keys]\n"labels/*.csv" = "id"\n')
    lines = "".join(f"{n}\n" for n in range(9))
    hooked.save("base", labels__t_dot_csv="id,y\n1,\n2,\n", d__text=lines, d__b="1")
    hooked.git("switch", "-qc", "side")
    hooked.save("side", labels__t_dot_csv="id,y\n1,\n2,dog\n", d__text=lines + "theirs\n", theirs="1")
    hooked.git("switch", "-q", "main")
    hooked.save("main", labels__t_dot_csv="id,y\n1,cat\n2,\n", d__text="ours\n" + lines, d__b="2", ours="1")
    hooked.git("merge", "-q", "--no-edit", "side")
    assert picture(hooked.root) == {
        "d/b": b"2", "d/text": f"ours\n{lines}theirs\n".encode(), "labels/t.csv": b"id,y\n1,cat\n2,dog\n",
        "ours": b"1", "theirs": b"1",
    }  # fmt: skip
    assert hooked.git("status", "--short") == ""
    assert hooked.ok("status") == "Nothing has changed\n"
    assert "all whole" in hooked.ok("fsck")


def test_a_real_conflict_keeps_git_s_marks_and_xver_merge_goes_on(hooked: Workplace) -> None:
    hooked.save("base", d__a="base", d__b="base")
    hooked.git("switch", "-qc", "side")
    hooked.save("side", d__a="side", d__b="side")
    hooked.git("switch", "-q", "main")
    hooked.save("main", d__a="main")
    done = subprocess.run(
        ["git", "merge", "-q", "side"], cwd=hooked.root, env=hooked.environment, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"xver: xver.lock: both sides changed d/a: xver merge --ours, or --theirs, takes one side's" in done.stderr
    assert b"<<<<<<< ours" in hooked.read("xver.lock")
    hooked.ok("merge", "--ours")
    hooked.git("commit", "-qm", "merged")
    assert picture(hooked.root) == {"d/a": b"main", "d/b": b"side"}


def test_a_conflict_that_text_would_not_be_is_one(hooked: Workplace) -> None:
    """Both sides add a path, and one of them another one behind it: by lines that is two tables of one path."""
    hooked.save("base", d__a="base", d__c="base")
    hooked.git("switch", "-qc", "side")
    hooked.save("theirs", d__b="theirs", e__a="their", f="theirs")
    hooked.git("switch", "-q", "main")
    hooked.save("ours", e__a="other")
    hooked.git("merge", "-q", "--no-edit", "side", check=False)
    assert "xver.lock" in hooked.git("ls-files", "--unmerged")
    assert hooked.fails(2, "status") == ["error: xver.lock has merge conflicts", "hint: xver merge"]
    hooked.ok("merge", "--ours")
    hooked.git("commit", "-q", "--no-edit")
    assert picture(hooked.root) == {"d/a": b"base", "d/c": b"base", "d/b": b"theirs", "e/a": b"other", "f": b"theirs"}


def test_git_diff_and_log_tell_changes_of_data(hooked: Workplace) -> None:
    hooked.save("base", d__a="12", e__a="1")
    hooked.write(d__a="123", d__b="1")
    hooked.ok("add", "d")
    assert hooked.git("diff", "--cached") == "data in xver.lock\nM d/a  2 B -> 3 B\nA d/b  1 B"
    assert hooked.git("diff", "HEAD", "--stat").splitlines()[-1].startswith(" 1 file changed")
    hooked.git("commit", "-qm", "more")
    told = [line for line in hooked.git("log", "-p", "-1", "--format=", "xver.lock").splitlines() if line[0] in "+-"]
    assert [line.rpartition("  ")[0] for line in told[2:]] == ["-d  dataset  1 file  2 B", "+d  dataset  2 files  4 B"]


def test_without_xver_git_works_and_xver_merge_settles_later(hooked: Workplace) -> None:
    hooked.save("base", d__a="base", d__b="base", e__a="base")
    hooked.git("switch", "-qc", "side")
    hooked.save("side", d__a="side")
    hooked.git("switch", "-q", "main")
    hooked.save("main", d__b="main")
    path = hooked.environment["PATH"]
    hooked.environment["PATH"] = path.partition(os.pathsep)[2]
    hooked.git("switch", "-q", "side")
    hooked.git("switch", "-q", "main")
    assert "d" in hooked.git("log", "-p", "--format=", "xver.lock")
    assert hooked.git("diff", "HEAD~1")
    hooked.git("merge", "-q", "--no-edit", "side", check=False)
    assert "xver.lock" in hooked.git("ls-files", "--unmerged")
    assert b"<<<<<<< ours" in hooked.read("xver.lock")
    hooked.environment["PATH"] = path
    hooked.ok("merge")
    hooked.git("commit", "-qm", "merged")
    assert picture(hooked.root) == {"d/a": b"side", "d/b": b"main", "e/a": b"base"}


@pytest.mark.parametrize("words", [["install"], ["install", "--uninstall"]])
def test_there_is_nothing_to_install_without_git(alone: Workplace, words: list[str]) -> None:
    assert alone.fails(2, *words) == ["error: there is no git here", "hint: git init, then xver init"]
