"""Storage that counts what is read from it: requests, and bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from xver.storage.base import Part, Stat, Storage


class CountingStorage(Storage):
    """`inner`, read-only; `requests` and `bytes` count what was read, `keys` names the objects asked for, in order.

    `rounds` counts calls: what one of them asks for is on its way together, and the next waits for it.
    """

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.keys: list[str] = []
        self.bytes = self.rounds = 0
        self._lock = threading.Lock()

    @property
    def requests(self) -> int:
        return len(self.keys)

    def reset(self) -> None:
        self.keys, self.bytes, self.rounds = [], 0, 0

    @property
    def url(self) -> str:
        return self.inner.url

    def get(self, key: str, part: Part | None = None) -> bytes:
        self._begin(key)
        return self._get(key, part)

    def _begin(self, *keys: str) -> None:
        with self._lock:
            self.keys += keys
            self.rounds += 1

    def _get(self, key: str, part: Part | None) -> bytes:
        data = self.inner.get(key, part)
        with self._lock:
            self.bytes += len(data)
        return data

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        if parts:
            self._begin(*(key for key, _ in parts))
        for key, part in parts:
            yield self._get(key, part)

    def stat(self, key: str) -> Stat | None:
        self._begin(key)
        return self.inner.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        self._begin(prefix)
        return self.inner.list(prefix)

    def put(self, key: str, source: bytes | memoryview) -> None:
        raise AssertionError(f"a reader wrote {key}")

    def create(self, key: str, body: bytes) -> bool:
        raise AssertionError(f"a reader created {key}")

    def delete(self, key: str) -> None:
        raise AssertionError(f"a reader deleted {key}")
