"""Collection: packs that nothing needs leave the log, then the storage; packs that are mostly garbage are packed again.

    plan      what is kept ─► packs without any of it: remove │ less than half of it: move the rest, then remove
    execute   one log entry a step ─► later `sweep` deletes what rule R3 lets go

Each entry is computed in the state that it follows (rule R2): who loses the race for a number computes again what is
kept, of what the winner added, and never submits the same list twice. Clocks decide only how long others are waited
for; a wrong guess costs them a second upload or a retry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xver.errors import Collected, ContentNotFound, CorruptData, Overtaken, Purged
from xver.format.codecs import Codec, delta_bases
from xver.format.log_entries import LiveIndex
from xver.format.packs import DATA_PACK_SIZE, META_PACK_SIZE, is_whole
from xver.progress import SILENT, Meter
from xver.store.batches import batches
from xver.store.frames import in_order, stored_size
from xver.store.kept import Kept
from xver.store.log import Change, follows, pack_base
from xver.store.relied import lists_purged
from xver.store.replacing import without_packs
from xver.store.store import Store

MOVED_MAX: Final = 8 * 1024 * 1024 * 1024
"""Bytes that one run packs again at most; the next goes on."""
_SMALL_PACKS: Final = 16
_ROW: Final = 60
_ENDS: Final = 64
"""Bytes that a pack has beside its frames, an object and in all: a small pack of small objects is not half empty."""
_STEP_MOVED: Final = 512 * 1024 * 1024
_STEP_PACKS: Final = 64
_STEP_NAMES: Final = 4_000
"""Names of packs in one log entry: some fifty bytes each, so it stays below its limit."""
_BATCH: Final = 64 * 1024 * 1024
_ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collection is to do, for the state after `n` entries.

    `remove` are packs without anything to keep, `repack` those whose rest moves to new packs, oldest first; `freed`
    and `moved` their bytes; `spared` the bytes that packs of transfers that may still go on would give back.
    """

    n: int
    kept: Kept = field(repr=False)
    remove: tuple[str, ...] = ()
    repack: tuple[str, ...] = ()
    freed: int = 0
    moved: int = 0
    spared: int = 0
    fence: int | None = None
    whole: frozenset[bytes] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """What a collection did: packs that left the log, bytes they had, bytes packed again, log entries."""

    removed: int = 0
    freed: int = 0
    moved: int = 0
    entries: int = 0
    damaged: tuple[str, ...] = ()


def plan(
    store: Store,
    kept: Kept | Iterable[bytes],
    *,
    fence: int | None = None,
    spare: int | None = None,
    without: Collection[bytes] = (),
    leaving: Collection[str] = (),
) -> Plan:
    """Decide which packs leave a store so that what is `kept` stays, with the bases of its deltas.

    `fence` is what the fence is to be raised to, as far as its entry may (None: not); packs whose transfer began with
    entry `spare` or later stay as they are, as they may be parts of one that goes on (None: none is spared). `without`
    are ids that must leave whatever it costs: their packs are packed again, and deltas stored against them whole.
    `leaving` are packs that must leave, too, whatever indexes say of them.
    """
    if not isinstance(kept, Kept):
        ids, kept = list(kept), Kept(store, without=without)
        kept.mark(ids)
    kept.mark_bases()
    live, sizes, counts = store.log.live_packs(), kept.sizes(), kept.counts()
    forced = (kept.packs_with_banned() if without else set()) | live.keys() & set(leaving)
    spared = {name for name in live if spare is not None and pack_base(name) >= spare} - forced
    ordered = [name for name in sorted(live, key=pack_base) if name not in spared]
    remove = [name for name in ordered if not sizes.get(name) and name not in forced]
    rest = [name for name in ordered if name not in set(remove)]
    thin = [name for name in rest if name in forced or gain(live[name], sizes[name], counts[name])]
    thin += _small([name for name in rest if name not in set(thin)], live)
    repack: list[str] = []
    moved = 0
    for name in thin:
        if name in forced or moved + sizes.get(name, 0) <= MOVED_MAX:
            repack.append(name)
            moved += sizes.get(name, 0)
    return Plan(
        n=store.log.n,
        kept=kept,
        remove=tuple(remove),
        repack=tuple(repack),
        freed=sum(live[name] for name in (*remove, *repack)) - moved,
        moved=moved,
        spared=sum(gain(live[name], sizes.get(name, 0), counts.get(name, 0)) for name in spared),
        fence=fence if fence is not None and fence > store.log.fence else None,
        whole=frozenset(without),
    )


def gain(size: int, stays: int, objects: int) -> int:
    """Return the bytes that a pack of `size` gives back: 0 where it stays, as half of it or more would be moved.

    `stays` are the stored bytes of the `objects` in it that are kept.
    """
    if not stays:
        return size
    rest = stays + _ROW * objects + _ENDS
    return size - rest if 2 * rest < size else 0


def execute(
    store: Store,
    plan: Plan,
    *,
    again: Callable[[Kept], Kept] | None = None,
    operation: str = "collect",
    meter: Meter = SILENT,
) -> Done:
    """Do what was planned, an entry of the log a step.

    `again` computes what is kept in the state that the store has now, given what it was before; it is called when
    somebody else appended. Nothing is deleted: that is `sweep`'s.

    Raises:
        Overtaken: somebody else appended, and there is no `again`; or they append faster than this computes.
    """
    done, kept = Done(), plan.kept
    meter.start("Packing again", plan.moved, "B")
    for step in _steps(store, plan):
        kept, did = _do(store, step, kept, plan.whole, again, operation, meter)
        done = Done(
            done.removed + did.removed,
            done.freed + did.freed,
            done.moved + did.moved,
            done.entries + did.entries,
            (*done.damaged, *did.damaged),
        )
    meter.finish()
    return done


@dataclass(frozen=True, slots=True)
class _Step:
    """What one entry does: packs to remove and to move, and the fence to raise."""

    remove: tuple[str, ...] = ()
    repack: tuple[str, ...] = ()
    fence: int | None = None


@dataclass(frozen=True, slots=True)
class _Moved:
    """What was packed again: the ids, the index that is not live yet, and packs that could not be read."""

    ids: list[bytes] = field(default_factory=list)
    index: LiveIndex | None = None
    damaged: tuple[str, ...] = ()


def _do(
    store: Store,
    step: _Step,
    kept: Kept,
    whole: frozenset[bytes],
    again: Callable[[Kept], Kept] | None,
    operation: str,
    meter: Meter,
) -> tuple[Kept, Done]:
    """Append one step's entry, computed anew until nobody is faster."""
    moved: _Moved | None = None
    for _ in range(_ATTEMPTS):
        if store.log.n != kept.n:
            if again is None:
                raise Overtaken(store.storage.url)
            before, kept = kept.n, again(kept)
            if moved is not None and _is_stale(store, moved, since=before):
                moved = None
        if moved is None:
            try:
                moved = _move(store, kept, step.repack, whole, meter)
            except Purged as error:
                # Since this was planned: what is stored as a difference against it would have to be written whole.
                raise Overtaken(store.storage.url) from error
            except ContentNotFound:
                if store.log.n == kept.n:
                    raise
                # Another collection took what was to be moved while it was read: it is not kept any more.
                continue
        held = set(moved.ids)
        live = store.log.live_packs()
        gone = [
            name
            for name in (*step.remove, *step.repack)
            if name in live and name not in moved.damaged and held.issuperset(kept.homed_in([name]))
        ]
        if not gone and step.fence is None:
            return kept, Done(damaged=moved.damaged)
        change = _entry(store, kept, gone, moved if gone else _Moved(), step.fence, operation)
        try:
            store.log.append(change, check=follows(kept.n))
        except Overtaken:
            continue
        except Collected:
            # Another collection's fence has passed what we moved: it has to be moved again.
            moved = None
            continue
        kept.n = store.log.n
        size = sum(live[name] for name in gone)
        back = 0 if moved.index is None or not gone else sum(moved.index.packs.values())
        return kept, Done(len(gone), size - back, back, 1, moved.damaged)
    raise Overtaken(store.storage.url)


def _is_stale(store: Store, moved: _Moved, *, since: int) -> bool:
    """Tell whether what was packed again may not become live (rule R1): a base may be gone, or an object purged."""
    added = [] if moved.index is None else [moved.index]
    return store.log.is_collected_since(since) or lists_purged(store.log, store.index, added)


def _entry(store: Store, kept: Kept, gone: Collection[str], moved: _Moved, fence: int | None, operation: str) -> Change:
    """Return the entry that lets packs go: every index that names one is replaced by what is left of it."""
    orphans = kept.orphans(gone, moved.ids)
    left, replaced = without_packs(store.storage, store.log, store.index, gone, orphans)
    added = left if moved.index is None else [moved.index, *left]
    return Change(
        operation,
        add_index=tuple(added),
        remove_index=tuple(replaced),
        remove_packs=tuple(sorted(gone)),
        fence=None if fence is None else min(fence, store.log.n + 1),
    )


def _move(store: Store, kept: Kept, packs: Sequence[str], whole: frozenset[bytes], meter: Meter) -> _Moved:
    """Copy what is kept of some packs into new ones, in the order of paths, each object verified.

    Deltas stay deltas: their bases are kept with them. What cannot be read leaves its pack where it is.
    """
    ids = kept.homed_in(packs)
    if not ids:
        return _Moved()
    damaged: set[str] = set()
    with store.packer(anew=True) as packer:
        for batch in batches((store.index.find_in(id, frozenset(packs)) for id in ids), stored_size, _BATCH):
            order = {place.id: number for number, place in enumerate(batch)}
            read = sorted(
                ((order[place.id], place, stored) for place, stored in store.read_frames(in_order(batch))),
                key=lambda one: one[0],
            )
            for _, place, stored in read:
                if place.codec is Codec.FOREIGN:
                    packer.put_frame(place, bytes(stored))
                    continue
                try:
                    data = store.decode(place, stored)
                    bases = delta_bases(stored) if place.codec is Codec.DELTA else ()
                except CorruptData:
                    damaged.add(place.container.name)
                    continue
                if whole.isdisjoint(bases) and not is_whole(place.container.name):
                    packer.put_frame(place, bytes(stored))
                else:
                    packer.put(place.kind, data, place.id)
                meter.advance(place.stored)
        index = packer.finish()
    return _Moved(ids, index, tuple(sorted(damaged)))


def _small(names: Sequence[str], live: dict[str, int]) -> list[str]:
    """Return small packs, where there are so many that readers are better off with a few full ones."""
    found: list[str] = []
    for family, full in (("data", DATA_PACK_SIZE), ("meta", META_PACK_SIZE)):
        small = [name for name in names if name.endswith(f".{family}") and live[name] < full // 4]
        found += small if len(small) >= _SMALL_PACKS else []
    return found


def _steps(store: Store, plan: Plan) -> Iterator[_Step]:
    """Divide a plan into entries: packs of one index together, each entry within its bounds, the fence in the last."""
    listed = {name: live for live in store.log.indexes.values() for name in live.packs}
    wanted, moving, sizes = {*plan.remove, *plan.repack}, set(plan.repack), plan.kept.sizes()
    # Where something must leave, what is stored against it is written whole while it can still be read.
    first = plan.kept.packs_with_banned() if plan.whole else set()
    steps: list[_Step] = []
    remove: list[str] = []
    repack: list[str] = []
    touched: dict[str, int] = {}
    moved = 0
    for name in sorted(wanted & listed.keys(), key=lambda name: (name not in first, listed[name].name, name)):
        if name in moving:
            repack.append(name)
            moved += sizes.get(name, 0)
        else:
            remove.append(name)
        # What is left of an index is listed again.
        touched[listed[name].name] = len(listed[name].packs)
        names = len(remove) + len(repack) + sum(touched.values())
        if moved >= _STEP_MOVED or len(repack) >= _STEP_PACKS or names >= _STEP_NAMES:
            steps.append(_Step(tuple(remove), tuple(repack)))
            remove, repack, touched, moved = [], [], {}, 0
    if remove or repack or plan.fence is not None or not steps:
        steps.append(_Step(tuple(remove), tuple(repack)))
    yield from steps[:-1]
    yield replace(steps[-1], fence=plan.fence)
