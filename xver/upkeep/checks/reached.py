"""What refs lead to is there: a walk down every strong edge that remembers no file content, only what names it.

A store of many millions of chunks has some ten thousand nodes, blocks and listings: those are met once each and
remembered by id; a chunk is looked up each time that something names it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from xver.errors import TransientStorageError
from xver.history.bounds import Bounds, bounds_of
from xver.history.reach import Edge, edges_within
from xver.model.ids import EMPTY_ID, Kind
from xver.progress import SILENT, Meter
from xver.store.store import Store, Wanted
from xver.upkeep.checks.footers import DAMAGE
from xver.upkeep.findings import Damage, harm_of

# What a batch leads to waits in memory: a block leads to thousands of files, a node only to what is looked up at once.
_BATCH: Final = {Kind.BLOCK: 4}
_CONTENT: Final = frozenset({Kind.CHUNK, Kind.NODE})
_USUAL_BATCH: Final = 256
_SHARES: Final = 256


class Distinct:
    """Counts how many different ids were added, at eight bytes an id."""

    def __init__(self) -> None:
        self._shares = [array("Q") for _ in range(_SHARES)]

    def add(self, id: bytes) -> None:
        """Count an id, if it is new."""
        self._shares[id[0]].append(int.from_bytes(id[1:9]))

    def __len__(self) -> int:
        return sum(len(set(share)) for share in self._shares)


@dataclass(slots=True)
class Reached:
    """What a walk met: damage by path and kind of harm, how much a remote has to have, what is bad by id."""

    damage: dict[tuple[str, str], Damage] = field(default_factory=dict)
    promised: Distinct = field(default_factory=Distinct)
    bad: set[bytes] = field(default_factory=set)
    lost: dict[bytes, Edge] = field(default_factory=dict)
    """What the store does not hold at all, and should."""
    damaged: set[str] = field(default_factory=set)
    """Packs in which something that was read is not what its id says."""
    packs: set[str] = field(default_factory=set)
    """Packs that hold what was reached."""

    def note(self, edge: Edge, what: str, key: str = "") -> None:
        """Record that an object is not as it should be, where it is met first; of many of one path one is named."""
        if edge.id in self.bad:
            return
        self.bad.add(edge.id)
        at = edge.where, what if edge.where else edge.id.hex()
        known = self.damage.get(at)
        if known is None:
            self.damage[at] = Damage(key, what, edge.kind, edge.id, edge.where.rstrip(":"))
        else:
            self.damage[at] = Damage(known.key, what, known.kind, known.id, known.path, known.more + 1)


def walk(
    store: Store,
    start: Iterable[Edge],
    *,
    bad: Mapping[bytes, tuple[str, str]],
    may_be_elsewhere: bool,
    optional: frozenset[bytes] = frozenset(),
    meter: Meter = SILENT,
) -> Reached:
    """Follow every strong edge from `start`; `bad` says of objects known to be damaged what is wrong, and where.

    `may_be_elsewhere`: content of files need not be here, nor what is in `optional`, nor what a remote promised. What
    lies behind the bounds of the store need not be anywhere.

    Raises:
        TransientStorageError: the storage cannot be asked now.
    """
    found = Reached()
    bounds = bounds_of(store)
    seen: set[bytes] = set()
    waiting = [edge for edge in start if edge.id != EMPTY_ID][::-1]
    meter.start("Following", None, "objects")
    while waiting:
        kind = waiting[-1].kind
        batch: list[Edge] = []
        while waiting and waiting[-1].kind is kind and len(batch) < _BATCH.get(kind, _USUAL_BATCH):
            edge = waiting.pop()
            if edge.id in bounds.purged or (kind is not Kind.CHUNK and edge.id in seen):
                continue
            if kind is not Kind.CHUNK:
                seen.add(edge.id)
            if _is_here(store, edge, found, bad, may_be_elsewhere=may_be_elsewhere, optional=optional):
                batch.append(edge)
        meter.advance(len(batch))
        if kind is not Kind.CHUNK:
            below = _children(store, batch, found, bounds)
            waiting += below[::-1]
    meter.finish()
    return found


def _is_here(
    store: Store,
    edge: Edge,
    found: Reached,
    bad: Mapping[bytes, tuple[str, str]],
    *,
    may_be_elsewhere: bool,
    optional: frozenset[bytes],
) -> bool:
    """Tell whether the object can be read; if not, record why."""
    if edge.id in bad:
        what, key = bad[edge.id]
        found.note(edge, what, key)
        return False
    place = store.index.find(edge.id)
    if place is None:
        if (may_be_elsewhere and (edge.kind in _CONTENT or edge.id in optional)) or edge.id in store.promises:
            found.promised.add(edge.id)
        else:
            found.lost[edge.id] = edge
            found.note(edge, "is missing")
        return False
    if place.kind is not edge.kind or (edge.kind is Kind.CHUNK and edge.size not in (None, place.raw)):
        found.note(edge, "is not what its listing says", place.container.name)
        return False
    found.packs.add(place.container.name)
    return True


def _children(store: Store, parents: list[Edge], found: Reached, bounds: Bounds) -> list[Edge]:
    data = _read(store, parents, found)
    below: list[Edge] = []
    for edge in parents:
        if edge.id not in data:
            continue
        try:
            below += (child for child in edges_within(edge, bytes(data[edge.id]), bounds) if child.id != EMPTY_ID)
        except DAMAGE as error:
            found.note(edge, harm_of(error), store.locate(edge.id).container.name)
    return below


def _read(store: Store, edges: list[Edge], found: Reached) -> dict[bytes, bytes | memoryview]:
    try:
        return dict(store.get_many(Wanted(edge.kind, edge.id) for edge in edges))
    except TransientStorageError:
        raise
    except DAMAGE:
        data: dict[bytes, bytes | memoryview] = {}
    for edge in edges:
        try:
            data[edge.id] = store.get(edge.kind, edge.id)
        except TransientStorageError:
            raise
        except DAMAGE as error:
            home = store.locate(edge.id).container.name
            found.note(edge, harm_of(error), home)
            found.damaged.add(home)
    return data
