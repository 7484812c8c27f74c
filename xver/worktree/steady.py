"""Look at a user's file while it may be changing: what was seen is either one state of it, or refused.

Nothing here stores anything, so that comparing the disk loads no store.
"""

from __future__ import annotations

import os
import stat as stat_
import time
from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias, TypeVar

from xver.errors import Changing, Unreadable
from xver.model.entries import EntryKind
from xver.model.ids import NO_FINGERPRINT, fingerprint, fingerprinter
from xver.progress import SILENT, Meter, of_file
from xver.worktree.kinds import OPEN_FLAGS, kind_of_stat
from xver.worktree.stats import Stat, pack_stat, settled, unpack_stat

_BLOCK: Final = 8 * 1024 * 1024
_ATTEMPTS: Final = 3

_Result = TypeVar("_Result")
_Read: TypeAlias = Callable[[bytes, Stat, "int | None"], tuple[_Result, int]]
Skip: TypeAlias = Callable[[str, Unreadable | Changing], None]
"""Hears of a file or folder that cannot be read, by its path relative to the root: it is passed over."""


def refuse(path: str, error: Unreadable | Changing) -> NoReturn:  # noqa: ARG001 - the message has it
    """Pass over nothing: what cannot be read ends it all."""
    raise error


def read_fingerprint(path: str, *, stat: bytes | None = None, meter: Meter = SILENT) -> tuple[EntryKind, bytes, bytes]:
    """Return a file's kind, the fingerprint of its bytes (a link has none) and the stat to record.

    `stat` is what it was a moment ago, packed, where the caller knows: that saves a look. The bytes of a large
    file are counted by `meter`.

    Raises:
        Changing: the file went on changing while it was read.
        Unreadable: it cannot be read, is gone, or is neither file nor link.
    """
    label = f"Comparing {os.path.basename(path)}"
    return steadily(path, stat, lambda seen, found, handle: _fingerprint(seen, found, handle, label, meter))


def read_target(path: str, *, stat: bytes | None = None) -> tuple[bytes | None, bytes]:
    """Return what a link leads to, None if it is no link, and the stat to record; as `read_fingerprint`."""

    def read(seen: bytes, found: Stat, handle: int | None) -> tuple[tuple[bytes | None, bytes], int]:
        target = link_target(path) if handle is None else None
        return (target, settled(seen, now)), found.size

    now = time.time_ns()
    return steadily(path, stat, read)


def steadily(path: str, stat: bytes | None, read: _Read[_Result]) -> _Result:
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


def link_target(path: str) -> bytes:
    """Return what a link leads to, as it is stored."""
    target = os.fsencode(os.readlink(path))
    # What is stored is the same on every system.
    return target.replace(b"\\", b"/") if os.name == "nt" else target


def _fingerprint(
    stat: bytes, found: Stat, handle: int | None, label: str, meter: Meter
) -> tuple[tuple[EntryKind, bytes, bytes], int]:
    now = time.time_ns()
    kind = kind_of_stat(found.mode)
    if handle is None:
        return (kind, NO_FINGERPRINT, settled(stat, now)), found.size
    if found.size <= _BLOCK:
        data = read_small(handle, found.size)
        return (kind, fingerprint(data), settled(stat, now)), len(data)
    prints = fingerprinter()
    size = 0
    with of_file(meter, label, found.size) as count:
        while size <= found.size and (block := os.read(handle, _BLOCK)):
            prints.update(block)
            size += len(block)
            count(len(block))
    return (kind, prints.digest(), settled(stat, now)), size


def read_small(handle: int, size: int) -> bytes:
    """Return what an open file holds, and if it grew, no more than a byte beyond `size`."""
    data = os.read(handle, size + 1)
    while 0 < len(data) < size:
        more = os.read(handle, size + 1 - len(data))
        if not more:
            break
        data += more
    return data
