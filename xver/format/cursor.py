"""Read fixed little-endian fields from bytes that may be hostile: never beyond their end, never silently short."""

from __future__ import annotations

import struct

from xver.errors import CorruptData


class Cursor:
    """A position in `data`; every read moves it, and one that reaches beyond the end raises `CorruptData`."""

    __slots__ = ("_data", "_position", "_what")

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self._data = memoryview(data)
        self._position = 0
        self._what = what

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes, not copied."""
        end = self._position + size
        if size < 0 or end > len(self._data):
            raise CorruptData(f"{self._what} ends early: {len(self._data)} bytes, {end} are needed")
        part = self._data[self._position : end]
        self._position = end
        return part

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Return the next fields, all integers."""
        return layout.unpack(self.take(layout.size))

    def finish(self) -> None:
        """Raise `CorruptData` unless everything was read."""
        if self._position != len(self._data):
            raise CorruptData(f"{self._what} has {len(self._data) - self._position} bytes too many")
