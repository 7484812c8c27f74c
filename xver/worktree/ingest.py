"""Files into content: a tracked path becomes an entry, reading only what the stat index does not know."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from xver.errors import ContentNotFound, CorruptData, InvalidInput, Purged
from xver.format.listings import Row
from xver.model.entries import CHUNK_MAX, Dataset, Entry, File, Link, entry_id
from xver.model.ids import EMPTY_ID, ID_SIZE
from xver.model.paths import TrackedPath, is_below, parse_path
from xver.progress import SILENT, Meter
from xver.store.content import Before
from xver.store.listing_edits import edit_listing
from xver.store.listings import RowFinder, put_listing
from xver.store.packing import Packer
from xver.worktree.compare import directories
from xver.worktree.ignore import Ignore
from xver.worktree.reading import Reading, entry_of, is_kind, known_of, read_file
from xver.worktree.records import DirectoryRecord, Known, RecordBuilder, TreeRecord
from xver.worktree.scan import Directory
from xver.worktree.stats import AWAY_STAT, NO_STAT

_FEW: Final = 4
"""A listing of which more than every fourth row changes is built anew."""
_Former: TypeAlias = "Callable[[str], Entry | None]"


class Read(Protocol):
    """What reads a file and sees to it that its content is stored, as `read_file` does."""

    def __call__(
        self, path: str, packer: Packer | None, *, stat: bytes | None = None, before: Before | None = None
    ) -> Reading:
        """Return what the file is; raises like `read_file`."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a path became: its entry, the record for the stat index, how many files were read, what was left out."""

    entry: Entry
    record: TreeRecord
    read: int
    special: tuple[str, ...]


def ingest(
    root: Path,
    path: str,
    packer: Packer | None,
    *,
    record: TreeRecord | None,
    ignore: Ignore,
    before: Entry | None = None,
    away: Sequence[Row] = (),
    rehash: bool = False,
    read: Read = read_file,
    meter: Meter = SILENT,
) -> Ingested:
    """Store what lies at `root/path` and return what it is; without a packer only identify it.

    A file whose stat is as recorded is not read, if its content is in the store; `rehash` reads all the same. Files
    are read by `read`, in the order that `unread` gives. `before` is what was tracked there: of what changed since,
    only the difference is stored. `away` are rows of it that stay in a dataset, though they are not on this disk.

    Raises:
        InvalidInput: nothing is there, or a file or name that cannot be taken in; the message has its path.
        Conflict: a file changed while it was read.
    """
    known_before = {} if record is None or rehash else record.directories
    records: dict[str, DirectoryRecord] = {}
    special: list[str] = []
    files = 0
    found_any = False
    former = _former(packer, before)
    for directory in directories(root, path, ignore, known_before):
        found_any = True
        special += _nameable(directory.special)
        recorded = known_before.get(directory.path)
        fresh, count = _take(os.path.join(root, path), directory, recorded, packer, former, read)
        meter.advance(len(directory.names))
        files += count
        if directory.names:
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
    return Ingested(entry, TreeRecord(entry_id(entry), records), files, tuple(special))


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
    away: Sequence[Row] = (),
    ignore: Ignore,
    rehash: bool = False,
    read: Read = read_file,
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
    rows = {
        TrackedPath(name): entry for name, entry in entries.items() if not any(is_below(name, part) for part in parts)
    }
    special: list[str] = []
    files = 0
    for part in parts:
        tree = tree.without(part)
        for directory in _part(root, path, part, ignore):
            special += _nameable(directory.special)
            if f"{path}/{part}" in directory.special:
                raise InvalidInput(f"{path}/{part} is neither file, link nor folder")
            recorded = known_before.get(directory.path)
            taken, count = _take(os.path.join(root, path), directory, recorded, packer, entries.get, read)
            meter.advance(len(directory.names))
            files += count
            fresh = list(TreeRecord(None, {directory.path: taken}).rows())
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
        folder = _folder(top, directory)
        for name, stat in zip(directory.names, directory.stats, strict=True):
            seen, known = recorded.get(name, (NO_STAT, None))
            if known is None or seen != stat or not (known.id == EMPTY_ID or holds(known.id, known.size)):
                yield _file(top, folder, name), stat


def _part(root: Path, path: str, part: str, ignore: Ignore) -> Iterator[Directory]:
    """Yield the directories of a part, named relative to `path`; a file as one of its folder."""
    for directory in directories(root, f"{path}/{part}", ignore):
        if directory.names == (b"",):
            folder, _, name = part.rpartition("/")
            yield replace(directory, path=folder, names=(name.encode(),))
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


def _nameable(special: tuple[str, ...]) -> tuple[str, ...]:
    for one in special:
        try:
            one.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"the name of {one.encode('utf-8', 'backslashreplace').decode()} is not UTF-8",
                hint="rename it, or leave it out with .xverignore",
            ) from error
    return special


def _former(packer: Packer | None, before: Entry | None) -> _Former:
    """Return what tells what was tracked at a path (below the dataset; "" is a file tracked by itself) before."""
    if packer is None or packer.bases is None or before is None:
        return lambda _: None
    if not isinstance(before, Dataset):
        return lambda path: None if path else before
    return RowFinder(packer.bases.read, before.id).find


def _stood(packer: Packer | None, known: Known | None, former: _Former, path: str) -> tuple[bytes, int] | None:
    """Return the id and size of the content that stood at a path before, None if none of it is here."""
    if known is not None and known.size and packer is not None and known.id in packer:
        return known.id, known.size
    try:
        entry = former(path)
    except (CorruptData, ContentNotFound):
        # What is not here, or damaged, is nothing that a difference can be stored to; `fsck` tells of it.
        return None
    return (entry.id, entry.size) if isinstance(entry, File | Link) and entry.size else None


def _take(
    top: str,
    directory: Directory,
    before: DirectoryRecord | None,
    packer: Packer | None,
    former: _Former,
    read: Read,
) -> tuple[DirectoryRecord, int]:
    if before is not None and before.holds(directory.names, directory.stats) and _holds_all(packer, before):
        return before, 0
    recorded = {} if before is None else before.by_name()
    folder = _folder(top, directory)
    fresh = RecordBuilder()
    count = 0
    for name, stat in zip(directory.names, directory.stats, strict=True):
        seen, known = recorded.get(name, (NO_STAT, None))
        if known is not None and seen == stat and _holds(packer, known.id, known.size):
            fresh.add(name, stat, known)
            continue
        inner = os.fsdecode(name)
        stood = partial(_stood, packer, known, former, f"{directory.path}/{inner}" if directory.path else inner)
        try:
            reading = read(_file(top, folder, name), packer, stat=stat, before=stood)
        except Purged as error:
            raise Purged(error.id, entry=error.entry, url=error.url, path=_file(top, folder, name)) from error
        count += 1
        now = reading.known
        if known is not None and is_kind(now.kind, known.kind):
            now = now._replace(kind=known.kind)
        fresh.add(name, reading.stat, now)
    return fresh.build(), count


def _folder(top: str, directory: Directory) -> str:
    return os.path.join(top, directory.path) if directory.path else top


def _file(top: str, folder: str, name: bytes) -> str:
    return os.path.join(folder, os.fsdecode(name)) if name else top


def _holds_all(packer: Packer | None, record: DirectoryRecord) -> bool:
    if packer is None:
        return True
    ids = [record.ids[at : at + ID_SIZE] for at in range(0, len(record.ids), ID_SIZE)]
    sizes = list(record.each_size())
    if max(sizes, default=0) <= CHUNK_MAX:
        return packer.holds_all(set(ids) - {EMPTY_ID})
    return all(_holds(packer, id, size) for id, size in zip(ids, sizes, strict=True))


def _holds(packer: Packer | None, id: bytes, size: int) -> bool:
    """Tell whether content need not be stored: it is, or a remote keeps it, or there is none, or nobody stores any."""
    return packer is None or id == EMPTY_ID or packer.holds(id, whole=size > CHUNK_MAX)


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
