"""What lies on the disk: directory by directory, in the order of paths, without following links.

One listing a directory and one look at each file, which is most of what `status` costs; names and packed stats of a
directory come together, so that a caller can compare all of it with what it knows in one go.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat as stat_
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from xver.errors import Unreadable
from xver.model.paths import typed
from xver.worktree.ignore import OWN, Ignore
from xver.worktree.looking import Look, look_at
from xver.worktree.records import DirectoryRecord
from xver.worktree.stats import STAT_SIZE, leads_elsewhere, pack_stat

_IS_QUICK: Final = os.stat in os.supports_dir_fd
"""Elsewhere the stats come with the listing."""
_SCOUTED: Final = 100_000
"""Files from which on others look at a part of them."""
_OWN: Final = frozenset(name.encode() for name in OWN)
TEMPORARY: Final = re.compile(r"\.xver-[0-9a-f]{12}\.tmp")
"""The names under which a checkout writes beside a file's place; one that is found was left by a kill."""


@dataclass(frozen=True)
class Directory:
    """The files and links of one directory, in the order of their names' bytes, and their packed stats.

    `joined` are the names with NUL between them, `packed` the stats one after the other, as they are recorded: no
    object per file is made before somebody asks for one.

    `path` is relative to the scanned one (empty: itself). Relative to the root: `special` names what no version can
    hold (neither file, link nor directory, or a name that is not UTF-8), `leftovers` what a killed checkout left.
    `closed` says why a directory cannot be read; what it holds is not known then. `rechecked` is what `recheck` says
    of it, where another process has done that.
    """

    path: str
    joined: bytes = b""
    packed: bytes = b""
    special: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    closed: Unreadable | None = None
    rechecked: tuple[bytes, bool] | None = field(default=None, compare=False)

    @property
    def count(self) -> int:
        """The number of files and links."""
        return len(self.packed) // STAT_SIZE

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """The names of the files and links; one that is empty where the scanned path is itself a file."""
        return tuple(self.joined.split(b"\0")) if self.packed else ()

    @cached_property
    def stats(self) -> tuple[bytes, ...]:
        """The packed stats of the files and links."""
        return tuple(self.packed[at : at + STAT_SIZE] for at in range(0, len(self.packed), STAT_SIZE))


def scan(
    root: Path, path: str, ignore: Ignore, known: Mapping[str, DirectoryRecord] | None = None
) -> Iterator[Directory]:
    """Yield the directories at and below `root/path`, parents first; nothing if there is none.

    `known` are those that were there last time: very many are looked at by several processes.
    """
    top = os.fsencode(root / path)
    known = known or {}
    if not (ignore.is_plain and _IS_QUICK):
        yield from _scan(top, path, ignore, lambda _: None)
    elif sum(len(one.kinds) for one in known.values()) < _SCOUTED:
        yield from _scan(top, path, ignore, lambda folder: look_at(top, folder))
    else:
        # Imported only where it is worth it: what it needs takes a while.
        from xver.worktree.scouts import Scouts

        with Scouts(top, known) as scouts:
            yield from _scan(top, path, ignore, lambda folder: scouts.look(folder) or look_at(top, folder))


def _scan(top: bytes, path: str, ignore: Ignore, quick: Callable[[str], Look | None]) -> Iterator[Directory]:
    has_rules = not ignore.is_plain
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        look = quick(folder)
        if look is not None:
            yield Directory(folder, look.joined, look.packed, rechecked=look.rechecked)
            waiting.extend(_below(folder, name) for name in reversed(look.folders))
            continue
        names: list[bytes] = []
        stats: list[bytes] = []
        folders: list[str] = []
        special: list[str] = []
        leftovers: list[str] = []
        base = f"{path}/{folder}".strip("/")
        try:
            for name, stat in _look(os.path.join(top, os.fsencode(folder)) if folder else top):
                mode = stat.st_mode
                if name.startswith(b".xver-") and TEMPORARY.fullmatch(os.fsdecode(name)):
                    leftovers.append(_below(base, name))
                elif name in _OWN or (has_rules and ignore(_below(base, name), is_directory=stat_.S_ISDIR(mode))):
                    continue
                elif not (name.isascii() or _is_utf8(name)):
                    special.append(_below(base, name))
                elif stat_.S_ISREG(mode) or stat_.S_ISLNK(mode):
                    names.append(name)
                    stats.append(pack_stat(stat))
                elif stat_.S_ISDIR(mode) and not leads_elsewhere(stat):  # a junction of Windows leads elsewhere
                    folders.append(_below(folder, name))
                else:
                    special.append(_below(base, name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield Directory(folder, closed=_closed(base, error))
            continue
        yield Directory(folder, b"\0".join(names), b"".join(stats), tuple(special), tuple(leftovers))
        waiting.extend(reversed(folders))


def _look(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield what lies in a folder, in the order of names; what went meanwhile is as if it had never been."""
    return _look_below(folder) if os.stat in os.supports_dir_fd else _look_along(folder)


def _look_below(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    # Below an open folder: the system need not walk down to it a million times.
    names = os.listdir(folder)
    names.sort()
    opened = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    look = os.stat
    try:
        for name in names:
            try:
                yield name, look(name, dir_fd=opened, follow_symlinks=False)
            except FileNotFoundError:
                continue
    finally:
        os.close(opened)


def _look_along(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    # Windows gives the stats with the listing.
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=_name):
            with contextlib.suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False)


def _name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def _below(folder: str, name: bytes) -> str:
    text = os.fsdecode(name)
    return f"{folder}/{text}" if folder else text


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _closed(folder: str, error: OSError) -> Unreadable:
    hint = f"chmod u+rx {typed(folder)}" if isinstance(error, PermissionError) else None
    return Unreadable(f"the folder {folder}", error.strerror or str(error), hint=hint)
