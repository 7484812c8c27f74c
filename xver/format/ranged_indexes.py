"""Look-ups in an index file without the file: its head, then the few KiB that hold the rows asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from xver.errors import CorruptData
from xver.format.indexes import BASE_SIZE, ROW_SIZE, Place, bucket_of, find_bases, find_row, read_head

_GAP: Final = 16 * 1024
_RANGE: Final = 8 * 1024 * 1024
_KEPT_BUCKETS: Final = 8192

ReadRanges: TypeAlias = Callable[[Sequence[tuple[int, int]]], Iterable[bytes | memoryview]]
"""Gives the bytes of each (offset, length) of a file, in order."""


class RangedIndex:
    """An index of which only what is needed is read: its head once, then a bucket for an object, near ones together.

    `read` gives ranges of the file, `size` is its size in bytes. The checksum cannot be verified; every object is, by
    its id, when it is read. May be used from several threads if `read` may.

    Raises:
        CorruptData: the sizes do not add up.
        UnsupportedFormat: a version of the future.
    """

    def __init__(self, read: ReadRanges, size: int, *, head: bytes | memoryview) -> None:
        self._read = read
        self._head = read_head(memoryview(head), size)
        self._buckets: dict[int, memoryview] = {}
        self.count = self._head.rows
        self.containers = self._head.containers

    def find(self, id: bytes) -> Place | None:
        """Return where the object lies, None if not here."""
        return self.find_many([id]).get(id)

    def find_many(self, ids: Iterable[bytes]) -> dict[bytes, Place]:
        """Return where those of the objects lie that are here; buckets that lie near each other are read together."""
        head = self._head
        wanted = [(id, bucket_of(id, head.bits)) for id in ids]
        buckets = self._fetch({number for _, number in wanted})
        return {id: place for id, number in wanted if (place := find_row(head, buckets[number], id)) is not None}

    def bases(self, id: bytes) -> tuple[bytes, ...]:
        """Return the ids of a delta's bases; a read for each step of the search.

        Frames name their bases themselves: this is for those who do not read them. Raises `CorruptData`.
        """
        at = self._head.bases_at
        return find_bases(id, self._head.bases, lambda row: next(iter(self._read([(at + row * BASE_SIZE, BASE_SIZE)]))))

    def _fetch(self, numbers: set[int]) -> dict[int, memoryview]:
        found = {number: kept for number in numbers if (kept := self._buckets.get(number)) is not None}
        rows = {number: self._head.bucket(number) for number in sorted(numbers - found.keys())}
        groups: list[list[int]] = []
        for number, (low, high) in rows.items():
            last = rows[groups[-1][-1]] if groups else (0, 0)
            first = rows[groups[-1][0]] if groups else (0, 0)
            if groups and (low - last[1]) * ROW_SIZE <= _GAP and (high - first[0]) * ROW_SIZE <= _RANGE:
                groups[-1].append(number)
            else:
                groups.append([number])
        starts = [rows[group[0]][0] for group in groups]
        ranges = [
            (self._head.rows_at + start * ROW_SIZE, (rows[group[-1]][1] - start) * ROW_SIZE)
            for start, group in zip(starts, groups, strict=True)
        ]
        filled = [one for one in ranges if one[1]]
        answers = iter(self._read(filled)) if filled else iter(())
        for start, group, (_, length) in zip(starts, groups, ranges, strict=True):
            view = memoryview(next(answers) if length else b"")
            if len(view) != length:
                raise CorruptData("index ends early")
            for number in group:
                low, high = rows[number]
                # A copy of its own, so that keeping one bucket does not keep all that was read with it.
                part = bytes(view[(low - start) * ROW_SIZE : (high - start) * ROW_SIZE])
                found[number] = memoryview(part)
        if len(self._buckets) + len(found) > _KEPT_BUCKETS:
            self._buckets = {}
        self._buckets.update(found)
        return found
