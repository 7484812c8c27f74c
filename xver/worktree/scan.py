"""What lies on the disk: directory by directory, in the order of paths, without following links.

One `scandir` and one `lstat` a file; names and stats of a directory come as lists, so that a caller can compare
all of it with what it knows in one go.
"""

from __future__ import annotations

import os
import re
import stat as stat_
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import InvalidInput
from xver.worktree.ignore import Ignore

TEMPORARY: Final = re.compile(r"\.xver-[0-9a-f]{12}\.tmp")
"""The names under which a checkout writes beside a file's place; one that is found was left by a kill."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The files and links of one directory, in the order of their names' bytes, and their stats.

    `path` is relative to the scanned one (empty: itself). Relative to the root: `special` names what no version can
    hold (neither file, link nor directory, or a name that is not UTF-8), `leftovers` what a killed checkout left.
    """

    path: str
    names: tuple[bytes, ...]
    stats: tuple[os.stat_result, ...]
    special: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()


def scan(root: Path, path: str, ignore: Ignore) -> Iterator[Directory]:
    """Yield the directories at and below `root/path`, parents first; nothing if there is none.

    Raises:
        InvalidInput: a directory that cannot be read.
    """
    top = os.path.join(root, path) if path else os.fspath(root)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        files: list[tuple[bytes, os.stat_result]] = []
        folders: list[str] = []
        special: list[str] = []
        leftovers: list[str] = []
        base = f"{path}/{folder}".strip("/")
        try:
            entries = os.scandir(os.path.join(top, folder) if folder else top)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            raise _unreadable(base) from error
        with entries:
            for entry in entries:
                name = entry.name
                whole = f"{base}/{name}" if base else name
                is_directory = entry.is_dir(follow_symlinks=False)
                if ignore(whole, is_directory=is_directory):
                    continue
                if TEMPORARY.fullmatch(name):
                    leftovers.append(whole)
                    continue
                try:
                    encoded = name.encode()
                except UnicodeEncodeError:
                    special.append(whole)
                    continue
                if is_directory:
                    folders.append(f"{folder}/{name}" if folder else name)
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    # It went between the listing and the look: as if it had never been.
                    continue
                except PermissionError as error:
                    raise _unreadable(base) from error
                if stat_.S_ISREG(found.st_mode) or stat_.S_ISLNK(found.st_mode):
                    files.append((encoded, found))
                else:
                    special.append(whole)
        files.sort(key=lambda pair: pair[0])
        yield Directory(
            folder,
            tuple(name for name, _ in files),
            tuple(found for _, found in files),
            tuple(sorted(special)),
            tuple(leftovers),
        )
        waiting.extend(sorted(folders, reverse=True))


def _unreadable(folder: str) -> InvalidInput:
    return InvalidInput(f"cannot read the folder {folder or '.'}", hint=f"chmod u+rx '{folder or '.'}'")
