"""Mend a store from verified copies: what is damaged or missing comes from elsewhere, what is whole moves away from it.

    1   indexes that cannot be used are made anew from footers
    2   what is lost comes from the sources, each object verified by its id   ─► new packs, one entry
    3   differences against what is lost come whole from the sources, too           ─► one entry
    4   what is whole in damaged packs moves to new packs; these packs, and such differences, leave   ─► one entry
    5   what is lost still comes from the work tree's own files, where their ids match   ─► one entry

A delta may be stored against what was lost, so lost objects come first. The damaged packs stay in the storage until a
collection deletes them: what reads them now may go on. Where a file of others is gone, what says that chunks lie in it
stays unless somebody has them: all is well again when the file is back.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeAlias

from xver.errors import Collected, Conflict, ForeignChanged, Overtaken, TransientStorageError, XverError
from xver.format.codecs import Codec
from xver.format.indexes import Place
from xver.format.log_entries import LiveIndex
from xver.format.packs import is_whole
from xver.history.bounds import bounds_of
from xver.history.reach import Edge, edges_within
from xver.model.ids import EMPTY_ID, Kind
from xver.progress import SILENT, Meter
from xver.store.batches import batches
from xver.store.frames import stored_size
from xver.store.log import Change, Log
from xver.store.replacing import without_packs
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE, open_indexes
from xver.upkeep.checks.foreign import still_said
from xver.upkeep.checks.frames import check_frames
from xver.upkeep.copies import Source, copies_of
from xver.upkeep.findings import Damage, Findings
from xver.upkeep.rebuild import rebuild_index

_STEP_PACKS: Final = 64
_BATCH: Final = 256
_BATCH_BYTES: Final = 64 * 1024 * 1024
_ATTEMPTS: Final = 10

_ROUNDS: Final = 4

TakeFiles: TypeAlias = Callable[[Iterable[Damage], frozenset[bytes]], LiveIndex | None]
"""Puts those of some objects that lie in files of damaged paths into packs; returns their index."""


@dataclass(slots=True)
class Repaired:
    """What was done.

    Objects brought, by source, and their bytes as stored; objects that moved, and packs that left the log; differences
    that left because what they were against is lost; indexes rebuilt, checkpoints written again; objects that nobody
    has, with their kinds.
    """

    brought: dict[str, int] = field(default_factory=dict)
    size: int = 0
    moved: int = 0
    packs: int = 0
    stranded: int = 0
    rebuilt: bool = False
    checkpoints: int = 0
    lost: dict[bytes, Kind] = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Tell whether anything was mended."""
        return bool(self.steps or self.rebuilt or self.checkpoints)

    @property
    def steps(self) -> int:
        """How much was brought or moved away: as long as it grows there may be more to do."""
        return sum(self.brought.values()) + self.packs + self.stranded


def repair(
    store: Store,
    check: Callable[[], Findings],
    sources: Sequence[Source],
    *,
    may_be_elsewhere: bool = False,
    files: TakeFiles | None = None,
    meter: Meter = SILENT,
) -> tuple[Repaired, Findings]:
    """Mend what `check` finds in a store; return what was done, and what is still wrong.

    What nobody has is no longer claimed by any index, so that whoever has it can store it again.
    `may_be_elsewhere`: content of files need not be in this store.

    Raises:
        Conflict: others change the store faster than it can be mended.
        TransientStorageError: a storage cannot be asked now; what was mended so far is.
    """
    mender = _Mender(store, sources, may_be_elsewhere, meter)
    found = first = check()
    if any(one.key.startswith("checkpoints/") for one in found.damage) and not _log_is_damaged(found):
        mender.done.checkpoints = len(store.log.mend_checkpoints())
    if found.unindexed:
        rebuild_index(store, meter=meter)
        mender.done.rebuilt = True
        found = check()
    # What is below something that was lost is known only when that is back.
    for _ in range(_ROUNDS):
        if not (found.damaged or found.lost):
            break
        before = mender.done.steps
        mender.all(found, files)
        found = check()
        if mender.done.steps == before:
            break
    return mender.done, _with_lost(check() if mender.done.checkpoints else found, first, mender.done.lost)


def _with_lost(found: Findings, first: Findings, lost: Mapping[bytes, Kind]) -> Findings:
    """Return what is still wrong with what the first check found and nobody has.

    Where content may be at a remote only, no check tells it any more from what was never fetched.
    """
    told = {one.path for one in found.damage}
    gone = [
        replace(one, key="", what="was damaged, and nobody who was asked has it")
        for one in first.damage
        if one.path and one.id in lost and one.path not in told
    ]
    return replace(found, damage=(*found.damage, *gone))


def _log_is_damaged(found: Findings) -> bool:
    return any(one.key.startswith("log/") for one in found.damage)


@dataclass(frozen=True, slots=True)
class _Mender:
    store: Store
    sources: Sequence[Source]
    may_be_elsewhere: bool
    meter: Meter
    done: Repaired = field(default_factory=Repaired)

    def all(self, found: Findings, files: TakeFiles | None) -> None:
        """Mend what was found, some packs at a time."""
        damaged = sorted(found.damaged & self.store.log.live_packs().keys())
        as_such = frozenset(one.key for one in found.damage if one.id is None)
        self.retried(lambda: self.mend(frozenset(damaged[:_STEP_PACKS]), as_such, found.lost))
        for at in range(_STEP_PACKS, len(damaged), _STEP_PACKS):
            self.retried(partial(self.mend, frozenset(damaged[at : at + _STEP_PACKS]), as_such, {}))
        if self.done.lost and files is not None:
            self.retried(lambda: self.take(found, files))

    def retried(self, act: Callable[[], None]) -> None:
        """Act, again when somebody else changed what is live in the meantime."""
        for _ in range(_ATTEMPTS):
            try:
                act()
            except (Overtaken, Collected):
                self.store.refresh()
                continue
            return
        raise Conflict(f"{self.store.storage.url} changes faster than it can be mended", hint="run it again")

    def mend(self, damaged: frozenset[str], as_such: frozenset[str], missing: Mapping[bytes, Kind]) -> None:
        """Bring what is missing and what is harmed in the damaged packs, then let these go.

        Something is wrong with those of `as_such` themselves, not with what they hold alone.
        """
        rows = _rows_of(self.store, damaged)
        harms = _harmed(self.store, rows)
        harmed = dict(missing) | {place.id: place.kind for place, _ in harms}
        with _avoiding(self.store, damaged):
            wanted = {id: kind for id, kind in harmed.items() if id not in self.store}
        sought = wanted | self._bring(wanted)
        with _avoiding(self.store, damaged):
            away = [one for one, error in harms if isinstance(error, ForeignChanged) and one.id not in self.store]
        away = list(still_said(self.store, away))
        others = {place.container.name for place, _ in harms if place not in away}
        staying = {place.container.name for place in away} - others - as_such
        damaged -= staying
        rows = [place for place in rows if place.container.name not in staying]
        stranded = self._stranded(damaged, harmed)
        if stranded:
            whole = self.store.index.find_whole(place.id for place in stranded)
            again = {place.id: place.kind for place in stranded if place.id not in whole}
            sought |= again | self._bring(again)
        self._move(damaged, rows, stranded, keeps=frozenset(place.id for place in away))
        self.done.packs += len(damaged)
        self.done.stranded += len(stranded)
        sought |= {place.id: place.kind for place in rows}
        gone = {place.id for place in away}
        self.done.lost.update((id, kind) for id, kind in sought.items() if id in gone or id not in self.store)

    def take(self, found: Findings, files: TakeFiles) -> None:
        """Bring what files of the work tree still have."""
        index = files(found.damage, frozenset(self.done.lost))
        if index is None:
            return
        self.store.log.append(Change("repair: files", add_index=(index,)))
        back = [place.id for place in self.store.index.open(index).places() if place.id in self.done.lost]
        self.done.brought["files"] = self.done.brought.get("files", 0) + len(back)
        for id in back:
            del self.done.lost[id]

    def _bring(self, wanted: Mapping[bytes, Kind]) -> dict[bytes, Kind]:
        """Copy objects from whoever has them whole; return what turned out to be missing below them."""
        bounds = bounds_of(self.store)
        below: dict[bytes, Kind] = {}
        brought: Counter[str] = Counter()
        waiting = [(id, kind) for id, kind in wanted.items() if id not in bounds.purged]
        self.meter.start("Bringing", len(waiting) or None, "objects")
        with self.store.packer(anew=True) as packer:
            while waiting:
                batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
                for one, data, name in copies_of(self.sources, batch):
                    packer.put(one.kind, data, one.id)
                    brought[name] += 1
                    self.meter.advance(1)
                    for edge in edges_within(Edge(one.kind, one.id), bytes(data), bounds):
                        if self._is_missing(edge) and edge.id not in wanted and edge.id not in below:
                            below[edge.id] = edge.kind
                            waiting.append((edge.id, edge.kind))
            index = packer.finish()
        self.meter.finish()
        if index is not None:
            self.store.log.append(Change("repair: bring", add_index=(index,)))
            self.done.size += sum(index.packs.values())
        for name, number in brought.items():
            self.done.brought[name] = self.done.brought.get(name, 0) + number
        return below

    def _stranded(self, damaged: frozenset[str], harmed: Mapping[bytes, Kind]) -> list[Place]:
        """Return the deltas in other packs that nobody can decode any more, as a base of theirs is lost.

        Listed, they would pass for present, and whoever has their objects would not store them again.
        """
        with _avoiding(self.store, damaged):
            lost = harmed.keys() - self.store.index.find_whole(harmed).keys()
        if not lost:
            return []
        gone = damaged | self.store.log.removed
        return [
            place
            for index in open_indexes(self.store, []).values()
            for place in index.places()
            if place.codec is Codec.DELTA
            and place.container.name not in gone
            and not lost.isdisjoint(index.bases(place.id))
        ]

    def _is_missing(self, edge: Edge) -> bool:
        need_not = edge.id == EMPTY_ID or (self.may_be_elsewhere and edge.kind in (Kind.CHUNK, Kind.NODE))
        return not need_not and edge.id not in self.store

    def _move(
        self, damaged: frozenset[str], rows: list[Place], stranded: list[Place], *, keeps: frozenset[bytes]
    ) -> None:
        """Pack again what is whole in damaged packs and nowhere else; they leave the log, and what is stranded.

        Of what it `keeps` the frames move, though what they say cannot be read now.
        """
        if not (damaged or stranded):
            return
        store = self.store
        old, removed = frozenset(store.log.indexes), frozenset(store.log.removed)
        with _avoiding(store, damaged):
            alone = [place for place in rows if place.id not in store]
        moved = 0
        self.meter.start("Packing again", sum(place.stored for place in alone), "B")
        with store.packer(anew=True) as packer:
            for batch in batches(alone, stored_size, _BATCH_BYTES):
                for place, stored, data in _whole(store, batch, keeps):
                    if place.codec is Codec.DELTA or is_whole(place.container.name):
                        # Its bases may have come back in another pack than they were in: whole it needs none. Nor was
                        # what lies in a whole file ever packed.
                        packer.put(place.kind, bytes(data), place.id)
                    else:
                        packer.put_frame(place, bytes(stored))
                    moved += 1
                    self.meter.advance(place.stored)
            index = packer.finish()
        self.meter.finish()

        def is_still_right(log: Log) -> None:
            if old != log.indexes.keys() or log.removed != removed:
                raise Overtaken(log.url)

        store.log.append(_without(store, damaged, index, stranded), check=is_still_right)
        self.done.moved += moved


@contextlib.contextmanager
def _avoiding(store: Store, packs: frozenset[str]) -> Iterator[None]:
    """While the block runs the store holds only what other packs have."""
    store.index.avoid(packs)
    try:
        yield
    finally:
        store.index.avoid(frozenset())


def _rows_of(store: Store, packs: frozenset[str]) -> list[Place]:
    """Return the live rows of some packs, each object once, as they lie there."""
    rows: dict[bytes, Place] = {}
    if packs:
        for index in open_indexes(store, []).values():
            for place in index.places():
                if place.container.name in packs:
                    rows[place.id] = place
    return sorted(rows.values(), key=lambda place: (place.container.name, place.offset))


def _harmed(store: Store, rows: list[Place]) -> list[tuple[Place, XverError]]:
    """Return the rows whose objects cannot be read whole, each with what keeps it from being read."""
    by_pack: dict[str, list[Place]] = {}
    for place in rows:
        by_pack.setdefault(place.container.name, []).append(place)
    return [
        (place, error)
        for places in by_pack.values()
        for place, error, _ in check_frames(store, places, {})
        if error is not None
    ]


def _whole(
    store: Store, batch: list[Place], keeps: frozenset[bytes]
) -> Iterator[tuple[Place, memoryview, bytes | memoryview]]:
    """Yield each object that can be read, as it is stored and as it is; the others were brought, or are lost.

    Of what it `keeps` the frame is yielded in any case.
    """
    for place, stored in _frames(store, batch):
        try:
            yield place, stored, b"" if place.id in keeps else store.decode(place, stored)
        except TransientStorageError:
            raise
        except DAMAGE:
            continue


def _frames(store: Store, batch: list[Place]) -> Iterable[tuple[Place, memoryview]]:
    try:
        return list(store.read_frames(batch))
    except TransientStorageError:
        raise
    except DAMAGE:
        found: list[tuple[Place, memoryview]] = []
    for place in batch:
        try:
            found += store.read_frames([place])
        except TransientStorageError:
            raise
        except DAMAGE:
            continue
    return found


def _without(store: Store, damaged: frozenset[str], index: LiveIndex | None, stranded: list[Place]) -> Change:
    """Return the entry after which no index names the damaged packs or what is stranded, and `index` is live."""
    forget = {(place.container.name, place.id) for place in stranded}
    left, replaced = without_packs(store.storage, store.log, store.index, damaged, forget)
    added = left if index is None else [index, *left]
    return Change("repair", add_index=tuple(added), remove_index=tuple(replaced), remove_packs=tuple(sorted(damaged)))
