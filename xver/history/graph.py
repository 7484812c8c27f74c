"""The graph of snapshots: what came before what, and where two histories meet. A home of networkx."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from xver.format.snapshots import decode_snapshot
from xver.history.bounds import bounds_of
from xver.model.ids import Kind, SnapshotId
from xver.model.snapshots import Snapshot
from xver.store.store import Store


def read_snapshot(store: Store, id: SnapshotId) -> Snapshot:
    """Return a snapshot of the store."""
    return decode_snapshot(store.get(Kind.SNAPSHOT, id))


def history(store: Store, start: SnapshotId) -> Iterator[tuple[SnapshotId, Snapshot]]:
    """Yield a snapshot and its ancestors, children before parents, newest first among those that are free."""
    bounds = bounds_of(store)
    known: dict[SnapshotId, Snapshot] = {}
    waiting = [start]
    children: dict[SnapshotId, int] = {start: 0}
    while waiting:
        id = waiting.pop()
        if id in known:
            continue
        known[id] = read_snapshot(store, id)
        for parent in bounds.parents(id, known[id]):
            children[parent] = children.get(parent, 0) + 1
            waiting.append(parent)
    free = [(-known[start].time, start)]
    while free:
        _, id = heapq.heappop(free)
        yield id, known[id]
        for parent in bounds.parents(id, known[id]):
            children[parent] -= 1
            if children[parent] == 0:
                heapq.heappush(free, (-known[parent].time, parent))


def ancestors(store: Store, starts: Iterable[SnapshotId]) -> Iterator[tuple[SnapshotId, Snapshot]]:
    """Yield snapshots and all their ancestors, each once, in no particular order."""
    bounds = bounds_of(store)
    waiting = list(starts)
    seen = set(waiting)
    while waiting:
        id = waiting.pop()
        snapshot = read_snapshot(store, id)
        yield id, snapshot
        fresh = [parent for parent in bounds.parents(id, snapshot) if parent not in seen]
        seen.update(fresh)
        waiting += fresh


def is_ancestor(store: Store, ancestor: SnapshotId, of: SnapshotId) -> bool:
    """Tell whether `ancestor` is `of` or came before it."""
    return any(id == ancestor for id, _ in ancestors(store, [of]))


def merge_base(store: Store, one: SnapshotId, other: SnapshotId) -> SnapshotId | None:
    """Return the best common ancestor of two snapshots, None if their histories never met."""
    import networkx as nx

    bounds = bounds_of(store)
    graph: nx.DiGraph[SnapshotId] = nx.DiGraph()
    for id, snapshot in ancestors(store, (one, other)):
        graph.add_node(id)
        graph.add_edges_from((parent, id) for parent in bounds.parents(id, snapshot))
    common = (nx.ancestors(graph, one) | {one}) & (nx.ancestors(graph, other) | {other})
    # Best: no other common ancestor descends from it. Of several (criss-cross merges) the newest, then by id.
    best = [id for id in common if not any(child in common for child in graph.successors(id))]
    return max(best, key=lambda one: (read_snapshot(store, one).time, one)) if best else None
