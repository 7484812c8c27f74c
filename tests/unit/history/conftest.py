"""A store in memory."""

from __future__ import annotations

import pytest

from xver.storage.memory import MemoryStorage
from xver.store.store import Store, create_store


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def store(storage: MemoryStorage) -> Store:
    return create_store(storage, client="test")
