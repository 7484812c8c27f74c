"""One folder with plain names, looked at quickly: its files and links with their packed stats, and its folders."""

from __future__ import annotations

import os
import stat as stat_
from typing import Final, NamedTuple

from xver.worktree.stats import pack_stat

_FILES: Final = {stat_.S_IFREG, stat_.S_IFLNK}


class Look(NamedTuple):
    """What lies in a folder, in the order of names."""

    names: tuple[bytes, ...]
    stats: tuple[bytes, ...]
    folders: tuple[bytes, ...]


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
    joined = b"/".join(found)
    if joined.startswith(b".") or b"/." in joined or not joined.isascii():
        return None
    opened = os.open(where, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        # Below an open folder: the system need not walk down to it a million times.
        stats = [os.stat(name, dir_fd=opened, follow_symlinks=False) for name in found]
    finally:
        os.close(opened)
    kinds = {stat_.S_IFMT(stat.st_mode) for stat in stats}
    if kinds <= _FILES:
        return Look(tuple(found), tuple(map(pack_stat, stats)), ())
    if not kinds <= _FILES | {stat_.S_IFDIR}:
        return None
    is_folder = [stat_.S_ISDIR(stat.st_mode) for stat in stats]
    files = [(name, pack_stat(stat)) for name, stat, is_one in zip(found, stats, is_folder, strict=True) if not is_one]
    return Look(
        tuple(name for name, _ in files),
        tuple(stat for _, stat in files),
        tuple(name for name, is_one in zip(found, is_folder, strict=True) if is_one),
    )
