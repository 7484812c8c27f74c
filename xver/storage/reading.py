"""A remote storage with a local memory, for reading a little of much: nothing is fetched whole that was not asked for.

Log entries, checkpoints and the marker are remembered as in `CachedStorage`; an index is remembered as far as it was
read from its front (its head, or all of a small one); packs are read in parts and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from xver.errors import NotFound
from xver.storage.base import Part
from xver.storage.cached import CachedStorage

_INDEX: Final = "index/"
_FRONTS: Final = "fronts/"
_REMEMBERED: Final = ("log/", "checkpoints/", "xver.json")


class ReadingStorage(CachedStorage):
    """`inner`, with what never changes answered from `cache` where it has it, and everything else read in parts."""

    def get(self, key: str, part: Part | None = None) -> bytes:
        if not key.startswith(_INDEX):
            return super().get(key, part)
        if part is not None and part.offset != 0:
            return self._inner.get(key, part)
        name = key if part is None else f"{_FRONTS}{key}.{part.length}"
        try:
            return self._cache.get(name)
        except NotFound:
            data = self._inner.get(key, part)
            self._cache.put(name, data)
            return data

    def view(self, key: str) -> memoryview:
        return memoryview(self.get(key))

    def forget(self, key: str) -> bool:
        fronts = [stat.key for stat in self._cache.list(_FRONTS + _INDEX) if stat.key.startswith(f"{_FRONTS}{key}.")]
        for front in fronts:
            self._cache.delete(front)
        return super().forget(key) or bool(fronts)

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes | memoryview]:
        return self._inner.get_many(parts)

    def _is_kept(self, key: str) -> bool:
        return key.startswith(_REMEMBERED)
