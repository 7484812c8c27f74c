"""Footers of packs as a short cut: who has found a few objects of a pack reads where all others in it lie, at once.

An index is sorted by id, so neighbours lie far apart in it, a range of 2 to 3 KiB each. A pack's footer names all of
its objects in 60 bytes each. For many objects of few packs (the blocks of a listing, the files of a folder) it costs
less; for objects scattered over many packs it costs more. A sample tells which it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from xver.errors import CorruptData
from xver.format.indexes import Container, Place
from xver.format.packs import ROW_SIZE, TAIL_SIZE, decode_footer, footer_size, is_whole
from xver.format.ranged_indexes import RangedIndex
from xver.storage.base import Part, Storage

_SAMPLE: Final = 32
_LOOK_UP: Final = 10 * 1024
"""What a look-up by the index counts for, in bytes: the bucket, and the request for most of them."""
_MOST: Final = 500_000
"""Objects known from footers at most."""


class Footers:
    """Where objects lie according to the footers read so far. May be used from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._places: dict[bytes, Place] = {}
        self._read: set[Container] = set()

    def search(self, index: RangedIndex, ids: list[bytes], holds: Callable[[Place], bool]) -> dict[bytes, Place]:
        """Return where those of the objects lie that an index has, by footers where that costs less.

        `holds` tells whether a place counts: a pack may have been given up since.
        """
        found = self._find(ids, holds)
        lacking = [id for id in ids if id not in found]
        while len(lacking) >= 2 * _SAMPLE:
            sample = lacking[:: len(lacking) // _SAMPLE]
            places = index.find_many(sample)
            found |= places
            asked = set(sample)
            lacking = [id for id in lacking if id not in asked]
            worth = _worth(places.values(), len(sample), len(lacking))
            worth = {pack: size for pack, size in worth.items() if pack not in self._read}
            if not worth or len(self._places) > _MOST:
                break
            self._add(worth)
            found |= self._find(lacking, holds)
            lacking = [id for id in lacking if id not in found]
        return found | index.find_many(lacking)

    def _find(self, ids: Iterable[bytes], holds: Callable[[Place], bool]) -> dict[bytes, Place]:
        known = self._places
        return {id: place for id in ids if (place := known.get(id)) is not None and holds(place)}

    def _add(self, packs: dict[Container, int]) -> None:
        """Read the footers of packs; the number beside each is how long they may be."""
        guesses = {pack: min(pack.size, size) for pack, size in packs.items()}
        parts = [(pack.name, Part(-size, size)) for pack, size in guesses.items()]
        for pack, data in zip(packs, self._storage.get_many(parts), strict=True):
            size = footer_size(data[-TAIL_SIZE:])
            if size > pack.size:
                raise CorruptData(f"{pack.name} has a footer that is longer than itself")
            whole = data[-size:] if size <= len(data) else self._storage.get(pack.name, Part(-size, size))
            for one in decode_footer(whole, pack.size, whole=is_whole(pack.name)):
                self._places[one.id] = Place(one.id, pack, one.offset, one.stored, one.raw, one.kind, one.codec)
            self._read.add(pack)


def _worth(places: Iterable[Place], asked: int, lacking: int) -> dict[Container, int]:
    """Return the packs whose footers cost less than to look up what they may be expected to have of what lacks.

    With each the bytes that its footer may have, by the size of the objects that were found in it.
    """
    found: dict[Container, list[int]] = defaultdict(list)
    for place in places:
        found[place.container].append(place.stored)
    worth = {}
    for pack, sizes in found.items():
        frames = pack.size * len(sizes) // sum(sizes) + 1
        size = ROW_SIZE * frames * 5 // 4 + TAIL_SIZE
        if size < lacking * len(sizes) // asked * _LOOK_UP:
            worth[pack] = size
    return worth
