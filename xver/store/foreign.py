"""Bytes of files that others made: read where they lie, proven by the ids of their chunks, never written or deleted.

    frame of a chunk ─► address, offset ─► neighbours in one read ─► the id decides

What becomes of such a file is its owner's business: where it is gone or another now, the chunk is not in this store
any more, and is looked for where whatever lacks is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from xver.errors import CorruptData, ForeignChanged
from xver.format.codecs import Codec
from xver.format.foreign import Foreign, ForeignPart, Where, decode_foreign
from xver.format.indexes import Place
from xver.format.packs import decode_frame

_GAP: Final = 1024 * 1024
_RANGE: Final = 8 * 1024 * 1024
# What took the file's place may be a pipe, which is not waited for.
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK"))


class _Wanted(NamedTuple):
    place: Place
    part: ForeignPart


class ForeignFiles:
    """The files that the chunks of one store lie in; relative addresses are taken from the store's `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self, frames: Sequence[tuple[Place, bytes | memoryview]]) -> Iterator[bytes]:
        """Yield the chunk behind each frame, verified, in this order; neighbours are read together.

        Raises:
            ForeignChanged: a file is gone, cannot be read, or has other bytes now.
            CorruptData: a frame is none.
        """
        group: list[_Wanted] = []
        for place, stored in frames:
            one = _Wanted(place, decode_foreign(stored, place.raw))
            if group and not _is_near(group, one):
                yield from self._read(group)
                group = []
            group.append(one)
        if group:
            yield from self._read(group)

    def harm(self, whole: Foreign) -> str | None:
        """Return what can be seen to be wrong with a file without reading it, None if nothing."""
        path = self.path(whole)
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return "is gone"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        if not stat.S_ISREG(found.st_mode):
            return "is no file any more"
        return f"has {found.st_size:,} bytes where {whole.size:,} were read" if found.st_size != whole.size else None

    def is_touched(self, whole: Foreign) -> bool:
        """Tell whether a file may have been exchanged: it was written since it was read, and only its bytes tell."""
        try:
            return whole.pin != pin_of(os.stat(self.path(whole)))
        except OSError:
            return True

    def path(self, whole: Foreign) -> str:
        """Return where a file lies on this machine."""
        return os.path.normpath(os.path.join(self._folder, whole.address))

    def describe(self, path: str, *, project: str) -> Foreign:
        """Return a file as frames name it: relative to the store where it lies in the project's folder, else absolute.

        Raises `OSError` where there is no such file.
        """
        found = os.stat(path)
        inside = os.path.normcase(path).startswith(os.path.normcase(os.path.join(project, "")))
        address = os.path.relpath(path, self._folder) if inside else os.path.abspath(path)
        return Foreign(Where.FILE, address.replace(os.sep, "/"), found.st_size, pin_of(found))

    def _read(self, group: list[_Wanted]) -> Iterator[bytes]:
        whole, start = group[0].part.whole, group[0].part.offset
        last = group[-1]
        length = max(one.part.offset + one.place.raw for one in group) - start
        data = memoryview(self._bytes(whole, start, length, last.place.id))
        for place, part in group:
            piece = data[part.offset - start : part.offset - start + place.raw]
            try:
                chunk = decode_frame(piece, id=place.id, kind=place.kind, codec=Codec.RAW, raw=place.raw)
            except CorruptData:
                raise ForeignChanged(place.id, self.path(whole), "was changed since it was adopted") from None
            yield bytes(chunk)

    def _bytes(self, whole: Foreign, start: int, length: int, id: bytes) -> bytes:
        path = self.path(whole)
        try:
            handle = os.open(path, _FLAGS)
            try:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode) or found.st_size != whole.size:
                    raise ForeignChanged(id, path, self.harm(whole) or "was changed since it was adopted")
                with os.fdopen(handle, "rb", buffering=0, closefd=False) as file:
                    file.seek(start)
                    data = bytearray()
                    while len(data) < length and (more := file.read(length - len(data))):
                        data += more
            finally:
                os.close(handle)
        except OSError as error:
            raise ForeignChanged(id, path, self.harm(whole) or f"cannot be read: {error.strerror}") from error
        if len(data) < length:
            raise ForeignChanged(id, path, "became shorter while it was read")
        return bytes(data)


def pin_of(found: os.stat_result) -> str:
    """Return what tells one state of a file from another."""
    return str(found.st_mtime_ns)


def _is_near(group: list[_Wanted], one: _Wanted) -> bool:
    first, last = group[0], group[-1]
    gap = one.part.offset - (last.part.offset + last.place.raw)
    return (
        first.part.whole == one.part.whole
        and 0 <= gap <= _GAP
        and one.part.offset + one.place.raw - first.part.offset <= _RANGE
    )
