"""How things stand: HEAD against `xver.lock` (what a commit would hold) and `xver.lock` against the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xver.errors import ContentNotFound
from xver.format.listings import Row
from xver.history.diff import Entries
from xver.model.entries import Entry
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath, overlaps
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.versioning.versions import head_entries
from xver.worktree.compare import Comparison, compare


@dataclass(frozen=True, slots=True)
class Staged:
    """A tracked path that `xver.lock` has otherwise than HEAD; None: not there."""

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class Status:
    """`staged`: what the next commit changes; `changed`: what differs on the disk, by tracked path.

    `absent` lists tracked paths of which nothing is on the disk; `unknown` those that cannot be compared because
    the listing that belongs there was not fetched.
    """

    staged: tuple[Staged, ...]
    changed: dict[TrackedPath, Comparison]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Tell whether HEAD, `xver.lock` and the disk agree."""
        return not (self.staged or self.changed or self.absent or self.unknown)


def status(repo: Repo, paths: Sequence[str] = (), *, meter: Meter = SILENT) -> Status:
    """Return how the tracked paths (at, above or below `paths`; all if none are given) stand."""
    entries = repo.lock.entries
    head = head_entries(repo)
    staged = [one for one in changes_to(head, entries) if _chosen(one.path, paths)]
    changed: dict[TrackedPath, Comparison] = {}
    absent, unknown = [], []
    for path, entry in entries.items():
        if not _chosen(path, paths):
            continue
        if not os.path.lexists(repo.root / path):
            absent.append(path)
            continue
        try:
            comparison = compare_path(repo, path, entry, meter=meter)
        except ContentNotFound:
            unknown.append(path)
            continue
        if not comparison.is_clean:
            changed[path] = comparison
    repo.stat_index.write()
    return Status(tuple(staged), changed, tuple(absent), tuple(unknown))


def compare_path(repo: Repo, path: TrackedPath, entry: Entry, *, meter: Meter = SILENT) -> Comparison:
    """Compare the disk at a tracked path with an entry, and let the stat index learn from it.

    Raises:
        ContentNotFound: the entry's listing is not in the store.
    """
    record = repo.stat_index.tree(path)
    comparison = compare(
        repo.root, path, entry, record=record, ignore=repo.ignore, read_rows=lambda one: _rows(repo, one), meter=meter
    )
    if comparison.record.id is not None or record is None:
        repo.stat_index.set(path, comparison.record)
    return comparison


def _rows(repo: Repo, id: ListingId) -> Iterator[Row]:
    return read_listing(repo.store, id)


def _chosen(path: str, paths: Sequence[str]) -> bool:
    return not paths or any(overlaps(path, one) for one in paths)


def changes_to(before: Entries, after: Entries) -> list[Staged]:
    """Return the tracked paths that differ between two versions."""
    return [
        Staged(path, before.get(path), after.get(path))
        for path in sorted({*before, *after}, key=str.encode)
        if before.get(path) != after.get(path)
    ]
