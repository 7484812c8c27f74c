"""Where history ends: what was forgotten, never came, or was purged is neither followed nor missing."""

from __future__ import annotations

import pytest

from tests.support.samples import RUN
from tests.unit.history.history import ADA, put_files, put_snapshot
from xver.errors import ContentNotFound, RevisionNotFound, XverError
from xver.format.listings import Row
from xver.format.snapshots import encode_snapshot
from xver.history.bounds import Bounds, bounds_of, forgotten_ref, shallow_ref
from xver.history.graph import ancestors, history, is_ancestor, merge_base
from xver.history.reach import Edge, reach, target_edge
from xver.history.revisions import resolve_snapshot, snapshot_target
from xver.model.entries import File
from xver.model.ids import Kind, ListingId, SnapshotId, chunk_id
from xver.model.paths import TrackedPath
from xver.model.refs import Target, TargetKind
from xver.model.snapshots import Snapshot
from xver.storage.memory import MemoryStorage
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.store import Store, create_store

NOWHERE = ListingId(b"\x01" * 32)


def put_bare(store: Store, *parents: SnapshotId, time: int = 0) -> SnapshotId:
    """Store the record of a snapshot whose data is nowhere."""
    with store.packer() as packer:
        record = Snapshot(NOWHERE, parents, ADA, time, 0, "a version", None)
        id = SnapshotId(packer.put(Kind.SNAPSHOT, encode_snapshot(record)))
        store.move("bare", {}, packer.finish())
    return id


def mark(store: Store, ref: str, target: Target) -> None:
    store.move("mark", {ref: target})


@pytest.fixture
def line(store: Store) -> tuple[SnapshotId, SnapshotId, SnapshotId]:
    """Return three versions in a row; the data of the one in the middle is not there."""
    first = put_snapshot(store, tracked={"d": put_files(store, {"a": b"first"})}, time=1)
    second = put_bare(store, first, time=2)
    third = put_snapshot(store, second, tracked={"d": put_files(store, {"a": b"third"})}, time=3, ref="heads/main")
    return first, second, third


def test_of_a_forgotten_version_the_record_and_what_came_before_are_kept(
    store: Store, line: tuple[SnapshotId, SnapshotId, SnapshotId]
) -> None:
    first, second, third = line
    start = [target_edge(snapshot_target(third))]
    with pytest.raises(ContentNotFound):
        reach(store, start)
    mark(store, forgotten_ref(snapshot_target(second)), snapshot_target(second))
    found = reach(store, start)
    assert {first, second, third, chunk_id(b"first"), chunk_id(b"third")} <= set(found)
    assert NOWHERE not in found
    assert [id for id, _ in history(store, third)] == [third, second, first]
    assert is_ancestor(store, first, third)
    assert resolve_snapshot(store, "main~2", head=third) == first


def test_nothing_below_a_shallow_version_is_looked_at(
    store: Store, line: tuple[SnapshotId, SnapshotId, SnapshotId]
) -> None:
    first, second, third = line
    mark(store, shallow_ref(snapshot_target(second)), snapshot_target(second))
    found = reach(store, [target_edge(snapshot_target(third))])
    assert {second, third, chunk_id(b"third")} <= set(found)
    assert not {NOWHERE, first, chunk_id(b"first")} & set(found)
    assert [id for id, _ in history(store, third)] == [third, second]
    assert {id for id, _ in ancestors(store, [third])} == {third, second}
    assert not is_ancestor(store, first, third)
    assert merge_base(store, third, first) is None
    with pytest.raises(RevisionNotFound, match="oldest version that is here"):
        resolve_snapshot(store, "main~2", head=third)


def test_of_a_forgotten_run_the_record_is_kept_and_nothing_that_it_stored(store: Store) -> None:
    with store.packer() as packer:
        id = packer.put(Kind.RUN, RUN)
        store.move("run", {}, packer.finish())
    target = Target(TargetKind.RUN, id)
    with pytest.raises(XverError):
        reach(store, [target_edge(target)])
    mark(store, forgotten_ref(target), target)
    assert set(reach(store, [target_edge(target)])) == {id}


def test_what_was_purged_is_not_missing_wherever_it_is_met(store: Store) -> None:
    gone = chunk_id(b"gone")
    node = b"\x02" * 32
    with store.packer() as packer:
        rows = [
            Row(TrackedPath("gone"), File(gone, 4, bytes(16))),
            Row(TrackedPath("large"), File(node, 300_000, bytes(16), bytes(32))),  # type: ignore[arg-type]
        ]
        dataset = put_listing(packer, rows)
        index = packer.finish()
    assert index is not None
    store.commit(Change("purge", add_index=(index,), tombstones=(gone.hex(), node.hex())))
    assert set(reach(store, [Edge(Kind.LISTING, dataset.id)])) == set(store.index.ids())
    assert reach(store, [Edge(Kind.CHUNK, gone), Edge(Kind.NODE, node)]) == {}


def test_what_ends_in_any_of_several_stores_ends(store: Store, line: tuple[SnapshotId, SnapshotId, SnapshotId]) -> None:
    other = create_store(MemoryStorage(), client="test")
    first, second, third = line
    mark(store, forgotten_ref(snapshot_target(second)), snapshot_target(second))
    mark(other, shallow_ref(snapshot_target(first)), snapshot_target(first))
    other.commit(Change("purge", tombstones=(third.hex(),)))
    both = bounds_of(store, other)
    assert both == Bounds(frozenset({second}), frozenset({first}), frozenset({third}))
    assert not both.has_data(first)
    assert not both.has_data(second)
    assert both.has_data(third)


def test_a_new_store_ends_nowhere(store: Store) -> None:
    assert bounds_of(store) == Bounds()
