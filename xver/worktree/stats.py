"""What identifies the state of a file: its stat, packed so that those of a whole directory compare as one."""

from __future__ import annotations

import os
import stat as stat_
import struct
import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

SETTLED_NS: Final = 2_000_000_000
_STAT: Final = struct.Struct("<qqqQI")
STAT_SIZE: Final = _STAT.size
NO_STAT: Final = bytes(_STAT.size)
AWAY_STAT: Final = b"\xff" * _STAT.size
"""The stat of a file that is not on the disk because it is not wanted there: nobody removed it."""
# Of the reparse points of Windows, those that lead elsewhere (links, junctions) have this bit; files in a cloud do not.
_LEADS_ELSEWHERE: Final = 0x20000000

Facts: TypeAlias = tuple[int, int, int, int, int]
"""Size, mtime, ctime, inode and mode."""


class Stat(NamedTuple):
    """What identifies a file's state: size in bytes, times in nanoseconds, inode, and mode (kind and rights)."""

    size: int
    mtime: int
    ctime: int
    inode: int
    mode: int


if sys.platform == "win32":

    def facts_of(stat: os.stat_result) -> Facts:
        """Return what identifies a file's state: size, mtime and kind, as `pack_facts` takes them.

        ctime is the time of creation here and inodes are not stable on every file system: both stay zero. Whether a
        program is executable is told by its name, and not by every way to ask: that is left out.
        """
        return stat.st_size, stat.st_mtime_ns, 0, 0, stat.st_mode & ~0o111

else:
    facts_of: Final[Callable[[os.stat_result], Facts]] = attrgetter(
        "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_mode"
    )
    """Returns what identifies a file's state: size, mtime, ctime, inode and mode, as `pack_facts` takes them."""

pack_facts: Final = _STAT.pack
"""Returns facts as they are recorded: for who packs very many."""


def pack_stat(stat: os.stat_result) -> bytes:
    """Return what identifies a file's state: size, times, inode and mode, as far as the system keeps them."""
    return pack_facts(*facts_of(stat))


def leads_elsewhere(stat: os.stat_result) -> bool:
    """Tell whether what was looked at without following it is a link, or a junction of Windows."""
    return stat_.S_ISLNK(stat.st_mode) or bool(getattr(stat, "st_reparse_tag", 0) & _LEADS_ELSEWHERE)


def unpack_stat(packed: bytes) -> Stat:
    """Return the fields of a packed stat."""
    return Stat._make(_STAT.unpack(packed))


def settled(packed: bytes, read_ns: int) -> bytes:
    """Return the stat to record for bytes read at `read_ns`: zeros if the file may have been written again since."""
    _, mtime, ctime, _, _ = _STAT.unpack(packed)
    return packed if max(mtime, ctime) + SETTLED_NS <= read_ns else NO_STAT
