"""What `xver adopt` took over for git's commits from before there was an `xver.lock`."""

from __future__ import annotations

from xver.history.graph import read_snapshot
from xver.model.entries import Entries
from xver.model.ids import SnapshotId
from xver.model.refs import SNAPSHOTS
from xver.store.listings import read_listing
from xver.store.store import Store


def adopted_entries(store: Store, commit: str) -> Entries:
    """Return what was tracked at a commit that has no `xver.lock`: nothing, unless it was adopted."""
    target = store.log.refs.get(SNAPSHOTS + commit)
    if target is None:
        return {}
    root = read_snapshot(store, SnapshotId(target.id)).root
    return {row.path: row.entry for row in read_listing(store, root)}
