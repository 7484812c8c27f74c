"""Whom it concerns: the commits and runs that something damaged belongs to. Asked only when something is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from xver.errors import TransientStorageError
from xver.format.runs import decode_run
from xver.format.snapshots import decode_snapshot
from xver.history.bounds import bounds_of
from xver.history.reach import Edge, edges_within
from xver.model.ids import Kind, SnapshotId
from xver.model.refs import RUNS, TargetKind
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE
from xver.upkeep.findings import Damage

_UNREAD: Final = frozenset({Kind.CHUNK, Kind.SNAPSHOT})


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as far as data goes: its id, git's or ours in hex, and what it leads to besides its parents."""

    id: str
    edges: tuple[Edge, ...]


def commits_of(store: Store) -> list[Commit]:
    """Return every snapshot that the refs of a store lead to and that can be read."""
    waiting = [target.id for target in store.log.refs.values() if target.kind is TargetKind.SNAPSHOT]
    seen = set(waiting)
    bounds = bounds_of(store)
    found = []
    while waiting:
        id = waiting.pop()
        try:
            snapshot = decode_snapshot(store.get(Kind.SNAPSHOT, id))
        except TransientStorageError:
            raise
        except DAMAGE:
            found.append(Commit(id.hex(), (Edge(Kind.SNAPSHOT, id),)))
            continue
        edges = (Edge(Kind.LISTING, snapshot.root),) if bounds.has_data(id) else ()
        found.append(Commit(snapshot.git or id.hex(), edges))
        fresh = [parent for parent in bounds.parents(SnapshotId(id), snapshot) if parent not in seen]
        seen.update(fresh)
        waiting += fresh
    return found


def name_touched(store: Store, damage: Iterable[Damage], bad: set[bytes], commits: Iterable[Commit]) -> list[Damage]:
    """Return `damage` with the commits and runs that each object's loss touches."""
    graph = _Graph(store, bad)
    roots: dict[bytes, list[str]] = {}
    for commit in commits:
        for edge in commit.edges:
            if graph.leads_to_bad(edge):
                names = roots.setdefault(edge.id, [])
                if commit.id not in names:
                    names.append(commit.id)
    users: dict[bytes, list[str]] = {}
    for target in store.log.refs_under(RUNS).values():
        for id, name in graph.used_by(target.id):
            users.setdefault(id, []).append(name)
    found = []
    for one in damage:
        if one.id is None:
            found.append(one)
            continue
        above = graph.above(one.id)
        touched = {name: None for id in above for name in roots.get(id, ())}
        runs = {name: None for id in above for name in users.get(id, ())}
        found.append(replace(one, commits=tuple(touched), runs=tuple(runs)))
    return found


class _Graph:
    """What leads to something bad: of that part of the graph alone, which object names which."""

    def __init__(self, store: Store, bad: set[bytes]) -> None:
        self._store = store
        self._bad = bad
        self._bounds = bounds_of(store)
        self._clean: set[bytes] = set()
        self._parents: dict[bytes, set[bytes]] = {}
        self._leading: set[bytes] = set()

    def leads_to_bad(self, edge: Edge) -> bool:
        """Tell whether the object is bad or something below it is; parents of a snapshot do not count."""
        if edge.id in self._bad or edge.id in self._leading:
            return True
        if edge.kind in _UNREAD or edge.id in self._clean:
            return False
        try:
            children = list(edges_within(edge, self._store.get(edge.kind, edge.id), self._bounds))
        except TransientStorageError:
            raise
        except DAMAGE:
            return False
        leads = False
        # At most a few levels of listings and nodes below each other: no deeper than the format allows.
        for child in children:
            if self.leads_to_bad(child):
                self._parents.setdefault(child.id, set()).add(edge.id)
                leads = True
        (self._leading if leads else self._clean).add(edge.id)
        return leads

    def used_by(self, id: bytes) -> list[tuple[bytes, str]]:
        """Return what a run stored, used or made of all that leads to something bad, with the run's name."""
        try:
            run = decode_run(self._store.get(Kind.RUN, id))
        except TransientStorageError:
            raise
        except DAMAGE:
            return []
        self.leads_to_bad(Edge(Kind.RUN, id))
        ids = [id, *(one.id for one in run.inputs), *(one.id for one in run.outputs)]
        return [(one, run.name) for one in ids if one is not None and (one in self._bad or one in self._leading)]

    def above(self, id: bytes) -> set[bytes]:
        """Return an object and everything that leads to it."""
        found = {id}
        waiting = [id]
        while waiting:
            fresh = self._parents.get(waiting.pop(), set()) - found
            found |= fresh
            waiting += fresh
        return found
