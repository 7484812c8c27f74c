"""A remote storage with a local memory: what is never rewritten is fetched once.

Log entries, checkpoints, indexes and the marker have names that are never used again, so a copy of them is as good
as the original. Metadata packs are fetched whole, a request each instead of one for every object that leads to the
next, and forgotten when their objects are in the local store. Data packs are read in parts and not kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import BinaryIO, Final

from xver.errors import CorruptData, NotFound
from xver.storage.base import Part, Stat, Storage, cut_part
from xver.storage.local import LocalStorage

_KEPT: Final = ("log/", "index/", "checkpoints/", "xver.json")
_METADATA: Final = ".meta"
_AT_A_TIME: Final = 4


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
        self.prefetch(stat.key for stat in self._inner.list("log/"))

    def prefetch(self, keys: Iterable[str]) -> None:
        """Fetch objects that are remembered whole and are not yet, several at a time; one that is gone is left out."""
        lacking = sorted({key for key in keys if _is_kept(key) and self._cache.stat(key) is None})
        if len(lacking) > 1:
            with ThreadPoolExecutor(_AT_A_TIME, "prefetch") as pool:
                for _ in pool.map(self._try_to_fetch, lacking):
                    continue

    def drop_packs(self) -> None:
        """Forget metadata packs: what was needed of them is in the local store by now."""
        for stat in list(self._cache.list("packs/")):
            self._cache.delete(stat.key)

    def get(self, key: str, part: Part | None = None) -> bytes:
        if not _is_kept(key):
            return self._inner.get(key, part)
        try:
            return self._cache.get(key, part)
        except NotFound:
            data = self._fetch(key)
            return data if part is None else cut_part(data, part, key)

    def view(self, key: str) -> memoryview:
        if not _is_kept(key):
            return self._inner.view(key)
        self.get(key)
        return self._cache.view(key)

    def forget(self, key: str) -> bool:
        is_known = self._cache.stat(key) is not None
        self._cache.delete(key)
        return is_known

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        self.prefetch(key for key, _ in parts)
        # Runs of what is not remembered go to the storage together: it fetches several at a time.
        for kept, run in groupby(parts, key=lambda pair: _is_kept(pair[0])):
            if kept:
                yield from (self.get(key, part) for key, part in run)
            else:
                yield from self._inner.get_many(list(run))

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

    def _try_to_fetch(self, key: str) -> None:
        # Who needs it is told when it is read.
        with contextlib.suppress(NotFound):
            self._fetch(key)

    def _fetch(self, key: str) -> bytes:
        data = self._inner.get(key)
        self._cache.put(key, data)
        return data


def _is_kept(key: str) -> bool:
    return key.startswith(_KEPT) or key.endswith(_METADATA)
