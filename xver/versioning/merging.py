"""Merge: three versions of what is tracked into one, on the disk and in `xver.lock`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import CorruptData, DirtyWorktree, InvalidInput, MergeConflict
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import Lock, decode_lock, encode_lock
from xver.git.command import GitCommand
from xver.git.commit import stage, unmerged
from xver.git.ignore_block import FILE as GIT_IGNORE
from xver.git.under_way import under_way
from xver.history.bounds import bounds_of
from xver.history.graph import history, is_ancestor, merge_base, read_snapshot
from xver.history.merge import Side, merge_entries
from xver.history.revisions import snapshot_target
from xver.lock_copies import Sides, joined_sides
from xver.model.entries import Entries
from xver.model.ids import SnapshotId
from xver.model.paths import typed
from xver.model.refs import HEADS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.log import Change
from xver.versioning.commits import Committed, commit_merge
from xver.versioning.conflicts import clear, lay_out
from xver.versioning.merging_files import FileMerge
from xver.versioning.operations import noted
from xver.versioning.pending import begin, end
from xver.versioning.restoring import Restored, carry_to, checkout, switch_to
from xver.versioning.state import changes_to, require_committed
from xver.versioning.tracking import write_ignored, write_tracked
from xver.versioning.versions import (
    head_id,
    keep_snapshot,
    put_local_root,
    put_root,
    read_head,
    resolve_id,
    root_entries,
    write_head,
)

_MARKER: Final = re.compile(rb"^(<{7}|>{7})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Merged:
    """How a merge ended: nothing to do, the branch moved forward, or a merge commit was made."""

    kind: str
    commit: Committed | None = None


def merge_snapshot(
    repo: Repo, rev: str, *, label: str | None = None, prefer: Side | None = None, meter: Meter = SILENT
) -> Merged:
    """Merge another line of history into the branch, outside git; `prefer` says whose files win a conflict.

    Raises:
        MergeConflict: both sides changed the same files; nothing was changed.
        DirtyWorktree: changes on the disk would be lost, where the merge changes something, or `xver.lock` holds what
            is not committed: where the branch only moves forward, of what it changes.
    """
    with repo.held(), noted(repo, f"merge {rev}", paths=()):
        return _merge_snapshot(repo, rev, label or rev, prefer, meter)


def _merge_snapshot(repo: Repo, rev: str, label: str, prefer: Side | None, meter: Meter) -> Merged:
    store = repo.store
    ours = head_id(repo)
    theirs = resolve_id(repo, rev)
    if ours is not None and is_ancestor(store, theirs, ours):
        return Merged("up to date")
    before = {} if ours is None else root_entries(store, read_snapshot(store, ours).root)
    there = root_entries(store, read_snapshot(store, theirs).root)
    hint = 'xver commit -m "…" first'
    if ours is None and not _is_version(repo, theirs):
        require_committed(before, repo.lock.entries, hint=hint)
    if ours is None or is_ancestor(store, ours, theirs):
        if ours is None:
            switch_to(repo, there, meter=meter)
        else:
            carry_to(repo, before, there, hint=hint, meter=meter)
        ref = read_head(repo)
        if ref.startswith(HEADS):
            # The branch must still be what it was: a commit made meanwhile is never dropped from it.
            before_it = None if ours is None else snapshot_target(ours)
            store.commit(Change("merge", refs={ref: (before_it, snapshot_target(theirs))}))
        else:
            keep_snapshot(repo, theirs)
            write_head(repo, theirs.hex())
        return Merged("forward")
    require_committed(before, repo.lock.entries, hint=hint)
    base = merge_base(store, ours, theirs)
    shallow = bounds_of(store).shallow
    if shallow and (base is None or base in shallow):
        raise InvalidInput("the two histories meet before what is here of them", hint="xver fetch --unshallow")
    common = {} if base is None else root_entries(store, read_snapshot(store, base).root)
    hint = f"xver merge {label} --ours, or --theirs, takes one side's"
    merged = three_way(repo, common, before, there, prefer, hint=hint)
    begin(repo, ours, theirs)
    try:
        switch_to(repo, merged, former=before, meter=meter)
    except BaseException:
        end(repo)
        raise
    return Merged("merge", commit_merge(repo, f"Merge {label}", (ours, theirs)))


def _is_version(repo: Repo, id: SnapshotId) -> bool:
    """Tell whether `xver.lock` says what a snapshot or one before it says: our history was lost, and this is it."""
    root = put_root(None, repo.lock.entries)
    return any(one.root == root for _, one in history(repo.store, id))


def settle_git_conflict(repo: Repo, git: GitCommand, *, prefer: Side | None = None, meter: Meter = SILENT) -> None:
    """Settle what `git merge` left in conflict: `xver.lock`, and its block in .gitignore, which follows from it.

    The first is a three-way merge of the listings that the sides name; `prefer` says whose files win a conflict. It is
    made too where git saw no conflict, and joined the lines of two sides into a lock that nobody can read.

    Raises:
        InvalidInput: git has no conflict there.
        MergeConflict: both sides changed the same files; `xver.lock` keeps its conflict.
        DirtyWorktree: what it would write was changed on the disk and not added; `xver.lock` keeps its conflict.
    """
    with repo.held():
        open_conflicts = unmerged(git, (LOCK_NAME, GIT_IGNORE))
        joined = None if LOCK_NAME in open_conflicts else joined_sides(git)
        if not open_conflicts and joined is None:
            raise InvalidInput(f"git has no conflict in {LOCK_NAME}", hint="git merge BRANCH")
        if LOCK_NAME in open_conflicts:
            _settle_lock(repo, _sides_in_conflict(git), prefer, meter)
        elif joined is not None:
            _settle_lock(repo, joined, prefer, meter)
        else:
            # git merged the lock: the disk follows when the merge is committed.
            write_ignored(repo, git, repo.lock)
        settled = [LOCK_NAME]
        # What stands around the block is the user's: only they can say which side is right.
        if GIT_IGNORE in open_conflicts and not _has_markers(repo.root / GIT_IGNORE):
            settled.append(GIT_IGNORE)
        stage(git, settled)


def _has_markers(file: Path) -> bool:
    # Where one side deleted it, and nothing is tracked, there is none.
    return file.exists() and _MARKER.search(file.read_bytes()) is not None


def merge_locks(repo: Repo, base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """Return the text of `xver.lock` that joins two sides': no bytes are a lock that tracks nothing. The disk stays.

    Raises:
        MergeConflict: both sides changed the same files.
        InvalidInput, CorruptData: one of them is no lock.
        ContentNotFound: the listings that they name are not here.
    """
    was, mine, other = (decode_lock(text).entries if text else {} for text in (base, ours, theirs))
    merged = three_way(repo, was, mine, other, None, hint="xver merge --ours, or --theirs, takes one side's")
    return encode_lock(Lock(repo.store.repository, merged))


def abort(repo: Repo, git: GitCommand, *, meter: Meter = SILENT) -> Restored:
    """Give up a merge of git's that is going on: its files and `xver.lock` as before it, and the disk with them.

    Raises:
        InvalidInput: none is going on.
        CommandFailed: git cannot.
        DirtyWorktree: the merge is given up; changes on the disk that are not in the store stay as they are.
    """
    if not git.ok("rev-parse", "--quiet", "--verify", "MERGE_HEAD"):
        raise InvalidInput("no merge is going on", hint="xver undo takes back what xver did last")
    git.change("merge", "--abort")
    clear(repo)
    return checkout(repo, meter=meter)


def _sides_in_conflict(git: GitCommand) -> Sides:
    base, ours, theirs = (git.raw("cat-file", "blob", f":{number}:{LOCK_NAME}", check=False) for number in (1, 2, 3))
    return base, ours, theirs


def _settle_lock(repo: Repo, sides: Sides, prefer: Side | None, meter: Meter) -> None:
    try:
        base, ours, theirs = (decode_lock(text).entries if text else {} for text in sides)
    except CorruptData as error:
        hint = f"git checkout --ours {typed(LOCK_NAME)}, or --theirs, takes one side's; then git add {typed(LOCK_NAME)}"
        raise CorruptData(f"of a side, {error.message}", hint=hint) from error
    merged = three_way(repo, base, ours, theirs, prefer, hint="xver merge --ours, or --theirs, takes one side's")
    in_conflict = repo.lock_path.read_bytes() if repo.lock_path.exists() else None
    # Conflict markers, or a path named twice, make xver.lock unreadable; from here on it says what ours said.
    repo.write_lock(Lock(repo.store.repository, ours))
    # What the merge does not change may lie on the disk changed and not added: it cannot be added before this.
    changed = [one.path for one in changes_to(ours, merged)]
    try:
        if changed:
            switch_to(repo, merged, paths=changed, wanted=repo.sparse, meter=meter)
        else:
            write_tracked(repo, Lock(repo.store.repository, merged))
    except BaseException as error:
        if isinstance(error, DirtyWorktree) and repo.places.git is not None:
            error.hint = (
                f"{under_way(repo.places.git.git_dir).give_up}, then xver add what you changed, then do it again"
            )
        if in_conflict is None:
            repo.lock_path.unlink()
        else:
            repo.lock_path.write_bytes(in_conflict)
        raise


def three_way(repo: Repo, base: Entries, ours: Entries, theirs: Entries, prefer: Side | None, *, hint: str) -> Entries:
    """Return what two sides made of a common version, kept by the store.

    Raises:
        MergeConflict: both changed the same files, and neither is preferred; they are laid out beside each other.
    """
    with repo.store.packer() as packer:
        join = FileMerge(repo, packer)
        merged = merge_entries(repo.store, packer, base=base, ours=ours, theirs=theirs, join=join, prefer=prefer)
        if merged.conflicts:
            folder = lay_out(repo, merged.conflicts, {"base": base, "ours": ours, "theirs": theirs})
            where = "" if folder is None else f"; compare them in {_shown(repo, folder)}"
            raise MergeConflict(merged.conflicts, hint=hint + where)
        root = put_local_root(packer, merged.entries)
        index = packer.finish()
    repo.store.move("merge", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
    clear(repo)
    return merged.entries


def _shown(repo: Repo, folder: Path) -> str:
    return typed(folder.relative_to(repo.root).as_posix() if folder.is_relative_to(repo.root) else folder)
