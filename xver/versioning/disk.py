"""What the disk has otherwise than `xver.lock` or a version, file by file, as a diff shows it; what differs is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from xver.format.listings import Row
from xver.history.diff import Change, changed_files, join_renames, same_entry
from xver.model.entries import Dataset, Entries, Entry, External
from xver.model.paths import PathSet, TrackedPath, overlaps
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.listings import put_listing, read_listing
from xver.versioning.state import against_disk
from xver.worktree.compare import Differs, is_there
from xver.worktree.reading import read_file
from xver.worktree.records import entry_of


def disk_changes(repo: Repo, paths: Sequence[str] = (), *, meter: Meter = SILENT) -> list[Change]:
    """Return the files that the disk has otherwise than `xver.lock`, in what is tracked at, below or above `paths`.

    What never was on this disk, and what cannot be compared as its listing is not within reach, is not otherwise.

    Raises:
        InvalidInput, Conflict: a file cannot be read, or goes on changing.
    """
    entries = repo.lock.entries
    chosen = [path for path in paths if not path or any(overlaps(path, top) for top in entries)]
    return [] if paths and not chosen else list(_changes(repo, entries, chosen, meter))


def diff_with(repo: Repo, before: Entries, disk: Sequence[Change]) -> list[Change]:
    """Return the files that the disk has otherwise than a version, sorted by path, renames joined.

    `disk` is what it has otherwise than `xver.lock`.
    """
    found = {one.path: one for one in changed_files(repo.store, before, repo.lock.entries)}
    for one in disk:
        known = found.pop(one.path, None)
        old = one.before if known is None else known.before
        if not same_entry(old, one.after):
            found[one.path] = Change(one.path, old, one.after)
    return join_renames(sorted(found.values(), key=lambda one: one.path.encode()))


def entries_with(repo: Repo, entries: Entries, disk: Sequence[Change]) -> Entries:
    """Return what `xver add` would make of what is tracked, if the disk is otherwise as `disk` says; stores nothing."""
    entries = dict(entries)
    tracked = PathSet(entries)
    fresh: dict[TrackedPath, dict[TrackedPath, Entry | None]] = {}
    for one in disk:
        top = tracked.above(one.path)
        assert top is not None, "only what is tracked was compared"
        fresh.setdefault(top, {})[TrackedPath(one.path[len(top) + 1 :])] = one.after
    for top, files in fresh.items():
        whole = {row.path: row.entry for row in _rows(repo, entries[top])} | files
        rows = {path: entry for path, entry in whole.items() if entry is not None}
        if not is_there(repo.root, top):
            del entries[top]
        elif TrackedPath("") in rows:
            entries[top] = rows[TrackedPath("")]
        else:
            entries[top] = put_listing(None, (Row(path, rows[path]) for path in sorted(rows, key=str.encode)))
    return entries


def _changes(repo: Repo, entries: Entries, paths: Sequence[str], meter: Meter) -> Iterator[Change]:
    found = against_disk(repo, entries, paths, meter=meter)
    for top, comparison in found.changed.items():
        for one in comparison.differences:
            path = f"{top}/{one.path}" if one.path else str(top)
            was = None if one.want is None else entry_of(one.want)
            is_gone = one.differs is Differs.DELETED
            yield Change(path, was, None if is_gone else entry_of(read_file(os.fspath(repo.root / path), None).known))
    for absent in found.absent:
        for row in _rows(repo, entries[TrackedPath(absent)]):
            yield Change(f"{absent}/{row.path}" if row.path else absent, row.entry, None)


def _rows(repo: Repo, entry: Entry) -> Iterator[Row]:
    if isinstance(entry, Dataset):
        yield from read_listing(repo.store, entry.id)
    elif not isinstance(entry, External):
        yield Row(TrackedPath(""), entry)
