"""Remotes: the right one is opened, and only one that can be trusted with two writers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import new_repo, read_tree, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned
from xver.errors import (
    Conflict,
    NotFound,
    RepositoryNotFound,
    StorageError,
)
from xver.model.refs import HEADS
from xver.repo import Repo, open_repo
from xver.storage.memory import MemoryStorage
from xver.sync.fetch import fetch
from xver.sync.push import push
from xver.sync.remotes import choose_remote, open_or_create_remote, open_remote, probe
from xver.versioning import branches


class TestRemotes:
    def test_the_one_meant_is_chosen(self, repo: Repo, tmp_path: Path) -> None:
        assert choose_remote(repo, None) == ORIGIN
        with pytest.raises(NotFound, match="no remote lab"):
            choose_remote(repo, "lab")
        with pytest.raises(NotFound, match="no remote yet"):
            choose_remote(new_repo(tmp_path / "alone"), None)

    def test_another_repository_s_remote_is_refused(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        other = new_repo(tmp_path / "other", FILES, remote=ORIGIN.url)
        for share in (push, fetch):
            with pytest.raises(Conflict, match="another repository"):
                share(other, ORIGIN)

    def test_a_marker_without_entries_is_not_believed_from_memory(self, repo: Repo) -> None:
        open_or_create_remote(repo, ORIGIN)
        (repo.root.parent / "remote" / "xver.json").unlink()
        with pytest.raises(RepositoryNotFound):
            open_remote(repo, ORIGIN)
        push(repo, ORIGIN)
        assert read_tree(cloned(repo).root) == FILES

    def test_a_storage_without_atomic_create_is_refused(self) -> None:
        class Careless(MemoryStorage):
            def create(self, key: str, body: bytes) -> bool:
                self.put(key, body)
                return True

        careless = Careless()
        with pytest.raises(StorageError, match="several writers"):
            probe(careless)
        assert list(careless.list("")) == []
        good = MemoryStorage()
        probe(good)
        assert list(good.list("")) == []


def test_a_detached_head_is_kept_by_a_ref(repo: Repo) -> None:
    head = repo.store.log.refs[HEADS + "main"]
    save(repo, {"data/a": b"second"})
    branches.switch(repo, head.id.hex())
    assert head in {one for name, one in repo.store.log.refs.items() if name.startswith("snapshots/")}
    assert open_repo(repo.root).store.log.refs[repo.lock_ref] is not None
