"""Name a snapshot, so that it is kept: what is named counts as wanted, also if it was forgotten before."""

from __future__ import annotations

from xver.errors import XverError
from xver.history.bounds import bounds_of, forgotten_refs
from xver.history.graph import read_snapshot
from xver.history.reach import Edge, reach
from xver.history.revisions import snapshot_target
from xver.model.ids import Kind, SnapshotId
from xver.model.refs import Target
from xver.store.store import Store


def naming(store: Store, ref: str, id: SnapshotId) -> dict[str, Target | None]:
    """Return the refs to move so that `ref` names a snapshot; its data is no longer forgotten, if all of it is here."""
    target = snapshot_target(id)
    refs: dict[str, Target | None] = {ref: target}
    if id in bounds_of(store).forgotten and _is_whole(store, id):
        refs |= dict.fromkeys(forgotten_refs(store, {id}))
    return refs


def _is_whole(store: Store, id: SnapshotId) -> bool:
    try:
        found = reach(store, [Edge(Kind.LISTING, read_snapshot(store, id).root)])
    except XverError:
        return False
    return all(one in store for one in found)
