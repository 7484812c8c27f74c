"""Put what came from elsewhere in its place: tracked at a path, and on the disk there.

The content is in the store already; one log entry makes it live and lets `lock/<work tree>` keep it, then `xver.lock`
names it, then the disk follows as in a checkout. Cut off there, `xver checkout` goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xver.errors import AlreadyExists, Conflict, DirtyWorktree, InvalidInput
from xver.format.lockfile import Lock
from xver.format.log_entries import LiveIndex
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import Entry
from xver.model.paths import TrackedPath, overlaps, parse_path, typed
from xver.model.refs import Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.versioning.restoring import Restored, checkout
from xver.versioning.state import compare_path
from xver.versioning.takeable import refuse_place
from xver.versioning.tracking import write_tracked
from xver.versioning.versions import put_local_root
from xver.worktree.compare import Differs, is_there


def require_free(repo: Repo, path: str) -> TrackedPath:
    """Return a path (relative to the root) at which something new can be tracked and written.

    Raises:
        AlreadyExists: it is tracked, or something lies there.
        InvalidInput: it can be no data, overlaps what is tracked, or git tracks it.
    """
    top = _place(repo, path)
    if top in repo.lock.entries:
        raise AlreadyExists(
            f"{top} is tracked already", hint=f"xver update {typed(top)}, or xver rm {typed(top)} first"
        )
    if is_there(repo.root, top):
        raise AlreadyExists(
            f"there is something at {top} already", hint=f"choose another path, or move {typed(top)} away"
        )
    return top


def require_own(repo: Repo, path: str) -> TrackedPath:
    """Return a path (relative to the root) that is free, or tracked, and none of its files changed on the disk.

    What is missing there, or beside it, is no hindrance: it cannot be lost.

    Raises:
        DirtyWorktree: what lies there was changed, and would be lost.
        AlreadyExists, InvalidInput: as `require_free`.
    """
    top = _place(repo, path)
    entry = repo.lock.entries.get(top)
    if entry is None:
        return require_free(repo, path)
    differences = compare_path(repo, top, entry).differences if is_there(repo.root, top) else ()
    if changed := [one for one in differences if one.differs is Differs.MODIFIED]:
        raise DirtyWorktree(
            f"{top} has changes that are not added",
            [f"{top}/{one.path}".rstrip("/") for one in changed],
            hint=f"xver add {typed(top)} to keep them, or xver checkout --force {typed(top)} to lose them",
        )
    return top


def place(
    repo: Repo,
    top: TrackedPath,
    entry: Entry,
    *,
    operation: str,
    brought: Sequence[LiveIndex] = (),
    refs: Mapping[str, Target] | None = None,
    meter: Meter = SILENT,
) -> Restored:
    """Track an entry at a path and write it there; to be called with the work tree held.

    `brought` are the indexes, not live yet, of what the entry needs; `refs` are moved by the same log entry.

    Raises:
        Collected: what the entry relies on was collected meanwhile; nothing is tracked.
        DirtyWorktree, InvalidInput: it cannot be written there; `xver.lock` and the disk are as they were.
    """
    lock = repo.lock
    entries = {**lock.entries, top: entry}
    with repo.store.index.also(brought), repo.store.packer() as packer:
        root = put_local_root(packer, entries)
        index = packer.finish()
    moved = {repo.lock_ref: Target(TargetKind.LISTING, root), **(refs or {})}
    repo.store.move(operation, moved, *brought, index)
    write_tracked(repo, Lock(lock.repository, entries))
    try:
        return checkout(repo, [top], meter=meter)
    except (Conflict, InvalidInput):
        write_tracked(repo, lock)
        raise


def _place(repo: Repo, path: str) -> TrackedPath:
    top = parse_path(path)
    refuse_place(repo, top)
    if near := next((one for one in repo.lock.entries if one != top and overlaps(one, top)), None):
        raise InvalidInput(f"{top} overlaps {near}, which is tracked by itself", hint="choose another path")
    if repo.git is not None and git_tracks_any(repo.git, [top]):
        raise InvalidInput(f"git tracks {top}", hint=f"git rm -r --cached {typed(top)}, then try again")
    return top
