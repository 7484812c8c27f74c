"""Live indexes are replaced: many small ones by one, and those of packs that leave by what is left of them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Final

from xver.errors import Conflict, NotFound, Overtaken
from xver.format.indexes import merge_indexes
from xver.format.log_entries import LiveIndex
from xver.model.ids import checksum
from xver.storage.base import Storage
from xver.store.index import StoreIndex
from xver.store.log import Change, Log

_MERGE_AT: Final = 16
_MERGE_MAX: Final = 32 * 1024 * 1024
"""Bytes of indexes merged at most: half a million rows are looked at in memory."""
_MERGED_PACKS: Final = 4096


def merge_small(storage: Storage, log: Log, index: StoreIndex) -> None:
    """Keep look-ups short: sixteen indexes of one size class (powers of four) become one, by an entry of the log.

    Rows of packs that a collection took away are left out: of an object in two packs the row that stays is live.
    """
    classes: dict[int, list[LiveIndex]] = {}
    for live in log.indexes.values():
        classes.setdefault(live.size.bit_length() // 2, []).append(live)
    for group in classes.values():
        packs = {pack: size for live in group for pack, size in live.packs.items() if pack not in log.removed}
        if len(group) < _MERGE_AT or sum(live.size for live in group) > _MERGE_MAX or len(packs) > _MERGED_PACKS:
            continue
        try:
            merging = [index.open(live) for live in reversed(group)]
        except NotFound:
            return  # merged or collected by others since the log was read: theirs to keep short
        merged = put_index(storage, log, merge_indexes(merging, without=log.removed), packs)
        names = {live.name for live in group}

        def is_still_right(
            now: Log, names: set[str] = names, collected: tuple[int, frozenset[str]] = log.collected
        ) -> None:
            if not names <= now.indexes.keys() or now.collected != collected:
                raise Overtaken(now.url)

        try:
            log.append(
                Change("merge indexes", add_index=(merged,), remove_index=tuple(sorted(names))), check=is_still_right
            )
        except Conflict:
            # Another writer merged, collected or moved the store first; ours is garbage that the next collection
            # removes. What was appended before this is no less appended.
            return


def without_packs(
    storage: Storage, log: Log, index: StoreIndex, gone: Collection[str], forget: Collection[tuple[str, bytes]] = ()
) -> tuple[list[LiveIndex], list[str]]:
    """Write anew each live index that names packs which go, or rows (container, id) to `forget`.

    Returns what is left of them, to be made live in the entry that takes away the old ones, which are named second.
    """
    out = log.removed | set(gone)
    left: list[LiveIndex] = []
    replaced: list[str] = []
    for live in log.indexes.values():
        if out.isdisjoint(live.packs) and not any(pack in live.packs for pack, _ in forget):
            continue
        replaced.append(live.name)
        packs = {name: size for name, size in live.packs.items() if name not in out}
        if packs:
            left.append(put_index(storage, log, merge_indexes([index.open(live)], without=out, forget=forget), packs))
    return left, replaced


def put_index(storage: Storage, log: Log, data: bytes, packs: Mapping[str, int], *, inline: int = 0) -> LiveIndex:
    """Write an index under a name that was never used; one of up to `inline` bytes travels in the log entry instead."""
    name = f"index/{log.n}.{uuid.uuid4().hex[:16]}"
    if len(data) <= inline:
        return LiveIndex(name, len(data), checksum(data), packs, data)
    storage.put(name, data)
    return LiveIndex(name, len(data), checksum(data), packs)
