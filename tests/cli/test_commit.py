"""Commits as they are typed: of data and code, of all that changed, by git itself, past hooks that refuse."""

from __future__ import annotations

import sys

from tests.support.trees import picture, posix

from .workplace import Workplace


def test_commit_in_git_is_one_commit_of_data_and_code(in_git: Workplace) -> None:
    in_git.write(code_dot_py="print()\n", notes="mine\n", d__a="1")
    in_git.git("add", "code.py")
    in_git.ok("add", "d")
    assert in_git.ok("commit", "-m", "data and code", "-m", "why") == "[main <id>] data and code\n + d  1 file  1 B\n"
    assert in_git.git("show", "--name-only", "--format=%s%n%b").split("\n") == [
        "data and code", "why", "", "", ".gitignore", "code.py", "xver.lock", "xver.toml",
    ]  # fmt: skip
    assert in_git.git("status", "--porcelain") == "?? notes"
    assert in_git.read(".gitignore") == (b"# >>> xver: data tracked by xver, not by git\n/d/\n# <<< xver\n")
    assert in_git.fails(2, "commit", "-m", "again") == [
        "error: nothing to commit",
        "hint: xver add what changed, or git add",
    ]


def test_commit_all_takes_what_changed(place: Workplace) -> None:
    place.save("one", d__a="1", d__b="1", e="1")
    place.write(d__a="22", d__new="!", mine="not tracked")
    for gone in ("d/b", "e"):
        (place.root / gone).unlink()
    assert place.ok("commit", "-am", "two") == "[main <id>] two\n ~ d  +1 B\n - e  1 B\n"
    assert place.ok("status") == "Nothing has changed\n"
    assert (place.ok("ls"), place.ok("ls", "d")) == ("d\n", "d/a\nd/new\n")


def test_commit_all_is_undone_like_its_parts(alone: Workplace) -> None:
    alone.save("one", d__a="1", e="1")
    alone.write(d__a="22")
    (alone.root / "e").unlink()
    alone.ok("commit", "-am", "two")
    for undone in ("commit two", "rm --cached e", "add d"):
        assert alone.ok("undo") == f"Undone: {undone}\n"
    assert picture(alone.root)["d/a"] == b"22"
    assert [row["change"] for row in alone.json("status")["changed"]] == ["modified"]


def test_commit_all_beside_git(in_git: Workplace) -> None:
    in_git.save("one", d__a="1")
    in_git.write(code="1", gone="1", sub__code="1")
    in_git.git("add", "code", "gone", "sub")
    in_git.git("commit", "-qm", "code")
    in_git.write(d__a="2", code="2", sub__code="2", mine="not tracked")
    (in_git.root / "gone").unlink()
    assert in_git.ok("commit", "-am", "all", where="sub") == "[main <id>] all\n ~ d  +0 B\n"
    assert in_git.git("show", "--name-status", "--format=") == "M\tcode\nD\tgone\nM\tsub/code\nM\txver.lock"
    assert in_git.git("status", "--porcelain") == "?? mine"
    assert in_git.ok("status") == "Nothing has changed\n"


def test_commit_by_git_itself(in_git: Workplace) -> None:
    in_git.write(d__a="1")
    in_git.ok("add", "d")
    assert in_git.ok("commit", "--no-commit") == "Staged xver.lock, xver.toml, .gitignore: git commit\n"
    in_git.git("commit", "-qm", "by git")
    assert [one["message"] for one in in_git.json("log")] == ["by git"]
    assert in_git.ok("status") == "Nothing has changed\n"


def test_commit_on_a_detached_head(in_git: Workplace) -> None:
    in_git.save("one", d__a="1")
    in_git.git("checkout", "-q", "--detach")
    in_git.write(d__a="2")
    in_git.ok("add", "d")
    assert in_git.ok("commit", "-m", "two").startswith("[detached HEAD <id>] two\n")


@posix
def test_a_hook_that_refuses_is_quoted_and_may_call_xver(in_git: Workplace) -> None:
    hook = in_git.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n'{sys.executable}' -m xver add d && echo first && echo second >&2\nexit 1\n")
    hook.chmod(0o755)
    in_git.write(d__a="1")
    in_git.ok("add", "d")
    lines = in_git.fails(15, "commit", "-m", "x")
    assert lines[0] == "error: git commit failed:"
    assert [line.strip() for line in lines[-2:]] == ["first", "second"]
    assert in_git.git("rev-parse", "--verify", "-q", "HEAD", check=False) == ""


def test_a_user_whom_git_does_not_know(in_git: Workplace) -> None:
    for name in [name for name in in_git.environment if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))]:
        del in_git.environment[name]
    in_git.git("config", "user.useConfigOnly", "true")
    in_git.write(d__a="1")
    in_git.ok("add", "d")
    lines = in_git.fails(15, "commit", "-m", "x")
    assert "git config --global user.email" in "\n".join(lines)
