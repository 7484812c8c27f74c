"""What a checkout will do, decided before anything is touched: what it writes and removes, and what it must not."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from xver.errors import ContentNotFound, DirtyWorktree, InvalidInput
from xver.format.listings import Row
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import Dataset, Entries, Entry, External, File, Link
from xver.model.ids import EMPTY_ID, ListingId
from xver.model.paths import TrackedPath, is_below, typed
from xver.model.scopes import EVERYTHING, Scope
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.versioning.partly import is_near
from xver.versioning.purged import without_purged
from xver.versioning.state import compare_path
from xver.versioning.versions import root_entries
from xver.worktree.checkout import NOTHING, Plan, plan_checkout, plan_removal
from xver.worktree.compare import compare, is_there
from xver.worktree.records import TreeRecord, known_of
from xver.worktree.scan import TEMPORARY
from xver.worktree.stats import NO_STAT

Meant: TypeAlias = Callable[[TrackedPath], Callable[[str], bool]]
"""Tells of a tracked path which names below it are meant."""


@dataclass(slots=True)
class Left:
    """What a checkout left as it was: bytes that are not local, by tracked path, and paths with changes not added."""

    lacking: dict[TrackedPath, int] = field(default_factory=dict)
    changed: list[TrackedPath] = field(default_factory=list)


def below(paths: Sequence[str]) -> Meant:
    """Return what tells which names lie at or below `paths`; all do, if there are none."""

    def meant(top: TrackedPath) -> Callable[[str], bool]:
        inner = [path[len(top) + 1 :] for path in paths if path != top and is_below(path, top)]
        if not inner or any(is_below(top, path) for path in paths):
            return lambda _: True
        return lambda name: any(is_below(name, one) for one in inner)

    return meant


def plan_removals(repo: Repo, paths: Sequence[str], before: Entries, now: Entries, left: Left | None) -> list[Plan]:
    """Plan to remove what was tracked here `before` and is not `now`; what was changed since is told `left`.

    Raises:
        DirtyWorktree: there is no `left` to tell.
    """
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


def plan_writes(
    repo: Repo,
    chosen: Entries,
    meant: Meant,
    wanted: Scope,
    before: Entries,
    freed: Collection[str],
    left: Left | None,
    *,
    force: bool,
) -> list[Plan]:
    """Plan to make the disk hold what is `meant` of the `chosen` entries, as `plan_checkout` does.

    What cannot come is told `left`.

    `freed` are the files that will have been removed before.

    Raises:
        ContentNotFound, DirtyWorktree: there is no `left` to tell.
        InvalidInput: something that cannot be saved stands in the way.
    """
    plans: list[Plan] = []
    for top, entry in chosen.items():
        try:
            plan = _plan(repo, top, entry, meant, wanted, before, freed, force=force)
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
    meant: Meant,
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
    record = last_record(repo, top, before)
    try:
        comparison = compare_path(repo, top, entry, wanted=EVERYTHING)
        plan = plan_checkout(
            repo.root,
            top,
            entry,
            comparison,
            rows=lambda: read_listing(repo.store, entry.id) if isinstance(entry, Dataset) else iter(()),
            record=record,
            in_store=repo.store.holds_whole,
            chosen=meant(top),
            wanted=lambda name: wanted.holds(f"{top}/{name}" if name else top),
            force=force,
        )
    except ContentNotFound as error:
        if not is_wanted:
            return None  # nobody asked for its listing; `status` says that it is not here
        raise ContentNotFound(error.id, hint=f"xver pull {typed(top)}") from error
    for leftover in comparison.leftovers:
        # A checkout that was killed left it, and we hold the work tree: nobody writes it now.
        _discard(repo.root / leftover)
    if not isinstance(entry, Dataset):
        _sweep((repo.root / top).parent)
    is_missing = isinstance(entry, Dataset) and wanted.holds(top) and not (repo.root / top).is_dir()
    is_news = bool(plan.away) and comparison.record.id is None
    return plan if plan.write or plan.remove or is_missing or is_news else None


def _sweep(folder: Path) -> None:
    if folder.is_dir():
        for name in os.listdir(folder):
            if TEMPORARY.fullmatch(name):
                _discard(folder / name)


def _discard(path: Path) -> None:
    """Delete a temporary file; a folder of such a name is none of ours."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)


def _require_way(repo: Repo, top: str, freed: Collection[str]) -> None:
    """Refuse before anything is written if the folders above a path cannot be made."""
    parts = top.split("/")
    for length in range(1, len(parts)):
        folder = "/".join(parts[:length])
        if os.path.lexists(repo.root / folder) and folder not in freed:
            if os.path.islink(repo.root / folder):
                raise InvalidInput(
                    f"{folder} is a link, and xver does not write through links", hint=f"make {typed(folder)} a folder"
                )
            if not os.path.isdir(repo.root / folder):
                raise InvalidInput(
                    f"{folder} is a file where {top} needs a folder", hint=f"move {typed(folder)} away, then try again"
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
    record = last_record(repo, top, before)
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
        and (known.id == EMPTY_ID or repo.store.holds_whole(known.id))
        and not any(is_below(name, one) for one in inner)
    ]
    return plan_removal(
        repo.root,
        top,
        names,
        record=record,
        in_store=repo.store.holds_whole,
        hint=f"xver add {typed(top)} to keep it",
        gone=True,
    )


def last_entries(repo: Repo) -> Entries:
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


def last_record(repo: Repo, top: str, before: Entries) -> TreeRecord | None:
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


def local_part(repo: Repo, plan: Plan, left: Left) -> Plan:
    """Return a plan that writes what of a version is here."""
    here = tuple(row for row in plan.write if is_near(repo, row.entry))
    if len(here) == len(plan.write):
        return plan
    left.lacking[plan.path] = plan.size - sum(row.entry.size for row in here)
    return replace(plan, write=here, around=None)
