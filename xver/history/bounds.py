"""Where history and content end: what a store does not hold, and need not, below what it does hold.

    A ◄── B ◄── C        forgotten/<B>: B's record stays and so does A; the data of B need not be here
    │     │     │        shallow/<B>:   B's record stays, and nothing below it: neither its data nor A
    data  data  data     a tombstone:   an object that was purged, and is never stored again

The refs `forgotten/<id>` and `shallow/<id>` point to the snapshot (or, forgotten, the run) of that id, so the small
record is kept and says what there was. What a run stored with itself is its data. `forgotten/<remote>/<id>` says the
same, of what a remote had forgotten when it was fetched: it goes when the remote holds the data again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from xver.model.ids import SnapshotId
from xver.model.refs import FORGOTTEN, RUNS, SHALLOW, SNAPSHOTS, Target
from xver.model.snapshots import Snapshot
from xver.store.store import Store


@dataclass(frozen=True, slots=True)
class Bounds:
    """Ids of snapshots and runs without their data, of snapshots with nothing below them, of objects that are gone."""

    forgotten: AbstractSet[bytes] = frozenset()
    shallow: AbstractSet[bytes] = frozenset()
    purged: AbstractSet[bytes] = frozenset()

    def has_data(self, id: bytes) -> bool:
        """Tell whether the data of a snapshot, or what is attached to a run, is to be there."""
        return id not in self.forgotten and id not in self.shallow

    def parents(self, id: SnapshotId, snapshot: Snapshot) -> tuple[SnapshotId, ...]:
        """Return the parents of a snapshot that are to be there."""
        return () if id in self.shallow else snapshot.parents


def bounds_of(*stores: Store) -> Bounds:
    """Return where history and content end in the present state of a store, or where they do in any of several."""
    refs = [item for store in stores for item in store.log.refs.items()]
    return Bounds(
        frozenset(target.id for name, target in refs if name.startswith(FORGOTTEN)),
        frozenset(target.id for name, target in refs if name.startswith(SHALLOW)),
        frozenset(bytes.fromhex(id) for store in stores for id in store.log.tombstones),
    )


def forgotten_ref(target: Target, remote: str | None = None) -> str:
    """Return the name of the ref that says that the data of a snapshot or run is not kept, as a remote did not."""
    return FORGOTTEN + ("" if remote is None else f"{remote}/") + target.id.hex()


def forgotten_refs(store: Store, ids: AbstractSet[bytes]) -> list[str]:
    """Return the names of all refs that say so of any of some snapshots and runs."""
    return [name for name, one in store.log.refs.items() if name.startswith(FORGOTTEN) and one.id in ids]


def shallow_ref(target: Target) -> str:
    """Return the name of the ref that says that nothing below a snapshot is kept."""
    return SHALLOW + target.id.hex()


def forgotten_runs(store: Store) -> set[str]:
    """Return the ULIDs of the runs of which a store keeps the record alone."""
    forgotten = bounds_of(store).forgotten
    return {
        name.removeprefix(RUNS)
        for name, target in store.log.refs.items()
        if name.startswith(RUNS) and target.id in forgotten
    }


def forgotten_commits(store: Store) -> set[str]:
    """Return git's ids of the commits of which a store need not have the data that their `xver.lock` names."""
    forgotten = bounds_of(store).forgotten
    refs = store.log.refs.items()
    return {
        name.removeprefix(SNAPSHOTS) for name, target in refs if name.startswith(SNAPSHOTS) and target.id in forgotten
    }
