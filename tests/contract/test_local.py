"""A folder keeps the contract, alone and behind a local memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.storage import TEN, AtomicCreateContract, StorageContract
from xver.errors import CorruptData
from xver.storage.base import Storage
from xver.storage.cached import CachedStorage
from xver.storage.local import LocalStorage


class FolderContract(StorageContract, AtomicCreateContract):
    """The objects are files below `folder`."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "remote"

    def stored(self, storage: Storage, key: str) -> bytes | None:
        file = self.folder / key
        return file.read_bytes() if file.exists() else None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        file = self.folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


class TestLocal(FolderContract):
    @pytest.fixture
    def storage(self) -> Storage:
        return LocalStorage(self.folder)


class TestCached(FolderContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return CachedStorage(LocalStorage(self.folder), LocalStorage(tmp_path / "memory"))

    @pytest.mark.parametrize("key", ["log/0", "index/0", "checkpoints/0", "xver.json"])
    def test_what_never_changes_is_fetched_once(self, storage: Storage, key: str) -> None:
        self.store(storage, key, TEN)
        assert storage.get(key) == TEN
        (self.folder / key).unlink()
        assert storage.get(key) == TEN
        assert storage.view(key) == TEN

    def test_packs_are_not_kept(self, storage: Storage, tmp_path: Path) -> None:
        self.store(storage, "packs/0", TEN)
        assert storage.get("packs/0") == TEN
        assert list(LocalStorage(tmp_path / "memory").list("")) == []

    @pytest.mark.parametrize("change", ["gone", "rewritten"])
    def test_a_log_that_went_back_is_noticed(self, storage: Storage, change: str) -> None:
        assert isinstance(storage, CachedStorage)
        for n in range(3):
            self.store(storage, f"log/{n:010d}", b"entry %d" % n)
        storage.catch_up()
        if change == "gone":
            (self.folder / "log/0000000002").unlink()
        else:
            self.store(storage, "log/0000000002", b"another")
        with pytest.raises(CorruptData, match="log entry 2"):
            storage.catch_up()
