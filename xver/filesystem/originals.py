"""Files that a version knows and the store does not have: read where they are, as long as they are what was listed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xver.errors import Conflict, CorruptData, NotFound, UnsupportedFormat
from xver.format.foreign import ObjectName, decode_object_name
from xver.model.entries import External
from xver.storage.base import Part, Stat, Storage
from xver.storage.locate import locate
from xver.store.seeking import Seekable, SharedReader

_BLOCK: Final = 8 * 1024 * 1024


class Original:
    """An object of a bucket that a version refers to, looked at when it is opened.

    Raises:
        NotFound: it is gone, or nothing here reads such addresses.
        Conflict: it is another one than was listed.
        StorageError: it cannot be read.
    """

    def __init__(self, entry: External) -> None:
        name, self._storage = _locate(entry)
        listed = Stat(name.key, entry.size, entry.etag, name.version)
        self.url = f"{name.bucket}/{name.key}"
        self.size = entry.size
        self._key = name.key
        self._pin = listed.pin
        if not name.version:
            found = self._storage.stat(name.key)
            if found is None:
                raise NotFound(f"{self.url} is gone", hint="xver update takes what is there now")
            if (found.size, found.version) != (listed.size, listed.version):
                raise self._changed()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        if start >= end:
            return b""
        try:
            return self._storage.get(self._key, Part(start, end - start, self._pin))
        except Conflict as error:
            raise self._changed() from error

    def blocks(self) -> Iterator[bytes]:
        """Yield all bytes, several ranges on their way at a time."""
        starts = range(0, self.size, _BLOCK)
        parts = [(self._key, Part(start, min(_BLOCK, self.size - start), self._pin)) for start in starts]
        try:
            yield from map(bytes, self._storage.get_many(parts))
        except Conflict as error:
            raise self._changed() from error

    def open(self) -> io.BufferedReader:
        """Return it as a file that can be sought in; one read fetches 1 MiB at least."""
        return SharedReader(_Raw(self), 1024 * 1024)

    def _changed(self) -> Conflict:
        return Conflict(
            f"{self.url} is another one than when it was listed", hint="xver update takes what is there now"
        )


class _Raw(Seekable):
    def __init__(self, original: Original) -> None:
        super().__init__(original.size)
        self._original = original

    def _read_at(self, position: int, length: int) -> bytes:
        return self._original.read(position, position + length)


def _locate(entry: External) -> tuple[ObjectName, Storage]:
    try:
        name = decode_object_name(entry.uri)
    except (CorruptData, UnsupportedFormat):
        raise NotFound(f"it is not stored, and nothing here reads {entry.uri}") from None
    return name, locate(name.bucket, base=Path("/"), endpoint_url=name.endpoint_url)
