"""git's index has the lock and the block of one mind, whatever is staged, and the user's lines as they staged them."""

from __future__ import annotations

import pytest

from tests.support.repos import write_tree
from xver.git.ignore_block import END, START, read_block
from xver.repo import Repo, init_repo
from xver.versioning.commits import commit, stage_for_hook
from xver.versioning.removing import remove
from xver.versioning.tracking import add
from xver.versioning.undoing import undo
from xver.versioning.unstaging import unstage

from .repository import Repository


@pytest.fixture
def data(repo: Repository) -> Repo:
    """A repository of ours beside git, begun by a commit, and files to add."""
    made, _ = init_repo(repo.root)
    repo.save("begin", code="1")
    write_tree(repo.root, {"d/a": b"1", "g": b"2"})
    return made


def staged_block(repo: Repository) -> list[str]:
    return read_block(repo.run("show", ":.gitignore") + "\n")


def test_it_is_staged_with_the_lock(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    assert repo.run("status", "--short") == "A  .gitignore\nM  xver.lock\n?? g"
    repo.commit("-m", "d")
    add(data, ["g"])
    assert repo.run("status", "--short") == "M  .gitignore\nM  xver.lock"


def test_what_went_back_to_head_is_staged_back(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    repo.commit("-m", "d")
    add(data, ["g"])
    repo.commit("-m", "g")
    repo.run("reset", "--soft", "HEAD~1")
    assert staged_block(repo) == ["d/", "g"]
    unstage(data)
    assert staged_block(repo) == ["d/"]
    assert repo.run("status", "--short") == "?? g"


def test_an_add_that_is_undone_leaves_no_file(repo: Repository, data: Repo) -> None:
    before = repo.run("status", "--short")
    add(data, ["d"])
    undo(data)
    assert repo.run("status", "--short") == before
    assert not (repo.root / ".gitignore").exists()


def test_one_that_head_has_stays_for_merges(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    repo.commit("-m", "d")
    remove(data, ["d"])
    assert (repo.root / ".gitignore").read_bytes() == b""
    assert repo.run("status", "--short") == "M  .gitignore\nM  xver.lock\n?? g"


def test_what_the_user_staged_of_it_stays_so(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    repo.commit("-m", "d")
    block = (repo.root / ".gitignore").read_text()
    repo.write(".gitignore", f"*.pyc\n{block}")
    repo.run("add", ".gitignore")
    repo.write(".gitignore", f"*.pyc\n*.log\n{block}")
    add(data, ["g"])
    both = f"*.pyc\n{START}\n/d/\n/g\n{END}"
    assert repo.run("show", ":.gitignore") == both
    stage_for_hook(data, repo.command)
    assert repo.run("show", ":.gitignore") == both
    assert (repo.root / ".gitignore").read_text() == f"*.pyc\n*.log\n{START}\n/d/\n/g\n{END}\n"


def test_the_hook_takes_all_of_it_where_none_was_staged_by_hand(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    repo.commit("-m", "d")
    repo.write(".gitignore", "*.log\n" + (repo.root / ".gitignore").read_text())
    add(data, ["g"])
    assert repo.run("show", ":.gitignore") == f"{START}\n/d/\n/g\n{END}"
    stage_for_hook(data, repo.command)
    assert repo.run("show", ":.gitignore") == f"*.log\n{START}\n/d/\n/g\n{END}"


def test_the_hook_mends_a_block_that_was_staged_by_hand(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    repo.commit("-m", "d")
    block = (repo.root / ".gitignore").read_text()
    repo.write(".gitignore", "*.pyc\n" + block.replace("/d/", "/other/"))
    repo.run("add", ".gitignore")
    repo.write(".gitignore", "*.log\n" + block)
    stage_for_hook(data, repo.command)
    assert repo.run("show", ":.gitignore") == f"*.pyc\n{START}\n/d/\n{END}"


def test_a_lock_that_git_took_out_of_a_version_has_its_block_by_the_commit(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    one = repo.commit("-m", "d")
    add(data, ["g"])
    repo.commit("-m", "g")
    repo.run("checkout", one, "--", "xver.lock")
    assert staged_block(repo) == ["d/", "g"]
    stage_for_hook(data, repo.command)
    assert staged_block(repo) == ["d/"]
    repo.run("reset", "--hard")
    repo.run("checkout", one, "--", "xver.lock")
    commit(data, "by xver")
    assert staged_block(repo) == ["d/"]


def test_a_conflict_is_the_user_s(repo: Repository, data: Repo) -> None:
    add(data, ["d"])
    repo.commit("-m", "d")
    block = (repo.root / ".gitignore").read_text()
    repo.save("base", **{".gitignore": f"base\n{block}"})
    repo.run("switch", "-q", "-c", "side")
    repo.save("theirs", **{".gitignore": f"theirs\n{block}"})
    repo.run("switch", "-q", "main")
    repo.save("ours", **{".gitignore": f"ours\n{block}"})
    repo.command.change("merge", "side", check=False)
    repo.write(".gitignore", f"ours\ntheirs\n{block}")
    repo.write("h", "3")
    add(data, ["h"])
    assert ".gitignore" in repo.run("ls-files", "--unmerged")
    assert repo.run("diff", "--cached", "--name-only", "--diff-filter=M") == "xver.lock"
