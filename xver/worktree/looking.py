"""One folder with plain names, looked at quickly: its files and links with their packed stats, and its folders."""

from __future__ import annotations

import os
import stat as stat_
from typing import NamedTuple

from xver.worktree.stats import leads_elsewhere, pack_stat


class Look(NamedTuple):
    """What lies in a folder, in the order of names."""

    names: tuple[bytes, ...]
    stats: tuple[bytes, ...]
    folders: tuple[bytes, ...]


def look_at(top: bytes, folder: str) -> Look | None:
    """Return what lies in `top/folder`; None if anything there needs a second thought, or it cannot be read.

    That is a name that begins with a dot, where git's and xver's own are, or goes beyond ASCII, and whatever is
    neither file, link nor folder.
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
    names: list[bytes] = []
    stats: list[bytes] = []
    folders: list[bytes] = []
    opened = os.open(where, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        for name in found:
            try:
                # Below an open folder: the system need not walk down to it a million times.
                stat = os.stat(name, dir_fd=opened, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat_.S_ISREG(stat.st_mode) or stat_.S_ISLNK(stat.st_mode):
                names.append(name)
                stats.append(pack_stat(stat))
            elif stat_.S_ISDIR(stat.st_mode) and not leads_elsewhere(stat):
                folders.append(name)
            else:
                return None
    finally:
        os.close(opened)
    return Look(tuple(names), tuple(stats), tuple(folders))
