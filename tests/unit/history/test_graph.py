"""Ancestors and merge bases, on histories drawn at random too: networkx-free definitions decide."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.history.history import ADA, put_snapshot
from xver.format.snapshots import encode_snapshot
from xver.history.graph import ancestors, history, is_ancestor, merge_base, read_snapshot
from xver.model.ids import Kind, SnapshotId
from xver.model.snapshots import Snapshot
from xver.storage.memory import MemoryStorage
from xver.store.store import Store, create_store


def test_history_has_children_before_parents_newest_first(store: Store) -> None:
    root = put_snapshot(store, time=1)
    left, right = put_snapshot(store, root, time=5, message="left"), put_snapshot(store, root, time=9, message="right")
    merge = put_snapshot(store, left, right, time=3)
    assert [id for id, _ in history(store, merge)] == [merge, right, left, root]


def test_a_clock_that_went_back_never_puts_a_parent_before_its_child(store: Store) -> None:
    chain = [put_snapshot(store, time=100)]
    for time in (50, 200, 1):
        chain.append(put_snapshot(store, chain[-1], time=time))
    assert [id for id, _ in history(store, chain[-1])] == chain[::-1]


def test_a_long_history_is_walked_without_recursion(store: Store) -> None:
    first = id = put_snapshot(store)
    root = read_snapshot(store, first).root
    with store.packer() as packer:
        for n in range(1500):
            snapshot = Snapshot(root, (id,), ADA, n, 0, "a version", None)
            id = SnapshotId(packer.put(Kind.SNAPSHOT, encode_snapshot(snapshot)))
        store.move("many", {}, packer.finish())
    assert is_ancestor(store, first, id)
    assert not is_ancestor(store, id, first)
    assert len(list(history(store, id))) == 1501


def test_the_base_of_a_fork_is_where_it_forked(store: Store) -> None:
    root = put_snapshot(store)
    fork = put_snapshot(store, root, time=1)
    left, right = put_snapshot(store, fork, message="l"), put_snapshot(store, fork, message="r")
    assert merge_base(store, left, right) == fork
    assert merge_base(store, fork, right) == fork
    assert merge_base(store, right, right) == right


def test_histories_that_never_met_have_no_base(store: Store) -> None:
    assert merge_base(store, put_snapshot(store, message="a"), put_snapshot(store, message="b")) is None


def test_a_criss_cross_has_two_best_bases_and_the_newer_is_taken(store: Store) -> None:
    root = put_snapshot(store)
    left, right = put_snapshot(store, root, time=5, message="l"), put_snapshot(store, root, time=7, message="r")
    one, two = put_snapshot(store, left, right, message="1"), put_snapshot(store, right, left, message="2")
    assert merge_base(store, one, two) == merge_base(store, two, one) == right


@st.composite
def shapes(draw: st.DrawFn) -> list[list[int]]:
    """The parents of each snapshot, by number: earlier ones only."""
    count = draw(st.integers(2, 9))
    return [draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True)) if n else [] for n in range(count)]


@given(shape=shapes(), times=st.lists(st.integers(0, 3), min_size=9, max_size=9))
@settings(max_examples=40)
def test_any_history(shape: list[list[int]], times: list[int]) -> None:
    store = create_store(MemoryStorage(), client="test")
    ids: list[SnapshotId] = []
    above: list[set[int]] = []
    for n, parents in enumerate(shape):
        ids.append(put_snapshot(store, *(ids[p] for p in parents), time=times[n], message=str(n)))
        above.append({n}.union(*(above[p] for p in parents)))
    for n, id in enumerate(ids):
        assert {found for found, _ in ancestors(store, [id])} == {ids[p] for p in above[n]}
        order = [found for found, _ in history(store, id)]
        assert len(order) == len(set(order)) == len(above[n])
        for found in order:
            assert all(order.index(parent) > order.index(found) for parent in read_snapshot(store, found).parents)
    for one in range(len(ids)):
        for other in range(len(ids)):
            common = above[one] & above[other]
            best = {n for n in common if not any(n in above[m] and m != n for m in common)}
            base = merge_base(store, ids[one], ids[other])
            assert (base is None) if not best else base in {ids[n] for n in best}
            assert is_ancestor(store, ids[one], ids[other]) == (one in above[other])
