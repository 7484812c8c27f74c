"""Look-ups in an index file without the file: its head, then the few rows among which an object must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from xver.errors import CorruptData
from xver.format.indexes import BASE_SIZE, ROW_SIZE, Place, bucket_of, find_bases, find_row, read_head
from xver.model.ids import ID_SIZE

_GAP: Final = 4 * 1024
_RANGE: Final = 8 * 1024 * 1024
_KEPT_BUCKETS: Final = 8192
_SURE: Final = 2.5
"""Standard deviations on both sides of where an id is expected: of a hundred look-ups one needs a second read."""

ReadRanges: TypeAlias = Callable[[Sequence[tuple[int, int]]], Iterable[bytes | memoryview]]
"""Gives the bytes of each (offset, length) of a file, in order."""


class _Rows(NamedTuple):
    """Rows `low` to `high` of the file."""

    low: int
    high: int
    data: memoryview


class RangedIndex:
    """An index of which only what is needed is read: its head once, then a part of a bucket, near ones together.

    Ids are spread evenly, so an id tells where in its bucket it is, but for a few rows. Who asks a bucket for more than
    these rows can tell gets all of it. `read` gives ranges of the file, `size` is its size in bytes. The checksum
    cannot be verified; every object is, by its id, when it is read. May be used from several threads if `read` may.

    Raises:
        CorruptData: the sizes do not add up.
        UnsupportedFormat: a version of the future.
    """

    def __init__(self, read: ReadRanges, size: int, *, head: bytes | memoryview) -> None:
        self._read = read
        self._head = read_head(memoryview(head), size)
        self._buckets: dict[int, _Rows] = {}
        self.count = self._head.rows
        self.containers = self._head.containers

    def find(self, id: bytes) -> Place | None:
        """Return where the object lies, None if not here."""
        return self.find_many([id]).get(id)

    def find_many(self, ids: Iterable[bytes]) -> dict[bytes, Place]:
        """Return where those of the objects lie that are here; rows that lie near each other are read together."""
        head = self._head
        lacking: dict[int, list[bytes]] = {}
        for id in dict.fromkeys(ids):
            lacking.setdefault(bucket_of(id, head.bits), []).append(id)
        known = {number: rows for number in lacking if (rows := self._buckets.get(number)) is not None}
        fresh: dict[int, _Rows] = {}
        found: dict[bytes, Place] = {}
        while True:
            undecided: dict[int, list[bytes]] = {}
            for number, some in lacking.items():
                rows = known.get(number)
                for id in some:
                    place = None if rows is None else find_row(head, rows.data, id)
                    if place is not None:
                        found[id] = place
                    elif rows is None or not _tells(rows, id, head.bucket(number)):
                        undecided.setdefault(number, []).append(id)
            if not undecided:
                break
            spans = {
                number: head.bucket(number) if number in known else self._expected(number, undecided[number])
                for number in sorted(undecided)
            }
            fresh |= (read := self._fetch(spans))
            known |= read
            lacking = undecided
        if len(self._buckets) + len(fresh) > _KEPT_BUCKETS:
            self._buckets = {}
        self._buckets.update(fresh)
        return found

    def bases(self, id: bytes) -> tuple[bytes, ...]:
        """Return the ids of a delta's bases; a read for each step of the search.

        Frames name their bases themselves: this is for those who do not read them. Raises `CorruptData`.
        """
        at = self._head.bases_at
        return find_bases(id, self._head.bases, lambda row: next(iter(self._read([(at + row * BASE_SIZE, BASE_SIZE)]))))

    def _expected(self, number: int, ids: Iterable[bytes]) -> tuple[int, int]:
        """Return the rows of a bucket among which these ids are, if they are there, as good as surely."""
        low, high = self._head.bucket(number)
        spans = [_expected(id, low, high, self._head.bits) for id in ids]
        return min(first for first, _ in spans), max(last for _, last in spans)

    def _fetch(self, spans: dict[int, tuple[int, int]]) -> dict[int, _Rows]:
        """Read rows of buckets, which come in order; those of a bucket that has none are not asked for."""
        found = {number: _Rows(low, high, memoryview(b"")) for number, (low, high) in spans.items() if low == high}
        groups: list[list[int]] = []
        for number, (low, high) in spans.items():
            if low == high:
                continue
            if groups:
                first, last = spans[groups[-1][0]][0], spans[groups[-1][-1]][1]
                if (low - last) * ROW_SIZE <= _GAP and (high - first) * ROW_SIZE <= _RANGE:
                    groups[-1].append(number)
                    continue
            groups.append([number])
        starts = [spans[group[0]][0] for group in groups]
        lengths = [(spans[group[-1]][1] - start) * ROW_SIZE for group, start in zip(groups, starts, strict=True)]
        offsets = [self._head.rows_at + start * ROW_SIZE for start in starts]
        answers = self._read(list(zip(offsets, lengths, strict=True))) if groups else ()
        for start, group, length, data in zip(starts, groups, lengths, answers, strict=True):
            view = memoryview(data)
            if len(view) != length:
                raise CorruptData("index ends early")
            for number in group:
                low, high = spans[number]
                # A copy of its own, so that keeping one bucket does not keep all that was read with it.
                part = bytes(view[(low - start) * ROW_SIZE : (high - start) * ROW_SIZE])
                found[number] = _Rows(low, high, memoryview(part))
        return found


def _tells(rows: _Rows, id: bytes, bucket: tuple[int, int]) -> bool:
    """Tell whether these rows of the id's bucket have it, or prove that it is not there."""
    is_behind = rows.low == bucket[0] or rows.data[:ID_SIZE].tobytes() <= id
    is_before = rows.high == bucket[1] or id <= rows.data[-ROW_SIZE:][:ID_SIZE].tobytes()
    return is_behind and is_before


def _expected(id: bytes, low: int, high: int, bits: int) -> tuple[int, int]:
    share = int.from_bytes(id[:8], "big") * (1 << bits) % (1 << 64) / (1 << 64)
    middle = low + share * (high - low)
    spread = 1 + _SURE * math.sqrt((high - low) * share * (1 - share))
    return max(low, math.floor(middle - spread)), min(high, math.ceil(middle + spread))
