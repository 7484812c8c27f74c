"""The stat index: what each file's bytes were when its size, times, inode and mode were last seen.

    tracked path ── listing id that its files amount to
                 └─ directory ── names │ kinds │ stats │ ids │ fingerprints    one bytes object each, by name

A directory whose names and stats are the same bytes as recorded is unchanged, whatever it holds: one comparison, no
object per file. A file is recorded as *settled* if its times were two seconds older than the moment its bytes were
read, or if we wrote it ourselves (folders.py); otherwise its stat is written as zeros, which no file has, and it is
looked at again. It is only a cache: losing it costs reading the files once.
"""

from __future__ import annotations

import os
import stat as stat_
import struct
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from xver.errors import CorruptData
from xver.format.cursor import Cursor
from xver.model.entries import EntryKind
from xver.model.ids import FINGERPRINT_SIZE, ID_SIZE, SHA256_SIZE, checksum
from xver.model.paths import is_below
from xver.patience import replace

SETTLED_NS: Final = 2_000_000_000
_MAGIC: Final = b"XVERSTA1"
_STAT: Final = struct.Struct("<qqqQI")
_COUNTS: Final = struct.Struct("<IIIII")
_ROOT: Final = struct.Struct("<IB32sI")
_SUM: Final = struct.Struct("<Q")
NO_STAT: Final = bytes(_STAT.size)
AWAY_STAT: Final = b"\xff" * _STAT.size
"""The stat of a file that is not on the disk because it is not wanted there: nobody removed it."""
STAT_SIZE: Final = _STAT.size
_SIZE: Final = struct.Struct("<Q")
# Of the reparse points of Windows, those that lead elsewhere (links, junctions) have this bit; files in a cloud do not.
_LEADS_ELSEWHERE: Final = 0x20000000
_KINDS: Final = {int(kind): kind for kind in EntryKind}


class Stat(NamedTuple):
    """What identifies a file's state: size in bytes, times in nanoseconds, inode, and mode (kind and rights)."""

    size: int
    mtime: int
    ctime: int
    inode: int
    mode: int


class Known(NamedTuple):
    """What is known of a file or link: kind, size in bytes, id, fingerprint, SHA-256 beyond one chunk."""

    kind: EntryKind
    size: int
    id: bytes
    fingerprint: bytes
    sha256: bytes | None


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

    def holds(self, names: Sequence[bytes], stats: Sequence[bytes]) -> bool:
        """Tell whether these are the recorded names and stats."""
        return b"".join(stats) == self.stats and b"\0".join(names) == self.joined

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
        return (size for (size,) in _SIZE.iter_unpack(self.sizes))

    def known(self, at: int) -> Known:
        """Return what is known of the file at a position."""
        return Known(
            _KINDS[self.kinds[at]],
            _SIZE.unpack_from(self.sizes, at * _SIZE.size)[0],
            self.ids[at * ID_SIZE : (at + 1) * ID_SIZE],
            self.fingerprints[at * FINGERPRINT_SIZE : (at + 1) * FINGERPRINT_SIZE],
            self.sha256.get(at),
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
        directories = dict(self.directories)
        for folder, files in fresh.items():
            old = directories.get(folder)
            before = {} if old is None else old.by_name()
            directories[folder] = _build(before | files)
        return TreeRecord(None, directories)

    def without(self, part: str) -> TreeRecord:
        """Return the record without the file or folder `part`."""
        directories = {folder: one for folder, one in self.directories.items() if not is_below(folder, part)}
        folder, _, text = part.rpartition("/")
        above, gone = directories.get(folder), text.encode()
        if above is not None and gone in above.names:
            directories[folder] = _build({name: one for name, one in above.by_name().items() if name != gone})
        return TreeRecord(None, directories)


if sys.platform == "win32":

    def pack_stat(stat: os.stat_result) -> bytes:
        """Return what identifies a file's state: size, mtime and kind.

        ctime is the time of creation here and inodes are not stable on every file system: both stay zero. Whether a
        program is executable is told by its name, and not by every way to ask: that is left out.
        """
        return _STAT.pack(stat.st_size, stat.st_mtime_ns, 0, 0, stat.st_mode & ~0o111)

else:

    def pack_stat(stat: os.stat_result) -> bytes:
        """Return what identifies a file's state: size, mtime, ctime, inode and mode."""
        return _STAT.pack(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_mode)


def leads_elsewhere(stat: os.stat_result) -> bool:
    """Tell whether what was looked at without following it is a link, or a junction of Windows."""
    return stat_.S_ISLNK(stat.st_mode) or bool(getattr(stat, "st_reparse_tag", 0) & _LEADS_ELSEWHERE)


def unpack_stat(packed: bytes) -> Stat:
    """Return the fields of a packed stat."""
    return Stat._make(_STAT.unpack(packed))


def settled(packed: bytes, read_ns: int) -> bytes:
    """Return the stat to record for bytes read at `read_ns`: zeros if the file may have been written again since."""
    _, mtime, ctime, _, _ = _STAT.unpack(packed)
    return packed if max(mtime, ctime) + SETTLED_NS <= read_ns else NO_STAT


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


class StatIndex:
    """The trees of one work tree, read from its file and written back whole, beside and renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trees: dict[str, TreeRecord] = {}
        self._changed = False
        self._version = self._on_disk()
        try:
            data = path.read_bytes()
            self._trees = _decode(data)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (CorruptData, ValueError):
            # A cache that is damaged is a cache that is empty; the next write replaces it.
            self._trees = {}

    def tree(self, path: str) -> TreeRecord | None:
        """Return what is recorded of a tracked path."""
        return self._trees.get(path)

    def known_at(self, path: str) -> TreeRecord | None:
        """Return what is recorded of a path, also where it was part of a tracked path, or tracked paths part of it."""
        found = self._trees.get(path)
        if found is not None:
            return found
        rows: list[tuple[str, bytes, Known]] = []
        for top, tree in self._trees.items():
            if is_below(top, path) or is_below(path, top):
                # A tracked file is recorded under the empty name.
                whole = ((f"{top}/{inner}" if inner else top, stat, known) for inner, stat, known in tree.rows())
                rows += [(one[len(path) + 1 :], stat, known) for one, stat, known in whole if is_below(one, path)]
        return TreeRecord(None, {}).updated(rows) if rows else None

    def paths(self) -> list[str]:
        """Return the tracked paths that are recorded."""
        return list(self._trees)

    def set(self, path: str, tree: TreeRecord) -> None:
        """Record a tracked path."""
        if self._trees.get(path) != tree:
            self._trees[path] = tree
            self._changed = True

    def remove(self, path: str) -> None:
        """Forget a tracked path."""
        self._changed |= self._trees.pop(path, None) is not None

    def write(self) -> None:
        """Write the index if anything changed; for one who holds the work tree."""
        if not self._changed:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.tmp")
        try:
            with beside.open("wb") as file:
                for part in _encode(self._trees):
                    file.write(part)
            replace(beside, self._path)
        finally:
            beside.unlink(missing_ok=True)
        self._changed = False
        self._version = self._on_disk()

    @property
    def is_current(self) -> bool:
        """Tell whether the file is the one that was read: nobody else has written it since."""
        return self._version == self._on_disk()

    @property
    def is_changed(self) -> bool:
        """Tell whether there is anything to write."""
        return self._changed

    def _on_disk(self) -> bytes:
        try:
            return pack_stat(os.stat(self._path))
        except (FileNotFoundError, NotADirectoryError):
            return NO_STAT


def _encode(trees: Mapping[str, TreeRecord]) -> Iterator[bytes]:
    yield _MAGIC
    for path, tree in trees.items():
        name = path.encode()
        parts = [_ROOT.pack(len(name), tree.id is not None, tree.id or bytes(32), len(tree.directories)), name]
        for folder, record in tree.directories.items():
            where = folder.encode()
            sums = b"".join(struct.pack("<I", at) + sha for at, sha in record.sha256.items())
            parts.append(_COUNTS.pack(len(where), len(record.joined), len(record.kinds), len(record.sha256), 0))
            parts += [where, record.joined, record.kinds, record.sizes, record.stats, record.ids, record.fingerprints]
            parts.append(sums)
        body = b"".join(parts)
        yield struct.pack("<Q", len(body)) + body + _SUM.pack(checksum(body))


def _decode(data: bytes) -> dict[str, TreeRecord]:
    cursor = Cursor(data, "stat index")
    if bytes(cursor.take(8)) != _MAGIC:
        raise CorruptData("stat index of another version")
    trees = {}
    at = 8
    while at < len(data):
        (size,) = cursor.unpack(_SUM)
        body = cursor.take(size)
        (total,) = cursor.unpack(_SUM)
        at += 16 + size
        if checksum(body) != total:
            raise CorruptData("stat index does not match its checksum")
        inner = Cursor(body, "stat index")
        length, has_id, id, count = _ROOT.unpack(inner.take(_ROOT.size))
        path = bytes(inner.take(length)).decode()
        directories = dict(_read_directory(inner) for _ in range(count))
        trees[path] = TreeRecord(id if has_id else None, directories)
    return trees


def _read_directory(cursor: Cursor) -> tuple[str, DirectoryRecord]:
    where, names, count, hashes, _ = cursor.unpack(_COUNTS)
    folder = bytes(cursor.take(where)).decode()
    joined = bytes(cursor.take(names))
    kinds, sizes = bytes(cursor.take(count)), bytes(cursor.take(_SIZE.size * count))
    stats, ids = bytes(cursor.take(STAT_SIZE * count)), bytes(cursor.take(ID_SIZE * count))
    fingerprints = bytes(cursor.take(FINGERPRINT_SIZE * count))
    sums = bytes(cursor.take((4 + SHA256_SIZE) * hashes))
    sha256 = {
        int.from_bytes(sums[at : at + 4], "little"): sums[at + 4 : at + 4 + SHA256_SIZE]
        for at in range(0, len(sums), 4 + SHA256_SIZE)
    }
    return folder, DirectoryRecord(joined, kinds, sizes, stats, ids, fingerprints, sha256)
