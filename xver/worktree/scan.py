"""What lies on the disk: directory by directory, in the order of paths, without following links.

One `scandir` and one `lstat` a file; names and stats of a directory come as lists, so that a caller can compare
all of it with what it knows in one go.
"""

from __future__ import annotations

import os
import stat as stat_
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xver.errors import InvalidInput
from xver.worktree.ignore import Ignore


@dataclass(frozen=True, slots=True)
class Directory:
    """The files and links of one directory, in the order of their names' bytes, and their stats.

    `path` is relative to the scanned one (empty: itself); `special` names what is neither file, link nor directory.
    """

    path: str
    names: tuple[bytes, ...]
    stats: tuple[os.stat_result, ...]
    special: tuple[str, ...] = ()


def scan(root: Path, path: str, ignore: Ignore) -> Iterator[Directory]:
    """Yield the directories at and below `root/path`, parents first; nothing if there is none.

    Raises:
        InvalidInput: a name that is not UTF-8, or a directory that cannot be read.
    """
    top = os.path.join(root, path) if path else os.fspath(root)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        files: list[tuple[bytes, os.stat_result]] = []
        folders: list[str] = []
        special: list[str] = []
        base = f"{path}/{folder}".strip("/")
        try:
            entries = os.scandir(os.path.join(top, folder) if folder else top)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            raise InvalidInput(f"cannot read the folder {base or '.'}", hint=f"chmod u+rx '{base}'") from error
        with entries:
            for entry in entries:
                name = entry.name
                whole = f"{base}/{name}" if base else name
                is_directory = entry.is_dir(follow_symlinks=False)
                if ignore(whole, is_directory=is_directory):
                    continue
                try:
                    encoded = name.encode()
                except UnicodeEncodeError as error:
                    raise InvalidInput(
                        f"the name of {whole.encode('utf-8', 'backslashreplace').decode()} is not UTF-8",
                        hint="rename it, or leave it out with .xverignore",
                    ) from error
                if is_directory:
                    folders.append(f"{folder}/{name}" if folder else name)
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    # It went between the listing and the look: as if it had never been.
                    continue
                if stat_.S_ISREG(found.st_mode) or stat_.S_ISLNK(found.st_mode):
                    files.append((encoded, found))
                else:
                    special.append(whole)
        files.sort(key=lambda pair: pair[0])
        yield Directory(
            folder, tuple(name for name, _ in files), tuple(found for _, found in files), tuple(sorted(special))
        )
        waiting.extend(sorted(folders, reverse=True))
