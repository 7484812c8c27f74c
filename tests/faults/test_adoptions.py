"""`xver adopt` of what git-lfs has is killed at each step: each path has an owner, and all can be done or undone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.adopted import git, pointed, taken
from tests.support.dying import killed_adoptions
from tests.support.trees import posix
from xver.intake.adopting import adopt
from xver.intake.lfs import Lfs
from xver.repo import Repo, init_repo, open_repo
from xver.upkeep.fsck import check
from xver.versioning.operations import operations
from xver.versioning.undoing import undo

pytestmark = [posix, pytest.mark.skipif(shutil.which("git") is None, reason="needs git")]


def adopted(repo: Repo) -> Repo:
    assert repo.git is not None
    assert adopt(repo, Lfs(repo.git), history="HEAD").left == ()
    return repo


def in_git(root: Path) -> str:
    return git(root, "ls-files", "--stage", "--", "*.bin")


def test_adopt_killed_at_each_step(tmp_path: Path) -> None:
    said = pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    git(repo.root, "add", "xver.lock", "xver.toml")
    git(repo.root, "commit", "-qm", "xver")
    before, paths = in_git(repo.root), set(said[-1])
    killed = killed_adoptions(repo.root, tmp_path / "killed")
    assert len(killed) > 10
    half_way = 0
    for root in killed:
        repo = open_repo(root)
        assert check(repo).problems == ()
        owned = {line.partition("\t")[2] for line in in_git(root).splitlines()}
        assert owned | set(repo.lock.entries) == paths
        half_way += in_git(root) == before and set(repo.lock.entries) == paths
        shutil.copytree(root, root.with_suffix(".undone"), symlinks=True)
        adopted(repo)
        assert in_git(root) == ""
        git(root, "commit", "-qm", "adopted")
        assert taken(repo)[-1] == said[-1]
        assert taken(repo)[:3] == said
    assert half_way > 0
    for root in killed:
        repo = open_repo(root.with_suffix(".undone"))
        adopted(repo)
        while operations(repo):
            undo(repo)
        assert in_git(repo.root) == before
        assert repo.lock.entries == {}
