"""Large files written while their chunks arrive: a checkout after a transfer only gives them their names.

    chunks, verified ──► the store's packs
                    └──► tmp/<random>, each at its places ──► complete: renamed into the work tree │ else: removed

What a transfer brings is in memory once; to read it from packs again, prove it and copy it took as long as a third of
the transfer. Nothing relies on a spool: what is not in it is checked out from the store.
"""

from __future__ import annotations

import glob
import os
import struct
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from xver.model.entries import Entry, File
from xver.model.ids import ID_SIZE
from xver.storage.gathered import write_parts
from xver.storage.local import LocalStorage

_SUFFIX: Final = ".spool"
_ROW: Final = struct.Struct(">IQ")
_ROWS_MAX: Final = 1 << 17
"""Chunks that are waited for at most, of 90 bytes each: some 8 GiB of data. Further files are checked out as ever."""
_TOGETHER: Final = 4 * 1024 * 1024
_IN_FLIGHT: Final = 2
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(slots=True)
class _Growing:
    """A file on its way: where it lies, the content it will have, bytes that did not come yet; -1: it is no more."""

    path: str
    id: bytes
    size: int
    lacking: int


class Spool:
    """The files of one transfer; a context, at whose end those that nobody took are removed. For one thread."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage
        self._rows: list[bytes] = []
        self._is_sorted = True
        self._files: list[_Growing] = []
        self._run: list[bytes | memoryview] = []
        self._of = 0
        self._start = self._end = 0
        self._writer = ThreadPoolExecutor(1, "spool")
        self._writing: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        # One that was killed may have left gigabytes. Another transfer of this store, at work now, loses its spool.
        for old in glob.glob(os.path.join(glob.escape(os.path.dirname(self._storage.new_temporary())), f"*{_SUFFIX}")):
            with suppress(OSError):
                os.unlink(old)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown(wait=True, cancel_futures=True)
        for file in self._files:
            with suppress(OSError):
                os.unlink(file.path)

    def expect(self, id: bytes, size: int, chunks: Iterable[tuple[bytes, int]]) -> None:
        """Begin a file of the content `id`, all of whose chunks, given with their sizes in order, are to come."""
        number, offset = len(self._files), 0
        rows: list[bytes] = []
        for chunk, length in chunks:
            if len(self._rows) + len(rows) >= _ROWS_MAX:
                return
            rows.append(chunk + _ROW.pack(number, offset))
            offset += length
        path = self._storage.new_temporary() + _SUFFIX
        try:
            os.close(os.open(path, _NEW, 0o666))
        except OSError:
            return  # the packs, which lie beside it, tell what the disk refuses
        self._files.append(_Growing(path, id, size, size))
        self._rows += rows
        self._is_sorted = False

    def take(self, id: bytes, data: bytes | memoryview) -> None:
        """Write a chunk, verified, to wherever it belongs; `data` must not change afterwards."""
        if not self._rows:
            return
        if not self._is_sorted:
            self._rows.sort()
            self._is_sorted = True
        at = bisect_left(self._rows, id)
        while at < len(self._rows) and self._rows[at].startswith(id):
            number, offset = _ROW.unpack_from(self._rows[at], ID_SIZE)
            self._add(number, offset, data)
            at += 1

    def flush(self) -> None:
        """Wait until all that was taken is written."""
        self._submit()
        self._wait(0)

    def hand_over(self, entry: Entry, path: str, dir_fd: int | None, mode: int) -> bool:
        """Make a new file of an entry's content, at `path` in the folder `dir_fd`; tell whether it was here.

        A second file of the same content is not. Raises `OSError` where the disk refuses the new file.
        """
        found = next((file for file in self._files if isinstance(entry, File) and file.id == entry.id), None)
        if found is None or found.lacking or found.size != entry.size:
            return False
        # The umask decides about the rights of a new file.
        handle = os.open(path, _NEW, mode, dir_fd=dir_fd)
        try:
            rights = os.fstat(handle).st_mode & 0o777
        finally:
            os.close(handle)
        found.lacking = -1
        try:
            os.chmod(found.path, rights)
            os.replace(found.path, path, dst_dir_fd=dir_fd)
        except OSError:
            # Another file system, for example.
            os.unlink(path, dir_fd=dir_fd)
            with suppress(OSError):
                os.unlink(found.path)
            return False
        return True

    def _add(self, number: int, offset: int, data: bytes | memoryview) -> None:
        if number != self._of or offset != self._end or self._end - self._start >= _TOGETHER:
            self._submit()
            self._of, self._start, self._end = number, offset, offset
        self._run.append(data)
        self._end += len(data)

    def _submit(self) -> None:
        if self._run:
            run, self._run = self._run, []
            self._wait(_IN_FLIGHT - 1)
            self._writing.append(self._writer.submit(_write, self._files[self._of], self._start, run))

    def _wait(self, left: int) -> None:
        while len(self._writing) > left:
            self._writing.popleft().result()


def _write(file: _Growing, offset: int, parts: list[bytes | memoryview]) -> None:
    size = sum(map(len, parts))
    try:
        # Not made anew, should somebody have removed it: it would lack what was written before.
        with open(os.open(file.path, os.O_WRONLY | getattr(os, "O_BINARY", 0)), "wb", 0) as out:
            out.seek(offset)
            write_parts(out, parts)
            if sys.platform == "linux":
                # The system begins to write then: else the disk would be idle now, and have all of it to do at the end.
                os.posix_fadvise(out.fileno(), offset, size, os.POSIX_FADV_DONTNEED)
    except OSError:
        # What the disk refuses is told by the checkout, which needs the room for this file in any case.
        file.lacking = -1
    else:
        file.lacking -= size
