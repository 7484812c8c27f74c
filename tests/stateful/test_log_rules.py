"""The rules of the log, R0 to R4, on the real store: writers interleaved at every log entry they try to create.

Actors push, merge indexes, delete refs and collect, all on one storage in memory. Before an actor's entry is created
others may act; answers get lost; writers crash. After every act everything that a ref reaches is readable, and at
the end every acknowledged push stands in the log. The rules are broken on purpose as well: the same run finds it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.faulty import FaultyStorage
from xver.errors import Collected, NotFound, RefConflict, TransientStorageError, XverError
from xver.format.indexes import PackIndex, merge_indexes
from xver.format.listings import Row
from xver.history.reach import reach, target_edge
from xver.model.entries import File, entry_id
from xver.model.ids import Kind, ListingId, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.model.refs import Target, TargetKind
from xver.storage.memory import MemoryStorage
from xver.store import replacing
from xver.store.listings import put_listing, read_listing
from xver.store.log import Change, Log, pack_base
from xver.store.store import Store, create_store, open_store

UNIVERSE = [f"object {n} ".encode() * 20 for n in range(10)]
Actor = Iterator[None]


class World:
    """One storage, the actors on it, and what they were told."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.inner = MemoryStorage()
        self.storage = FaultyStorage(self.inner, before=self._before)
        create_store(self.inner, client="test")
        self.actors: list[Actor] = []
        self.acknowledged: list[tuple[int, str, Target]] = []
        self.counts: dict[str, int] = {}
        self._depth = 0

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def store(self) -> Store:
        return open_store(self.storage, client="test")

    def _before(self, method: str, key: str) -> None:
        if method != "create" or not key.startswith("log/"):
            return
        if self._depth < 3 and self.rng.random() < 0.4:
            self._depth += 1
            for _ in range(self.rng.randrange(3)):
                self.act()
            self._depth -= 1
        if self.rng.random() < 0.05:
            self.count("lost answer")
            # Somebody's write was done, and nobody told them.
            self.storage.lose_next_answer()

    def act(self) -> None:
        """Let one actor go on to its next stop."""
        if len(self.actors) < 5:
            kind = self.rng.choices([pusher, deleter, collector], [6, 1, 3])[0]
            self.actors.append(kind(self))
        actor = self.actors.pop(self.rng.randrange(len(self.actors)))
        if self.rng.random() < 0.03:
            self.count("crash")
            return
        try:
            next(actor)
        except StopIteration:
            return
        except NotFound:
            # It read by an old state what a collection took meanwhile. A real one gives slow readers a day.
            self.count("overtaken")
            return
        self.actors.append(actor)

    def verify(self) -> None:
        """Raise unless all that refs reach is there."""
        store = open_store(self.inner, client="test")
        found = reach(store, [target_edge(target) for target in store.log.refs.values()])
        for edge in found.values():
            store.get(edge.kind, edge.id)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.act()
            self.verify()
        entries = open_store(self.inner, client="test").log.entries()
        for n, ref, target in self.acknowledged:
            assert entries[n].refs[ref][1] == target
        assert open_store(self.inner, client="test").log.verify() == []


def pusher(world: World) -> Actor:
    """Push a ref that keeps some of what it had; what is there already is not sent again."""
    rng = world.rng
    store = world.store()
    ref = f"heads/{rng.randrange(3)}"
    yield
    for _ in range(8):
        old = store.log.refs.get(ref)
        kept = [] if old is None else [entry_id(row.entry) for row in read_listing(store, ListingId(old.id))]
        wanted = [data for data in UNIVERSE if (chunk_id(data) in kept and rng.random() < 0.7) or rng.random() < 0.2]
        with store.packer() as packer:
            for data in wanted:
                packer.put(Kind.CHUNK, data)
            rows = [
                Row(TrackedPath(f"{n:02d}"), File(chunk_id(data), len(data), fingerprint(data)))
                for n, data in enumerate(wanted)
            ]
            new = Target(TargetKind.LISTING, put_listing(packer, rows).id)
            yield
            index = packer.finish()
        yield
        added = () if index is None else (index,)
        try:
            n = store.commit(Change("push", refs={ref: (old, new)}, add_index=added))
        except (RefConflict, Collected) as error:
            world.count(type(error).__name__)
            store.refresh()
            continue
        except TransientStorageError:
            store = world.store()
            continue
        world.count("push")
        world.acknowledged.append((n, ref, new))
        return


def deleter(world: World) -> Actor:
    store = world.store()
    yield
    if store.log.refs:
        ref = world.rng.choice(sorted(store.log.refs))
        try:
            store.commit(Change("delete", refs={ref: (store.log.refs[ref], None)}))
            world.count("delete")
        except (RefConflict, Collected, TransientStorageError):
            return


def collector(world: World) -> Actor:
    """Remove packs that nothing needs, raise the fence, delete what rule R3 allows to."""
    rng, store = world.rng, world.store()
    yield
    for _ in range(4):
        n = store.log.n
        reached = set(reach(store, [target_edge(target) for target in store.log.refs.values()]))
        held: dict[str, set[bytes]] = {name: set() for name in store.log.live_packs()}
        for live in store.log.indexes.values():
            for place in store.index.open(live).places():
                if place.container.name in held:
                    held[place.container.name].add(place.id)
        gone, safe = [], set[bytes]()
        for name in rng.sample(sorted(held), len(held)):
            if held[name] & reached <= safe and rng.random() < 0.8:
                gone.append(name)
            else:
                safe |= held[name]
        # An object in two packs: one of them has to stay, and here it did only if it came first.
        gone = [name for name in gone if held[name] & reached <= safe]
        empty = [live.name for live in store.log.indexes.values() if set(live.packs) <= {*gone, *store.log.removed}]
        fence = rng.randint(store.log.fence, n + 1)
        yield
        try:
            store.log.append(
                Change("collect", remove_packs=tuple(gone), remove_index=tuple(empty), fence=fence),
                check=_expected(n),
            )
            break
        except Superseded:
            store.refresh()
        except TransientStorageError:
            store = world.store()
    else:
        return
    world.count("collect")
    for prefix in ("packs/", "index/"):
        for stat in world.inner.list(prefix):
            store.refresh()
            named = {name for live in store.log.indexes.values() for name in (live.name, *live.packs)}
            if stat.key not in named - store.log.removed and (
                stat.key in gone or pack_base(stat.key) < store.log.fence
            ):
                world.inner.delete(stat.key)
                world.count("deletion")
                yield


class Superseded(Exception):
    pass


def _expected(n: int) -> Callable[[Log], None]:
    def check(log: Log) -> None:
        if log.n != n:
            raise Superseded

    return check


def breaks(seeds: range, steps: int) -> int:
    """Return in how many runs something was lost."""
    broken = 0
    for seed in seeds:
        try:
            World(seed).run(steps)
        except (XverError, AssertionError):
            broken += 1
    return broken


@pytest.fixture(autouse=True)
def merge_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "_MERGE_AT", 3)


def test_nothing_is_lost_whoever_acts_when() -> None:
    totals: dict[str, int] = {}
    for seed in range(12):
        world = World(seed)
        world.run(70)
        for what, count in world.counts.items():
            totals[what] = totals.get(what, 0) + count
    # The run is worth nothing unless all of this happened.
    assert {
        "push",
        "collect",
        "deletion",
        "delete",
        "crash",
        "lost answer",
        "Collected",
        "RefConflict",
    } <= totals.keys()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_nothing_is_lost_in_long_runs() -> None:
    for seed in range(1000, 2000):
        World(seed).run(300)


def _without_r1(monkeypatch: pytest.MonkeyPatch) -> None:
    def unchecked(self: Store, change: Change, check: Callable[[Log], None] | None, log: Log) -> None:
        del self, change, check, log

    monkeypatch.setattr(Store, "_check", unchecked)


def _with_rows_of_removed_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    def merged(indexes: list[PackIndex], *, without: Any = ()) -> bytes:
        del without
        return merge_indexes(indexes)

    monkeypatch.setattr(replacing, "merge_indexes", merged)


def _without_a_log_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Log, "_check_added", lambda self, change: None)
    _without_r1(monkeypatch)


@pytest.mark.parametrize("break_it", [_without_r1, _with_rows_of_removed_packs, _without_a_log_check])
def test_a_broken_rule_is_found(
    monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    break_it(monkeypatch)
    assert breaks(range(12), 70) > 0
