"""Seekable, read-only files over what can be asked for bytes anywhere; several threads may seek and read in one."""

from __future__ import annotations

import io
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Seekable(io.RawIOBase):
    """A raw file of `size` bytes over something that can be asked for bytes anywhere."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    @abstractmethod
    def _read_at(self, position: int, length: int) -> bytes | memoryview:
        """Return some of the bytes from a position before the end on, one at least, `length` at most."""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought in."""
        return True

    def tell(self) -> int:
        """Return where it stands."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may lie behind the end, where nothing is read; return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        """Read some bytes into a buffer; return how many, none at the end alone."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        length = min(len(view), self._size - self._position)
        if length <= 0:
            return 0
        data = self._read_at(self._position, length)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


class SharedReader(io.BufferedReader):
    """A buffered file of which each thread reads from where it has sought itself, as one that has it alone would.

    duckdb seeks and reads in one file from all its threads, without a lock around the two. A thread that reads on
    without having sought goes on from where the file stands, whoever brought it there.
    """

    def __init__(self, raw: io.RawIOBase, buffer_size: int = io.DEFAULT_BUFFER_SIZE) -> None:
        super().__init__(raw, buffer_size)
        self._alone = threading.RLock()
        self._sought: dict[int, int] = {}

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        with self._alone:
            position = super().seek(offset, whence)
            self._sought[threading.get_ident()] = position
            return position

    def tell(self) -> int:
        """Return where the next read of this thread begins."""
        with self._alone:
            return self._sought.get(threading.get_ident(), super().tell())

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, or all that is left."""
        with self._from_mine():
            return super().read(size)

    def read1(self, size: int = -1) -> bytes:
        """Read what is there at once."""
        with self._from_mine():
            return super().read1(size)

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        with self._from_mine():
            return super().readinto(buffer)

    def readinto1(self, buffer: Any) -> int:
        """Read what is there at once into a buffer."""
        with self._from_mine():
            return super().readinto1(buffer)

    def peek(self, size: int = 0) -> bytes:
        """Return what is next, and stay."""
        with self._from_mine():
            return super().peek(size)

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line."""
        with self._from_mine():
            return super().readline(size)

    def __next__(self) -> bytes:
        """Return the next line."""
        with self._from_mine():
            return super().__next__()

    @contextmanager
    def _from_mine(self) -> Iterator[None]:
        with self._alone:
            mine = self._sought.pop(threading.get_ident(), None)
            if mine is None:
                self._sought.clear()
            elif mine != super().tell():
                super().seek(mine)
            yield
