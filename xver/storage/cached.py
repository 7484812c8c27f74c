"""A remote storage with a local memory: what is never rewritten is fetched once.

Log entries, checkpoints, indexes and the marker have names that are never used again, so a copy of them is as good
as the original. Metadata packs are fetched whole, a request each instead of one for every object that leads to the
next, and forgotten when their objects are in the local store. Data packs are read in parts and not kept.
"""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import BinaryIO, Final

from xver.errors import CorruptData, NotFound
from xver.progress import SILENT, Meter
from xver.storage.base import Part, Stat, Storage, cut_part

_KEPT: Final = ("log/", "index/", "checkpoints/", "xver.json")
_LOG: Final = "log/"
_ENTRY: Final = re.compile("log/[0-9]{10}")
_METADATA: Final = ".meta"
_AT_A_TIME: Final = 4


class CachedStorage(Storage):
    """`inner`, with whole reads of what never changes answered from `cache` where it has them."""

    def __init__(self, inner: Storage, cache: Storage) -> None:
        self._inner = inner
        self._cache = cache
        # Answers that came with a catch-up and wait to be asked for, once: later the remote may have changed.
        self._listed: dict[str, list[Stat]] = {}
        self._absent: str | None = None

    @property
    def inner(self) -> Storage:
        """The storage itself, that remembers nothing."""
        return self._inner

    @property
    def url(self) -> str:
        return self._inner.url

    def catch_up(self, *ahead: str) -> None:
        """Fetch what the log has gained, by one round trip where that is nothing.

        Compares the newest entry that we remember on the way. Checkpoints, and what lies below the prefixes `ahead`,
        are listed at the same time: the next `list` of each is answered from that.

        Raises:
            CorruptData: the remote went back to an earlier state, or its log was rewritten.
        """
        newest = max(_entries(self._cache.list(_LOG)), default=None)
        with ThreadPoolExecutor(_AT_A_TIME, "catch-up") as pool:
            lists = {prefix: pool.submit(self._list_all, prefix) for prefix in ("checkpoints/", *ahead)}
            if newest is None:
                # Without an entry nothing proves that it is still the store whose marker we remember.
                self._cache.delete("xver.json")
                lists[_LOG] = pool.submit(self._list_all, _LOG)
                self._try_to_fetch("xver.json")
            else:
                next_one = _entry(_number(newest) + 1)
                fresh = pool.submit(self._try_to_fetch, next_one)
                self._compare(newest)
                if fresh.result():
                    newest = next_one
                    lists[_LOG] = pool.submit(self._list_all, _LOG)
            self._listed = {prefix: future.result() for prefix, future in lists.items()}
        log = _entries(self._listed.pop(_LOG, []))
        start = _checkpointed([stat.key for stat in self._listed["checkpoints/"]], log)
        self.prefetch(key for key in log if key >= start)
        last = max(log, default=newest)
        self._absent = _entry(0 if last is None else _number(last) + 1)

    def _compare(self, newest: str) -> None:
        try:
            same = self._inner.get(newest) == self._cache.get(newest)
        except NotFound:
            same = False
        if not same and self._inner.stat("xver.json") is None:
            raise CorruptData(
                f"{self.url} held a store, and holds none now",
                hint="is it mounted, is the address right? If it is lost: xver remote set-url NAME URL, then xver push",
            )
        if not same:
            raise CorruptData(
                f"{self.url} is not what it was: log entry {_number(newest)} has changed or is gone",
                hint="somebody restored or rewrote the remote; compare with other clones before you push",
            )

    def prefetch(self, keys: Iterable[str], *, meter: Meter = SILENT) -> None:
        """Fetch objects that are remembered whole and are not yet, several at a time; one that is gone is left out."""
        lacking = sorted({key for key in keys if self._is_kept(key) and self._cache.stat(key) is None})
        if len(lacking) > 1:
            meter.start("Fetching metadata", len(lacking), "objects")
            try:
                with ThreadPoolExecutor(_AT_A_TIME, "prefetch") as pool:
                    for _ in pool.map(self._try_to_fetch, lacking):
                        meter.advance(1)
            finally:
                meter.finish()

    def drop_packs(self) -> None:
        """Forget metadata packs: what was needed of them is in the local store by now."""
        for stat in list(self._cache.list("packs/")):
            self._cache.delete(stat.key)

    def get(self, key: str, part: Part | None = None) -> bytes:
        if not self._is_kept(key):
            return self._inner.get(key, part)
        if key == self._absent:
            self._absent = None
            raise NotFound(f"{self.url} has no {key}")
        try:
            return self._cache.get(key, part)
        except NotFound:
            data = self._fetch(key)
            return data if part is None else cut_part(data, part, key)

    def view(self, key: str) -> memoryview:
        if not self._is_kept(key):
            return self._inner.view(key)
        self.get(key)
        return self._cache.view(key)

    def forget(self, key: str) -> bool:
        is_known = self._cache.stat(key) is not None
        self._cache.delete(key)
        return is_known

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes | memoryview]:
        self.prefetch(key for key, _ in parts)
        # Runs of what is not remembered go to the storage together: it fetches several at a time.
        for kept, run in groupby(parts, key=lambda pair: self._is_kept(pair[0])):
            if kept:
                yield from (self.get(key, part) for key, part in run)
            else:
                yield from self._inner.get_many(list(run))

    def put(self, key: str, source: bytes | memoryview) -> None:
        self._inner.put(key, source)
        if key.startswith(_KEPT):
            self._cache.put(key, source)

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with self._inner.writer(key) as file:
            yield file

    def sweep(self) -> None:
        self._inner.sweep()

    def identity(self) -> str | None:
        return self._inner.identity()

    def old_versions(self, prefix: str) -> Sequence[str] | None:
        return self._inner.old_versions(prefix)

    def clock(self) -> float | None:
        return self._inner.clock()

    def create(self, key: str, body: bytes) -> bool:
        won = self._inner.create(key, body)
        if won and key.startswith(_KEPT):
            self._cache.put(key, body)
        return won

    def stat(self, key: str) -> Stat | None:
        return self._inner.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        listed = self._listed.pop(prefix, None)
        return self._inner.list(prefix) if listed is None else iter(listed)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def _list_all(self, prefix: str) -> builtins.list[Stat]:
        return list(self._inner.list(prefix))

    def _try_to_fetch(self, key: str) -> bool:
        # Where it is gone, who needs it is told when it is read.
        with contextlib.suppress(NotFound):
            self._fetch(key)
            return True
        return False

    def _is_kept(self, key: str) -> bool:
        return key.startswith(_KEPT) or key.endswith(_METADATA)

    def _fetch(self, key: str) -> bytes:
        data = self._inner.get(key)
        self._cache.put(key, data)
        return data


def _checkpointed(checkpoints: list[str], log: list[str]) -> str:
    """Return the key of the first log entry that a reader needs who starts from the newest checkpoint."""
    numbers = (key.removeprefix("checkpoints/").partition(".")[0] for key in checkpoints)
    # The entry that names it comes after it, and proves it.
    return max((_LOG + number for number in numbers if _LOG + number in log), default=_LOG)


def _entries(stats: Iterable[Stat]) -> list[str]:
    return [stat.key for stat in stats if _ENTRY.fullmatch(stat.key)]


def _entry(n: int) -> str:
    return f"{_LOG}{n:010d}"


def _number(key: str) -> int:
    return int(key.removeprefix(_LOG))
