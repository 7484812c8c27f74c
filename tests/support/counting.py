"""Storage that counts what is read from it: requests, and bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from xver.storage.base import Part, Stat, Storage


class CountingStorage(Storage):
    """`inner`, read-only; `requests` and `bytes` count what was read, `keys` names the objects asked for, in order."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.keys: list[str] = []
        self.bytes = 0
        self._lock = threading.Lock()

    @property
    def requests(self) -> int:
        return len(self.keys)

    def reset(self) -> None:
        self.keys, self.bytes = [], 0

    @property
    def url(self) -> str:
        return self.inner.url

    def get(self, key: str, part: Part | None = None) -> bytes:
        with self._lock:
            self.keys.append(key)
        data = self.inner.get(key, part)
        with self._lock:
            self.bytes += len(data)
        return data

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        for key, part in parts:
            yield self.get(key, part)

    def stat(self, key: str) -> Stat | None:
        with self._lock:
            self.keys.append(key)
        return self.inner.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        with self._lock:
            self.keys.append(prefix)
        return self.inner.list(prefix)

    def put(self, key: str, source: bytes | memoryview) -> None:
        raise AssertionError(f"a reader wrote {key}")

    def create(self, key: str, body: bytes) -> bool:
        raise AssertionError(f"a reader created {key}")

    def delete(self, key: str) -> None:
        raise AssertionError(f"a reader deleted {key}")
