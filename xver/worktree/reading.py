"""Read a user's file while it may be changing: what was read is either one state of it, or refused."""

from __future__ import annotations

import os
import stat as stat_
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple, NoReturn, TypeAlias, TypeVar

from xver.errors import Changing, Unreadable
from xver.model.entries import CHUNK_MAX, Entry, EntryKind, File, Link
from xver.model.ids import NO_FINGERPRINT, fingerprint, fingerprinter
from xver.store.content import Before, Content, put_stream
from xver.store.packing import Packer
from xver.store.wholes import WHOLE_MIN, put_whole
from xver.worktree.kinds import OPEN_FLAGS, kind_of_stat
from xver.worktree.records import Known
from xver.worktree.stats import Stat, pack_stat, settled, unpack_stat

_BLOCK: Final = 8 * 1024 * 1024
_PIECE: Final = 4 * 1024 * 1024
"""What is read of a large file at once: three of them are in memory for each file that is read, each of many chunks."""
_ATTEMPTS: Final = 3

_Result = TypeVar("_Result")
_Read: TypeAlias = Callable[[bytes, Stat, "int | None"], tuple[_Result, int]]
Skip: TypeAlias = Callable[[str, Unreadable | Changing], None]
"""Hears of a file or folder that cannot be read, by its path relative to the root: it is passed over."""


def refuse(path: str, error: Unreadable | Changing) -> NoReturn:  # noqa: ARG001 - the message has it
    """Pass over nothing: what cannot be read ends it all."""
    raise error


class Reading(NamedTuple):
    """What a file was when it was read, the stat to record for it, and the stat it had."""

    known: Known
    stat: bytes
    seen: bytes


def read_file(path: str, packer: Packer | None, *, stat: bytes | None = None, before: Before | None = None) -> Reading:
    """Read a file or link and store its content; without a packer only identify it.

    `stat` is what it was a moment ago, packed, where the caller knows: that saves a look. `before` tells what content
    stood there before (`put_stream`).

    Raises:
        Changing: the file went on changing while it was read.
        Unreadable: it cannot be read, is gone, or is neither file nor link.
    """
    return _steadily(path, stat, lambda seen, found, handle: _identify(path, seen, found, handle, packer, before))


def read_fingerprint(path: str, *, stat: bytes | None = None) -> tuple[EntryKind, bytes, bytes]:
    """Return a file's kind, the fingerprint of its bytes (a link has none) and the stat to record; as `read_file`."""
    return _steadily(path, stat, _fingerprint)


def entry_of(known: Known) -> Entry:
    """Return the listing entry of what is known of a file."""
    if known.kind is EntryKind.LINK:
        return Link(known.id, known.size)  # type: ignore[arg-type]
    executable = known.kind is EntryKind.EXECUTABLE
    return File(known.id, known.size, known.fingerprint, known.sha256, executable)  # type: ignore[arg-type]


def known_of(entry: File | Link) -> Known:
    """Return what a listing's entry says of a file."""
    if isinstance(entry, Link):
        return Known(EntryKind.LINK, entry.size, entry.id, NO_FINGERPRINT, None)
    kind = EntryKind.EXECUTABLE if entry.executable else EntryKind.FILE
    return Known(kind, entry.size, entry.id, entry.fingerprint, entry.sha256)


def _steadily(path: str, stat: bytes | None, read: _Read[_Result]) -> _Result:
    """Call `read` with the file's stat, packed and not, and descriptor (None: a link) until the stat stays the same.

    `read` returns its result and the number of bytes it saw. `stat` is believed once; what it leads to is checked.
    """
    for _ in range(_ATTEMPTS):
        believed, stat = stat, None
        try:
            before = believed or pack_stat(os.lstat(path))
            found = unpack_stat(before)
            if stat_.S_ISLNK(found.mode):
                result, _size = read(before, found, None)
                if pack_stat(os.lstat(path)) == before:
                    return result
                continue
            if not stat_.S_ISREG(found.mode):
                raise Unreadable(path, "it is neither file nor link")
            handle = os.open(path, OPEN_FLAGS)
            try:
                result, size = read(before, found, handle)
                if size == found.size and pack_stat(os.fstat(handle)) == before:
                    return result
            finally:
                os.close(handle)
        except OSError as error:
            if believed is None:
                raise Unreadable(path, error.strerror or str(error)) from error
    raise Changing(path)


def _identify(
    path: str, stat: bytes, found: Stat, handle: int | None, packer: Packer | None, before: Before | None
) -> tuple[Reading, int]:
    now = time.time_ns()
    kind = kind_of_stat(found.mode)
    if handle is None:
        content = put_stream(packer, [_target(path)])
        known = Known(kind, content.size, content.id, NO_FINGERPRINT, None)
    else:
        content = _put(handle, found.size, packer, before)
        known = Known(kind, content.size, content.id, content.fingerprint, content.sha256)
    return Reading(known, settled(stat, now), stat), content.size


def _put(handle: int, size: int, packer: Packer | None, before: Before | None) -> Content:
    if size <= CHUNK_MAX:
        return put_stream(packer, [_read_small(handle, size)], before=before)
    if packer is not None and size >= WHOLE_MIN and (whole := put_whole(packer, handle, size, _blocks)) is not None:
        return whole
    # A read that is under way ends before the file is closed, and its number is another file's.
    with closing(_blocks(handle, size)) as blocks:
        return put_stream(packer, blocks, before=before)


def _target(path: str) -> bytes:
    target = os.fsencode(os.readlink(path))
    # What is stored is the same on every system.
    return target.replace(b"\\", b"/") if os.name == "nt" else target


def _fingerprint(stat: bytes, found: Stat, handle: int | None) -> tuple[tuple[EntryKind, bytes, bytes], int]:
    now = time.time_ns()
    kind = kind_of_stat(found.mode)
    if handle is None:
        return (kind, NO_FINGERPRINT, settled(stat, now)), found.size
    if found.size <= _BLOCK:
        data = _read_small(handle, found.size)
        return (kind, fingerprint(data), settled(stat, now)), len(data)
    prints = fingerprinter()
    size = 0
    while size <= found.size and (block := os.read(handle, _BLOCK)):
        prints.update(block)
        size += len(block)
    return (kind, prints.digest(), settled(stat, now)), size


def _read_small(handle: int, size: int) -> bytes:
    data = os.read(handle, size + 1)
    while 0 < len(data) < size:
        more = os.read(handle, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


def _blocks(handle: int, size: int) -> Generator[bytes, None, None]:
    """Yield the file's bytes, and not much more than `size`: one that grows faster than it is read has no end."""
    # The disk reads the next block while this one is hashed and cut.
    with ThreadPoolExecutor(1, "read") as reader:
        coming = reader.submit(os.read, handle, _PIECE)
        while block := coming.result():
            size -= len(block)
            coming = reader.submit(os.read, handle, _PIECE if size >= 0 else 0)
            yield block
