"""Where HEAD and branches are, and what a revision names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xver.errors import RevisionNotFound
from xver.git.command import GitCommand
from xver.git.history import (
    branch,
    commits_of,
    head,
    lock_at,
    lock_commits,
    refs,
    resolve,
)

from .repository import Repository


def test_unborn(repo: Repository) -> None:
    git = repo.command
    assert (head(git), branch(git), lock_at(git), refs(git)) == (None, "main", None, {})
    for question in (resolve, lock_commits, commits_of):
        with pytest.raises(RevisionNotFound, match="no commit yet"):
            question(git, "HEAD")
    with pytest.raises(RevisionNotFound, match="no such revision: 'main'"):
        lock_at(git, "main")


def test_branch_and_detached_head(repo: Repository) -> None:
    made = repo.save("first")
    repo.run("switch", "--quiet", "-c", "topic/é")
    assert (head(repo.command), branch(repo.command)) == (made, "topic/é")
    repo.run("tag", "topic/é")  # a tag of the same name must not lengthen the branch's
    assert branch(repo.command) == "topic/é"
    repo.run("checkout", "--quiet", "--detach")
    assert (head(repo.command), branch(repo.command)) == (made, None)


def test_each_worktree_has_its_own_head(repo: Repository, tmp_path: Path) -> None:
    first = repo.save("first", lock="1")
    repo.run("worktree", "add", "--quiet", str(tmp_path / "other"), "-b", "other")
    second = repo.save("second", lock="2")
    other = GitCommand(tmp_path / "other")
    assert (head(other), branch(other), lock_at(other)) == (first, "other", b"1")
    assert (head(repo.command), branch(repo.command), lock_at(repo.command)) == (second, "main", b"2")


def test_resolve(repo: Repository) -> None:
    first, second = repo.save("first words", a="1"), repo.save("second", a="2")
    repo.run("tag", "-a", "v1", "-m", "one", first)
    repo.run("tag", "-a", "v1-again", "-m", "two", "v1")
    for rev in (
        first,
        first[:7],
        "HEAD~1",
        "main^",
        "v1",
        "v1-again",
        ":/first words",
        "HEAD^{/first}",
        "@~",
        "HEAD^^0",
    ):
        assert resolve(repo.command, rev) == first, rev
    assert resolve(repo.command, "main@{0}") == second
    bad = [
        "",
        "nope",
        "HEAD~9",
        "-h",
        "--all",
        "^HEAD",
        "v1..main",
        "HEAD^@",
        "HEAD^!",
        "HEAD^-",
        "HEAD:a",
        ":a",
        ":/no such",
    ]
    for rev in [*bad, "HEAD^{tree}", "a\0b", "a\nb", "0" * 40, ":/", "é"]:
        for question in (resolve, lock_commits, commits_of, lock_at):
            if question is resolve or rev not in ("HEAD^{tree}", "HEAD:a"):
                with pytest.raises(RevisionNotFound):
                    question(repo.command, rev)


def test_the_nearest_name_is_the_hint(repo: Repository) -> None:
    repo.save("first")
    repo.run("branch", "experiment")
    with pytest.raises(RevisionNotFound) as caught:
        resolve(repo.command, "experimnet")
    assert caught.value.hint == "the nearest name is experiment"


def test_an_ambiguous_id_lists_the_commits_it_fits(repo: Repository) -> None:
    # Make commits until two ids share four digits; blobs and trees of the same digits are no candidates.
    lines = [
        f"commit refs/heads/c{number}\ncommitter A <a@b> {1_700_000_000 + number} +0000\ndata 1\nx\n"
        for number in range(600)
    ]
    repo.run("fast-import", "--quiet", input="".join(lines).encode())
    ids = set(refs(repo.command).values())
    by_digits: dict[str, list[str]] = {}
    for found in ids:
        by_digits.setdefault(found[:4], []).append(found)
    digits, fitting = next((digits, ids) for digits, ids in by_digits.items() if len(ids) > 1)
    with pytest.raises(RevisionNotFound) as caught:
        resolve(repo.command, digits + "~0")
    assert "ambiguous" in caught.value.message
    assert set(re.findall(r"[0-9a-f]{12}", caught.value.message)) == {one[:12] for one in fitting}
