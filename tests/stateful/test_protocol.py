"""Rules R0 to R4 on the real store, interleaved at every storage call: pushes, adds, collections, evictions, readers.

A port of the model that the protocol was designed with, to the code that is used: every actor opens the store as a
process of its own would, and is stopped ahead of each call. After every step whatever a ref reaches is live, and its
pack and index are there; at the end two collections of a quiet store leave no garbage. Each rule is also broken on
purpose, and the same runs notice.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from tests.support.stepping import Actor, SteppedStorage
from xver.errors import Collected, ContentNotFound, Overtaken, RefConflict, TransientStorageError
from xver.format.codecs import Codec, compress_delta, encode_delta
from xver.format.indexes import Container, Place
from xver.format.listings import Row
from xver.format.log_entries import LiveIndex
from xver.history.reach import reach, reach_ids, reached, target_edge
from xver.model.entries import File, entry_id
from xver.model.ids import Kind, ListingId, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.model.refs import HEADS, LOCK, Target, TargetKind
from xver.storage.base import Storage
from xver.storage.memory import MemoryStorage
from xver.store import replacing
from xver.store.kept import Kept
from xver.store.listings import put_listing, read_listing
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.store import Store, Wanted, create_store, open_store
from xver.upkeep import collect as collect_module
from xver.upkeep.collect import execute, plan
from xver.upkeep.gc import NONE, collect, look
from xver.upkeep.sweep import sweep, sweepable

UNIVERSE = [f"object {n} ".encode() * 20 for n in range(8)]
"""Chunks; the odd ones may be stored as deltas against the even one before."""
ELSEWHERE = Container("packs/0.0-0.data", 1 << 20, 0)
STEPS = 200


class World:
    """One storage, the actors on it, and what they were told."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.inner = MemoryStorage()
        create_store(self.inner, client="test")
        self.observer = open_store(self.inner, client="observer")
        self.acknowledged: list[tuple[int, str, Target]] = []
        self.counts: dict[str, int] = {}
        self._good: set[tuple[str, int]] = set()
        self._verified = -1
        self._needed: set[str] = set()

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def open(self, storage: Storage) -> Store:
        store = open_store(storage, client="test")
        store.reaches = partial(reached, store)
        return store

    def run(self, steps: int) -> None:
        actors: list[Actor] = []
        kinds = [pusher] * 4 + [adder] * 3 + [collector] * 4 + [deleter] * 3 + [reader] * 2 + [evictor]
        try:
            for _ in range(steps):
                if len(actors) < 6:
                    act = self.rng.choice(kinds)
                    # Evictions of one store wait for each other; a crash of one frees the next.
                    if act is not evictor or not any(one.name == "evictor" for one in actors):
                        actors.append(Actor(self.inner, act.__name__, partial(act, self), stops=self._stops(act)))
                actor = self.rng.choice(actors)
                stop = actor.stop
                self._step(actor, writes=stop.startswith(("create", "put", "delete")))
                if stop.startswith(("create", "delete")):
                    self.verify()
                if actor.is_done:
                    actors.remove(actor)
        finally:
            for actor in actors:
                if not actor.is_done:
                    actor.step(crashes=True)
        self.verify_end()

    def _stops(self, act: Callable[[World, Storage], None]) -> Callable[[], bool]:
        """Stop readers at every read; of others' reads the few that follow a stop make the difference."""
        return lambda: act is reader or self.rng.random() < 0.1

    def _step(self, actor: Actor, *, writes: bool) -> None:
        crashes, loses = self.rng.random() < 0.01, self.rng.random() < 0.03
        self.count("crash" if crashes else "lost answer" if loses and writes else "step")
        actor.step(crashes=crashes, loses=loses and writes)
        if isinstance(actor.error, TransientStorageError):
            return
        if actor.error is not None:
            raise actor.error

    def verify(self) -> None:
        """Raise unless all that refs reach is live, or promised, and every pack and index it needs is there."""
        self.observer.log.refresh()
        if self.observer.log.n != self._verified:
            self._verified = self.observer.log.n
            self._needed = set(self._needs())
        gone = self._needed - {stat.key for stat in self.inner.list("")}
        assert not gone, f"{gone} are needed and gone"

    def _needs(self) -> Iterator[str]:
        """Yield the keys of live indexes and of the packs that what is reachable lies in, its bases included."""
        store = self.observer
        store.promises.forget()
        yield from (live.name for live in store.log.indexes.values() if live.inline is None)
        found = reach(store, [target_edge(target) for target in store.log.refs.values()])
        for edge in found.values():
            place = store.index.find(edge.id)
            if place is None:
                assert edge.id in store.promises, f"{edge.kind} {edge.id.hex()[:8]} is reachable and not live"
                continue
            yield place.container.name
            if place.codec is Codec.DELTA:
                yield from (store.locate(base).container.name for base in store.index.bases(place))
            if (place.container.name, place.offset) not in self._good:
                store.get(edge.kind, edge.id)
                self._good.add((place.container.name, place.offset))

    def verify_end(self) -> None:
        """Raise unless every acknowledged write stands in the log, and a quiet store is clean after two gcs."""
        entries = self.observer.log.entries()
        for n, ref, target in self.acknowledged:
            assert entries[n].refs[ref][1] == target
        assert self.observer.log.verify() == []
        for _ in range(2):
            store = self.open(self.inner)
            collect(store, marks(self, store), NONE)
            self.verify()
        live = {*self.observer.log.live_packs(), *self.observer.log.indexes}
        left = {stat.key for prefix in ("packs/", "index/") for stat in self.inner.list(prefix)}
        assert left <= live, f"garbage is left: {left - live}"
        kept = Kept(self.observer)
        marks(self, self.observer)(kept)
        kept.mark_bases()
        sizes = kept.sizes()
        assert all(sizes.get(pack) for pack in self.observer.log.live_packs()), "a live pack has nothing that is kept"


def marks(world: World, store: Store) -> Callable[[Kept], None]:
    """Mark what refs reach; what was evicted may be missing."""
    del world

    def mark(kept: Kept) -> None:
        reach_ids(store, [target_edge(target) for target in store.log.refs.values()], kept.mark)

    return mark


def version(world: World, store: Store, packer: Packer, old: set[bytes]) -> Target:
    """Put a listing of some of what was there before, and of others; odd chunks as deltas against their even one."""
    rng = world.rng
    chosen = {n for n, data in enumerate(UNIVERSE) if chunk_id(data) in old and rng.random() < 0.6}
    chosen |= set(rng.sample(range(len(UNIVERSE)), rng.randint(1, 4)))
    for n in sorted(chosen):
        data, base = UNIVERSE[n], UNIVERSE[n - 1]
        # A base has to be here: a promise is not enough.
        if n % 2 and (chunk_id(base) in store or n - 1 in chosen) and chunk_id(base) not in store.promises:
            packer.put(Kind.CHUNK, base)
            stored = encode_delta([chunk_id(base)], compress_delta(data, base))
            place = Place(chunk_id(data), ELSEWHERE, 12, len(stored), len(data), Kind.CHUNK, Codec.DELTA)
            packer.put_frame(place, stored)
        else:
            packer.put(Kind.CHUNK, data)
    rows = [
        Row(TrackedPath(f"{n:02d}"), File(chunk_id(UNIVERSE[n]), len(UNIVERSE[n]), fingerprint(UNIVERSE[n])))
        for n in sorted(chosen)
    ]
    return Target(TargetKind.LISTING, put_listing(packer, rows).id)


def writer(world: World, storage: Storage, ref: str, *, moves: bool) -> None:
    """Store a version and move a ref to it, as push (`moves` False: only from the value that was seen) and add do."""
    store = world.open(storage)
    uploaded: list[LiveIndex] = []
    for attempt in range(12):
        if attempt:
            store.refresh()
            uploaded = store.still_good(uploaded)
        old = store.log.refs.get(ref)
        try:
            known = {entry_id(row.entry) or b"" for row in read_listing(store, ListingId(old.id))} if old else set()
        except ContentNotFound:
            continue
        assert isinstance(storage, SteppedStorage)
        storage.pause("looks")
        with store.index.also(uploaded), store.packer() as packer:
            new = version(world, store, packer, known)
            index = packer.finish()
        uploaded += [] if index is None else [index]
        try:
            if moves:
                n = store.move("add", {ref: new}, *uploaded)
                if store.log.entry(n).refs.get(ref, (None, None))[1] != new:
                    return  # it stood there already
            else:
                change = Change("push", refs={ref: (old, new)}, add_index=tuple(uploaded))
                n = store.commit(change)
        except (RefConflict, Collected) as error:
            world.count(type(error).__name__)
            if uploaded and isinstance(error, Collected):
                world.count("kept uploads" if store.still_good(uploaded) else "lost uploads")
            continue
        except TransientStorageError:
            # It was done, or not: the same process tries again with what it has.
            world.count("retry")
            continue
        world.count("add" if moves else "push")
        world.acknowledged.append((n, ref, new))
        return


def pusher(world: World, storage: Storage) -> None:
    writer(world, storage, f"{HEADS}{world.rng.randrange(2)}", moves=False)


def adder(world: World, storage: Storage) -> None:
    writer(world, storage, f"{LOCK}{world.rng.randrange(2)}", moves=True)


def deleter(world: World, storage: Storage) -> None:
    store = world.open(storage)
    if store.log.refs:
        ref = world.rng.choice(sorted(store.log.refs))
        try:
            store.commit(Change("delete", refs={ref: (store.log.refs[ref], None)}))
            world.count("delete")
        except (RefConflict, Collected):
            return


def collector(world: World, storage: Storage) -> None:
    """Collect with any fence there may be, sparing nobody."""
    store = world.open(storage)
    try:
        outlook = look(store, marks(world, store), NONE)
        fence = world.rng.randint(store.log.fence, store.log.n + 1)
        outlook = replace(outlook, plan=replace(outlook.plan, fence=fence))
        done = collect(store, marks(world, store), NONE, outlook=outlook)
    except Overtaken:
        world.count("overtaken")
        return
    except ContentNotFound:
        # A version lost its ref, and then its content, while it was walked: the state is older than the storage.
        store.refresh()
        mark = marks(world, store)
        mark(Kept(store))
        return
    world.count("collect")
    if done.done.moved:
        world.count("moved")
    if done.deleted:
        world.count("deletion")


def evictor(world: World, storage: Storage) -> None:
    """Drop content that a remote keeps, as `evict` does: first the promise, then the collection."""
    store = world.open(storage)
    chosen = [chunk_id(data) for data in world.rng.sample(UNIVERSE, 2)]
    held = {id for id in chosen if id in store}
    if not held:
        return
    store.promises.replace("origin", held | store.promises.of("origin"))
    packs = frozenset(store.log.live_packs())

    def again(_: Kept) -> Kept:
        store.refresh()
        kept = Kept(store)
        places = store.index.find_many(held)
        gone = {id for id, place in places.items() if place.container.name in packs}
        kept.mark([id for id in store.index.ids() if id not in gone])
        kept.mark_bases()
        return kept

    try:
        execute(store, plan(store, again(Kept(store))), again=again, operation="evict")
    except Overtaken:
        return
    store.refresh()
    sweep(store, sweepable(store))
    world.count("evict")


def reader(world: World, storage: Storage) -> None:
    """Read a version as it was when its ref was looked up: it is lost only if the ref went elsewhere."""
    store = world.open(storage)
    if not store.log.refs:
        return
    ref = world.rng.choice(sorted(store.log.refs))
    target = store.log.refs[ref]
    try:
        for row in read_listing(store, ListingId(target.id)):
            id = entry_id(row.entry)
            assert id is not None
            for _, data in store.get_many([Wanted(Kind.CHUNK, id)]):
                assert data in UNIVERSE
    except ContentNotFound as error:
        store.refresh()
        store.promises.forget()
        if error.id in store.promises or store.log.refs.get(ref) != target:
            world.count("read gone")
            return
        raise AssertionError(f"a reader lost {error.id.hex()[:8]}") from error
    world.count("read")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "_MERGE_AT", 3)
    monkeypatch.setattr(collect_module, "_STEP_PACKS", 2)
    monkeypatch.setattr(collect_module, "_SMALL_PACKS", 5)


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let names and nonces be the same in every run of a seed."""

    def start(seed: int) -> None:
        drawn = random.Random(seed)
        monkeypatch.setattr(os, "urandom", drawn.randbytes)

    return start


Seeded = Callable[[int], None]


def test_nothing_is_lost_whoever_acts_when(seeded: Seeded) -> None:
    totals: dict[str, int] = {}
    # The runs are worth nothing unless all of this happened.
    wanted = {"push", "add", "delete", "collect", "moved", "deletion", "evict", "read", "crash", "retry"}
    wanted |= {"Collected", "RefConflict"}
    for seed in range(60):
        if seed >= 10 and wanted <= totals.keys():
            break
        seeded(seed)
        world = World(seed)
        world.run(STEPS)
        for what, count in world.counts.items():
            totals[what] = totals.get(what, 0) + count
    assert wanted <= totals.keys(), totals


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_nothing_is_lost_in_thousands_of_runs(seeded: Seeded) -> None:
    for seed in range(1000, 4000):
        seeded(seed)
        World(seed).run(STEPS)
