"""Footers of packs as a short cut: who has found a few objects of a pack reads where others in it lie, at once.

An index is sorted by id, so neighbours lie far apart in it, a range of its own each. A pack's footer names its objects
as they lie, in 60 bytes each. For many objects of few packs (the blocks of a listing, the files of a folder) it costs
less, whole or around those that were found; for objects scattered over many packs it costs more. A sample tells which
it is, and of metadata, which is asked for again and again, what was looked up before.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from xver.errors import CorruptData
from xver.format.indexes import Container, Place
from xver.format.packs import ROW_SIZE, TAIL_SIZE, Frame, decode_footer, decode_rows, footer_size, is_whole
from xver.format.ranged_indexes import RangedIndex
from xver.model.ids import Kind
from xver.storage.base import Part, Storage

_SAMPLE: Final = 32
_LOOK_UP: Final = 10 * 1024
"""What a look-up by the index counts for, in bytes: its rows, and the request for most of them."""
_WHOLE: Final = 1024 * 1024
"""The longest footer that is read whole."""
_AGAIN: Final = 8
"""Look-ups one by one after which the footer of a pack of metadata may be worth it."""
_CLOSE: Final = 4
"""Objects of a sample that have to lie in one part of a pack before they tell that others do."""
_MOST: Final = 500_000
"""Objects known from footers at most."""


class _Near(NamedTuple):
    """What to read of a footer: all, of about so many rows, or the rows of the frames around `first` to `last`."""

    rows: int
    first: int = 0
    last: int = 0

    @property
    def is_all(self) -> bool:
        return not self.last

    @property
    def size(self) -> int:
        """Bytes of the end of the pack that have it all, as good as surely; at least those that tell how much it is."""
        return ROW_SIZE * self.rows * 5 // 4 + TAIL_SIZE if self.is_all else TAIL_SIZE


class Footers:
    """Where objects lie according to the footers read so far. May be used from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._places: dict[bytes, Place] = {}
        self._read: set[Container] = set()
        self._asked: dict[Container, tuple[int, int]] = {}

    def search(self, index: RangedIndex, ids: list[bytes], holds: Callable[[Place], bool]) -> dict[bytes, Place]:
        """Return where those of the objects lie that an index has, by footers where that costs less.

        `holds` tells whether a place counts: a pack may have been given up since.
        """
        found = self._find(ids, holds)
        lacking = [id for id in ids if id not in found]
        read: set[Container] = set()
        while len(lacking) >= 2 * _SAMPLE:
            sample = lacking[:: len(lacking) // _SAMPLE]
            places = index.find_many(sample)
            found |= places
            asked = set(sample)
            lacking = [id for id in lacking if id not in asked]
            worth = _worth(places.values(), len(sample), len(lacking))
            worth = self._bounded({pack: near for pack, near in worth.items() if pack not in self._read | read})
            if not worth:
                break
            self._add(worth)
            read |= worth.keys()
            found |= self._find(lacking, holds)
            lacking = [id for id in lacking if id not in found]
        if not lacking:
            return found
        places = index.find_many(lacking)
        if len(ids) < _SAMPLE:
            self._count(places.values())
        return found | places

    def _find(self, ids: Iterable[bytes], holds: Callable[[Place], bool]) -> dict[bytes, Place]:
        known = self._places
        return {id: place for id in ids if (place := known.get(id)) is not None and holds(place)}

    def _count(self, places: Iterable[Place]) -> None:
        """Note look-ups one by one; read the footers of packs that have cost as much by now."""
        for place in places:
            if place.kind is not Kind.CHUNK and place.container not in self._read:
                times, size = self._asked.get(place.container, (0, 0))
                self._asked[place.container] = times, size = times + 1, size + place.stored
                near = _Near(_rows(place.container, times, size))
                if times >= _AGAIN and near.size <= min(times * _LOOK_UP, _WHOLE):
                    self._asked.pop(place.container, None)
                    self._add(self._bounded({place.container: near}))

    def _bounded(self, packs: dict[Container, _Near]) -> dict[Container, _Near]:
        """Return as many of the packs as may be read now; where that would be too much, what is known is forgotten."""
        taken: dict[Container, _Near] = {}
        rows = 0
        for pack, near in packs.items():
            if rows + near.rows <= _MOST:
                taken[pack] = near
                rows += near.rows
        if len(self._places) + rows > _MOST:
            self._places, self._read = {}, set()
        return taken

    def _add(self, packs: dict[Container, _Near]) -> None:
        """Read footers, or parts of them: first from the end as much as is likely to do, then what lacks in front."""
        sizes = [(pack, min(pack.size, near.size)) for pack, near in packs.items()]
        tails = self._get_many([(pack.name, Part(-size, size)) for pack, size in sizes])
        starts: dict[Container, int] = {}
        known: dict[Container, bytes] = {}
        for (pack, near), tail in zip(packs.items(), tails, strict=True):
            size = footer_size(tail[-TAIL_SIZE:])
            if size > pack.size:
                raise CorruptData(f"{pack.name} has a footer that is longer than itself")
            starts[pack] = pack.size - size
            known[pack] = bytes(tail[-size:]) if near.is_all else b""
        spans = self._spans({pack: near for pack, near in packs.items() if not near.is_all}, starts)
        for pack in packs:
            if pack not in spans and len(known[pack]) < pack.size - starts[pack]:
                spans[pack] = starts[pack], pack.size - starts[pack] - len(known[pack])
        fronts = self._get_many([(pack.name, Part(*span)) for pack, span in spans.items()])
        for pack, front in zip(spans, fronts, strict=True):
            known[pack] = bytes(front) + known[pack]
        for pack, rows in known.items():
            is_all = packs[pack].is_all
            frames = decode_footer(rows, pack.size, whole=is_whole(pack.name)) if is_all else _frames(pack, rows)
            for one in frames:
                self._places[one.id] = Place(one.id, pack, one.offset, one.stored, one.raw, one.kind, one.codec)
            if is_all:
                self._read.add(pack)

    def _spans(self, packs: dict[Container, _Near], starts: dict[Container, int]) -> dict[Container, tuple[int, int]]:
        """Return offset and length of the rows of the frames near each other, in packs whose footers begin at `starts`.

        A row is where its frame's offset would be, were all frames alike; two rows from there tell how far off that is.
        """
        points = {
            pack: [(0, 0), (starts[pack], (pack.size - starts[pack] - TAIL_SIZE) // ROW_SIZE)]
            for pack in packs
            if starts[pack] + TAIL_SIZE < pack.size
        }
        asked = [
            (pack, min(_row_at(offset, points[pack]), points[pack][1][1] - 1))
            for pack in points
            for offset in (packs[pack].first, packs[pack].last)
        ]
        probes = self._get_many([(pack.name, Part(starts[pack] + ROW_SIZE * row, ROW_SIZE)) for pack, row in asked])
        for (pack, row), data in zip(asked, probes, strict=True):
            points[pack] += ((one.offset, row) for one in _frames(pack, bytes(data)))
        spans = {}
        for pack, some in points.items():
            rows = some[1][1]
            low, high = (_row_at(offset, sorted(set(some))) for offset in (packs[pack].first, packs[pack].last))
            low = max(0, low - _slack(rows))
            high = min(rows, high + _slack(rows), low + 2 * packs[pack].rows)
            spans[pack] = starts[pack] + ROW_SIZE * low, ROW_SIZE * (high - low)
        return spans

    def _get_many(self, parts: list[tuple[str, Part]]) -> Iterator[bytes | memoryview]:
        return self._storage.get_many(parts) if parts else iter(())


def _frames(pack: Container, rows: bytes) -> Iterator[Frame]:
    return decode_rows(rows, pack.size)


def _worth(places: Iterable[Place], asked: int, lacking: int) -> dict[Container, _Near]:
    """Return the packs whose footers cost less than to look up what they may be expected to have of what lacks.

    With each what of it is worth it, by the size of the objects that were found in it.
    """
    found: dict[Container, list[Place]] = defaultdict(list)
    for place in places:
        found[place.container].append(place)
    worth = {}
    for pack, some in found.items():
        saved = lacking * len(some) // asked * _LOOK_UP
        every = _Near(_rows(pack, len(some), sum(place.stored for place in some)))
        if every.size < min(saved, _WHOLE):
            worth[pack] = every
        if pack in worth or len(some) < _CLOSE:
            continue
        first, last = min(place.offset for place in some), max(place.offset for place in some)
        rows = _row_at(last - first, [(0, 0), (pack.size - ROW_SIZE * every.rows, every.rows)]) + 2 * _slack(every.rows)
        if ROW_SIZE * rows < saved and rows <= _MOST:
            worth[pack] = _Near(rows, first, last)
    return worth


def _rows(pack: Container, count: int, size: int) -> int:
    """Return about how many objects a pack has, of which some take `size` bytes in it."""
    return pack.size * count // (size + ROW_SIZE * count) + 1


def _row_at(offset: int, points: list[tuple[int, int]]) -> int:
    """Return the row of the frame at an offset as far as some, sorted, of (offset, row) tell, between two of them."""
    at = min(max(bisect_right(points, (offset, 0)), 1), len(points) - 1)
    (before, low), (behind, high) = points[at - 1], points[at]
    return low + (offset - before) * (high - low) // max(behind - before, 1)


def _slack(rows: int) -> int:
    """Return by how many rows offsets may stray from where they would be in a pack of so many."""
    return 32 + 2 * math.isqrt(rows)
