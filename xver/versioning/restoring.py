"""Bring the disk to `xver.lock`, or `xver.lock` and the disk to another version's paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xver.errors import ContentNotFound, InvalidInput, NotFound
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import Dataset, Entries, Entry
from xver.model.paths import TrackedPath, is_below, overlaps, typed
from xver.model.refs import Target, TargetKind
from xver.model.scopes import Scope
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.content import read_rows
from xver.store.listings import put_listing, read_listing, rows_below
from xver.store.packing import Packer
from xver.store.spool import Spool
from xver.store.wholes import clone_whole
from xver.versioning.carrying import only_changed, with_staged
from xver.versioning.followed import followed, note_brought
from xver.versioning.operations import noted
from xver.versioning.partly import lies_in_bucket, require_content
from xver.versioning.planning import Left, below, last_entries, last_record, local_part, plan_removals, plan_writes
from xver.versioning.state import compare_path, require_tracked
from xver.versioning.tracking import move_lock, write_tracked
from xver.versioning.versions import entries_at, put_local_root
from xver.worktree.checkout import execute_checkout
from xver.worktree.compare import is_there, was_last


@dataclass(frozen=True, slots=True)
class Restored:
    """What a checkout did: files written and removed, bytes written."""

    written: int
    removed: int
    size: int


def checkout(
    repo: Repo,
    paths: Sequence[str] = (),
    *,
    force: bool = False,
    meter: Meter = SILENT,
    spool: Spool | None = None,
) -> Restored:
    """Make the disk hold what `xver.lock` names, at `paths` or everywhere.

    Of everything only what the sparse profile wants comes, and `paths` also where they lie outside of it. Nothing is
    written before everything was checked. Clean files of paths that were tracked here before, and are no longer, are
    removed. Files whose content was purged are left out. What is in the `spool` is taken from there.

    Raises:
        DirtyWorktree: changes that are not in the store would be lost.
        NotFound: a path that is not tracked, or content was not fetched; the hint says how.
    """
    with repo.held():
        require_tracked(repo.lock.entries, paths)
        _require_somewhere(repo, paths)
        return _checkout(repo, paths, repo.sparse.named(paths), force=force, meter=meter, spool=spool)


def follow(repo: Repo) -> tuple[Restored, Left]:
    """Make the disk hold what `xver.lock` names as far as that is local and overwrites nothing; tell what was left.

    Nothing is looked at of what the disk was brought to before, or has been seen to be, or what xver itself wrote into
    `xver.lock`: what the user did to it since is no business of a hook.
    """
    left = Left()
    with repo.held():
        former = followed(repo)
        return _checkout(repo, (), repo.sparse, force=False, meter=SILENT, left=left, former=former), left


def _require_somewhere(repo: Repo, paths: Sequence[str]) -> None:
    """Refuse a path inside of a dataset that neither the dataset has nor the disk."""
    for path in paths:
        above = [(top, one) for top, one in repo.lock.entries.items() if is_below(path, top) and path != top]
        for top, entry in above:
            if not isinstance(entry, Dataset) or entry.id not in repo.store or os.path.lexists(repo.root / path):
                continue
            try:
                found = next(rows_below(repo.store, entry.id, path[len(top) + 1 :]), None)
            except ContentNotFound:
                continue  # who brings it says so
            if found is None:
                raise NotFound(
                    f"xver.lock has no {path}", hint=f"xver restore --source HEAD {typed(path)}, if it was there"
                )


def _checkout(
    repo: Repo,
    paths: Sequence[str],
    wanted: Scope,
    *,
    force: bool,
    meter: Meter,
    left: Left | None = None,
    former: Entries | None = None,
    spool: Spool | None = None,
) -> Restored:
    """Check out; with `left`, what cannot be brought is put there instead of ending all of it.

    Of what lies at or below `paths` only what is `wanted` comes to the disk. What is alike in a `former` version stays
    as it is there.
    """
    lock = repo.lock
    ours = _without_git_s(repo, lock.entries)

    def is_seen(top: TrackedPath, entry: Entry) -> bool:
        seen = repo.stat_index.tree(top)
        return was_last(seen, entry) and is_there(repo.root, top)

    chosen = {
        top: entry
        for top, entry in ours.items()
        if (not paths or any(overlaps(top, path) for path in paths))
        and (left is None or not is_seen(top, entry))
        and (former is None or former.get(top) != entry)
        and (paths or is_there(repo.root, top) or not lies_in_bucket(repo, entry))
    }
    if repo.git is not None and (tracked := git_tracks_any(repo.git, chosen)):
        raise InvalidInput(
            f"git tracks {tracked[0]}, so xver will not write it", hint=f"git rm -r --cached {typed(tracked[0])}"
        )
    before = last_entries(repo)
    removals = plan_removals(repo, paths, before, lock.entries, left)
    freed = {f"{plan.path}/{one}" if one else str(plan.path) for plan in removals for one in plan.remove}
    meant = below(paths) if former is None else only_changed(repo, former, lock.entries)
    plans = plan_writes(repo, chosen, meant, wanted, before, freed, left, force=force)
    if left is None:
        require_content(repo, plans)
    else:
        plans = [local_part(repo, plan, left) for plan in plans]
    meter.start("Checking out", sum(plan.size for plan in plans), "B")

    def read(rows: list[Row]) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
        for row, parts in read_rows(repo.store, rows):
            yield row, parts
            meter.advance(row.entry.size)

    def make(entry: Entry, path: str, dir_fd: int | None, mode: int) -> bool:
        if spool is not None and spool.hand_over(entry, path, dir_fd, mode):
            meter.advance(entry.size)
            return True
        return clone_whole(repo.store, meter, entry, path, dir_fd, mode)

    # From here on, should it end half way, the disk is no longer what it was.
    note_brought(repo, ours, ())
    for plan in plans:
        repo.stat_index.set(plan.path, plan.intended(last_record(repo, plan.path, before)))
    repo.stat_index.write()
    for plan in removals:
        execute_checkout(repo.root, plan, read)
        repo.stat_index.remove(plan.path)
    for plan in plans:
        done = plan.done(execute_checkout(repo.root, plan, read, clone=make))
        if done is None:
            compare_path(repo, plan.path, plan.entry)
        else:
            repo.stat_index.set(plan.path, done)
    meter.finish()
    note_brought(repo, ours, chosen.keys() - (() if left is None else {*left.lacking, *left.changed}))
    move_lock(repo, dict(lock.entries))
    repo.stat_index.write()
    written, removed = sum(len(plan.write) for plan in plans), sum(len(plan.remove) for plan in (*plans, *removals))
    return Restored(written, removed, sum(plan.size for plan in plans))


def _without_git_s(repo: Repo, entries: Entries) -> Entries:
    """Return what is to be checked out; at a commit from before they were adopted from git-lfs, git has those files.

    What was seen of them is forgotten: git takes them off the disk when it goes to a commit where they are ours.
    """
    if repo.git is None or repo.lock_path.exists() or not entries:
        return entries
    of_git = set(git_tracks_any(repo.git, entries))
    for top in of_git:
        repo.stat_index.remove(top)
    return {top: entry for top, entry in entries.items() if top not in of_git}


def restore(repo: Repo, paths: Sequence[str], *, rev: str, force: bool = False, meter: Meter = SILENT) -> Restored:
    """Take paths of another version, tracked ones or parts of them, into `xver.lock` and onto the disk.

    Raises:
        NotFound: the version has none of them.
        InvalidInput: a path that is tracked now as a part, or as the whole, of another.
    """
    with repo.held(), noted(repo, " ".join(("restore --source", rev, *paths)), paths=paths):
        there = entries_at(repo, rev)
        entries = dict(repo.lock.entries)
        with repo.store.packer() as packer:
            for path in paths:
                _take(repo, entries, there, path, rev, packer)
            root = put_local_root(packer, entries)
            index = packer.finish()
        repo.store.move("restore", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
        return switch_to(repo, entries, paths=paths, force=force, meter=meter)


def switch_to(
    repo: Repo,
    entries: Entries,
    *,
    paths: Sequence[str] = (),
    wanted: Scope | None = None,
    former: Entries | None = None,
    force: bool = False,
    meter: Meter = SILENT,
    spool: Spool | None = None,
) -> Restored:
    """Make `xver.lock` and the disk hold another version; on refusal both stay as they are.

    On the disk it changes `paths`, or what is other than in the version that was there, `former`, or everything; and
    brings of that what is `wanted` (default: as `checkout`).
    """
    with repo.held():
        lock = repo.lock
        write_tracked(repo, Lock(lock.repository, dict(entries)))
        try:
            scope = repo.sparse.named(paths) if wanted is None else wanted
            return _checkout(repo, paths, scope, force=force, meter=meter, former=former, spool=spool)
        except BaseException:
            write_tracked(repo, lock)
            # What a command let the store keep for a version that did not come is not what was here.
            move_lock(repo, dict(lock.entries))
            raise


def carry_to(repo: Repo, head: Entries, there: Entries, *, hint: str, meter: Meter = SILENT) -> Restored:
    """Go from HEAD to another version; what was changed or added since goes along where the two are alike.

    Raises:
        DirtyWorktree: where they differ something would be lost; both stay as they are.
    """
    with repo.held():
        now = repo.lock.entries
        wanted = with_staged(head, now, there, hint=hint)
        # What is staged as it is there may be what a switch that was killed left: all of it is brought.
        known = {top: one for top, one in now.items() if one == head.get(top) or one != there.get(top)}
        return switch_to(repo, wanted, former=known, meter=meter)


def _take(repo: Repo, entries: dict[TrackedPath, Entry], there: Entries, path: str, rev: str, packer: Packer) -> None:
    """Put what a path was in version `there` into `entries`."""
    inside = [top for top in there if is_below(top, path)]
    above = next((top for top in there if is_below(path, top) and top != path), None)
    if above is None and not inside:
        raise NotFound(f"{path} is not in {rev}", hint=f"xver ls --rev {rev}")
    if above is not None:
        old, now = there[above], entries.get(above)
        part = path[len(above) + 1 :]
        fresh = list(rows_below(repo.store, old.id, part)) if isinstance(old, Dataset) else []
        if not fresh:
            raise NotFound(f"{path} is not in {rev}", hint=f"xver ls --rev {rev} {typed(above)}")
        rows = {row.path: row.entry for row in read_listing(repo.store, now.id)} if isinstance(now, Dataset) else {}
        rows = {name: one for name, one in rows.items() if not overlaps(name, part)}
        rows |= {row.path: row.entry for row in fresh}
        taken: dict[TrackedPath, Entry] = {
            above: put_listing(packer, (Row(name, rows[name]) for name in sorted(rows, key=str.encode)), before=now)
        }
    else:
        for top in [top for top in entries if is_below(top, path)]:
            del entries[top]
        taken = {top: there[top] for top in inside}
    for top in taken:
        crossing = next((one for one in entries if overlaps(one, top) and one != top), None)
        if crossing is not None:
            raise InvalidInput(
                f"{top} was tracked in {rev}, and {crossing} is tracked now",
                hint=f"xver rm --cached {typed(crossing)} first",
            )
    entries |= taken
