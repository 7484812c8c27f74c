"""A repository without git, and what a test does in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import new_repo, save
from tests.support.trees import WAYS
from xver.format.lockfile import Lock
from xver.repo import Repo
from xver.versioning.versions import entries_at
from xver.worktree import checkout
from xver.worktree.folders import Folders


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work tree")


ONE = {"d/a": b"1", "d/both": b"1", "d/s/x": b"1"}


TWO = {"d/b": b"2", "d/both": b"2", "d/t/y": b"2"}


@pytest.fixture
def two(repo: Repo) -> tuple[Repo, str, str]:
    """A repository with two versions of `d`, the second on the disk, and their ids."""
    first = save(repo, ONE)
    for name in set(ONE) - set(TWO):
        (repo.root / name).unlink()
    (repo.root / "d" / "s").rmdir()
    return repo, first, save(repo, TWO)


def lock_of(repo: Repo, rev: str) -> None:
    """Let `xver.lock` be another version's, as `git checkout` does, and nothing else."""
    repo.write_lock(Lock(repo.lock.repository, entries_at(repo, rev)))


@pytest.fixture(params=WAYS)
def folders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Folders]:
    """Let checkouts write in each of the two ways."""
    kind: type[Folders] = request.param
    monkeypatch.setattr(checkout, "open_folders", kind)
    return kind
