"""Objects remembered by id, for who reads a little of a store again and again: a few in memory, metadata on the disk.

An id is all that an object is, so what was read from one remote serves for any other. What comes back from the disk is
verified like everything else. Both memories are bounded; what falls out is read again.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from xver.model.ids import Kind, object_id

_MEMORY: Final = 64 * 1024 * 1024
DISK: Final = 1024 * 1024 * 1024
"""Bytes that the folder may take."""
VIEWS: Final = "views"
"""What lies there is no memory: a folder without one of its files would go on passing for whole."""
_DAY: Final = 86_400


class Remembered:
    """A memory of objects; may be used from several threads, and on both sides of a fork: it has no lock.

    `folder`, if given, keeps metadata (everything but chunks) from one process to the next, up to `limit` bytes with
    all else that lies in it and can be fetched again.
    """

    def __init__(self, folder: Path | None = None, *, limit: int = DISK) -> None:
        self._folder = folder
        self._limit = limit
        # Two generations instead of a list of uses: when the young are half of what may be, they become the old.
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._size = 0
        self._written = 0

    def get(self, kind: Kind, id: bytes) -> bytes | None:
        """Return an object, None if it is not remembered."""
        data = self._young.get(id)
        if data is None:
            data = self._old.get(id)
            if data is None and kind is not Kind.CHUNK:
                data = self._load(kind, id)
            if data is not None:
                self._keep(id, data)
        return data

    def put(self, kind: Kind, id: bytes, data: bytes) -> None:
        """Remember an object that was verified."""
        self._keep(id, data)
        if kind is not Kind.CHUNK and self._folder is not None:
            self._save(self._path(self._folder, id), data)

    def _keep(self, id: bytes, data: bytes) -> None:
        self._young[id] = data
        self._size += len(data)
        if self._size > _MEMORY // 2:
            self._young, self._old, self._size = {}, self._young, 0

    def _load(self, kind: Kind, id: bytes) -> bytes | None:
        if self._folder is None:
            return None
        path = self._path(self._folder, id)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            return None
        if object_id(kind, data) == id:
            return data
        with contextlib.suppress(OSError):
            os.unlink(path)
        return None

    def _save(self, path: str, data: bytes) -> None:
        # A full disk, or a folder that is not ours, costs reading again and nothing else.
        with contextlib.suppress(OSError):
            beside = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(beside, "wb") as file:
                file.write(data)
            os.replace(beside, path)
        self._written += len(data)
        if self._folder is not None and (self._written == len(data) or self._written > self._limit // 16):
            self._trim(self._folder, is_first=self._written == len(data))

    def _trim(self, folder: Path, *, is_first: bool) -> None:
        """Remove the oldest files while there are too many bytes; at a process's first write at most once a day."""
        mark = folder / "trimmed"
        if is_first:
            with contextlib.suppress(OSError):
                if time.time() - mark.stat().st_mtime < _DAY:
                    return
        else:
            self._written = 1
        trim(folder, self._limit)
        with contextlib.suppress(OSError):
            mark.touch()

    @staticmethod
    def _path(folder: Path, id: bytes) -> str:
        digits = id.hex()
        return os.path.join(folder, "objects", digits[:2], digits[2:])


def trim(folder: Path, limit: int) -> None:
    """Remove the oldest files below a folder of a cache until they have at most three quarters of `limit` bytes.

    Nothing is removed while they have no more than `limit`, and views neither count nor go. Another process may trim at
    the same time.
    """
    files = []
    for place, folders, names in os.walk(folder):
        if place == os.fspath(folder) and VIEWS in folders:
            folders.remove(VIEWS)
        for name in names:
            path = os.path.join(place, name)
            with contextlib.suppress(OSError):
                found = os.stat(path, follow_symlinks=False)
                files.append((found.st_mtime_ns, found.st_size, path))
    total = sum(size for _, size, _ in files)
    if total <= limit:
        return
    for _, size, path in sorted(files):
        if total <= limit * 3 // 4:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size
