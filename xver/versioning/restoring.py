"""Bring the disk to `xver.lock`, or `xver.lock` and the disk to another version's paths."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from xver.errors import ContentNotFound, DirtyWorktree, InvalidInput, NotFound
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.git.tracked_conflict import git_tracks_any
from xver.history.diff import Entries
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.ids import EMPTY_ID, ListingId
from xver.model.paths import TrackedPath, is_below, overlaps, typed
from xver.model.refs import Target, TargetKind
from xver.model.scopes import EVERYTHING, Scope
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.content import read_rows
from xver.store.listings import put_listing, read_listing, rows_below
from xver.store.packing import Packer
from xver.store.wholes import clone_whole
from xver.versioning.followed import followed, note_brought
from xver.versioning.operations import noted
from xver.versioning.partly import is_near, lies_in_bucket, require_content
from xver.versioning.purged import without_purged
from xver.versioning.state import compare_path, require_tracked
from xver.versioning.tracking import move_lock, write_tracked
from xver.versioning.versions import entries_at, put_local_root, root_entries
from xver.worktree.checkout import NOTHING, Plan, execute_checkout, plan_checkout, plan_removal
from xver.worktree.compare import compare, is_there, was_last
from xver.worktree.reading import known_of
from xver.worktree.records import TreeRecord
from xver.worktree.scan import TEMPORARY
from xver.worktree.stats import NO_STAT


@dataclass(frozen=True, slots=True)
class Restored:
    """What a checkout did: files written and removed, bytes written."""

    written: int
    removed: int
    size: int


@dataclass(slots=True)
class Left:
    """What a checkout left as it was: bytes that are not local, by tracked path, and paths with changes not added."""

    lacking: dict[TrackedPath, int] = field(default_factory=dict)
    changed: list[TrackedPath] = field(default_factory=list)


def checkout(repo: Repo, paths: Sequence[str] = (), *, force: bool = False, meter: Meter = SILENT) -> Restored:
    """Make the disk hold what `xver.lock` names, at `paths` or everywhere.

    Of everything only what the sparse profile wants comes, and `paths` also where they lie outside of it. Nothing is
    written before everything was checked. Clean files of paths that were tracked here before, and are no longer, are
    removed. Files whose content was purged are left out.

    Raises:
        DirtyWorktree: changes that are not in the store would be lost.
        NotFound: a path that is not tracked, or content was not fetched; the hint says how.
    """
    with repo.held():
        require_tracked(repo.lock.entries, paths)
        return _checkout(repo, paths, repo.sparse.named(paths), force=force, meter=meter)


def follow(repo: Repo) -> tuple[Restored, Left]:
    """Make the disk hold what `xver.lock` names as far as that is local and overwrites nothing; tell what was left.

    Nothing is looked at of what the disk was brought to before, or has been seen to be, or what xver itself wrote into
    `xver.lock`: what the user did to it since is no business of a hook.
    """
    left = Left()
    with repo.held():
        return _checkout(repo, (), repo.sparse, force=False, meter=SILENT, left=left), left


def _checkout(
    repo: Repo, paths: Sequence[str], wanted: Scope, *, force: bool, meter: Meter, left: Left | None = None
) -> Restored:
    """Check out; with `left`, what cannot be brought is put there instead of ending all of it.

    Of what lies at or below `paths` only what is `wanted` comes to the disk.
    """
    lock, known = repo.lock, {} if left is None else followed(repo)
    chosen = {
        top: entry
        for top, entry in lock.entries.items()
        if (not paths or any(overlaps(top, path) for path in paths))
        and (left is None or not (known.get(top) == entry or was_last(repo.stat_index.tree(top), entry)))
        and (paths or is_there(repo.root, top) or not lies_in_bucket(repo, entry))
    }
    if repo.git is not None and (tracked := git_tracks_any(repo.git, chosen)):
        raise InvalidInput(
            f"git tracks {tracked[0]}, so xver will not write it", hint=f"git rm -r --cached {typed(tracked[0])}"
        )
    before = _last_entries(repo)
    removals = _plan_removals(repo, paths, before, lock.entries, left)
    freed = {f"{plan.path}/{one}" if one else str(plan.path) for plan in removals for one in plan.remove}
    plans = _plan_writes(repo, chosen, paths, wanted, before, freed, left, force=force)
    if left is None:
        require_content(repo, plans)
    else:
        plans = [_local_part(repo, plan, left) for plan in plans]
    meter.start("Checking out", sum(plan.size for plan in plans), "B")

    def read(rows: list[Row]) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
        for row, parts in read_rows(repo.store, rows):
            yield row, parts
            meter.advance(row.entry.size)

    for plan in plans:
        repo.stat_index.set(plan.path, plan.intended(_record(repo, plan.path, before)))
    repo.stat_index.write()
    for plan in removals:
        execute_checkout(repo.root, plan, read)
        repo.stat_index.remove(plan.path)
    for plan in plans:
        done = plan.done(execute_checkout(repo.root, plan, read, clone=partial(clone_whole, repo.store, meter)))
        if done is None:
            compare_path(repo, plan.path, plan.entry)
        else:
            repo.stat_index.set(plan.path, done)
    meter.finish()
    note_brought(repo, lock.entries, chosen.keys() - (() if left is None else {*left.lacking, *left.changed}))
    move_lock(repo, dict(lock.entries))
    repo.stat_index.write()
    written, removed = sum(len(plan.write) for plan in plans), sum(len(plan.remove) for plan in (*plans, *removals))
    return Restored(written, removed, sum(plan.size for plan in plans))


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
    force: bool = False,
    meter: Meter = SILENT,
) -> Restored:
    """Make `xver.lock` and the disk hold another version; on refusal both stay as they are.

    On the disk it changes `paths`, or everything, and brings of that what is `wanted` (default: as `checkout`).
    """
    with repo.held():
        lock = repo.lock
        write_tracked(repo, Lock(lock.repository, dict(entries)))
        try:
            scope = repo.sparse.named(paths) if wanted is None else wanted
            return _checkout(repo, paths, scope, force=force, meter=meter)
        except BaseException:
            write_tracked(repo, lock)
            # What a command let the store keep for a version that did not come is not what was here.
            move_lock(repo, dict(lock.entries))
            raise


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
            raise NotFound(f"{path} is not in {rev}", hint=f"xver ls --rev {rev} {above}")
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
                f"{top} was tracked in {rev}, and {crossing} is tracked now", hint=f"xver rm --cached {crossing} first"
            )
    entries |= taken


def _plan_removals(repo: Repo, paths: Sequence[str], before: Entries, now: Entries, left: Left | None) -> list[Plan]:
    plans: list[Plan] = []
    for top in _gone(repo, before, now):
        if paths and not any(is_below(top, one) for one in paths):
            continue
        try:
            plans.append(_plan_removal(repo, top, before, now))
        except DirtyWorktree:
            if left is None:
                raise
            left.changed.append(top)
    return plans


def _plan_writes(
    repo: Repo,
    chosen: Entries,
    paths: Sequence[str],
    wanted: Scope,
    before: Entries,
    freed: Collection[str],
    left: Left | None,
    *,
    force: bool,
) -> list[Plan]:
    plans: list[Plan] = []
    for top, entry in chosen.items():
        try:
            plan = _plan(repo, top, entry, paths, wanted, before, freed, force=force)
        except (ContentNotFound, DirtyWorktree) as error:
            if left is None:
                raise
            if isinstance(error, DirtyWorktree):
                left.changed.append(top)
            else:
                left.lacking[top] = entry.size
        else:
            plans += [] if plan is None else [without_purged(repo, plan)]
    return plans


def _plan(
    repo: Repo,
    top: TrackedPath,
    entry: Entry,
    paths: Sequence[str],
    wanted: Scope,
    before: Entries,
    freed: Collection[str],
    *,
    force: bool,
) -> Plan | None:
    is_wanted = wanted.meets(top)
    if isinstance(entry, External) or not (is_wanted or is_there(repo.root, top)):
        return None
    _require_way(repo, top, freed)
    record = _record(repo, top, before)
    inner = [path[len(top) + 1 :] for path in paths if path != top and is_below(path, top)]
    is_whole = not inner or any(is_below(top, path) for path in paths)
    try:
        comparison = compare_path(repo, top, entry, wanted=EVERYTHING)
        plan = plan_checkout(
            repo.root,
            top,
            entry,
            comparison,
            rows=lambda: read_listing(repo.store, entry.id) if isinstance(entry, Dataset) else iter(()),
            record=record,
            in_store=repo.store.is_safe,
            chosen=lambda name: is_whole or any(is_below(name, one) for one in inner),
            wanted=lambda name: wanted.holds(f"{top}/{name}" if name else top),
            force=force,
        )
    except ContentNotFound as error:
        if not is_wanted:
            return None  # nobody asked for its listing; `status` says that it is not here
        raise ContentNotFound(error.id, hint=f"xver pull {typed(top)}") from error
    for leftover in comparison.leftovers:
        # A checkout that was killed left it, and we hold the work tree: nobody writes it now.
        (repo.root / leftover).unlink(missing_ok=True)
    if not isinstance(entry, Dataset):
        _sweep((repo.root / top).parent)
    is_missing = isinstance(entry, Dataset) and wanted.holds(top) and not (repo.root / top).is_dir()
    is_news = bool(plan.away) and comparison.record.id is None
    return plan if plan.write or plan.remove or is_missing or is_news else None


def _sweep(folder: Path) -> None:
    if folder.is_dir():
        for name in os.listdir(folder):
            if TEMPORARY.fullmatch(name):
                (folder / name).unlink(missing_ok=True)


def _require_way(repo: Repo, top: str, freed: Collection[str]) -> None:
    """Refuse before anything is written if the folders above a path cannot be made."""
    parts = top.split("/")
    for length in range(1, len(parts)):
        folder = "/".join(parts[:length])
        if os.path.lexists(repo.root / folder) and folder not in freed:
            if os.path.islink(repo.root / folder):
                raise InvalidInput(
                    f"{folder} is a link, and xver does not write through links", hint=f"make {folder} a folder"
                )
            if not os.path.isdir(repo.root / folder):
                raise InvalidInput(
                    f"{folder} is a file where {top} needs a folder", hint=f"move {folder} away, then try again"
                )


def _gone(repo: Repo, before: Entries, now: Entries) -> list[TrackedPath]:
    """Return the paths that were tracked here, are no longer, and are not git's either."""
    gone = sorted({TrackedPath(top) for top in (*repo.stat_index.paths(), *before) if top not in now})
    if repo.git is None or not gone:
        return gone
    tracked = set(git_tracks_any(repo.git, gone))
    return [top for top in gone if top not in tracked]


def _plan_removal(repo: Repo, top: TrackedPath, before: Entries, now: Entries) -> Plan:
    """Plan to remove the files of a path that is no longer tracked: those that are as they were last seen.

    What was changed since, never added, is not in the store, or belongs to what is tracked now stays: nothing takes
    its place.
    """
    record = _record(repo, top, before)
    if record is None or not is_there(repo.root, top) or any(is_below(top, one) for one in now):
        return Plan(top, NOTHING, (), (), gone=True)
    as_seen = TreeRecord(NOTHING.id, record.directories)
    comparison = compare(repo.root, top, NOTHING, record=as_seen, ignore=repo.ignore, read_rows=lambda _: iter(()))
    staying = {one.path for one in comparison.differences}
    inner = [one[len(top) + 1 :] for one in now if is_below(one, top)]
    names = [
        name
        for name, known in record.files()
        if name not in staying
        and (known.id == EMPTY_ID or repo.store.is_safe(known.id))
        and not any(is_below(name, one) for one in inner)
    ]
    return plan_removal(
        repo.root,
        top,
        names,
        record=record,
        in_store=repo.store.is_safe,
        hint=f"xver add {typed(top)} to keep it",
        gone=True,
    )


def _last_entries(repo: Repo) -> Entries:
    """Return what the store keeps for this work tree, where the stat index, which knows what was here, is lost."""
    if repo.stat_index.paths():
        return {}
    target = repo.store.log.refs.get(repo.lock_ref)
    if target is None:
        return {}
    try:
        return root_entries(repo.store, ListingId(target.id))
    except ContentNotFound:
        return {}


def _record(repo: Repo, top: str, before: Entries) -> TreeRecord | None:
    """Return what was last known to be at a path; where the stat index was lost, by what was tracked."""
    record = repo.stat_index.known_at(top)
    entry = before.get(TrackedPath(top))
    if record is not None or entry is None:
        return record
    try:
        rows = read_listing(repo.store, entry.id) if isinstance(entry, Dataset) else [Row(TrackedPath(""), entry)]
        known = [(str(row.path), NO_STAT, known_of(row.entry)) for row in rows if isinstance(row.entry, File | Link)]
    except ContentNotFound:
        return None
    return TreeRecord(None, {}).updated(known)


def _local_part(repo: Repo, plan: Plan, left: Left) -> Plan:
    """Return a plan that writes what of a version is here."""
    here = tuple(row for row in plan.write if is_near(repo, row.entry))
    if len(here) == len(plan.write):
        return plan
    left.lacking[plan.path] = plan.size - sum(row.entry.size for row in here)
    return replace(plan, write=here, around=None)
