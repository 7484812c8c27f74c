"""Change files below the root so that no link is followed and no half-written file is ever seen.

Directories are opened one part at a time without following links: a link planted in the way is an error, never a
way out. A file is written beside its place and renamed there.
"""

from __future__ import annotations

import os
import stat as stat_
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Final, Self

from xver.errors import Conflict, CorruptData, InvalidInput, StorageError
from xver.model.entries import Entry, File, Link
from xver.worktree.stat_index import pack_stat

_LIMIT: Final = 64


class Folders:
    """Directories below the root, opened when needed and kept open a while; a context.

    `seen` is the stat that `write` and `remove` expect at a path: empty, nothing is to be there; None, anything may.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self._open: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._open.values():
            os.close(handle)
        os.close(self._root)

    def ensure(self, folder: str, *, make: bool = True) -> int:
        """Return the descriptor of a folder, made if it is not there.

        Raises:
            CorruptData: something else than a folder is on the way.
            StorageError: the disk refuses.
        """
        if not folder:
            return self._root
        handle = self._open.get(folder)
        if handle is not None:
            return handle
        parent, _, name = folder.rpartition("/")
        above = self.ensure(parent, make=make)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            handle = os.open(name, flags, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
            try:
                os.mkdir(name, dir_fd=above)
            except OSError as error:
                raise _refused(folder, error) from error
            handle = os.open(name, flags, dir_fd=above)
        except PermissionError as error:
            raise _refused(folder, error) from error
        except OSError as error:
            raise CorruptData(f"{folder!r} is no folder but something else: refused to write below it") from error
        if len(self._open) >= _LIMIT:
            for old in [one for one in self._open if not folder.startswith(one + "/")]:
                os.close(self._open.pop(old))
        self._open[folder] = handle
        return handle

    def write(self, path: str, entry: Entry, parts: Iterator[bytes | memoryview], *, seen: bytes | None) -> None:
        """Write a file or link beside its place and rename it there.

        Raises:
            Conflict: something else stands there now than was seen.
            InvalidInput: a folder with something in it stands there.
            StorageError: the disk refuses; nothing of the file is left.
        """
        folder, _, name = path.rpartition("/")
        handle = self.ensure(folder)
        beside = f".xver-{os.urandom(6).hex()}.tmp"
        try:
            try:
                if isinstance(entry, Link):
                    os.symlink(os.fsdecode(b"".join(parts)), beside, dir_fd=handle)
                else:
                    # The umask of the user decides about rights, as it does for git.
                    mode = 0o777 if isinstance(entry, File) and entry.executable else 0o666
                    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=handle)
                    with open(file, "wb", buffering=0) as out:
                        for part in parts:
                            _write_all(out, part)
                self._require(path, name, handle, seen)
                try:
                    os.replace(beside, name, src_dir_fd=handle, dst_dir_fd=handle)
                except IsADirectoryError:
                    _remove_empty(path, name, handle)
                    os.replace(beside, name, src_dir_fd=handle, dst_dir_fd=handle)
            except OSError as error:
                raise _refused(path, error) from error
        except BaseException:
            _unlink(beside, handle)
            raise

    def remove(self, path: str, top: str, *, seen: bytes | None) -> None:
        """Remove a file, and the folders above it that this empties, up to `top`. Raises like `write`."""
        folder, _, name = path.rpartition("/")
        try:
            handle = self.ensure(folder, make=False)
        except FileNotFoundError:
            return
        self._require(path, name, handle, seen)
        try:
            _unlink(name, handle)
        except OSError as error:
            raise _refused(path, error) from error
        while folder and folder != top and self.prune(folder):
            folder = folder.rpartition("/")[0]

    def prune(self, folder: str) -> bool:
        """Remove a folder if it is empty; tell whether it was."""
        above, _, name = folder.rpartition("/")
        if (handle := self._open.pop(folder, None)) is not None:
            os.close(handle)
        try:
            os.rmdir(name, dir_fd=self.ensure(above, make=False))
        except OSError:
            return False
        return True

    @staticmethod
    def _require(path: str, name: str, handle: int, seen: bytes | None) -> None:
        if seen is None:
            return
        try:
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        except FileNotFoundError:
            return  # what was there is gone, and nothing can be lost
        is_folder = not seen and stat_.S_ISDIR(found.st_mode)
        if pack_stat(found) != seen and not is_folder:
            raise Conflict(f"{path} changed while it was being checked out", hint="xver status, then xver checkout")


def _remove_empty(path: str, name: str, parent: int) -> None:
    """Remove a folder that has nothing but folders in it."""
    try:
        for _, folders, _, handle in os.fwalk(name, topdown=False, dir_fd=parent):
            for folder in folders:
                os.rmdir(folder, dir_fd=handle)
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        raise InvalidInput(
            f"{path} is a folder, and a file belongs there", hint=f"move {path} away, then try again"
        ) from error


def _refused(path: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written: {(error.strerror or str(error)).lower()}",
        hint="free some space or correct the rights, then run it again: what is done is kept",
    )


def _unlink(name: str, handle: int) -> None:
    try:
        os.unlink(name, dir_fd=handle)
    except FileNotFoundError:
        return


def _write_all(out: RawIOBase, part: bytes | memoryview) -> None:
    view = memoryview(part)
    while view:
        view = view[out.write(view) or 0 :]
