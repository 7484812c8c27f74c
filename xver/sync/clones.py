"""Refs by which a remote keeps what a work tree sent there ahead of a push, and their end when a push leads there.

clones/<work tree>/lock        what `xver.lock` names of it now
clones/<work tree>/<root id>   what it named before, where that may be in a commit that is not pushed yet
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from xver.history.graph import history
from xver.history.reach import Edge, reach
from xver.model.entries import Entry
from xver.model.ids import Kind, ListingId, SnapshotId
from xver.model.paths import TrackedPath
from xver.model.refs import CLONES, Target, TargetKind
from xver.repo import Repo
from xver.settings import Remote
from xver.store.log import Collected
from xver.store.packing import Packer
from xver.store.store import Store
from xver.sync.transfer import copy_objects
from xver.versioning.promised import promise_ref, worktree_name
from xver.versioning.versions import head_entries, put_root, root_entries


class Keeper:
    """Lets a remote keep what an `add` sent there."""

    def __init__(self, repo: Repo, there: Store, remote: Remote) -> None:
        self._repo = repo
        self._there = there
        self._remote = remote
        self._ref = f"{CLONES}{worktree_name(repo)}/lock"
        self._root: ListingId | None = None
        self._older: Target | None = None

    def prepare(self, packer: Packer, entries: Mapping[TrackedPath, Entry], fresh: Collection[TrackedPath]) -> None:
        """Put the root of what the remote will keep: what it kept and still is tracked so, and what is `fresh`."""
        old = self._there.log.refs.get(self._ref)
        kept = {} if old is None else root_entries(self._there, ListingId(old.id))
        rows = {path: entry for path, entry in kept.items() if entries.get(path) == entry}
        rows |= {path: entries[path] for path in fresh}
        self._root = put_root(packer, rows)
        lost = {path: entry for path, entry in kept.items() if rows.get(path) != entry}
        if old is not None and not self._were_never_committed(lost):
            self._older = old

    def keep(self) -> None:
        """Send the metadata, and let the refs lead to it: the remote's first, then ours that says so.

        Raises:
            Collected: the remote no longer has what this relies on.
        """
        assert self._root is not None
        here, there = self._repo.store, self._there
        target = Target(TargetKind.LISTING, self._root)
        closed = there.log.collected == (0, frozenset())
        start = [Edge(Kind.LISTING, self._root)]
        found = reach(here, start, skip=there.__contains__ if closed else None, beside=[there])
        lacking = {id: edge for id, edge in found.items() if id not in there}
        if any(id not in here for id in lacking):
            raise Collected(there.storage.url)
        copied = copy_objects(here, there, lacking.values(), operation="add")
        refs = {self._ref: target}
        if self._older is not None:
            refs[f"{CLONES}{worktree_name(self._repo)}/{self._older.id.hex()[:16]}"] = self._older
        there.move("add", refs, copied.index)
        here.move("promise", {promise_ref(self._repo, self._remote.name): target})

    def _were_never_committed(self, lost: Mapping[TrackedPath, Entry]) -> bool:
        """Tell whether what is kept no longer was this work tree's own, and is in no commit of its branch."""
        now, head = self._repo.lock.entries, head_entries(self._repo)
        return all(now.get(path) == entry and head.get(path) != entry for path, entry in lost.items())


def release(repo: Repo, there: Store, head: SnapshotId) -> None:
    """Drop our refs at a remote to what the history of `head` leads to by now: the branch keeps it from here on."""
    own = f"{CLONES}{worktree_name(repo)}/"
    waiting = {
        name: set(root_entries(there, ListingId(target.id)).values())
        for name, target in there.log.refs.items()
        if name.startswith(own)
    }
    if not waiting:
        return
    done: dict[str, Target | None] = {name: None for name, entries in waiting.items() if not entries}
    for _, snapshot in history(repo.store, head):
        committed = set(root_entries(repo.store, snapshot.root).values())
        for name, entries in waiting.items():
            entries.difference_update(committed)
            if not entries:
                done[name] = None
        if len(done) == len(waiting):
            break
    there.move("release", done)
