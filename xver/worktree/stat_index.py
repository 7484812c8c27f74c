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
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from xver.errors import CorruptData
from xver.format.cursor import Cursor
from xver.model.ids import FINGERPRINT_SIZE, ID_SIZE, SHA256_SIZE, checksum
from xver.model.paths import is_below
from xver.patience import replace
from xver.worktree.records import SIZE, DirectoryRecord, Known, TreeRecord
from xver.worktree.stats import NO_STAT, STAT_SIZE, pack_stat

_MAGIC: Final = b"XVERSTA1"
_COUNTS: Final = struct.Struct("<IIIII")
_ROOT: Final = struct.Struct("<IB32sI")
_SUM: Final = struct.Struct("<Q")


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
    kinds, sizes = bytes(cursor.take(count)), bytes(cursor.take(SIZE.size * count))
    stats, ids = bytes(cursor.take(STAT_SIZE * count)), bytes(cursor.take(ID_SIZE * count))
    fingerprints = bytes(cursor.take(FINGERPRINT_SIZE * count))
    sums = bytes(cursor.take((4 + SHA256_SIZE) * hashes))
    sha256 = {
        int.from_bytes(sums[at : at + 4], "little"): sums[at + 4 : at + 4 + SHA256_SIZE]
        for at in range(0, len(sums), 4 + SHA256_SIZE)
    }
    return folder, DirectoryRecord(joined, kinds, sizes, stats, ids, fingerprints, sha256)
