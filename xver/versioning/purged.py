"""Tracked files whose content was purged: no version of them comes to the disk any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xver.errors import ContentNotFound
from xver.format.listings import Row
from xver.history.bounds import bounds_of
from xver.model.entries import Dataset, Entry, File, Link
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.worktree.checkout import Plan


def purged_paths(repo: Repo) -> Iterator[str]:
    """Yield the paths that `xver.lock` names and whose content was purged."""
    purged = bounds_of(repo.store).purged
    for top, entry in repo.lock.entries.items() if purged else ():
        if isinstance(entry, File | Link):
            if entry.id in purged:
                yield top
        elif isinstance(entry, Dataset):
            try:
                rows: list[Row] = list(read_listing(repo.store, entry.id))
            except ContentNotFound:
                continue
            yield from (f"{top}/{row.path}" for row in rows if _id(row.entry) in purged)


def without_purged(repo: Repo, plan: Plan) -> Plan:
    """Return a plan that writes what is left of a version."""
    purged = bounds_of(repo.store).purged
    if not purged:
        return plan
    write = tuple(row for row in plan.write if _id(row.entry) not in purged)
    return plan if len(write) == len(plan.write) else replace(plan, write=write, around=None)


def _id(entry: Entry) -> bytes | None:
    return entry.id if isinstance(entry, File | Link) else None
