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
from xver.worktree.stats import STAT_SIZE, pack_stat, settled, unpack_stat

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
    ends = range(STAT_SIZE, len(record.stats) + 1, STAT_SIZE)
    then = [record.stats[end - STAT_SIZE : end] for end in ends]
    now = [packed[end - STAT_SIZE : end] for end in ends]
    moved = [at for at, (old, new) in enumerate(zip(then, now, strict=True)) if old != new]
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
            group = []
            for at in moved[first : first + _AHEAD]:
                size, _, _, _, mode = unpack_stat(now[at])
                if size == sizes[at] and size <= CHUNK_MAX and is_kind(kind_of_stat(mode), record.kind(at)):
                    group.append((at, _File(names[at], now[at], size)))
            for (at, file), data in zip(group, _read(opened, [file for _, file in group]), strict=True):
                start = at * FINGERPRINT_SIZE
                if data is not None and fingerprint(data) == record.fingerprints[start : start + FINGERPRINT_SIZE]:
                    then[at] = settled(file.stat, began)
                    same += 1
    finally:
        os.close(opened)
    return b"".join(then), same == len(moved)


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
