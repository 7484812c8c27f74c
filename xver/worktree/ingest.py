"""Files into content: a tracked path becomes an entry, reading only what the stat index does not know."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from xver.errors import Changing, ContentNotFound, CorruptData, InvalidInput, Unreadable
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, File, Link, entry_id
from xver.model.ids import EMPTY_ID
from xver.model.paths import TrackedPath, is_below, parse_path
from xver.progress import SILENT, Meter
from xver.store.listing_edits import edit_listing
from xver.store.listings import put_listing
from xver.store.packing import Packer
from xver.worktree.compare import directories
from xver.worktree.ignore import Ignore
from xver.worktree.members import Members
from xver.worktree.reading import read_file
from xver.worktree.records import DirectoryRecord, Known, TreeRecord, entry_of, known_of
from xver.worktree.scan import Directory
from xver.worktree.stats import AWAY_STAT, NO_STAT
from xver.worktree.steady import Skip, refuse
from xver.worktree.taking import Read, Taker, file_of, folder_of, former_of

_FEW: Final = 4
"""A listing of which more than every fourth row changes is built anew."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a path became: its entry, the record for the stat index, how many files were read, what was left out.

    `is_whole`: all content of it was found or stored, so it is in the store as soon as the transfer is live.
    """

    entry: Entry
    record: TreeRecord
    read: int
    special: tuple[str, ...]
    is_whole: bool = False


def ingest(
    root: Path,
    path: str,
    packer: Packer | None,
    *,
    record: TreeRecord | None,
    ignore: Ignore,
    before: Entry | None = None,
    members: Members | None = None,
    away: Sequence[Row] = (),
    whole: Container[bytes] = (),
    rehash: bool = False,
    read: Read = read_file,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> Ingested:
    """Store what lies at `root/path` and return what it is; without a packer only identify it.

    A file whose stat is as recorded is not read, if its content is in the store; `rehash` reads all the same. Files
    are read by `read`, in the order that `unread` gives. `before` is what was tracked there: of what changed since,
    only the difference is stored, and `members` is asked for it. `away` are rows of it that stay in a dataset, though
    they are not on this disk. Of the listings in `whole` the store has all content. `skip` hears of what cannot be
    read; that stays as it was, or is left out.

    Raises:
        InvalidInput: nothing is there, or a file or name that cannot be taken in; the message has its path.
        Unreadable, Changing: a file or folder cannot be read, and `skip` does not take it, or it is all there is.
    """
    belongs = members or Members(path, None, record, lambda _: ())
    has_all = record is not None and record.id is not None and record.id in whole
    skipped = []

    def passed_over(what: str, error: Unreadable | Changing) -> None:
        skipped.append(what)
        skip(what, error)

    taker = Taker(
        root, path, packer, former_of(packer, before), belongs, read, passed_over, has_all=has_all, meter=meter
    )
    known_before = {} if record is None or rehash else record.directories
    records: dict[str, DirectoryRecord] = {}
    special: list[str] = []
    files = 0
    found_any = False
    for directory in directories(root, path, ignore, known_before):
        found_any = True
        if directory.closed is not None:
            records |= taker.pass_over(directory, directory.closed)
            continue
        special += nameable(directory.special)
        fresh, count = taker.take(directory, known_before.get(directory.path))
        meter.advance(directory.count)
        files += count
        if fresh.kinds:
            records[directory.path] = fresh
    if not found_any:
        raise InvalidInput(f"there is no {path}", hint="give the path of a file or folder that exists")
    if "" in records and records[""].names == (b"",):
        entry = entry_of(records[""].known(0))
    elif path in special:
        raise InvalidInput(f"{path} is neither file, link nor folder")
    elif away:
        entry, joined = _joined(dict(_rows(path, records)), away, TreeRecord(None, records), packer, before)
        return Ingested(entry, TreeRecord(entry.id, joined.directories), files, tuple(special))
    else:
        edited = None if rehash else _edited(path, packer, before, record, records)
        entry = edited or put_listing(packer, _rows(path, records), before=before)
    return Ingested(
        entry, TreeRecord(entry_id(entry), records), files, tuple(special), is_whole=packer is not None and not skipped
    )


def _rows(path: str, records: Mapping[str, DirectoryRecord]) -> Iterator[Row]:
    # Directories interleave in the order of paths (`a-b` comes before `a/c`).
    whole = heapq.merge(*(_whole_names(folder, one) for folder, one in records.items()))
    return (Row(_checked(path, name), entry_of(known)) for name, known in whole)


def _edited(
    path: str,
    packer: Packer | None,
    before: Entry | None,
    record: TreeRecord | None,
    records: Mapping[str, DirectoryRecord],
) -> Dataset | None:
    """Return the listing made from the one before, if that is what `record` amounts to; None to build it anew.

    Without this, a file that changed among a million costs as much as a million files.
    """
    if not isinstance(before, Dataset) or record is None or record.id != before.id:
        return None
    changes = {_checked(path, name): entry for name, entry in _changes(record.directories, records)}
    if not changes:
        # Where the store was lost, the stat index still knows a listing that is nowhere.
        return before if packer is None or before.id in packer else None
    if packer is None or packer.bases is None or _FEW * len(changes) > before.files:
        return None
    try:
        return edit_listing(packer, packer.bases.read, before, changes)
    except (ContentNotFound, CorruptData):
        # A part of the listing before is not here: what is on the disk tells as much.
        return None


def _changes(
    recorded: Mapping[str, DirectoryRecord], records: Mapping[str, DirectoryRecord]
) -> Iterator[tuple[bytes, Entry | None]]:
    """Yield the files that are other ones in two sets of records; None for what the later set does not have."""
    for folder in recorded.keys() | records.keys():
        one, two = recorded.get(folder), records.get(folder)
        if one is not two:
            old = {} if one is None else dict(_whole_names(folder, one))
            new = {} if two is None else dict(_whole_names(folder, two))
            for name in old.keys() | new.keys():
                if old.get(name) != new.get(name):
                    yield name, entry_of(new[name]) if name in new else None


def ingest_parts(
    root: Path,
    path: str,
    parts: Sequence[str],
    packer: Packer,
    *,
    old: Iterable[Row],
    record: TreeRecord | None,
    before: Entry | None = None,
    members: Members | None = None,
    away: Sequence[Row] = (),
    ignore: Ignore,
    rehash: bool = False,
    read: Read = read_file,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> Ingested:
    """Store what lies at some parts of the dataset `root/path`, and return the listing that has `old` elsewhere.

    Parts are files or folders relative to the dataset; what is gone from the disk leaves the listing. Nothing
    outside of them is looked at. `before` is the dataset whose rows `old` are, and `away` those of them that stay,
    though they are not on this disk. Raises like `ingest`.
    """
    tree = record or TreeRecord(None, {})
    known_before = {} if rehash else tree.directories
    entries: dict[str, Entry] = {row.path: row.entry for row in old}
    belongs = members or Members(path, None, record, lambda _: ())
    taker = Taker(root, path, packer, entries.get, belongs, read, skip, meter=meter)
    rows = {
        TrackedPath(name): entry for name, entry in entries.items() if not any(is_below(name, part) for part in parts)
    }
    special: list[str] = []
    files = 0
    for part in parts:
        tree = tree.without(part)
        for directory in _part(root, path, part, ignore):
            special += nameable(directory.special)
            if f"{path}/{part}" in directory.special:
                raise InvalidInput(f"{path}/{part} is neither file, link nor folder")
            if directory.closed is not None:
                taken = dict(taker.pass_over(directory, directory.closed))
            else:
                one, count = taker.take(directory, known_before.get(directory.path))
                taken = {directory.path: one}
                files += count
            meter.advance(directory.count)
            fresh = list(TreeRecord(None, taken).rows())
            tree = tree.updated(fresh)
            for name, _, known in fresh:
                _make_way(rows, name)
                rows[_checked(path, name.encode())] = entry_of(known)
    # What lies outside was not looked at: the records need not amount to the listing.
    entry, joined = _joined(rows, away, tree, packer, before)
    return Ingested(entry, joined, files, tuple(special))


def unread(
    root: Path,
    path: str,
    parts: Sequence[str],
    *,
    record: TreeRecord | None,
    ignore: Ignore,
    holds: Callable[[bytes, int], bool],
    rehash: bool = False,
) -> Iterator[tuple[str, bytes]]:
    """Yield (path, stat) of each file below `root/path`, or below its `parts`, that an ingest would have to read now.

    In its order, and by the names it gives to `read`. `holds` tells whether content, by id and size, need not be
    stored. Nothing is read but stats.
    """
    known_before = {} if record is None or rehash else record.directories
    top = os.path.join(root, path)
    found = (one for part in parts for one in _part(root, path, part, ignore)) if parts else None
    for directory in directories(root, path, ignore) if found is None else found:
        before = known_before.get(directory.path)
        recorded = {} if before is None else before.by_name()
        folder = folder_of(top, directory)
        for name, stat in zip(directory.names, directory.stats, strict=True):
            seen, known = recorded.get(name, (NO_STAT, None))
            if known is None or seen != stat or not (known.id == EMPTY_ID or holds(known.id, known.size)):
                yield file_of(top, folder, name), stat


def _part(root: Path, path: str, part: str, ignore: Ignore) -> Iterator[Directory]:
    """Yield the directories of a part, named relative to `path`; a file as one of its folder."""
    for directory in directories(root, f"{path}/{part}", ignore):
        if directory.names == (b"",):
            folder, _, name = part.rpartition("/")
            yield replace(directory, path=folder, joined=name.encode())
        else:
            yield replace(directory, path=f"{part}/{directory.path}" if directory.path else part)


def _joined(
    rows: dict[TrackedPath, Entry],
    away: Sequence[Row],
    tree: TreeRecord,
    packer: Packer | None,
    before: Entry | None,
) -> tuple[Dataset, TreeRecord]:
    """Return the listing of `rows`, with those `away` that none of them stands in the way of, and `tree` with these."""
    folders = {above for path in rows for above in _above(path)} if away else set()
    kept = [
        row
        for row in away
        if row.path not in rows and row.path not in folders and not any(above in rows for above in _above(row.path))
    ]
    rows |= dict(kept)
    ordered = (Row(name, rows[name]) for name in sorted(rows, key=str.encode))
    known = [(str(row.path), AWAY_STAT, known_of(row.entry)) for row in kept if isinstance(row.entry, File | Link)]
    return put_listing(packer, ordered, before=before), tree.updated(known)


def _above(path: str) -> Iterator[TrackedPath]:
    """Yield the folders above a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield TrackedPath(path)


def _make_way(rows: dict[TrackedPath, Entry], path: str) -> None:
    """Drop the rows that stood where a folder above `path` is now: a file that became a folder."""
    for above in _above(path):
        rows.pop(above, None)


def nameable(special: tuple[str, ...]) -> tuple[str, ...]:
    """Return what no version can hold, if that is not for its name; raises `InvalidInput` for a name."""
    for one in special:
        try:
            one.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"the name of {one.encode('utf-8', 'backslashreplace').decode()} is not UTF-8",
                hint="rename it, or leave it out with .xverignore",
            ) from error
    return special


def _whole_names(folder: str, record: DirectoryRecord) -> Iterator[tuple[bytes, Known]]:
    prefix = folder.encode() + b"/" if folder else b""
    for name, _, known in record.files():
        yield prefix + name, known


def _checked(path: str, name: bytes) -> TrackedPath:
    try:
        return parse_path(name.decode())
    except InvalidInput as error:
        raise InvalidInput(
            f"{path}/{name.decode()} cannot be tracked: {error.message}",
            hint="rename it, or leave it out with .xverignore",
        ) from error
