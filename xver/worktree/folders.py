"""Change files below the root so that no link is followed and no half-written file is ever seen.

A file is written beside its place and renamed there; a link planted in the way to it is an error, never a way out.
Where the system has descriptors of directories, they are opened one part at a time without following links, and what
was opened cannot be exchanged any more. Where it has none (Windows), each part of the way is looked at instead.
"""

from __future__ import annotations

import os
import stat as stat_
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeAlias

from xver.errors import Conflict, CorruptData, InvalidInput, StorageError, XverError
from xver.model.entries import Entry, File, Link
from xver.model.paths import typed
from xver.patience import patiently
from xver.worktree.stats import NO_STAT, leads_elsewhere, pack_stat

_LIMIT: Final = 64
_ONLY_FOLDER: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_DIRECTORY", "O_NOFOLLOW"))
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_NO_PRIVILEGE: Final = 1314
_LONG: Final = 240
"""Windows takes paths of up to 247 characters for a folder as they are, and longer ones in another form."""
_TICK_NS: Final = 50_000_000
"""More than a tick of the clock that file systems take times from: Linux up to 10 ms, Windows 16 ms."""
_GRAIN_NS: Final = 1_000


Clone: TypeAlias = Callable[["str", "int | None", "int"], bool]
"""Makes a new file, named in a folder (None: by its path) and with a mode, without writing; tells whether it could."""


class Place(NamedTuple):
    """A folder as the system is told of it: an open descriptor and an empty path, or a path and no descriptor."""

    path: str
    handle: int | None

    def of(self, name: str) -> str:
        """Return what to call a file in it."""
        # No join: a name like `C:` would begin a new path there.
        return _at_any_length(f"{self.path}{os.sep}{name}") if self.handle is None else name

    def look(self, name: str) -> os.stat_result | None:
        """Return the stat of what stands under a name, None if nothing does; no link is followed."""
        try:
            return os.stat(self.of(name), dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """Return the names in it."""
        return os.listdir(_at_any_length(self.path) if self.handle is None else self.handle)

    def unlink(self, name: str) -> None:
        """Remove a file, if it is there."""
        found = self.look(name)
        if found is not None:
            self._make_writable(name, found)
            try:
                patiently(lambda: os.unlink(self.of(name), dir_fd=self.handle))
            except FileNotFoundError:
                return

    def rename(self, beside: str, name: str, found: os.stat_result | None) -> None:
        """Rename a file to a name under which `found` stands, which is no folder."""
        if found is not None:
            self._make_writable(name, found)
            if stat_.S_ISLNK(found.st_mode) and _attributes(found) & stat_.FILE_ATTRIBUTE_DIRECTORY:
                # Windows replaces no link to a folder.
                self.unlink(name)
        old, new = self.of(beside), self.of(name)
        patiently(lambda: os.replace(old, new, src_dir_fd=self.handle, dst_dir_fd=self.handle))

    def _make_writable(self, name: str, found: os.stat_result) -> None:
        # What is marked as read-only can neither be replaced nor removed on Windows; elsewhere nothing has the mark.
        if stat_.S_ISREG(found.st_mode) and _attributes(found) & stat_.FILE_ATTRIBUTE_READONLY:
            os.chmod(self.of(name), stat_.S_IREAD | stat_.S_IWRITE)


class Folders(ABC):
    """Directories below the root; a context.

    `seen` is the stat that `write` and `remove` expect at a path: empty, nothing is to be there; None, anything may.
    """

    @abstractmethod
    def __init__(self, root: Path) -> None:
        """Begin below `root`, which is there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is held open."""
        return

    @abstractmethod
    def ensure(self, folder: str, *, make: bool = True) -> Place:
        """Return a folder, made if it is not there; it is good until the next call for a folder that is not below it.

        Raises:
            CorruptData: something else than a folder is on the way.
            FileNotFoundError: it is not there, and not to be made.
            StorageError: the disk refuses.
        """

    def write(self, path: str, entry: Entry, parts: Iterator[bytes | memoryview], *, seen: bytes | None) -> bytes:
        """Write a file or link beside its place and rename it there.

        Returns its stat, which it has as long as nobody writes to it: its time of modification lies a moment in the
        past, where no later write can bring it. Zeros where the file system does not keep such times, and for a link.

        Raises:
            Conflict: something else stands there now than was seen.
            InvalidInput: a folder with something in it stands there.
            StorageError: the disk refuses; nothing of the file is left.
        """

        def make(beside: str, handle: int | None, mode: int) -> bool:
            if isinstance(entry, Link):
                os.symlink(_target(b"".join(parts)), beside, dir_fd=handle)
                return True
            with open(os.open(beside, _NEW_FILE, mode, dir_fd=handle), "wb", buffering=0) as out:
                for part in parts:
                    _write_all(out, part)
            return True

        stat = self.clone(path, entry, make, seen=seen)
        assert stat is not None
        return stat

    def clone(self, path: str, entry: Entry, make: Clone, *, seen: bytes | None) -> bytes | None:
        """Let `make` make a file beside its place and rename it there; None if it made none, else as `write`."""
        folder, _, name = path.rpartition("/")
        place = self.ensure(folder)
        beside = f".xver-{os.urandom(6).hex()}.tmp"
        written = None
        try:
            try:
                # The umask of the user decides about rights, as it does for git.
                mode = 0o777 if isinstance(entry, File) and entry.executable else 0o666
                if not make(place.of(beside), place.handle, mode):
                    return None
                if not isinstance(entry, Link):
                    written = (time.time_ns() - _TICK_NS) // _GRAIN_NS * _GRAIN_NS
                    os.utime(place.of(beside), ns=(written, written), dir_fd=place.handle)
                found = _require(path, place.look(name), seen)
                if found is not None and stat_.S_ISDIR(found.st_mode):
                    self._remove_empty(path)
                    found = None
                place.rename(beside, name, found)
                now = place.look(name) if written else None
            except OSError as error:
                raise _refused(path, error) from error
        except BaseException:
            place.unlink(beside)
            raise
        return NO_STAT if now is None or (now.st_mtime_ns, now.st_size) != (written, entry.size) else pack_stat(now)

    def remove(self, path: str, top: str, *, seen: bytes | None) -> None:
        """Remove a file, and the folders above it that this empties, up to `top`. Raises like `write`."""
        folder, _, name = path.rpartition("/")
        try:
            place = self.ensure(folder, make=False)
        except FileNotFoundError:
            return
        try:
            _require(path, place.look(name), seen)
            place.unlink(name)
        except OSError as error:
            raise _refused(path, error) from error
        while folder and folder != top and self.prune(folder):
            folder = folder.rpartition("/")[0]

    def prune(self, folder: str) -> bool:
        """Remove a folder if it is empty; tell whether it was."""
        above, _, name = folder.rpartition("/")
        try:
            place = self.ensure(above, make=False)
            found = place.look(name)
            if found is None or not _is_folder(found):
                return False  # to remove a junction, Windows is asked in the same words
            os.rmdir(place.of(name), dir_fd=place.handle)
        except OSError:
            return False
        return True

    def _remove_empty(self, folder: str) -> None:
        """Remove a folder that has nothing but folders in it."""
        if not self._prune_all(folder):
            raise InvalidInput(
                f"{folder} is a folder, and a file belongs there", hint=f"move {typed(folder)} away, then try again"
            )

    def _prune_all(self, folder: str) -> bool:
        try:
            names = self.ensure(folder, make=False).names()
        except (OSError, XverError):
            return False  # a file, or a link, or closed to us: in any case no folder that is empty
        return all(self._prune_all(f"{folder}/{name}") for name in names) and self.prune(folder)


class OpenFolders(Folders):
    """Directories by descriptors, opened when needed and kept open a while."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _ONLY_FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        self._open: dict[str, int] = {}

    def close(self) -> None:
        """Close all descriptors."""
        for handle in self._open.values():
            os.close(handle)
        os.close(self._root)

    def ensure(self, folder: str, *, make: bool = True) -> Place:
        """Open a folder, below the one above it."""
        if not folder:
            return Place("", self._root)
        handle = self._open.get(folder)
        if handle is not None:
            return Place("", handle)
        parent, _, name = folder.rpartition("/")
        above = self.ensure(parent, make=make).handle
        try:
            handle = os.open(name, _ONLY_FOLDER, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
            try:
                os.mkdir(name, dir_fd=above)
            except OSError as error:
                raise _refused(folder, error) from error
            handle = os.open(name, _ONLY_FOLDER, dir_fd=above)
        except PermissionError as error:
            raise _refused(folder, error) from error
        except OSError as error:
            raise _no_folder(folder) from error
        if len(self._open) >= _LIMIT:
            for old in [one for one in self._open if not folder.startswith(one + "/")]:
                os.close(self._open.pop(old))
        self._open[folder] = handle
        return Place("", handle)

    def prune(self, folder: str) -> bool:
        """Remove a folder if it is empty, and do not keep it open for that."""
        if (handle := self._open.pop(folder, None)) is not None:
            os.close(handle)
        return super().prune(folder)


class NamedFolders(Folders):
    """Directories by their paths, for systems without descriptors of directories.

    The whole way is looked at before every write, so a link or junction that is there is an error here too. What this
    cannot promise: who exchanges a folder for a link in the moment between the look and the write leads it elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.path.abspath(root).rstrip(os.sep)

    def ensure(self, folder: str, *, make: bool = True) -> Place:
        """Look at every part of the way to a folder."""
        place = Place(self._root, None)
        way: list[str] = []
        for name in folder.split("/") if folder else ():
            way.append(name)
            so_far = "/".join(way)
            try:
                found = place.look(name)
                if found is None and make:
                    os.mkdir(place.of(name))
            except OSError as error:
                raise _refused(so_far, error) from error
            if found is None and not make:
                raise FileNotFoundError(so_far)
            if found is not None and not _is_folder(found):
                raise _no_folder(so_far)
            place = Place(f"{place.path}{os.sep}{name}", None)
        return place


def open_folders(root: Path) -> Folders:
    """Return the directories below `root` in the safest way that this system has."""
    return OpenFolders(root) if os.open in os.supports_dir_fd else NamedFolders(root)


def _require(path: str, found: os.stat_result | None, seen: bytes | None) -> os.stat_result | None:
    """Return `found` if it is what was seen; where what was seen is gone, nothing can be lost."""
    if seen is not None and found is not None:
        is_folder = not seen and stat_.S_ISDIR(found.st_mode)
        if pack_stat(found) != seen and not is_folder:
            raise Conflict(f"{path} changed while it was being checked out", hint="xver status, then xver checkout")
    return found


def _is_folder(found: os.stat_result) -> bool:
    return stat_.S_ISDIR(found.st_mode) and not leads_elsewhere(found)


def _attributes(found: os.stat_result) -> int:
    return int(getattr(found, "st_file_attributes", 0))


def _target(stored: bytes) -> str:
    target = os.fsdecode(stored)
    return target.replace("/", "\\") if sys.platform == "win32" else target


def _at_any_length(path: str) -> str:
    return long_path(path) if sys.platform == "win32" else path


def long_path(path: str) -> str:
    """Return an absolute path of Windows in a form that it takes at any length."""
    if len(path) < _LONG or path.startswith("\\\\?\\"):
        return path
    return "\\\\?\\UNC" + path[1:] if path.startswith("\\\\") else "\\\\?\\" + path


def _no_folder(folder: str) -> CorruptData:
    return CorruptData(f"{folder!r} is no folder but something else: refused to write below it")


@contextmanager
def refusals(path: str) -> Iterator[None]:
    """Turn what the disk refuses about a file into `StorageError`."""
    try:
        yield
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: str, error: OSError) -> StorageError:
    if getattr(error, "winerror", None) == _NO_PRIVILEGE:
        return StorageError(
            f"{path} is a link, and Windows lets you make none",
            hint="turn on Developer Mode in its settings, then run it again: what is done is kept",
        )
    return StorageError(
        f"{path} cannot be written: {(error.strerror or str(error)).lower()}",
        hint="free some space or correct the rights, then run it again: what is done is kept",
    )


def _write_all(out: RawIOBase, part: bytes | memoryview) -> None:
    view = memoryview(part)
    while view:
        view = view[out.write(view) or 0 :]
