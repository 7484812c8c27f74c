"""Files of this machine that foreign chunks lie in: regular ones of the size that was read, and only read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from xver.errors import ForeignChanged
from xver.format.foreign import Foreign, Where
from xver.store.foreign_spans import Seen, Span

# What took the file's place may be a pipe, which is not waited for.
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK"))


class ForeignFiles:
    """The files that the chunks of one store lie in; relative addresses are taken from the store's `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield the bytes of each span; raises `ForeignChanged` where they cannot be there any more."""
        return map(self._bytes, spans)

    def look(self, whole: Foreign) -> Seen:
        """Return what can be seen of a file without reading it."""
        path = self.name(whole)
        try:
            found = os.stat(path)
        except OSError as error:
            return Seen(_unseen(error), is_touched=True)
        return Seen(_harm(whole, found), whole.pin != pin_of(found))

    def name(self, whole: Foreign) -> str:
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

    def _bytes(self, span: Span) -> bytes:
        path = self.name(span.whole)
        try:
            handle = os.open(path, _FLAGS)
            try:
                if (harm := _harm(span.whole, os.fstat(handle))) is not None:
                    raise ForeignChanged(span.id, path, harm)
                with os.fdopen(handle, "rb", buffering=0, closefd=False) as file:
                    file.seek(span.start)
                    data = bytearray()
                    while len(data) < span.length and (more := file.read(span.length - len(data))):
                        data += more
            finally:
                os.close(handle)
        except OSError as error:
            # What is no file any more is not always opened, to find that out.
            raise ForeignChanged(span.id, path, self.look(span.whole).harm or _unseen(error)) from error
        if len(data) < span.length:
            raise ForeignChanged(span.id, path, "became shorter while it was read")
        return bytes(data)


def pin_of(found: os.stat_result) -> str:
    """Return what tells one state of a file from another."""
    return str(found.st_mtime_ns)


def _harm(whole: Foreign, found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "is no file any more"
    return f"has {found.st_size:,} bytes where {whole.size:,} were read" if found.st_size != whole.size else None


def _unseen(error: OSError) -> str:
    is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
    return "is gone" if is_gone else f"cannot be read: {error.strerror}"
