"""Storage in a folder of this machine, or of a mounted one.

    put      tmp/<random>  written, fsynced  → renamed to its key  → the key's folder fsynced
    create   tmp/<random>  written, fsynced  → hard-linked to its key: of all links exactly one succeeds;
             where the file system has no links, renamed without replacing; where it has neither, refused

A reader sees a whole file or none; what a crash leaves lies in `tmp/` and is swept after a day.
"""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NoReturn

from xver.errors import NotFound, StorageError
from xver.patience import patiently, replace
from xver.storage.base import Part, Stat, Storage
from xver.storage.buffers import new_buffer
from xver.storage.cloning import NoClone, clone
from xver.storage.gathered import write_parts
from xver.storage.no_replace import rename_new

TEMPORARY: Final = "tmp"
_DAY: Final = 86_400
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class LocalStorage(Storage):
    """A folder; it is made at the first write. `path` is its own."""

    part_size = 2 * 1024 * 1024

    def __init__(self, root: str | Path) -> None:
        self._root = os.path.abspath(root)

    @property
    def url(self) -> str:
        return self._root

    def path(self, key: str) -> str:
        """Return the file of an object, there or not."""
        return os.path.join(self._root, *key.split("/"))

    def get(self, key: str, part: Part | None = None) -> bytes:
        with self.translated(key), open(self.path(key), "rb", buffering=0) as file:
            start, length = _within(file, part, key)
            file.seek(start)
            data = file.read(length)
            while len(data) < length:
                data += file.read(length - len(data)) or _cut_short(key, start + length)
            return data

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[memoryview]:
        for key, part in parts:
            yield self._get_buffer(key, part)

    def _get_buffer(self, key: str, part: Part) -> memoryview:
        with self.translated(key), open(self.path(key), "rb", buffering=0) as file:
            start, length = _within(file, part, key)
            file.seek(start)
            data = new_buffer(length)
            done = 0
            while done < length:
                done += file.readinto(data[done:]) or _cut_short(key, start + length)
            return data

    def put(self, key: str, source: bytes | memoryview) -> None:
        with self.writer(key) as file:
            file.write(source)

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """Give a file to write the object into; it becomes visible, and durable, when the block ends well.

        Raises `StorageError` when the disk is full or refuses; then nothing of the object is left.
        """
        with self._writer(key, None) as file:
            yield file

    def cloner(self, key: str, source: int) -> AbstractContextManager[BinaryIO]:
        """Give a file as `writer` does that begins as a clone of an open one; raises `NoClone` where there are none."""
        return self._writer(key, source)

    @cached_property
    def can_clone(self) -> bool:
        """Whether files of this folder can be cloned; what lies on another file system still cannot."""
        temporary = self.new_temporary()
        with self.translated(TEMPORARY):
            with open(temporary, "xb") as file:
                file.write(b"x")
            try:
                with open(temporary, "rb") as source:
                    os.close(clone(source.fileno(), f"{temporary}.clone"))
                os.unlink(f"{temporary}.clone")
            except NoClone:
                return False
            finally:
                os.unlink(temporary)
            return True

    @contextlib.contextmanager
    def _writer(self, key: str, source: int | None) -> Iterator[BinaryIO]:
        target = self.path(key)
        temporary = self.new_temporary()
        with self.translated(key):
            try:
                with self._new(key, temporary) if source is None else _cloned(source, temporary) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                self._make_folder(os.path.dirname(target))
                replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            _sync_folder(os.path.dirname(target))

    def view(self, key: str) -> memoryview:
        if sys.platform == "win32":
            # What is mapped can neither be removed nor replaced there, by anybody.
            return memoryview(self.get(key))
        else:  # noqa: RET505 (types are checked for Windows, too)
            with self.translated(key), open(self.path(key), "rb") as file:
                # Objects are never rewritten or truncated, so mapping them is safe; an empty file cannot be mapped.
                if not os.fstat(file.fileno()).st_size:
                    return memoryview(b"")
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def create(self, key: str, body: bytes) -> bool:
        if not body:
            raise StorageError(f"an empty object cannot be created: {key}")
        target = self.path(key)
        temporary = self.new_temporary()
        with self.translated(key):
            try:
                with open(temporary, "xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                self._make_folder(os.path.dirname(target))
                try:
                    won = _link(temporary, target)
                except FileExistsError:
                    # NFS may answer "exists" to a link that it made itself: the bytes decide.
                    won = self.get(key) == body
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            _sync_folder(os.path.dirname(target))
            return won

    def stat(self, key: str) -> Stat | None:
        try:
            with self.translated(key):
                found = os.stat(self.path(key))
        except NotFound:
            return None
        return Stat(key, found.st_size) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[Stat]:
        folder = self.path(prefix.rstrip("/")) if prefix else self._root
        yield from self._walk(folder, prefix)

    def delete(self, key: str) -> None:
        with self.translated(key), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            patiently(lambda: os.unlink(self.path(key)))

    def old_versions(self, prefix: str) -> Sequence[str]:
        del prefix
        return []

    def sweep(self) -> None:
        """Remove what writers that died more than a day ago left behind, as far as we may; the rest does no harm."""
        with contextlib.suppress(OSError), os.scandir(os.path.join(self._root, TEMPORARY)) as entries:
            for entry in entries:
                # Another sweep may be faster, or the file another user's.
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - _DAY:
                        os.unlink(entry.path)

    def _walk(self, folder: str, prefix: str) -> Iterator[Stat]:
        try:
            with self.translated(prefix):
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except NotFound:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if prefix or entry.name != TEMPORARY:
                    yield from self._walk(entry.path, f"{prefix}{entry.name}/")
            # What was deleted since the folder was read is not listed.
            elif entry.is_file(follow_symlinks=False) and (found := self.stat(prefix + entry.name)) is not None:
                yield found

    def new_temporary(self) -> str:
        """Return a path at which nothing is yet, for a file that is swept when nobody has wanted it for a day."""
        folder = os.path.join(self._root, TEMPORARY)
        with self.translated(TEMPORARY):
            self._make_folder(folder)
        return os.path.join(folder, f"{os.getpid()}-{os.urandom(8).hex()}")

    def take_over(self, key: str, path: str, size: int, tail: bytes) -> None:
        """Make an object of the `size` bytes of a file in our own folder, and of `tail`; durable when this returns.

        Raises:
            NotFound: somebody removed it.
            StorageError: the disk is full or refuses; then it stays where it was.
        """
        target = self.path(key)
        with self.translated(key):
            with open(path, "r+b", buffering=0) as file:
                file.seek(size)
                write_parts(file, [tail])
                os.fsync(file.fileno())
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            os.chmod(path, mode & 0o444)
            self._make_folder(os.path.dirname(target))
            replace(path, target)
            _sync_folder(os.path.dirname(target))

    def _new(self, key: str, path: str) -> BinaryIO:
        return _Buffered(_NewFile(path, lambda: self.translated(key)))

    def _make_folder(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        above = os.path.dirname(folder)
        self._make_folder(above)
        try:
            os.mkdir(folder)
        except FileExistsError:
            if os.path.isdir(folder):
                return  # somebody else was faster
            raise StorageError(
                f"{self._root} can be no folder: {folder} is a file", hint="correct the address: xver remote list"
            ) from None
        _sync_folder(above)

    @contextlib.contextmanager
    def translated(self, key: str) -> Iterator[None]:
        """Tell what the disk refuses while the block runs as a `StorageError` or `NotFound` of this storage."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{self._root} has no {key}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageError(f"the disk of {self._root} is full", hint="free some space and try again") from error
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise StorageError(
                    f"{self._root} cannot be written or read: {error.strerror}",
                    hint=f"check the rights of {self._root}",
                ) from error
            raise StorageError(f"{self._root}: {error.strerror or error}") from error


class _NewFile(io.FileIO):
    """A new file; what the disk refuses is told as its storage tells it, also to who writes in another thread."""

    def __init__(self, path: str, translated: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(path, "xb")
        self._translated = translated

    def write(self, data: Any) -> int:
        with self._translated():
            return super().write(data)

    def writelines(self, parts: Iterable[Any]) -> None:
        with self._translated():
            write_parts(self, list(parts))


class _Buffered(io.BufferedWriter):
    """Hands on many parts as they are."""

    raw: io.FileIO

    def writelines(self, parts: Iterable[Any]) -> None:
        self.flush()
        self.raw.writelines(parts)


def _cloned(source: int, path: str) -> BinaryIO:
    """Return a file, to be read by nobody but its owner's programs and written by us alone, that begins as a clone."""
    return os.fdopen(clone(source, path, mode=0o444), "r+b")


def _within(file: IO[bytes], part: Part | None, key: str) -> tuple[int, int]:
    """Return from where on to read how many bytes; raises `StorageError` where the file has not so many."""
    size = os.fstat(file.fileno()).st_size
    if part is None:
        return 0, size
    start = part.offset if part.offset >= 0 else size + part.offset
    if start < 0 or start + part.length > size:
        _cut_short(key, start + part.length)
    return start, part.length


def _cut_short(key: str, end: int) -> NoReturn:
    raise StorageError(f"{key} ends before byte {end}: it was cut short")


def _link(temporary: str, target: str) -> bool:
    if sys.platform == "win32":
        # Renaming onto what exists fails there, which is all that is needed.
        patiently(lambda: os.rename(temporary, target))
    else:
        try:
            os.link(temporary, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not rename_new(temporary, target):
                raise StorageError(
                    "this file system has no hard links, so two writers could not be told apart",
                    hint="put the repository or the remote on another file system",
                ) from error
    return True


def _sync_folder(folder: str) -> None:
    if sys.platform != "win32":  # there folders cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
