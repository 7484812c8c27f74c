"""Bring the disk to `xver.lock`, or `xver.lock` and the disk to another version's paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xver.errors import ContentNotFound, InvalidInput, NotFound
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.git.tracked_conflict import git_tracks_any
from xver.history.diff import Entries
from xver.model.entries import Dataset, Entry, External, entry_id
from xver.model.ids import EMPTY_ID, ID_SIZE, ListingId
from xver.model.paths import TrackedPath, is_below, overlaps
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.content import read_rows
from xver.store.listings import read_listing
from xver.versioning.state import compare_path
from xver.versioning.tracking import move_lock, write_tracked
from xver.versioning.versions import entries_at
from xver.worktree.checkout import Plan, execute_checkout, plan_checkout
from xver.worktree.compare import compare
from xver.worktree.stat_index import TreeRecord


@dataclass(frozen=True, slots=True)
class Restored:
    """What a checkout did: files written and removed, bytes written."""

    written: int
    removed: int
    size: int


def checkout(
    repo: Repo, paths: Sequence[str] = (), *, force: bool = False, meter: Meter = SILENT, hold: bool = True
) -> Restored:
    """Make the disk hold what `xver.lock` names, at `paths` or everywhere.

    Nothing is written before everything was checked. Everywhere also means: clean files of paths that were tracked
    here before, and are no longer, are removed.

    Raises:
        DirtyWorktree: changes that are not in the store would be lost.
        NotFound: content was not fetched; the hint says how.
    """
    if hold:
        with repo.held():
            return _checkout(repo, paths, force=force, meter=meter)
    return _checkout(repo, paths, force=force, meter=meter)


def _checkout(repo: Repo, paths: Sequence[str], *, force: bool, meter: Meter) -> Restored:
    lock = repo.lock
    unknown = [path for path in paths if not any(overlaps(top, path) for top in lock.entries)]
    if unknown:
        raise NotFound(f"{unknown[0]} is not tracked", hint="xver ls shows what is")
    chosen = {
        top: entry for top, entry in lock.entries.items() if not paths or any(overlaps(top, path) for path in paths)
    }
    if repo.git is not None and (tracked := git_tracks_any(repo.git, chosen)):
        raise InvalidInput(
            f"git tracks {tracked[0]}, so xver will not write it", hint=f"git rm -r --cached '{tracked[0]}'"
        )
    plans = [plan for top, entry in chosen.items() if (plan := _plan(repo, top, entry, paths, force=force))]
    gone = [] if paths else [top for top in repo.stat_index.paths() if top not in lock.entries]
    if repo.git is not None and gone:
        gone = [top for top in gone if not git_tracks_any(repo.git, [top])]
    plans += [_plan_removal(repo, TrackedPath(top)) for top in gone]
    _require_content(repo, plans)
    meter.start("Checking out", sum(plan.size for plan in plans), "B")

    def read(rows: list[Row]) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
        for row, parts in read_rows(repo.store, rows):
            yield row, parts
            meter.advance(row.entry.size)

    for plan in plans:
        execute_checkout(repo.root, plan, read)
        if plan.gone:
            repo.stat_index.remove(plan.path)
        else:
            compare_path(repo, plan.path, plan.entry)
    meter.finish()
    if plans:
        move_lock(repo, dict(lock.entries))
    repo.stat_index.write()
    written, removed = sum(len(plan.write) for plan in plans), sum(len(plan.remove) for plan in plans)
    return Restored(written, removed, sum(plan.size for plan in plans))


def restore(repo: Repo, paths: Sequence[str], *, rev: str, force: bool = False, meter: Meter = SILENT) -> Restored:
    """Take tracked paths of another version into `xver.lock` and onto the disk.

    Raises:
        NotFound: the version has none of them.
    """
    there = entries_at(repo, rev)
    entries = dict(repo.lock.entries)
    for path in paths:
        inside = [top for top in {*there, *entries} if is_below(top, path)]
        if not any(top in there for top in inside):
            outer = next((top for top in there if is_below(path, top)), None)
            hint = f"xver restore --source {rev} {outer}" if outer else f"xver ls --rev {rev}"
            raise NotFound(f"{path} is no tracked path in {rev}", hint=hint)
        for top in inside:
            entries.pop(top, None)
            if top in there:
                entries[top] = there[top]
    return switch_to(repo, entries, paths=paths, force=force, meter=meter)


def switch_to(
    repo: Repo, entries: Entries, *, paths: Sequence[str] = (), force: bool = False, meter: Meter = SILENT
) -> Restored:
    """Make `xver.lock` and the disk hold another version; on refusal both stay as they are."""
    with repo.held():
        lock = repo.lock
        write_tracked(repo, Lock(lock.repository, dict(entries)))
        try:
            return checkout(repo, paths, force=force, meter=meter, hold=False)
        except BaseException:
            write_tracked(repo, lock)
            raise


def _plan(repo: Repo, top: TrackedPath, entry: Entry, paths: Sequence[str], *, force: bool) -> Plan | None:
    if isinstance(entry, External):
        return None
    record = repo.stat_index.tree(top)
    try:
        comparison = compare_path(repo, top, entry)
        plan = plan_checkout(
            repo.root,
            top,
            entry,
            comparison,
            rows=lambda: read_listing(repo.store, entry.id) if isinstance(entry, Dataset) else iter(()),
            record=record,
            in_store=repo.store.__contains__,
            force=force,
        )
    except ContentNotFound as error:
        raise ContentNotFound(error.id, hint=f"xver pull {top}") from error
    inner = [path[len(top) + 1 :] for path in paths if path != top and is_below(path, top)]
    if inner and not any(is_below(top, path) for path in paths):
        write = tuple(row for row in plan.write if any(is_below(row.path, one) for one in inner))
        remove = tuple(path for path in plan.remove if any(is_below(path, one) for one in inner))
        plan = Plan(top, entry, write, remove)
    is_missing = isinstance(entry, Dataset) and not (repo.root / top).is_dir()
    return plan if plan.write or plan.remove or is_missing else None


def _plan_removal(repo: Repo, top: TrackedPath) -> Plan:
    """Plan to remove the files of a path that is no longer tracked: those that are as they were last seen.

    What was changed since, never added, or is not in the store stays: nothing takes its place.
    """
    record = repo.stat_index.tree(top)
    nothing = Dataset(ListingId(bytes(ID_SIZE)), 0, 0)
    if record is None or not os.path.lexists(repo.root / top):
        return Plan(top, nothing, (), (), gone=True)
    as_seen = TreeRecord(nothing.id, record.directories)
    comparison = compare(repo.root, top, nothing, record=as_seen, ignore=repo.ignore, read_rows=lambda _: iter(()))
    differing = {one.path for one in comparison.differences}
    remove = [
        name
        for name, known in record.files()
        if name not in differing and (known.id == EMPTY_ID or known.id in repo.store)
    ]
    return Plan(top, nothing, (), tuple(remove), gone=True)


def _require_content(repo: Repo, plans: list[Plan]) -> None:
    """Refuse before anything is written if content is not here."""
    lacking, size = 0, 0
    for plan in plans:
        for row in plan.write:
            id = entry_id(row.entry)
            if id is not None and id != EMPTY_ID and id not in repo.store:
                lacking += 1
                size += row.entry.size
    if lacking:
        raise NotFound(f"{lacking:,} files ({size:,} bytes) are not local", hint="xver pull")
