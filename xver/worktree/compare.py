"""The disk against what belongs there: which files of a tracked path were added, modified or deleted.

A directory whose names and stats are as recorded costs one comparison. A file whose stat moved is read and compared
by its fingerprint, so touching changes nothing. Where the stat index speaks of another version than the expected
one, its records still tell what the bytes on the disk are; only the expectation is then read from the listing.
"""

from __future__ import annotations

import enum
import os
import stat as stat_
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from xver.errors import Changing, Unreadable
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, EntryKind, External, File, Link
from xver.model.ids import ListingId, chunk_id
from xver.model.paths import is_below
from xver.progress import SILENT, Meter
from xver.worktree.ignore import Ignore
from xver.worktree.kinds import is_kind, kind_of_stat
from xver.worktree.members import Members, with_folders
from xver.worktree.rechecking import renewed
from xver.worktree.records import DirectoryRecord, Known, RecordBuilder, TreeRecord, known_of
from xver.worktree.scan import Directory, scan
from xver.worktree.stats import STAT_SIZE, leads_elsewhere, pack_stat, unpack_stat
from xver.worktree.steady import Skip, read_fingerprint, read_target, refuse

ReadRows: TypeAlias = Callable[[ListingId], Iterator[Row]]
Changes: TypeAlias = "Iterable[tuple[str, Entry | None]]"
"""What the version that belongs there has other than the recorded one: paths with entries, None where it has none."""


class Differs(enum.StrEnum):
    """How a file on the disk differs from the one that belongs there."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Difference:
    """One file that differs: its path relative to the tracked path (empty: the path itself), how, and its size.

    `want` is what belongs there, None for what was added.
    """

    path: str
    differs: Differs
    size: int
    want: Known | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, and the record to keep of what was seen.

    Relative to the root: `special` names what no version can hold, `leftovers` what a killed checkout left.
    """

    differences: tuple[Difference, ...]
    record: TreeRecord
    special: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Tell whether the disk holds exactly what belongs there."""
        return not self.differences


def find_link_above(root: Path, path: str) -> str | None:
    """Return the first folder above a path that is a link, None if there is none: what lies behind is not ours."""
    at = path.find("/")
    while at >= 0:
        try:
            if leads_elsewhere(os.lstat(root / path[:at])):
                return path[:at]
        except OSError:
            return None  # nothing is there, so nothing is behind
        at = path.find("/", at + 1)
    return None


def is_there(root: Path, path: str) -> bool:
    """Tell whether anything lies at a path, no link followed on the way."""
    return os.path.lexists(root / path) and find_link_above(root, path) is None


def directories(
    root: Path, path: str, ignore: Ignore, known: Mapping[str, DirectoryRecord] | None = None
) -> Iterator[Directory]:
    """Yield what lies at a tracked path: its directories, or one with the empty name for a file; nothing if gone.

    `known` are the directories that were there last time.
    """
    if find_link_above(root, path) is not None:
        return
    try:
        found = os.lstat(root / path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat_.S_ISDIR(found.st_mode):
        yield from scan(root, path, ignore, known)
    elif stat_.S_ISREG(found.st_mode) or stat_.S_ISLNK(found.st_mode):
        yield Directory("", b"", pack_stat(found))
    else:
        yield Directory("", special=(path,))


def was_last(record: TreeRecord | None, entry: Entry) -> bool:
    """Tell whether a record says that the disk held this version of a path when it was last looked at."""
    if record is None or isinstance(entry, External) or record.id != entry.id:
        return False
    found = record.find("")
    # The id of a file does not say whether it is executable.
    return isinstance(entry, Dataset) or (found is not None and found[1] == known_of(entry))


def compare(
    root: Path,
    path: str,
    expected: Entry,
    *,
    record: TreeRecord | None,
    ignore: Ignore,
    read_rows: ReadRows,
    changes: Changes | None = None,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> Comparison:
    """Compare the disk at `root/path` with the entry that belongs there.

    `read_rows` reads a listing; it is called only where the stat index does not speak of the expected version, and
    `changes` do not say what is other there than in the version that it speaks of. `skip` hears of what cannot be
    read: such a file differs, and of a folder nothing is said.

    Raises:
        Unreadable, Changing: a file or folder cannot be read, and `skip` does not take it.
    """
    if isinstance(expected, External):
        return Comparison((), TreeRecord(None, {}))
    recorded = {} if record is None else record.directories
    # A file's id says nothing of its kind: what is expected of one is asked of the entry, which costs nothing.
    same_version = isinstance(expected, Dataset) and record is not None and record.id == expected.id
    changed = {} if same_version else None if changes is None else _by_folder(changes)
    wanted = _expected(expected, read_rows) if changed is None else {}

    def belonging(folder: str) -> Mapping[bytes, Known]:
        return wanted.get(folder, {}) if changed is None else _edited(recorded.get(folder), changed.get(folder, {}))

    differences: list[Difference] = []
    records: dict[str, DirectoryRecord] = {}
    special: list[str] = []
    leftovers: list[str] = []
    seen: set[str] = set()
    closed: list[str] = []
    members = Members(path, expected, record, read_rows)
    spared = members if changed is None or same_version else _spared(members, path, changed)
    for directory in directories(root, path, ignore.sparing(spared), recorded):
        if directory.closed is not None:
            skip(_join(path, directory.path), directory.closed)
            closed.append(directory.path)
            continue
        meter.advance(directory.count)
        special += directory.special
        leftovers += directory.leftovers
        seen.add(directory.path)
        known = recorded.get(directory.path)
        is_known = False
        if known is not None:
            known, is_known = renewed(_folder(root, path, directory.path), directory, known)
        if changed is not None and known is not None and is_known:
            here = changed.get(directory.path, {})
            differences += _only_changed(directory, known.names, here)
            removed = [name for name, one in here.items() if one is None]
            fresh = known.edited(dict.fromkeys(removed)) if removed else known
        else:
            found, fresh = _compare_directory(root, path, directory, known, belonging(directory.path), skip, meter)
            differences += found
        if fresh.kinds:
            records[directory.path] = fresh
    expected_folders = wanted.keys() if changed is None else recorded.keys() | changed.keys()
    for folder in expected_folders - seen:
        if not any(is_below(folder, one) for one in closed):
            differences += [_missing(folder, name, want) for name, want in belonging(folder).items()]
        if same_version:
            records[folder] = recorded[folder]
    differences.sort(key=lambda one: one.path)
    # The records must amount to the id they stand under: with differences they do only if the old ones were kept.
    same = same_version or not (differences or closed)
    kept = TreeRecord(expected.id if same else None, records)
    return Comparison(tuple(differences), kept, tuple(special), tuple(leftovers))


def _expected(entry: Dataset | File | Link, read_rows: ReadRows) -> dict[str, dict[bytes, Known]]:
    if not isinstance(entry, Dataset):
        return {"": {b"": known_of(entry)}}
    folders: dict[str, dict[bytes, Known]] = {}
    for path, one in read_rows(entry.id):
        if isinstance(one, File | Link):
            folder, _, name = path.rpartition("/")
            folders.setdefault(folder, {})[name.encode()] = known_of(one)
    return folders


def _by_folder(changes: Changes) -> dict[str, dict[bytes, Known | None]]:
    folders: dict[str, dict[bytes, Known | None]] = {}
    for path, entry in changes:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, {})[name.encode()] = known_of(entry) if isinstance(entry, File | Link) else None
    return folders


def _edited(record: DirectoryRecord | None, changes: Mapping[bytes, Known | None]) -> dict[bytes, Known]:
    files: dict[bytes, Known | None] = {} if record is None else {name: known for name, _, known in record.files()}
    files.update(changes)
    return {name: known for name, known in files.items() if known is not None}


def _spared(members: Members, path: str, changed: Mapping[str, Mapping[bytes, Known | None]]) -> Callable[[str], bool]:
    """Return what tells whether either of two versions has a path: the recorded one, and the one that belongs there."""
    folders = with_folders(changed)

    def is_tracked(one: str) -> bool:
        inner = one[len(path) + 1 :]
        folder, _, name = inner.rpartition("/")
        return members.saw(one) or inner in folders or os.fsencode(name) in changed.get(folder, {})

    return is_tracked


def _only_changed(
    directory: Directory, names: Sequence[bytes], changes: Mapping[bytes, Known | None]
) -> Iterator[Difference]:
    """Yield the differences in a directory that is as recorded: what is other in the version that belongs there."""
    for name, want in changes.items():
        at = bisect_left(names, name)
        if at < len(names) and names[at] == name:
            differs = Differs.ADDED if want is None else Differs.MODIFIED
            size = unpack_stat(directory.packed[at * STAT_SIZE : (at + 1) * STAT_SIZE]).size
            yield _difference(directory.path, name, differs, size, want)
        elif want is not None:
            yield _missing(directory.path, name, want)


def _compare_directory(
    root: Path,
    path: str,
    directory: Directory,
    record: DirectoryRecord | None,
    belongs: Mapping[bytes, Known],
    skip: Skip,
    meter: Meter,
) -> tuple[list[Difference], DirectoryRecord]:
    recorded = {} if record is None else record.by_name()
    differences = []
    fresh = RecordBuilder()
    folder = _folder(root, path, directory.path)
    unseen = dict(belongs)
    kept: dict[bytes, tuple[bytes, Known]] = {}
    for name, stat in zip(directory.names, directory.stats, strict=True):
        want = unseen.pop(name, None)
        if want is None:
            differences.append(_difference(directory.path, name, Differs.ADDED, unpack_stat(stat).size))
        elif recorded.get(name) == (stat, want):
            kept[name] = stat, want
        else:
            try:
                file = os.path.join(folder, os.fsdecode(name)) if name else folder
                same, seen = same_bytes(file, stat, want, meter)
            except (Unreadable, Changing) as error:
                skip(_join(path, _join(directory.path, name.decode())), error)
                same, seen = False, b""
            if same:
                kept[name] = seen, want
                continue
            differences.append(_difference(directory.path, name, Differs.MODIFIED, unpack_stat(stat).size, want))
            if name in recorded:
                kept[name] = recorded[name]
    for name, want in unseen.items():
        differences.append(_missing(directory.path, name, want))
        if name in recorded:
            kept[name] = recorded[name]
    for name in sorted(kept):
        fresh.add(name, *kept[name])
    return differences, fresh.build()


def _folder(root: Path, path: str, inner: str) -> str:
    return os.path.join(root, path, inner) if inner else os.path.join(root, path)


def _missing(folder: str, name: bytes, want: Known) -> Difference:
    return _difference(folder, name, Differs.DELETED, want.size, want)


def same_bytes(path: str, stat: bytes, want: Known, meter: Meter = SILENT) -> tuple[bool, bytes]:
    """Tell whether a file's bytes and kind are the expected ones, reading it only if its size does not decide.

    Returns with it the stat to record. Raises `Unreadable` or `Changing`.
    """
    found = unpack_stat(stat)
    if not is_kind(kind_of_stat(found.mode), want.kind):
        return False, b""
    if want.kind is EntryKind.LINK:  # whose size Windows does not tell
        target, seen = read_target(path, stat=stat)
        return target is not None and chunk_id(target) == want.id, seen
    if found.size != want.size:
        return False, b""
    kind, print_, seen = read_fingerprint(path, stat=stat, meter=meter)
    return is_kind(kind, want.kind) and print_ == want.fingerprint, seen


def _difference(folder: str, name: bytes, differs: Differs, size: int, want: Known | None = None) -> Difference:
    return Difference(_join(folder, name.decode()), differs, size, want)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
