"""What lies on the disk: directory by directory, in the order of paths, without following links.

One `scandir` a directory and one `lstat` a file, which is most of what `status` costs; names and packed stats of a
directory come together, so that a caller can compare all of it with what it knows in one go.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import InvalidInput
from xver.worktree.ignore import OWN, Ignore
from xver.worktree.stat_index import leads_elsewhere, pack_stat

_OWN: Final = frozenset(name.encode() for name in OWN)
TEMPORARY: Final = re.compile(r"\.xver-[0-9a-f]{12}\.tmp")
"""The names under which a checkout writes beside a file's place; one that is found was left by a kill."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The files and links of one directory, in the order of their names' bytes, and their packed stats.

    `path` is relative to the scanned one (empty: itself). Relative to the root: `special` names what no version can
    hold (neither file, link nor directory, or a name that is not UTF-8), `leftovers` what a killed checkout left.
    """

    path: str
    names: tuple[bytes, ...]
    stats: tuple[bytes, ...]
    special: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()


def scan(root: Path, path: str, ignore: Ignore) -> Iterator[Directory]:
    """Yield the directories at and below `root/path`, parents first; nothing if there is none.

    Raises:
        InvalidInput: a directory that cannot be read.
    """
    top = os.fsencode(root / path)
    has_rules = not ignore.is_plain
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        files: list[tuple[bytes, bytes]] = []
        folders: list[str] = []
        special: list[str] = []
        leftovers: list[str] = []
        base = f"{path}/{folder}".strip("/")
        try:
            entries = os.scandir(os.path.join(top, os.fsencode(folder)) if folder else top)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            raise _unreadable(base) from error
        with entries:
            for entry in entries:
                name = entry.name
                is_directory = entry.is_dir(follow_symlinks=False)
                if name in _OWN or (has_rules and ignore(_below(base, name), is_directory=is_directory)):
                    continue
                if name.startswith(b".xver-") and TEMPORARY.fullmatch(os.fsdecode(name)):
                    leftovers.append(_below(base, name))
                elif not (name.isascii() or _is_utf8(name)):
                    special.append(_below(base, name))
                elif is_directory and not _leads_elsewhere(entry):
                    folders.append(_below(folder, name))
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    try:
                        files.append((name, pack_stat(entry.stat(follow_symlinks=False))))
                    except FileNotFoundError:
                        # It went between the listing and the look: as if it had never been.
                        continue
                    except PermissionError as error:
                        raise _unreadable(base) from error
                else:
                    special.append(_below(base, name))
        files.sort()
        yield Directory(
            folder,
            tuple([name for name, _ in files]),
            tuple([stat for _, stat in files]),
            tuple(sorted(special)),
            tuple(leftovers),
        )
        waiting.extend(sorted(folders, reverse=True))


def _leads_elsewhere(entry: os.DirEntry[bytes]) -> bool:
    """Tell whether a folder is a junction of Windows: what lies behind is not below."""
    return sys.platform == "win32" and leads_elsewhere(entry.stat(follow_symlinks=False))


def _below(folder: str, name: bytes) -> str:
    text = os.fsdecode(name)
    return f"{folder}/{text}" if folder else text


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(folder: str) -> InvalidInput:
    return InvalidInput(f"cannot read the folder {folder or '.'}", hint=f"chmod u+rx '{folder or '.'}'")
