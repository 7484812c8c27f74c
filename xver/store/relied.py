"""What a writer relies on, rule R1: that what it found here is here still when its entry is created.

A collection between its look-ups and its entry may have taken something. What was live at any moment since stands in
the indexes that were dropped since, or in rows of packs that went: whatever else is lacking never was here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xver.errors import NotFound
from xver.format.codecs import Codec
from xver.format.log_entries import LiveIndex
from xver.store.index import StoreIndex
from xver.store.log import Log, pack_base


def is_any_lost(log: Log, index: StoreIndex, ids: Iterable[bytes], *, since: int) -> bool:
    """Tell whether any of the objects was live after entry `since - 1` and is not any more.

    What cannot be known, as an index was deleted meanwhile, counts as lost.
    """
    dropped = log.dropped_since(since)
    return any(id not in index and _was_listed(index, dropped, id) for id in ids)


def new_bases(index: StoreIndex, added: Iterable[LiveIndex]) -> Iterator[bytes]:
    """Yield the bases of every delta in indexes that are to become live."""
    for live in added:
        rows = index.open(live)
        for place in rows.places():
            if place.codec is Codec.DELTA:
                yield from rows.bases(place.id)


def still_good(log: Log, index: StoreIndex, uploaded: Iterable[LiveIndex]) -> list[LiveIndex]:
    """Return the indexes of finished uploads that may still become live, after a collection; others must be sent anew.

    A pack from before the fence may have been deleted already; a delta whose base went cannot be read; and what was
    purged meanwhile must not come back.
    """
    good = [one for one in uploaded if all(_is_allowed(log, name) for name in (one.name, *one.packs))]
    good = [one for one in good if not lists_purged(log, index, [one])]
    while True:
        with index.also(good):
            kept = [one for one in good if all(base in index for base in new_bases(index, [one]))]
        if len(kept) == len(good):
            return kept
        good = kept


def lists_purged(log: Log, index: StoreIndex, added: Iterable[LiveIndex]) -> bool:
    """Tell whether indexes that are to become live hold what was purged."""
    if not log.tombstones:
        return False
    purged = set(map(bytes.fromhex, log.tombstones))
    return any(not purged.isdisjoint(index.open(live).ids()) for live in added)


def _is_allowed(log: Log, name: str) -> bool:
    return name not in log.removed and pack_base(name) >= log.fence


def _was_listed(index: StoreIndex, dropped: Iterable[LiveIndex], id: bytes) -> bool:
    try:
        return any(index.open(live).find(id) is not None for live in dropped) or index.is_listed(id)
    except NotFound:
        return True
