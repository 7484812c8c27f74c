"""The half of a seekable, read-only file that is the same whatever it reads from: where it stands."""

from __future__ import annotations

import io
from abc import abstractmethod


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
