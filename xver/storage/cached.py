"""A remote storage with a local memory: what is never rewritten is fetched once.

Log entries, checkpoints, indexes and the marker have names that are never used again, so a copy of them is as good
as the original. Packs are not kept: their objects are copied into the local store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Final

from xver.errors import CorruptData, NotFound
from xver.storage.base import Part, Stat, Storage
from xver.storage.local import LocalStorage

_KEPT: Final = ("log/", "index/", "checkpoints/", "xver.json")
_AT_A_TIME: Final = 8


class CachedStorage(Storage):
    """`inner`, with whole reads of what never changes answered from `cache` where it has them."""

    def __init__(self, inner: Storage, cache: LocalStorage) -> None:
        self._inner = inner
        self._cache = cache

    @property
    def url(self) -> str:
        return self._inner.url

    def verify(self) -> None:
        """Compare the newest log entry that we remember with the remote's.

        Raises:
            CorruptData: the remote went back to an earlier state, or its log was rewritten.
        """
        known = sorted(stat.key for stat in self._cache.list("log/"))
        if not known:
            # Without an entry nothing proves that it is still the store whose marker we remember.
            self._cache.delete("xver.json")
            return
        try:
            same = self._inner.get(known[-1]) == self._cache.get(known[-1])
        except NotFound:
            same = False
        if not same:
            number = int(known[-1].removeprefix("log/"))
            raise CorruptData(
                f"{self.url} is not what it was: log entry {number} has changed or is gone",
                hint="somebody restored or rewrote the remote; compare with other clones before you push",
            )

    def prefetch_log(self) -> None:
        """Fetch the log entries that we lack, several at a time."""
        have = {stat.key for stat in self._cache.list("log/")}
        lacking = sorted(stat.key for stat in self._inner.list("log/") if stat.key not in have)
        if len(lacking) > 1:
            with ThreadPoolExecutor(_AT_A_TIME, "log") as pool:
                for _ in pool.map(self.get, lacking):
                    continue

    def get(self, key: str, part: Part | None = None) -> bytes:
        if part is not None or not key.startswith(_KEPT):
            return self._inner.get(key, part)
        try:
            return self._cache.get(key)
        except NotFound:
            data = self._inner.get(key)
            self._cache.put(key, data)
            return data

    def view(self, key: str) -> memoryview:
        if not key.startswith(_KEPT):
            return self._inner.view(key)
        self.get(key)
        return self._cache.view(key)

    def forget(self, key: str) -> bool:
        is_known = self._cache.stat(key) is not None
        self._cache.delete(key)
        return is_known

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        return self._inner.get_many(parts)

    def put(self, key: str, source: bytes | memoryview) -> None:
        self._inner.put(key, source)

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with self._inner.writer(key) as file:
            yield file

    def create(self, key: str, body: bytes) -> bool:
        return self._inner.create(key, body)

    def stat(self, key: str) -> Stat | None:
        return self._inner.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        return self._inner.list(prefix)

    def delete(self, key: str) -> None:
        self._inner.delete(key)
