"""One folder with plain names, looked at quickly: its files and links with their packed stats, and its folders."""

from __future__ import annotations

import os
import stat as stat_
from typing import Final, NamedTuple

from xver.worktree.stats import pack_stat

_FILES: Final = {stat_.S_IFREG, stat_.S_IFLNK}


class Look(NamedTuple):
    """What lies in a folder, by name: its files' names with NUL between them, their packed stats, and its folders.

    `rechecked` is what `recheck` says of it, if that was done.
    """

    joined: bytes
    packed: bytes
    folders: tuple[bytes, ...]
    rechecked: tuple[bytes, bool] | None = None


def look_at(top: bytes, folder: str) -> Look | None:
    """Return what lies in `top/folder`; None if anything there needs a second thought, or it cannot be read.

    That is a name that begins with a dot, where git's and xver's own are, or goes beyond ASCII, and whatever is
    neither file, link nor folder; or something goes in that moment.
    """
    where = os.path.join(top, os.fsencode(folder)) if folder else top
    try:
        return _look(where)
    except OSError:
        return None


def _look(where: bytes) -> Look | None:
    found = os.listdir(where)
    found.sort()
    joined = b"\0".join(found)
    if joined.startswith(b".") or b"\0." in joined or not joined.isascii():
        return None
    opened = os.open(where, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        # Below an open folder: the system need not walk down to it a million times.
        stats = [os.stat(name, dir_fd=opened, follow_symlinks=False) for name in found]
    finally:
        os.close(opened)
    kinds = {stat_.S_IFMT(stat.st_mode) for stat in stats}
    if kinds <= _FILES:
        return Look(joined, b"".join(map(pack_stat, stats)), ())
    if not kinds <= _FILES | {stat_.S_IFDIR}:
        return None
    by_name = dict(zip(found, stats, strict=True))
    files = [name for name, stat in by_name.items() if not stat_.S_ISDIR(stat.st_mode)]
    folders = tuple(name for name, stat in by_name.items() if stat_.S_ISDIR(stat.st_mode))
    return Look(b"\0".join(files), b"".join(pack_stat(by_name[name]) for name in files), folders)
