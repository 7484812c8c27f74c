"""What is recorded of files, directory by directory: each column of one is one bytes object, by name."""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from xver.model.entries import Entry, EntryKind, File, Link
from xver.model.ids import FINGERPRINT_SIZE, ID_SIZE, NO_FINGERPRINT
from xver.model.paths import is_below
from xver.worktree.stats import AWAY_STAT, STAT_SIZE

SIZE: Final = struct.Struct("<Q")
_MANY: Final = 8
_KINDS: Final = {int(kind): kind for kind in EntryKind}


class Known(NamedTuple):
    """What is known of a file or link: kind, size in bytes, id, fingerprint, SHA-256 beyond one chunk."""

    kind: EntryKind
    size: int
    id: bytes
    fingerprint: bytes
    sha256: bytes | None


def entry_of(known: Known) -> Entry:
    """Return the listing entry of what is known of a file."""
    if known.kind is EntryKind.LINK:
        return Link(known.id, known.size)  # type: ignore[arg-type]
    executable = known.kind is EntryKind.EXECUTABLE
    return File(known.id, known.size, known.fingerprint, known.sha256, executable)  # type: ignore[arg-type]


def known_of(entry: File | Link) -> Known:
    """Return what a listing's entry says of a file."""
    if isinstance(entry, Link):
        return Known(EntryKind.LINK, entry.size, entry.id, NO_FINGERPRINT, None)
    kind = EntryKind.EXECUTABLE if entry.executable else EntryKind.FILE
    return Known(kind, entry.size, entry.id, entry.fingerprint, entry.sha256)


@dataclass(frozen=True)
class DirectoryRecord:
    """The files of one directory in the order of their names, each column one bytes object.

    `joined` are the names with NUL between them; `sha256` maps positions to hashes of large files. No object per file
    is made before somebody asks for one: what has not changed costs a comparison.
    """

    joined: bytes
    kinds: bytes
    sizes: bytes
    stats: bytes
    ids: bytes
    fingerprints: bytes
    sha256: Mapping[int, bytes] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """The names of the files."""
        return tuple(self.joined.split(b"\0")) if self.kinds else ()

    def holds(self, joined: bytes, packed: bytes) -> bool:
        """Tell whether these are the recorded names, with NUL between them, and the recorded stats."""
        return packed == self.stats and joined == self.joined

    def files(self) -> Iterator[tuple[bytes, bytes, Known]]:
        """Yield every file's name with its recorded stat and what is known of it."""
        for at, name in enumerate(self.names):
            yield name, self.stat_of(at), self.known(at)

    def by_name(self) -> dict[bytes, tuple[bytes, Known]]:
        """Return the recorded stat of every file and what is known of it."""
        return {name: (stat, known) for name, stat, known in self.files()}

    def stat_of(self, at: int) -> bytes:
        """Return the recorded stat of the file at a position."""
        return self.stats[at * STAT_SIZE : (at + 1) * STAT_SIZE]

    def each_size(self) -> Iterator[int]:
        """Yield the size of every file, in bytes."""
        return (size for (size,) in SIZE.iter_unpack(self.sizes))

    def kind(self, at: int) -> EntryKind:
        """Return the kind of the file at a position."""
        return _KINDS[self.kinds[at]]

    def known(self, at: int) -> Known:
        """Return what is known of the file at a position."""
        return Known(
            self.kind(at),
            SIZE.unpack_from(self.sizes, at * SIZE.size)[0],
            self.ids[at * ID_SIZE : (at + 1) * ID_SIZE],
            self.fingerprints[at * FINGERPRINT_SIZE : (at + 1) * FINGERPRINT_SIZE],
            self.sha256.get(at),
        )

    def edited(self, changes: Mapping[bytes, tuple[bytes, Known] | None]) -> DirectoryRecord:
        """Return the record with files put in or replaced, or taken out where there is None: stat, what is known."""
        names, kinds, sizes = list(self.names), bytearray(self.kinds), bytearray(self.sizes)
        stats, ids, prints = bytearray(self.stats), bytearray(self.ids), bytearray(self.fingerprints)
        sha256 = {names[at]: sha for at, sha in self.sha256.items()}
        for name, new in changes.items():
            start = bisect_left(names, name)
            end = start + (names[start : start + 1] == [name])
            stat, known = new or (b"", None)
            names[start:end] = [name] if known else []
            kinds[start:end] = bytes([known.kind]) if known else b""
            sizes[start * SIZE.size : end * SIZE.size] = SIZE.pack(known.size) if known else b""
            stats[start * STAT_SIZE : end * STAT_SIZE] = stat
            ids[start * ID_SIZE : end * ID_SIZE] = known.id if known else b""
            prints[start * FINGERPRINT_SIZE : end * FINGERPRINT_SIZE] = known.fingerprint if known else b""
            sha256.pop(name, None)
            if known and known.sha256 is not None:
                sha256[name] = known.sha256
        return DirectoryRecord(
            b"\0".join(names),
            bytes(kinds),
            bytes(sizes),
            bytes(stats),
            bytes(ids),
            bytes(prints),
            {bisect_left(names, name): sha256[name] for name in sorted(sha256)},
        )


@dataclass(frozen=True, slots=True)
class TreeRecord:
    """One tracked path: the id of the listing (or content) that `directories` amount to, None if not known."""

    id: bytes | None
    directories: Mapping[str, DirectoryRecord]

    def files(self) -> Iterator[tuple[str, Known]]:
        """Yield every file's path relative to the tracked path (empty: itself) with what is known of it."""
        for folder, record in self.directories.items():
            for name, _, known in record.files():
                text = name.decode()
                yield f"{folder}/{text}" if folder else text, known

    def find(self, path: str) -> tuple[bytes, Known] | None:
        """Return the recorded stat of a file and what is known of it, None if it is not recorded."""
        folder, _, text = path.rpartition("/")
        record, name = self.directories.get(folder), os.fsencode(text)
        if record is None:
            return None
        at = bisect_left(record.names, name)
        return (record.stat_of(at), record.known(at)) if record.names[at : at + 1] == (name,) else None

    @property
    def is_whole(self) -> bool:
        """Tell whether every file that is recorded was seen on this disk."""
        return not any(AWAY_STAT in one.stats for one in self.directories.values())

    @property
    def is_away(self) -> bool:
        """Tell whether files are recorded, and none of them was seen on this disk."""
        stats = b"".join(one.stats for one in self.directories.values())
        return bool(stats) and not stats.strip(AWAY_STAT[:1])

    def was_here(self, path: str) -> bool:
        """Tell whether a file that is recorded was ever seen on this disk."""
        found = self.find(path)
        return found is not None and found[0] != AWAY_STAT

    def rows(self) -> Iterator[tuple[str, bytes, Known]]:
        """Yield every file's path with its recorded stat and what is known of it."""
        for folder, record in self.directories.items():
            for name, stat, known in record.files():
                text = name.decode()
                yield f"{folder}/{text}" if folder else text, stat, known

    def updated(self, rows: Iterable[tuple[str, bytes, Known]]) -> TreeRecord:
        """Return the record with these files put in or replaced; which listing it amounts to is not known."""
        fresh: dict[str, dict[bytes, tuple[bytes, Known]]] = {}
        for path, stat, known in rows:
            folder, _, name = path.rpartition("/")
            fresh.setdefault(folder, {})[name.encode()] = stat, known
        return TreeRecord(None, {**self.directories, **{name: self._edited(name, one) for name, one in fresh.items()}})

    def without(self, part: str) -> TreeRecord:
        """Return the record without the file or folder `part`."""
        directories = {folder: one for folder, one in self.directories.items() if not is_below(folder, part)}
        folder, _, text = part.rpartition("/")
        above, gone = directories.get(folder), text.encode()
        if above is not None and gone in above.names:
            directories[folder] = above.edited({gone: None})
        return TreeRecord(None, directories)

    def _edited(self, folder: str, files: Mapping[bytes, tuple[bytes, Known]]) -> DirectoryRecord:
        before = self.directories.get(folder)
        # Many are quicker built anew than put in one by one.
        if before is None or len(files) * _MANY > len(before.kinds):
            return _build(files if before is None else {**before.by_name(), **files})
        return before.edited(files)


class RecordBuilder:
    """Collects the files of one directory, in the order of their names."""

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._kinds = bytearray()
        self._sizes: list[int] = []
        self._stats: list[bytes] = []
        self._ids: list[bytes] = []
        self._fingerprints: list[bytes] = []
        self._sha256: dict[int, bytes] = {}

    def add(self, name: bytes, stat: bytes, known: Known) -> None:
        """Append a file."""
        if known.sha256 is not None:
            self._sha256[len(self._names)] = known.sha256
        self._names.append(name)
        self._kinds.append(known.kind)
        self._sizes.append(known.size)
        self._stats.append(stat)
        self._ids.append(known.id)
        self._fingerprints.append(known.fingerprint)

    def build(self) -> DirectoryRecord:
        """Return the record."""
        return DirectoryRecord(
            b"\0".join(self._names),
            bytes(self._kinds),
            struct.pack(f"<{len(self._sizes)}Q", *self._sizes),
            b"".join(self._stats),
            b"".join(self._ids),
            b"".join(self._fingerprints),
            self._sha256,
        )


def _build(files: Mapping[bytes, tuple[bytes, Known]]) -> DirectoryRecord:
    builder = RecordBuilder()
    for name in sorted(files):
        builder.add(name, *files[name])
    return builder.build()
