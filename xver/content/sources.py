"""The two sides of a comparison: a file of a version, read from the store by ranges, or one on the disk."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO, Final, Protocol

from xver.errors import Conflict
from xver.format.chunks import cut
from xver.model.entries import CHUNK_MAX, File
from xver.model.ids import chunk_id
from xver.progress import Meter
from xver.store.content import leaves
from xver.store.ranges import open_content
from xver.store.store import Store

_BLOCK: Final = 4 * 1024 * 1024
_READING: Final = threading.RLock()
"""A store serves one thread, and pyarrow reads ahead in its own: one read at a time."""


class Source(Protocol):
    """A file to be compared; `size` is its size in bytes."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    def open(self) -> BinaryIO:
        """Return its bytes as a seekable file, which any thread may read."""

    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield the id and size of each of its chunks, in order."""

    def check(self) -> None:
        """Raise `Conflict` if it is no longer what it was at first."""


class StoredFile:
    """A file as a version has it."""

    def __init__(self, store: Store, entry: File) -> None:
        self._store = store
        self._entry = entry

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._entry.size

    def open(self) -> BinaryIO:
        """Return its bytes as a seekable file; chunks are read, and verified, as they are needed."""
        return _Locked(open_content(self._store, self._entry.id, self._entry.size))

    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield the id and size of each of its chunks, in order; no content is read."""
        return leaves(self._store, self._entry.id, self._entry.size)

    def check(self) -> None:
        """Do nothing: content never changes."""


class DiskFile:
    """A file as it is on the disk."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = os.stat(path)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._seen.st_size

    def open(self) -> BinaryIO:
        """Return its bytes as a seekable file."""
        return open(self._path, "rb")

    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield the id and size of each chunk that `add` would cut it into, in order."""
        if not self.size:
            return
        with self.open() as file:
            if self.size <= CHUNK_MAX:
                yield chunk_id(file.read()), self.size
                return
            for chunk in cut(iter(lambda: file.read(_BLOCK), b"")):
                yield chunk_id(chunk), len(chunk)

    def check(self) -> None:
        """Raise `Conflict` if it was written to since the comparison began."""
        now, seen = os.stat(self._path), self._seen
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (seen.st_ino, seen.st_size, seen.st_mtime_ns):
            raise Conflict(
                f"{self._path} changed while it was compared", hint="wait until whatever writes it is done, then repeat"
            )


class Counted:
    """A source whose bytes are counted into a meter as they are read."""

    def __init__(self, source: Source, meter: Meter) -> None:
        self._source = source
        self._meter = meter

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._source.size

    def open(self) -> BinaryIO:
        """Return its bytes as a seekable file."""
        return _Locked(self._source.open(), self._meter.advance)

    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield the id and size of each of its chunks, in order."""
        for id, size in self._source.chunks():
            self._meter.advance(size)
            yield id, size

    def check(self) -> None:
        """Raise `Conflict` if it is no longer what it was at first."""
        self._source.check()


class _Locked(io.RawIOBase, BinaryIO):
    """A file of which one read at a time is made."""

    def __init__(self, file: BinaryIO, on_read: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self._file = file
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        with _READING:
            data = self._file.read(size)
        self._on_read(len(data))
        return data

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with closing(self._file):
                super().close()
