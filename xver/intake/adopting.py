"""Adopt: what another tool tracks, or a bucket holds, becomes tracked here, its bytes staying where they are.

    tree ─► what the tool tracks in it ─► files of the tool's store ─► read once: chunks, ids ─► xver.lock
    commits before ─► one snapshot for each that changed it          ─► refs `snapshots/<commit>`

The tool's files are only read (`taking`). They are the content's one copy until a push, or an `add` of other content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xver.errors import InvalidInput
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import Lock
from xver.format.snapshots import encode_snapshot
from xver.git.command import CatFile, GitCommand
from xver.git.history import commits_in, resolve
from xver.git.tracked_conflict import leave_index, rows_of
from xver.intake.buckets import BucketObjects
from xver.intake.taking import Taker
from xver.intake.tools import Tool
from xver.intake.trees import CommitTree, DiskTree
from xver.model.entries import Entry
from xver.model.ids import Kind, ListingId, SnapshotId
from xver.model.paths import PathSet, TrackedPath, typed
from xver.model.refs import SNAPSHOTS, Target, TargetKind
from xver.model.snapshots import Snapshot, Version
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.packing import Packer
from xver.versioning.operations import noted
from xver.versioning.placing import require_free
from xver.versioning.takeable import refuse_place
from xver.versioning.tracking import write_tracked
from xver.versioning.versions import put_local_root, put_root


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was taken over: paths with their entries, versions of the past, files read with their bytes, what is left.

    `copied` counts the bytes of content that the store has of its own now; `unkept` the objects of buckets that keep no
    version of them when they are overwritten or deleted. `left` has a line for each path, at `COMMIT:PATH` where it is
    one of the past.
    """

    entries: dict[TrackedPath, Entry]
    versions: int
    files: int
    size: int
    copied: int
    unkept: int
    left: tuple[str, ...]


def adopt(repo: Repo, tool: Tool, *, history: str | None = None, meter: Meter = SILENT) -> Adopted:
    """Track what a tool tracks in the work tree, and let the commits of a range of git have versions, without a copy.

    `history` is a revision, for all that led to it, or a range `BASE..TIP`. A commit that has an `xver.lock` is left
    as it is. What was read when this was interrupted, or before, is not read again while it is what it was.

    Raises:
        InvalidInput: there is no git to have a history, or something tracked otherwise overlaps.
        RevisionNotFound: the range names no commits.
        CorruptData: a file of the tool's store has not the bytes that it is named by.
        NotFound, Conflict, StorageError: what lies in a bucket cannot be listed or read, or changes meanwhile.
    """
    if history is not None and repo.git is None:
        raise InvalidInput("there is no git here, and so no history", hint="xver adopt without --history")
    span = [] if history is None or repo.git is None else commits_in(repo.git, history)
    with repo.held(), noted(repo, "adopt") as note:
        lock = repo.lock
        taker = Taker(repo, tool, meter)
        meter.start("Adopting", None, "B")
        try:
            with repo.store.packer() as packer:
                found = _present(repo, taker, packer)
                tracked = PathSet(lock.entries)
                for path in (one for one in found if one not in lock.entries):
                    _refuse_overlap(repo, path, tracked)
                refs = {} if repo.git is None else _past(repo.git, span, taker, packer)
                entries = {**lock.entries, **found}
                refs[repo.lock_ref] = Target(TargetKind.LISTING, put_local_root(packer, entries))
                index = packer.finish()
        finally:
            meter.finish()
        repo.store.move("adopt", refs, index)
        if tool.is_in_git and repo.git is not None:
            # What is to leave git's index is noted before, and leaves it last: whenever this is killed, each path has
            # an owner, and `undo` knows what git had.
            note.left_git += rows_of(repo.git, found)
            note.keep()
        write_tracked(repo, Lock(lock.repository, entries))
        if tool.is_in_git and repo.git is not None:
            leave_index(repo.git, note.left_git)
    versions = len({target for name, target in refs.items() if name.startswith(SNAPSHOTS)})
    return Adopted(found, versions, taker.files, taker.size, taker.copied, taker.unkept, (*taker.left, *tool.refusals))


def adopt_bucket(repo: Repo, url: str, path: str, *, endpoint_url: str | None = None, meter: Meter = SILENT) -> Adopted:
    """Track the object at an address of a bucket, or all objects below it, as `path` (relative to the root).

    Nothing is written to the disk. What is tracked there already is replaced, and of it only what changed is read.

    Raises:
        AlreadyExists: something that is not tracked is at `path`.
        InvalidInput: `path` can be no data, or it is no address of a bucket.
        XverError: as for `adopt`.
    """
    tool = BucketObjects(url, path, endpoint_url)
    with repo.held():
        if path not in repo.lock.entries:
            require_free(repo, path)
        return adopt(repo, tool, meter=meter)


def _present(repo: Repo, taker: Taker, packer: Packer) -> dict[TrackedPath, Entry]:
    """Return what the tool tracks now: on the disk, or, where git has it, in the commit that is checked out."""
    if not taker.tool.is_in_git or repo.git is None:
        return taker.take(DiskTree(repo.root, repo.git), "", packer)
    with CatFile(repo.git) as files:
        return taker.take(CommitTree(repo.git, resolve(repo.git, "HEAD"), files), "", packer)


def _past(git: GitCommand, span: Sequence[Version], taker: Taker, packer: Packer) -> dict[str, Target | None]:
    """Return a ref for each commit: to a snapshot of its own, or to that of the parent of which it changed nothing.

    A snapshot's parents are the snapshots of the commit's parents. A commit before which nothing was tracked has none.
    """
    found: dict[str, tuple[SnapshotId, ListingId]] = {}
    taken: dict[tuple[tuple[str, str], ...], dict[TrackedPath, Entry]] = {}
    with CatFile(git) as files:
        for commit in reversed(span):
            tree = CommitTree(git, commit.id, files)
            if LOCK_NAME in tree.items:
                continue
            said = tuple((path, item.id) for path, item in tree.items.items() if taker.tool.says(path, item))
            if said not in taken:
                taken[said] = taker.take(tree, commit.id[:8], packer)
            root = put_root(packer, taken[said])
            before = {found[parent][0]: found[parent][1] for parent in commit.parents if parent in found}
            id = next((one for one, its_root in before.items() if its_root == root), None)
            if id is None and (taken[said] or before):
                snapshot = Snapshot(
                    root=root,
                    parents=tuple(before),
                    author=commit.author,
                    time=commit.time,
                    offset=commit.offset,
                    message=commit.message,
                    git=commit.id,
                )
                id = SnapshotId(packer.put(Kind.SNAPSHOT, encode_snapshot(snapshot)))
            if id is not None:
                found[commit.id] = (id, root)
    return {SNAPSHOTS + commit: Target(TargetKind.SNAPSHOT, id) for commit, (id, _) in found.items()}


def _refuse_overlap(repo: Repo, path: TrackedPath, tracked: PathSet[TrackedPath]) -> None:
    refuse_place(repo, path)
    if near := tracked.above(path) or next(iter(tracked.below(path)), None):
        raise InvalidInput(
            f"{path} overlaps {near}, which is tracked by itself", hint=f"xver rm --cached {typed(near)}"
        )
