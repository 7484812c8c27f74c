"""Large files written while their chunks arrive: a checkout after a transfer only gives them their names.

    chunks, verified ──► the store's packs
                    └──► tmp/<random>, each at its places ──► complete: renamed into the work tree │ else: removed

What a transfer brings is in memory once; to read it from packs again, prove it and copy it took as long as a third of
the transfer. Nothing relies on such a file: what is not in it is checked out from the store.

Where the file system makes clones a file is written once, here, and becomes what the store keeps (wholes.py):

    chunks, verified ──► tmp/<random>-<id>.part ──► complete: a footer behind it, a pack; its clone is the work tree's

One that did not become complete stays for a day: the next transfer of the same file proves what is in it by its ids,
and goes on from there.
"""

from __future__ import annotations

import glob
import os
import struct
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

from xver.errors import Collected, NotFound, StorageError
from xver.format.codecs import Codec
from xver.format.packs import ROW_SIZE, Frame, encode_row
from xver.model.entries import Entry, File
from xver.model.ids import ID_SIZE, Kind, checksum, chunk_id
from xver.storage.gathered import write_parts
from xver.storage.local import TEMPORARY, LocalStorage
from xver.store.packing import Packer
from xver.store.wholes import clone_pack

_SUFFIX: Final = ".spool"
_PART: Final = ".part"
_ROW: Final = struct.Struct(">IIQ")
_ROWS_MAX: Final = 1 << 17
"""Chunks that are waited for at most, of 94 bytes each: some 8 GiB of data. Further files are checked out as ever."""
_TOGETHER: Final = 4 * 1024 * 1024
_IN_FLIGHT: Final = 2
_BUFFER: Final = 1024 * 1024
_BINARY: Final = getattr(os, "O_BINARY", 0)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | getattr(os, "O_NOFOLLOW", 0)


class _Piece(NamedTuple):
    """A chunk on its way into a file: the how-manieth of the file it is."""

    number: int
    id: bytes
    data: bytes | memoryview


@dataclass(slots=True)
class _Growing:
    """A file on its way: where it lies, the content it will have, bytes that did not come yet; -1: it is no more.

    `coming` are bytes that nobody gave us yet, `lacking` those that were not written yet. Of one that the store is to
    keep, `rows` are those of its footer, and `key` says which pack it became; its file is made when the first chunk
    comes, as others sweep what is old.
    """

    path: str
    id: bytes
    size: int
    coming: int
    lacking: int
    rows: bytearray | None = None
    is_there: bool = True
    key: str = ""

    def note(self, number: int, offset: int, id: bytes, data: bytes | memoryview) -> None:
        """Write down a chunk that is in the file."""
        if self.rows is not None:
            size = len(data)
            row = encode_row(Frame(id, offset, size, size, Kind.CHUNK, Codec.RAW, 0, checksum(data)))
            self.rows[number * ROW_SIZE : (number + 1) * ROW_SIZE] = row
        self.lacking -= len(data)


class Spool:
    """The files of one transfer; a context, at whose end those that nobody took are removed. For one thread.

    `hands_over`: a checkout follows, whose files can be had by a rename. Without that there are only files that the
    store is to keep.
    """

    def __init__(self, storage: LocalStorage, *, hands_over: bool = True) -> None:
        self._storage = storage
        self.hands_over = hands_over
        self._is_robbed = False
        self._rows: list[bytes] = []
        self._is_sorted = True
        self._files: list[_Growing] = []
        self._arrived: set[bytes] = set()
        self._run: list[_Piece] = []
        self._of = 0
        self._start = self._end = 0
        self._writer = ThreadPoolExecutor(1, "spool")
        self._writing: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        # One that was killed may have left gigabytes. Another transfer of this store, at work now, loses its spool.
        for old in _left(self._storage, f"*{_SUFFIX}"):
            with suppress(OSError):
                os.unlink(old)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settle()
        self._writer.shutdown()
        for file in self._files:
            # What the store was to keep has come nowhere else: the next transfer goes on with it.
            if error is None or not file.path.endswith(_PART):
                with suppress(OSError):
                    os.unlink(file.path)

    @property
    def keeps(self) -> bool:
        """Whether files can become what the store keeps of them."""
        return not self._is_robbed and self._storage.can_clone

    def expect(self, id: bytes, size: int, chunks: Sequence[tuple[bytes, int]], *, keep: bool = False) -> bool:
        """Begin a file of the content `id`, all of whose chunks, given with their sizes in order, are to come.

        `keep`: the store is to keep it; what an earlier transfer left of it need not come (`has`). Tells whether the
        file was begun.
        """
        number, offset = len(self._files), 0
        if len(self._rows) + len(chunks) > _ROWS_MAX:
            return False
        rows: list[bytes] = []
        for at, (chunk, length) in enumerate(chunks):
            rows.append(chunk + _ROW.pack(number, at, offset))
            offset += length
        path = self._storage.new_temporary() + (f"-{id.hex()}{_PART}" if keep else _SUFFIX)
        file = _Growing(path, id, size, size, size)
        if keep:
            file.rows, file.is_there = bytearray(len(chunks) * ROW_SIZE), False
            self._go_on(file, chunks)
        else:
            try:
                os.close(os.open(path, _NEW, 0o666))
            except OSError:
                return False  # the packs, which lie beside it, tell what the disk refuses
        self._files.append(file)
        self._rows += rows
        self._is_sorted = False
        return True

    def has(self, id: bytes) -> bool:
        """Tell whether a chunk is here from an earlier transfer, in a file that the store is to keep."""
        return id in self._arrived

    def take(self, id: bytes, data: bytes | memoryview, packer: Packer) -> bool:
        """Write a chunk, verified, to wherever it belongs; `data` must not change afterwards.

        Tells whether it need not be packed: it is in a file that the packer gets as soon as it is complete.

        Raises:
            StorageError: the disk refuses a file that the store is to keep.
            Collected: somebody took such a file away; what it lacks is to be judged anew.
        """
        if not self._rows:
            return False
        if not self._is_sorted:
            self._rows.sort()
            self._is_sorted = True
        is_kept = False
        at = bisect_left(self._rows, id)
        while at < len(self._rows) and self._rows[at].startswith(id):
            of, number, offset = _ROW.unpack_from(self._rows[at], ID_SIZE)
            self._add(of, offset, _Piece(number, id, data))
            file = self._files[of]
            file.coming -= len(data)
            if file.rows is not None:
                is_kept = True
                if not file.coming:
                    self._keep(file, packer)
            at += 1
        return is_kept

    def give(self, packer: Packer) -> None:
        """Give a packer the files that are complete already, because an earlier transfer brought all of them."""
        for file in self._files:
            if file.rows is not None and not file.coming:
                self._keep(file, packer)

    def flush(self) -> None:
        """Wait until all that was taken is written; raises as `take`, also where not all came of what is to be kept."""
        self._submit()
        self._wait(0)
        if any(file.rows is not None for file in self._files):
            self._is_robbed = True
            raise Collected(self._storage.url)

    def start_over(self) -> None:
        """Let go of what is to be kept, after `Collected`: as far as it still lacks, `expect` takes it up again."""
        self._settle()
        aside = set()
        for number, file in enumerate(self._files):
            if file.path.endswith(_PART):
                aside.add(number)
                file.id, file.rows = b"", None
        self._rows = [row for row in self._rows if _ROW.unpack_from(row, ID_SIZE)[0] not in aside]
        self._arrived.clear()

    def hand_over(self, entry: Entry, path: str, dir_fd: int | None, mode: int) -> bool:
        """Make a new file of an entry's content, at `path` in the folder `dir_fd`; tell whether it was here.

        A second file of the same content is not. Raises `OSError` where the disk refuses the new file.
        """
        found = next((file for file in self._files if isinstance(entry, File) and file.id == entry.id), None)
        if found is None or found.lacking or found.size != entry.size:
            return False
        if found.key:
            handle = clone_pack(self._storage, found.key, path, dir_fd, mode)
            if handle is None:
                return False
            try:
                with open(handle, "r+b", 0) as file:
                    file.truncate(entry.size)
            except OSError:
                os.unlink(path, dir_fd=dir_fd)
                raise
            return True
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

    def _go_on(self, file: _Growing, chunks: Sequence[tuple[bytes, int]]) -> None:
        """Take over what an earlier transfer left of a file, and note which of its chunks are right."""
        for old in _left(self._storage, f"*-{file.id.hex()}{_PART}"):
            if os.path.islink(old):
                continue
            try:
                os.rename(old, file.path)
                with open(file.path, "r+b", _BUFFER) as left:
                    left.truncate(file.size)
                    offset = 0
                    for number, (id, length) in enumerate(chunks):
                        data = left.read(length)
                        if chunk_id(data) == id:
                            file.note(number, offset, id, data)
                            file.coming -= length
                            self._arrived.add(id)
                        offset += length
            except OSError:
                continue  # somebody else took it
            file.is_there = True
            return

    def _keep(self, file: _Growing, packer: Packer) -> None:
        self._submit()
        self._wait(0)
        assert file.rows is not None
        file.key = packer.keep_whole(bytes(file.rows), file.size, partial(self._become, file))
        file.rows = None

    def _become(self, file: _Growing, key: str, footer: bytes) -> None:
        try:
            self._storage.take_over(key, file.path, file.size, footer)
        except NotFound:
            self._is_robbed = True
            raise Collected(self._storage.url) from None

    def _settle(self) -> None:
        """Write what was taken, as far as the disk and others let us."""
        with suppress(Collected, StorageError):
            self._submit()
        while self._writing:
            with suppress(Collected, StorageError):
                self._writing.popleft().result()

    def _add(self, of: int, offset: int, piece: _Piece) -> None:
        if of != self._of or offset != self._end or self._end - self._start >= _TOGETHER:
            self._submit()
            self._of, self._start, self._end = of, offset, offset
        self._run.append(piece)
        self._end += len(piece.data)

    def _submit(self) -> None:
        if self._run:
            run, self._run = self._run, []
            self._wait(_IN_FLIGHT - 1)
            self._writing.append(self._writer.submit(self._write, self._files[self._of], self._start, run))

    def _wait(self, left: int) -> None:
        while len(self._writing) > left:
            self._writing.popleft().result()

    def _write(self, file: _Growing, offset: int, run: list[_Piece]) -> None:
        parts = [piece.data for piece in run]
        try:
            # Not made anew, should somebody have removed it: it would lack what was written before.
            flags = os.O_WRONLY | _BINARY if file.is_there else _NEW
            with open(os.open(file.path, flags, 0o666), "wb", 0) as out:
                if not file.is_there:
                    # A file that grows each time it is opened is given more room than it needs (XFS).
                    out.truncate(file.size)
                    file.is_there = True
                out.seek(offset)
                write_parts(out, parts)
                if sys.platform == "linux":
                    # The system begins to write then: else the disk would be idle, and have all of it to do at the end.
                    os.posix_fadvise(out.fileno(), offset, sum(map(len, parts)), os.POSIX_FADV_DONTNEED)
        except OSError as error:
            if file.rows is None:
                # What the disk refuses is told by the checkout, which needs the room for this file in any case.
                file.lacking = -1
                return
            if isinstance(error, FileNotFoundError):
                self._is_robbed = True
                raise Collected(self._storage.url) from None
            with self._storage.translated(file.path):
                raise
        for piece in run:
            file.note(piece.number, offset, piece.id, piece.data)
            offset += len(piece.data)


def forget_parts(storage: LocalStorage) -> None:
    """Remove what transfers left of files that the store was to keep; one that is at work loses what it has of them."""
    for path in _left(storage, f"*{_PART}"):
        with suppress(OSError):
            os.unlink(path)


def _left(storage: LocalStorage, pattern: str) -> Iterator[str]:
    yield from glob.glob(os.path.join(glob.escape(storage.path(TEMPORARY)), pattern))
