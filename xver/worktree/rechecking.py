"""Files whose stats moved and whose bytes may not have: after `touch`, a copy, or a backup that was brought back.

The small ones of a directory are read one after the other with as little around it as Python allows: a third of what it
takes to treat each as if it were alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from xver.model.entries import CHUNK_MAX
from xver.model.ids import FINGERPRINT_SIZE, fingerprint
from xver.worktree.kinds import OPEN_FLAGS, is_kind, kind_of_stat
from xver.worktree.records import SIZE, DirectoryRecord
from xver.worktree.stats import NO_STAT, STAT_SIZE, pack_stat, settled, unpack_stat

if TYPE_CHECKING:
    from xver.worktree.scan import Directory

_MANY: Final = 16
"""Files that moved from which it pays."""
_AHEAD: Final = 64
"""Files that are open at once: the disk hears of all of them before the first is read."""
_IS_QUICK: Final = os.open in os.supports_dir_fd


def renewed(folder: str, directory: Directory, record: DirectoryRecord) -> tuple[DirectoryRecord, bool]:
    """Return the record of a directory with the stats of now where files are what was recorded, and whether all are.

    A directory with other names than those recorded is not what was recorded. `folder` is where it is.
    """
    if record.holds(directory.joined, directory.packed):
        return record, True
    if directory.joined != record.joined:
        return record, False
    stats, same = directory.rechecked or recheck(os.fsencode(folder), directory.packed, record)
    return (record if stats == record.stats else replace(record, stats=stats)), same


def recheck(folder: bytes, packed: bytes, record: DirectoryRecord) -> tuple[bytes, bool]:
    """Return the stats to record for files whose stats are `packed` now, one after the other, and whether all are same.

    A file is the same if size, kind and fingerprint are as recorded. What changes while it is read, is large, or
    cannot be read keeps the stat it had: it needs a look of its own. So does everything if only a few moved.
    """
    then, now = _each(record.stats), _each(packed)
    if len(now) != len(then):
        return record.stats, False  # a file became a folder: no names joined are one empty name
    moved = _moved(then, now)
    if len(moved) < _MANY or not _IS_QUICK:
        return record.stats, not moved
    sizes = [size for (size,) in SIZE.iter_unpack(record.sizes)]
    names = record.names
    same = 0
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return record.stats, False
    try:
        for first in range(0, len(moved), _AHEAD):
            began = time.time_ns()
            group = [
                (at, _File(names[at], now[at], sizes[at]))
                for at in moved[first : first + _AHEAD]
                if _is_read(record, at, now[at], sizes[at])
            ]
            for (at, file), data in zip(group, _read(opened, [file for _, file in group]), strict=True):
                start = at * FINGERPRINT_SIZE
                if data is not None and fingerprint(data) == record.fingerprints[start : start + FINGERPRINT_SIZE]:
                    then[at] = settled(file.stat, began)
                    same += 1
    finally:
        os.close(opened)
    return b"".join(then), same == len(moved)


def unlike(before: DirectoryRecord, after: DirectoryRecord, directory: Directory) -> frozenset[bytes]:
    """Return the names of files that `renewed` read and did not find as recorded, when it made `after` of `before`.

    What they are now it does not tell: they may have changed meanwhile. Left out is one whose stat was not recorded.
    """
    if directory.joined != before.joined or len(directory.packed) != len(before.stats):
        return frozenset()
    then, now, renewed_ = _each(before.stats), _each(directory.packed), _each(after.stats)
    moved = _moved(then, now)
    if len(moved) < _MANY or not _IS_QUICK:
        return frozenset()
    sizes = [size for (size,) in SIZE.iter_unpack(before.sizes)]
    return frozenset(
        before.names[at]
        for at in moved
        if renewed_[at] == then[at] != NO_STAT and _is_read(before, at, now[at], sizes[at])
    )


def _each(stats: bytes) -> list[bytes]:
    return [stats[at : at + STAT_SIZE] for at in range(0, len(stats), STAT_SIZE)]


def _moved(then: list[bytes], now: list[bytes]) -> list[int]:
    return [at for at, (old, new) in enumerate(zip(then, now, strict=True)) if old != new]


def _is_read(record: DirectoryRecord, at: int, stat: bytes, size: int) -> bool:
    """Tell whether a file whose stat moved is compared by its bytes: it is small, size and kind are as before."""
    now = unpack_stat(stat)
    return now.size == size and size <= CHUNK_MAX and is_kind(kind_of_stat(now.mode), record.kind(at))


class _File(NamedTuple):
    name: bytes
    stat: bytes
    size: int


def _read(folder: int, files: Sequence[_File]) -> list[bytes | None]:
    """Return the bytes of each file in an open folder; None if its stat was not as given all the time."""
    opened: list[int | None] = []
    found: list[bytes | None] = []
    try:
        for name, _, size in files:
            opened.append(None)
            with suppress(OSError):
                opened[-1] = handle = os.open(name, OPEN_FLAGS, dir_fd=folder)
                _announce(handle, size)
        for open_file, (_, stat, size) in zip(opened, files, strict=True):
            found.append(None)
            if open_file is not None:
                with suppress(OSError):
                    data = os.read(open_file, size + 1)
                    if len(data) == size and pack_stat(os.fstat(open_file)) == stat:
                        found[-1] = data
    finally:
        for open_file in opened:
            if open_file is not None:
                os.close(open_file)
    return found


if sys.platform == "linux":

    def _announce(file: int, size: int) -> None:
        """Let the disk begin to read: a million small files that are not in memory take half the time."""
        os.posix_fadvise(file, 0, size, os.POSIX_FADV_WILLNEED)

else:

    def _announce(file: int, size: int) -> None:
        """Leave it to the system."""
