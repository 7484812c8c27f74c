"""Refs by which a remote keeps what a work tree sent there ahead of a push, and what a push makes of them.

    clones/<work tree>/lock        what `xver.lock` names of it now
    clones/<work tree>/<root id>   what it named before, and no push has led to yet
    evicted/<clone>/<snapshot>     afterwards: the version that leads there, as for what was evicted

What they keep is promised to the local store, which need not hold it; so they go only when something else keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from xver.errors import Collected, ContentNotFound
from xver.history.graph import history
from xver.history.reach import Edge, reach
from xver.model.entries import Entry
from xver.model.ids import Kind, ListingId, SnapshotId
from xver.model.paths import TrackedPath
from xver.model.refs import CLONES, EVICTED, LOCK, Target, TargetKind
from xver.repo import Repo
from xver.settings import Remote
from xver.store.packing import Packer
from xver.store.store import Store
from xver.sync.transfer import Transfer, copy_objects
from xver.versioning.versions import put_root, root_entries


class Keeper:
    """Lets a remote keep what an `add` sends there."""

    def __init__(self, repo: Repo, there: Store, remote: Remote) -> None:
        self._repo = repo
        self._there = there
        self._remote = remote
        self._collected = there.log.collected
        self._refs: dict[str, Target | None] = {}
        self._root: ListingId | None = None

    def prepare(self, packer: Packer, entries: Mapping[TrackedPath, Entry], fresh: Collection[TrackedPath]) -> None:
        """Put the root of what the remote will keep: what it kept and still is tracked so, and what is `fresh`."""
        name = _prefix(self._repo) + "lock"
        old = self._there.log.refs.get(name)
        before = {} if old is None else root_entries(self._there, ListingId(old.id))
        rows = {path: entry for path, entry in before.items() if entries.get(path) == entry}
        rows |= {path: entries[path] for path in fresh}
        self._root = put_root(packer, rows)
        self._refs = {name: Target(TargetKind.LISTING, self._root)}
        if old is not None and any(rows.get(path) != entry for path, entry in before.items()):
            self._refs[_prefix(self._repo) + old.id.hex()[:16]] = old

    def keep(self, promised: Iterable[bytes]) -> None:
        """Send what the remote still lacks, and let its refs lead there; then write down here what it promises.

        `promised` are ids of content that workers sent.

        Raises:
            Collected: the remote was cleaned up since this was made, and lacks something for it.
            ContentNotFound: it lacks content that is not here either.
        """
        assert self._root is not None
        here, there = self._repo.store, self._there
        start = [Edge(Kind.LISTING, self._root)]
        is_closed = there.log.collected == (0, frozenset())
        found = reach(here, start, skip=there.__contains__ if is_closed else None, beside=[there])
        lacking = [edge for id, edge in found.items() if id not in there]
        for edge in lacking:
            if edge.id not in here:
                if there.log.collected != self._collected:
                    raise Collected(there.storage.url)
                raise ContentNotFound(edge.id, hint=f"{edge.where} is neither here nor at {self._remote.name}")
        copied = copy_objects(here, there, lacking, Transfer("add"))
        there.move("add", self._refs, copied.index)
        with self._repo.promising():
            here.promises.replace(self._remote.name, {*here.promises.of(self._remote.name), *promised})


def release(repo: Repo, there: Store, head: SnapshotId) -> None:
    """Let the version `head`, which was pushed, keep what its history leads to, instead of refs of our own."""
    waiting = {
        name: set(root_entries(there, ListingId(target.id)).values())
        for name, target in there.log.refs.items()
        if name.startswith(_prefix(repo))
    }
    if not waiting:
        return
    pins = f"{EVICTED}{repo.clone}/"
    older = {one.id: name for name, one in there.log.refs.items() if name.startswith(pins)}
    refs: dict[str, Target | None] = {}
    for id, snapshot in history(repo.store, head):
        committed = set(root_entries(repo.store, snapshot.root).values())
        for name, entries in waiting.items():
            entries.difference_update(committed)
            if not entries:
                refs[name] = None
        if id in older:
            refs[older[id]] = None
        if len(refs) == len(waiting) + len(older):
            break
    if refs.keys() & waiting.keys():
        refs[pins + head.hex()[:16]] = Target(TargetKind.SNAPSHOT, head)
        there.move("release", refs)


def _prefix(repo: Repo) -> str:
    return f"{CLONES}{repo.lock_ref.removeprefix(LOCK)}/"
