"""One folder with plain names, looked at quickly: its files and links with their packed stats, and its folders."""

from __future__ import annotations

import os
import stat as stat_
from typing import Final, NamedTuple

from xver.worktree.stats import facts_of, pack_facts

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
        # Below an open folder: the system need not walk down to it a million times. What it says of a file is a large
        # object, of which only the facts are kept.
        facts = [facts_of(os.lstat(name, dir_fd=opened)) for name in found]
    finally:
        os.close(opened)
    kinds = set(map(stat_.S_IFMT, {one[-1] for one in facts}))
    if kinds <= _FILES:
        return Look(joined, b"".join([pack_facts(*one) for one in facts]), ())
    if not kinds <= _FILES | {stat_.S_IFDIR}:
        return None
    by_name = dict(zip(found, facts, strict=True))
    folders = tuple(name for name, one in by_name.items() if stat_.S_ISDIR(one[-1]))
    for name in folders:
        del by_name[name]
    return Look(b"\0".join(by_name), b"".join([pack_facts(*one) for one in by_name.values()]), folders)
