"""Make the indexes of a store anew from the footers of its live packs: an index is a cache of these.

Nothing is read of the old indexes but what a pack that cannot be read leaves to them. One log entry puts the new ones
in the place of all that were live; a store of more packs than an entry can name takes several, the last of which
takes the old ones away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xver.errors import Collected, Conflict, Overtaken, TransientStorageError
from xver.format.codecs import MAX_BASES, Codec, delta_bases
from xver.format.indexes import Container, PackIndex, Place, encode_index
from xver.format.log_entries import LiveIndex
from xver.model.ids import ID_SIZE
from xver.progress import SILENT, Meter
from xver.storage.base import Part
from xver.store.log import Change, Log
from xver.store.replacing import put_index
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE, frames_of, open_indexes, read_footers

_ROWS: Final = 500_000
_PACKS: Final = 4_000
"""Of one index, and so of one log entry: names of packs take some fifty bytes each."""
_AT_A_TIME: Final = 8
_ATTEMPTS: Final = 10
_UNKNOWN: Final = 0
"""The checksum of a pack that was not read whole."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made: indexes, their rows, the packs they list, and packs whose objects nothing names any more."""

    indexes: int
    rows: int
    packs: int
    unreadable: tuple[str, ...]


def rebuild_index(store: Store, *, meter: Meter = SILENT) -> Rebuilt:
    """Replace every live index by new ones, made from the footers of the packs that the log says are live.

    Of a pack without a readable footer the rows of the old index are taken over, if that can be read. If not, the pack
    stays live without rows, and is named. What is buried, but lies in live packs yet, is listed as before: deltas
    against it are read until the next purge has written them whole.

    Raises:
        Conflict: others change the indexes faster than this reads footers.
        TransientStorageError: the storage cannot be asked now.
    """
    for _ in range(_ATTEMPTS):
        store.log.refresh()
        try:
            return _rebuild(store, meter)
        except (Overtaken, Collected):
            continue
    raise Conflict(f"{store.storage.url} changes faster than its indexes can be made anew", hint="run it again")


def _rebuild(store: Store, meter: Meter) -> Rebuilt:
    old, removed = frozenset(store.log.indexes), frozenset(store.log.removed)
    live = store.log.live_packs()
    known = _Known(store)
    unreadable: list[str] = []
    rows = 0
    made: list[LiveIndex] = []

    def is_still_right(log: Log) -> None:
        if not old <= log.indexes.keys() or log.removed != removed:
            raise Overtaken(log.url)

    meter.start("Reading footers", sum(live.values()), "B")
    for packs, places, bases in _groups(store, sorted(live), live, known, unreadable, meter):
        data = encode_index(places, bases)
        made.append(put_index(store.storage, store.log, data, {pack: live[pack] for pack in packs}))
        rows += len(places)
    meter.finish()
    for index in made[:-1]:
        store.log.append(Change("rebuild index", add_index=(index,)), check=is_still_right)
    if made or old:
        change = Change("rebuild index", add_index=tuple(made[-1:]), remove_index=tuple(sorted(old)))
        store.log.append(change, check=is_still_right)
    return Rebuilt(len(made), rows, len(live), tuple(unreadable))


class _Known:
    """What the old indexes say of a pack, as far as they can be read."""

    def __init__(self, store: Store) -> None:
        self._indexes: dict[str, PackIndex] = open_indexes(store, [])
        self._containers = {one.name: one for index in self._indexes.values() for one in index.containers}

    def container(self, name: str, size: int) -> Container:
        """Return the pack with its checksum, if that was known."""
        found = self._containers.get(name)
        return found if found is not None and found.size == size else Container(name, size, _UNKNOWN)

    def rows(self, name: str) -> tuple[list[Place], dict[bytes, tuple[bytes, ...]]]:
        """Return the rows of a pack, and the bases of the deltas among them."""
        places: dict[bytes, Place] = {}
        bases: dict[bytes, tuple[bytes, ...]] = {}
        for index in self._indexes.values():
            for place in index.places():
                if place.container.name == name:
                    places[place.id] = place
                    if place.codec is Codec.DELTA:
                        bases[place.id] = index.bases(place.id)
        return list(places.values()), bases


def _groups(
    store: Store, names: Sequence[str], live: dict[str, int], known: _Known, unreadable: list[str], meter: Meter
) -> Iterator[tuple[list[str], list[Place], dict[bytes, tuple[bytes, ...]]]]:
    """Yield the packs of one new index each, with its rows and bases."""
    packs: list[str] = []
    places: list[Place] = []
    bases: dict[bytes, tuple[bytes, ...]] = {}
    for at in range(0, len(names), _AT_A_TIME):
        footers = read_footers(store.storage, {name: live[name] for name in names[at : at + _AT_A_TIME]})
        for name, footer in footers.items():
            container = known.container(name, live[name])
            try:
                fresh = [
                    Place(one.id, container, one.offset, one.stored, one.raw, one.kind, one.codec)
                    for one in frames_of(footer, name, live[name])
                ]
                named = _bases(store, [place for place in fresh if place.codec is Codec.DELTA])
            except TransientStorageError:
                raise
            except DAMAGE:
                fresh, named = known.rows(name)
                if not fresh:
                    unreadable.append(name)
            packs.append(name)
            places += fresh
            bases |= named
            meter.advance(live[name])
            if len(places) >= _ROWS or len(packs) >= _PACKS:
                yield packs, places, bases
                packs, places, bases = [], [], {}
    if packs:
        yield packs, places, bases


def _bases(store: Store, deltas: list[Place]) -> dict[bytes, tuple[bytes, ...]]:
    """Return the ids of the bases of each delta, from the first bytes of its frame."""
    most = 1 + ID_SIZE * MAX_BASES
    parts = [(place.container.name, Part(place.offset, min(most, place.stored))) for place in deltas]
    heads = store.storage.get_many(parts)
    return {place.id: delta_bases(head) for place, head in zip(deltas, heads, strict=True)}
