"""Purge: erase content for good, from all of history: its bytes are in no file of the store afterwards.

    tombstones, children first ─► packs with them, or deltas against them, packed again without ─► old packs deleted

From its tombstone on nobody stores an object again (rule R1), and every step can be repeated: what a killed purge left
is what the next one finds. There is no grace for slow readers; uploads under way are sent again, as the fence rises.
Metadata stays: listings go on naming paths, ids and sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xver.errors import Incomplete, Overtaken
from xver.progress import SILENT, Meter
from xver.storage.local import LocalStorage
from xver.store.batches import batches
from xver.store.kept import Kept, purged_yet_here
from xver.store.log import Change, follows, pack_base
from xver.store.spool import forget_parts
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE, frames_of, read_footers
from xver.upkeep.collect import execute, plan
from xver.upkeep.sweep import sweep, sweepable

_IDS: Final = 10_000
"""Tombstones in one log entry: 67 bytes each."""
_ATTEMPTS: Final = 50
_FOOTERS: Final = 64
"""Tables of packs that are read at a time."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What a purge did to one store: ids erased, the log entries that say so, packs and bytes deleted.

    `uploads` are packs of transfers that go on, or were killed a moment ago: they hold nothing that was purged before
    they began.
    """

    url: str
    ids: tuple[bytes, ...]
    entries: tuple[int, ...]
    packs: tuple[str, ...]
    deleted: int
    uploads: tuple[str, ...]


def erase(
    store: Store,
    find: Callable[[], Sequence[bytes]],
    mark: Callable[[Kept], None],
    *,
    meter: Meter = SILENT,
) -> Erased:
    """Erase from a store what `find` gives in its present state (ids, children before parents), and all garbage.

    `mark` marks what is to be kept. Both are asked again when somebody was faster.

    Raises:
        Incomplete: a damaged pack could not be packed again without what is purged.
        Overtaken: others write faster than this computes.
    """
    ids, entries = _bury(store, find)
    dead = purged_yet_here(store)
    before = store.log.live_packs()

    def fresh() -> Kept:
        store.refresh()
        kept = Kept(store, lost=store.lost_packs(), without=dead)
        mark(kept)
        return kept

    def again(_: Kept) -> Kept:
        kept = fresh()
        kept.mark_bases()
        return kept

    holding = _holding(store)
    made = plan(store, fresh(), fence=store.log.n + 1, without=dead, leaving=holding)
    done = execute(store, made, again=again, operation="purge", meter=meter)
    store.refresh()
    packs = tuple(sorted(before.keys() - store.log.live_packs().keys()))
    deleted = sweep(store, sweepable(store))
    if isinstance(store.storage, LocalStorage):
        forget_parts(store.storage)
    live = store.log.live_packs()
    if left := sorted({*(id.hex() for id in dead if id in store), *(name for name in holding if name in live)}):
        raise Incomplete(
            "what is purged could not be erased everywhere: packs are damaged",
            (*done.damaged, *left),
            hint="xver fsck, then purge again",
        )
    uploads = [stat.key for stat in store.storage.list("packs/") if stat.key not in live]
    late = tuple(name for name in sorted(uploads) if pack_base(name) >= store.log.fence)
    return Erased(store.storage.url, ids, (*entries, store.log.n - 1), packs, deleted, late)


def _holding(store: Store) -> set[str]:
    """Return the live packs that hold a frame of anything that was ever purged, or whose table cannot be read.

    Indexes do not say it: of an object that two stored at once they name one pack, or forget the other when they are
    merged. The tables of the packs name every frame.
    """
    purged = {bytes.fromhex(id) for id in store.log.tombstones}
    lost = store.lost_packs()
    there = {name: size for name, size in store.log.live_packs().items() if name not in lost}
    found = set()
    for group in batches(there.items(), lambda _: 1, _FOOTERS):
        for name, footer in read_footers(store.storage, dict(group)).items():
            try:
                is_holding = any(frame.id in purged for frame in frames_of(footer, name, there[name]))
            except DAMAGE:
                is_holding = True
            if is_holding:
                found.add(name)
    return found


def buried(store: Store, ids: Iterable[bytes]) -> dict[bytes, int]:
    """Return those of some objects that were purged, each with the number of the log entry that says so."""
    left = {id.hex() for id in ids} & store.log.tombstones
    found: dict[bytes, int] = {}
    for n in range(store.log.n - 1, -1, -1):
        if not left:
            break
        said = left.intersection(store.log.entry(n).tombstones)
        found |= {bytes.fromhex(id): n for id in said}
        left -= said
    return found


def _bury(store: Store, find: Callable[[], Sequence[bytes]]) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Write the tombstones, each in a state for which it was computed; return the ids and the entries' numbers."""
    entries: list[int] = []
    for _ in range(_ATTEMPTS):
        store.refresh()
        n = store.log.n
        ids = tuple(find())
        fresh = [id.hex() for id in ids if id.hex() not in store.log.tombstones]
        try:
            for at in range(0, len(fresh), _IDS):
                change = Change("purge", tombstones=tuple(fresh[at : at + _IDS]))
                entries.append(store.log.append(change, check=follows(n)))
                n += 1
        except Overtaken:
            continue
        return ids, tuple(entries)
    raise Overtaken(store.storage.url)
