"""What is reachable: everything once, nothing that is skipped, and each thing that is missing by its path."""

from __future__ import annotations

import random

import pytest

from tests.support.faulty import FaultyStorage
from tests.unit.history.history import file_of, put_files, put_snapshot
from xver.errors import ContentNotFound, CorruptData, StorageError
from xver.format.listings import Row
from xver.history.reach import Edge, entry_edges, reach, target_edge
from xver.history.revisions import snapshot_target
from xver.model.entries import Entry, File
from xver.model.ids import EMPTY_ID, Kind, chunk_id
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.content import put_bytes
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.store import Store, create_store, open_store

BIG = random.Random(1).randbytes(1_000_000)


@pytest.fixture
def start(store: Store) -> Edge:
    """Return the edge to a snapshot, after another, of a dataset and a large file."""
    with store.packer() as packer:
        content = put_bytes(packer, BIG)
        store.move("big", {}, packer.finish())
    first = put_snapshot(store, tracked={"d": put_files(store, {"a": b"1", "gone": b"old"})})
    big = File(content.id, content.size, content.fingerprint, content.sha256)
    tracked: dict[str, Entry] = {"big": big, "d": put_files(store, {"a": b"1", "b": b"2", "empty": b"", "same": b"1"})}
    return target_edge(snapshot_target(put_snapshot(store, first, tracked=tracked)))


def test_everything_that_was_put_is_reached_once(store: Store, start: Edge) -> None:
    found = reach(store, [start, start])
    assert set(found) == set(store.index.ids())
    assert EMPTY_ID not in found
    assert found[chunk_id(b"2")].where.endswith("d/b")


def test_each_kind_is_what_it_is_stored_as(store: Store, start: Edge) -> None:
    for id, edge in reach(store, [start]).items():
        assert store.locate(id).kind is edge.kind


def test_what_is_below_something_skipped_is_not_looked_at(store: Store, start: Edge) -> None:
    assert reach(store, [start], skip=lambda one: one == start.id) == {}
    found = reach(store, [start], skip=lambda one: store.locate(one).kind is Kind.NODE)
    assert not any(edge.kind is Kind.NODE for edge in found.values())
    assert chunk_id(b"old") in found


def test_requests_do_not_grow_with_objects(storage: MemoryStorage) -> None:
    store = create_store(storage, client="test")
    with store.packer() as packer:
        rows = []
        for n in range(300):
            content = put_bytes(packer, BIG[n : n + 262_200])
            rows.append(
                Row(TrackedPath(f"{n:03d}"), File(content.id, content.size, content.fingerprint, content.sha256))
            )
        dataset = put_listing(packer, rows)
        store.move("many", {}, packer.finish())
    faulty = FaultyStorage(storage)
    watched = open_store(faulty, client="test")
    next(iter(watched.index.ids()))
    faulty.calls.clear()
    found = reach(watched, [Edge(Kind.LISTING, dataset.id)])
    assert sum(edge.kind is Kind.NODE for edge in found.values()) == 300
    assert len(faulty.calls) < 10


def test_what_is_missing_is_told_with_its_path_and_the_rest_is_found(storage: MemoryStorage, store: Store) -> None:
    inner = put_files(store, {"a": b"1"})
    with store.packer() as packer:
        rows = [
            Row(TrackedPath("gone"), File(chunk_id(b"x"), 300_000, bytes(16), bytes(32))),
            Row(TrackedPath("d"), inner),
        ]
        dataset = put_listing(packer, sorted(rows))
        index = packer.finish()
    assert index is not None
    store.commit(Change("listing", add_index=(index,)))
    with pytest.raises(ContentNotFound):
        reach(store, [Edge(Kind.LISTING, dataset.id)])
    told: list[tuple[str, Exception]] = []
    found = reach(store, [Edge(Kind.LISTING, dataset.id)], missing=lambda edge, error: told.append((edge.where, error)))
    assert [where for where, _ in told] == ["gone"]
    assert chunk_id(b"1") in found


def test_a_damaged_pack_is_told_and_not_raised(storage: MemoryStorage, store: Store, start: Edge) -> None:
    for stat in list(storage.list("packs/")):
        if stat.key.endswith(".meta"):
            storage.put(stat.key, storage.get(stat.key)[:40])
    told: list[Exception] = []
    reach(store, [start], missing=lambda edge, error: told.append(error))
    assert told
    assert all(isinstance(error, StorageError) for error in told)


@pytest.mark.parametrize("size", [3, 1 << 40])
def test_sizes_have_to_add_up(store: Store, size: int) -> None:
    dataset = put_files(store, {"a": b"1"})
    with pytest.raises(CorruptData, match="is said to hold"):
        reach(store, [Edge(Kind.LISTING, dataset.id, "d", size)])


def test_one_id_cannot_be_two_things(store: Store) -> None:
    one = file_of(b"1")
    entries = {TrackedPath("a"): one, TrackedPath("b"): File(one.id, 2, one.fingerprint)}
    with pytest.raises(CorruptData, match="two different things"):
        reach(store, entry_edges(entries))


def test_a_ref_says_nothing_of_sizes_and_contradicts_nobody(store: Store) -> None:
    dataset = put_files(store, {"a": b"1"})
    edges = [Edge(Kind.LISTING, dataset.id), *entry_edges({TrackedPath("d"): dataset})]
    assert len(reach(store, edges)) == len(reach(store, edges[::-1])) == 3
