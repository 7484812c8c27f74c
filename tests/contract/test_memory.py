"""The dictionary keeps the contract."""

from __future__ import annotations

import pytest

from tests.contract.storage import AtomicCreateContract, StorageContract
from xver.storage.base import Storage
from xver.storage.memory import MemoryStorage


class TestMemory(StorageContract, AtomicCreateContract):
    @pytest.fixture
    def storage(self) -> Storage:
        return MemoryStorage()

    def stored(self, storage: Storage, key: str) -> bytes | None:
        assert isinstance(storage, MemoryStorage)
        return storage._objects.get(key)

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        assert isinstance(storage, MemoryStorage)
        storage._objects[key] = data
