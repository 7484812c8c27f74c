"""Merge: three versions of what is tracked into one, on the disk and in `xver.lock`."""

from __future__ import annotations

from dataclasses import dataclass

from xver.errors import InvalidInput, MergeConflict
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import decode_lock
from xver.git.command import GitCommand
from xver.history.diff import Entries
from xver.history.graph import is_ancestor, merge_base, read_snapshot
from xver.history.merge import merge_entries
from xver.history.revisions import resolve_snapshot, snapshot_target
from xver.model.ids import SnapshotId
from xver.model.refs import HEADS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.log import Change
from xver.versioning.commits import Committed, commit_merge
from xver.versioning.restoring import switch_to
from xver.versioning.versions import head_id, keep_snapshot, put_local_root, read_head, root_entries, write_head


@dataclass(frozen=True, slots=True)
class Merged:
    """How a merge ended: nothing to do, the branch moved forward, or a merge commit was made."""

    kind: str
    commit: Committed | None = None


def merge_snapshot(repo: Repo, rev: str, *, label: str | None = None, meter: Meter = SILENT) -> Merged:
    """Merge another line of history into the branch, outside git.

    Raises:
        MergeConflict: both sides changed the same files; nothing was changed.
        InvalidInput: `xver.lock` holds what is not committed.
    """
    store = repo.store
    ours = head_id(repo)
    theirs = resolve_snapshot(store, rev, head=ours)
    if ours is not None and is_ancestor(store, theirs, ours):
        return Merged("up to date")
    before = {} if ours is None else root_entries(store, read_snapshot(store, ours).root)
    if dict(repo.lock.entries) != before:
        raise InvalidInput("xver.lock holds what is not committed", hint='xver commit -m "…" first')
    there = root_entries(store, read_snapshot(store, theirs).root)
    if ours is None or is_ancestor(store, ours, theirs):
        switch_to(repo, there, meter=meter)
        ref = read_head(repo)
        if ref.startswith(HEADS):
            # The branch must still be what it was: a commit made meanwhile is never dropped from it.
            before_it = None if ours is None else snapshot_target(ours)
            store.commit(Change("merge", refs={ref: (before_it, snapshot_target(theirs))}))
        else:
            keep_snapshot(repo, theirs)
            write_head(repo, theirs.hex())
        return Merged("forward")
    base = merge_base(store, ours, theirs)
    common = {} if base is None else root_entries(store, read_snapshot(store, base).root)
    switch_to(repo, _merge(repo, common, before, there), meter=meter)
    parents = (ours, SnapshotId(theirs))
    return Merged("merge", commit_merge(repo, f"Merge {label or rev}", parents))


def settle_git_conflict(repo: Repo, git: GitCommand, *, meter: Meter = SILENT) -> None:
    """Settle a conflict that `git merge` left in `xver.lock`: a three-way merge of the listings it names.

    Raises:
        InvalidInput: git has no conflict there.
        MergeConflict: both sides changed the same files; `xver.lock` keeps its conflict.
    """
    sides: list[Entries] = []
    if not git.raw("ls-files", "--unmerged", "--", LOCK_NAME):
        raise InvalidInput(f"git has no conflict in {LOCK_NAME}", hint="git merge BRANCH")
    for stage in (1, 2, 3):
        data = git.raw("show", f":{stage}:{LOCK_NAME}", check=False)
        sides.append(decode_lock(data).entries if data else {})
    merged = _merge(repo, *sides)
    # The conflict markers make xver.lock unreadable; from here on it says what ours said.
    repo.lock_path.write_bytes(git.raw("show", f":2:{LOCK_NAME}"))
    switch_to(repo, merged, meter=meter)
    git.raw("add", "--", LOCK_NAME)


def _merge(repo: Repo, base: Entries, ours: Entries, theirs: Entries) -> Entries:
    with repo.store.packer() as packer:
        merged = merge_entries(repo.store, packer, base=base, ours=ours, theirs=theirs)
        if merged.conflicts:
            raise MergeConflict(
                merged.conflicts, hint="take one side's: xver restore --source REV PATH, then merge again"
            )
        root = put_local_root(packer, merged.entries)
        index = packer.finish()
    repo.store.move("merge", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
    return merged.entries
