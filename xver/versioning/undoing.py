"""Undo: go back to what stood before the last operation of this work tree, and lose nothing that is on the disk."""

from __future__ import annotations

import os

from xver.errors import Conflict, InvalidInput
from xver.format.lockfile import decode_lock
from xver.git.tracked_conflict import enter_index
from xver.history.graph import read_snapshot
from xver.model.entries import Entries
from xver.model.ids import SnapshotId
from xver.model.paths import typed
from xver.model.refs import parse_target
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.log import Change
from xver.versioning.moving import rename_all
from xver.versioning.operations import Operation, State, drop, operations, state_of
from xver.versioning.pending import begin, settle
from xver.versioning.restoring import switch_to
from xver.versioning.state import changes_to
from xver.versioning.unstaging import write_lock_only
from xver.versioning.versions import head_id, write_head


def undo(repo: Repo, *, meter: Meter = SILENT) -> Operation:
    """Undo the last operation that is noted, and return it; again, and the one before it is undone.

    `xver.lock`, HEAD and the branch say again what they said, and git's index has again what the operation took out of
    it. On the disk it changes what the operation changed.

    Raises:
        InvalidInput: there is none.
        Conflict: something else changed `xver.lock`, HEAD or the branch since.
        DirtyWorktree: changes that are not in the store would be lost; nothing was changed.
        ContentNotFound: what it removed was collected since.
    """
    with repo.held():
        last = last_operation(repo)
        now = state_of(repo, last.before.refs)
        _require_untouched(repo, last, now)
        entries = decode_lock(last.lock.encode("utf-8", "surrogateescape")).entries if last.lock else {}
        if repo.git is not None:
            enter_index(repo.git, last.left_git)
        if last.before.lock != now.lock:
            _put_back(repo, last, entries, meter)
        left = None if repo.git is not None else head_id(repo)
        _move_refs(repo, last, now)
        if repo.git is None:
            if last.before.head is not None and now.head != last.before.head:
                write_head(repo, last.before.head)
            _take_up(repo, left)
        drop(repo, last)
        return last


def _take_up(repo: Repo, left: SnapshotId | None) -> None:
    """Know of a merge again whose commit, `left` by HEAD, was undone; and no longer of one that was undone itself."""
    parents = () if left is None else read_snapshot(repo.store, left).parents
    if len(parents) == 2 and parents[0] == head_id(repo):
        begin(repo, *parents)
    settle(repo)


def last_operation(repo: Repo) -> Operation:
    """Return the operation that `undo` would undo.

    Raises:
        InvalidInput: there is none.
    """
    found = operations(repo)
    if not found:
        raise InvalidInput("there is nothing to undo", hint="xver log shows the versions there are")
    return found[0]


def _put_back(repo: Repo, last: Operation, entries: Entries, meter: Meter) -> None:
    if last.moves:
        backwards = [(new, old) for old, new in reversed(last.moves) if os.path.lexists(repo.root / new)]
        taken = [old for _, old in backwards if os.path.lexists(repo.root / old)]
        if taken:
            raise Conflict(
                f"there is something at {taken[0]} again", hint=f"move {typed(taken[0])} away, then xver undo"
            )
        # First: an undo that is cut off here goes on, as xver.lock is what it was.
        rename_all(repo.root, backwards)
        for new, old in backwards:
            if new in repo.lock.entries and (record := repo.stat_index.tree(new)) is not None:
                repo.stat_index.set(old, record)
        with repo.store.packer() as packer:
            write_lock_only(repo, packer, "undo", entries)
    elif last.paths is None:
        with repo.store.packer() as packer:
            write_lock_only(repo, packer, "undo", entries)
    else:
        paths = last.paths or tuple(one.path for one in changes_to(repo.lock.entries, entries))
        if paths:
            switch_to(repo, entries, paths=paths, wanted=repo.sparse.within(paths), meter=meter)


def _move_refs(repo: Repo, last: Operation, now: State) -> None:
    refs = {}
    for name, before in last.before.refs.items():
        if now.refs[name] != before:
            old, new = now.refs[name], before
            refs[name] = (None if old is None else parse_target(old), None if new is None else parse_target(new))
    if refs:
        repo.store.commit(Change("undo", refs=refs))


def _require_untouched(repo: Repo, last: Operation, now: State) -> None:
    """Refuse if what the operation left is not what is there; an undo that was killed half way may go on."""
    hint = "xver restore --source REV brings paths of any version"
    known = last.before if last.after is None else last.after
    if repo.git is not None and now.head != known.head:
        raise Conflict(
            f"git's HEAD moved since {last.words}, which cannot be undone any more",
            hint="git reset --soft HEAD~1 undoes a commit",
        )
    if last.after is None:
        return
    if now.lock not in (last.after.lock, last.before.lock):
        raise Conflict(f"xver.lock was changed by something else since {last.words}", hint=hint)
    if now.head not in (last.after.head, last.before.head):
        raise Conflict(f"HEAD was moved by something else since {last.words}", hint=hint)
    for name, target in now.refs.items():
        if target not in (last.after.refs.get(name), last.before.refs[name]):
            raise Conflict(f"{name} was moved by something else since {last.words}", hint=hint)
