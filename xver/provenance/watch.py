"""See which files other processes open and write: inotify on directories (inotify(7)), no root, no preloading.

    kernel queue ── read at once ──> backlog of raw buffers ── parsed when nothing is left to read ──> paths

The kernel's queue is short (16,384 events by default) and what does not fit is lost, so emptying it comes before
understanding it. Opens reach readers in any language, mapped files too; who opened a file is not told. What is opened
through a link is seen where the link leads.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import selectors
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_OPEN: Final = 0x20
_CLOSE_WRITE: Final = 0x8
_CLOSE_NOWRITE: Final = 0x10
_MOVED_FROM: Final = 0x40
_MOVED_TO: Final = 0x80
_CREATE: Final = 0x100
_IGNORED: Final = 0x8000
_OVERFLOW: Final = 0x4000
_DIRECTORY: Final = 0x40000000
_ONLY_DIRECTORY: Final = 0x01000000
_NO_FOLLOW: Final = 0x02000000
_EXCLUDE_UNLINKED: Final = 0x04000000
_WRITES: Final = _CLOSE_WRITE | _MOVED_TO | _CREATE
# An open does not say what for; the close does. Without the close after reading, a file that is read and then written
# looks like one that is only written: the two opens come as one event.
_MASK: Final = _OPEN | _CLOSE_NOWRITE | _WRITES | _MOVED_FROM | _ONLY_DIRECTORY | _EXCLUDE_UNLINKED

_HEAD: Final = struct.Struct("iIII")
_BUFFER_SIZE: Final = 1 << 18
_BACKLOG_MAX: Final = 256
_GATHER_S: Final = 0.001


def is_available() -> bool:
    """Tell whether this system can watch directories, now: Linux, with an inotify instance to spare."""
    try:
        os.close(_new_instance())
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Observed:
    """What happened in the watched directories; paths are absolute.

    `read` are the files that were opened for reading only, or moved away, before anybody wrote them; of those `reread`
    were opened again after that. `updated` are all others that were opened: for writing, for both, or still. Files made
    and gone while watching are in none. `moved` are directories that went elsewhere. `written` are the files still
    there that were created, closed after writing, or moved in. `overflowed`: events were lost. `unwatched` counts
    directories that could not be watched.
    """

    read: frozenset[str]
    reread: frozenset[str]
    updated: frozenset[str]
    moved: frozenset[str]
    written: frozenset[str]
    overflowed: bool
    unwatched: int


class Watcher:
    """Watches directories, not their subdirectories, from `__enter__` until `stop`; new directories in them as well.

    `directories` are absolute paths. This process itself must not open files in watched directories meanwhile: its
    opens cannot be told from others'. Where inotify is not to be had, everything counts as unwatched.
    """

    def __init__(self, directories: Iterable[str]) -> None:
        self._directories = [os.fsencode(directory) for directory in directories]
        self._paths: dict[int, bytes] = {}
        self._adrift: dict[int, dict[int, bytes]] = {}
        self._opened: set[bytes] = set()
        self._read_only: set[bytes] = set()
        self._reread: set[bytes] = set()
        self._moved: set[bytes] = set()
        self._written: set[bytes] = set()
        self._made: set[bytes] = set()
        self._overflowed = False
        self._unwatched = 0
        self._drained = False
        self._backlog: deque[bytes] = deque()
        self._instance = -1
        self._wake: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._drain, name="xver-watch", daemon=True)
        self._observed: Observed | None = None

    def __enter__(self) -> Self:
        try:
            self._instance = _new_instance()
        except OSError:
            self._unwatched = len(self._directories)
            return self
        for directory in self._directories:
            if not self._watch(directory, _MASK):
                self._unwatched += 1
        self._wake = os.pipe()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> Observed:
        """Take in everything that happened until now, stop watching and return it; again: the same once more."""
        if self._observed is not None:
            return self._observed
        if self._wake is not None:
            os.close(self._wake[1])
            self._thread.join()
            os.close(self._wake[0])
            os.close(self._instance)
            # A thread that ended early has left events unread.
            self._overflowed |= not self._drained
        there = {path for path in self._written if os.path.lexists(path)}
        gone = self._made - there
        read = self._read_only - gone
        self._observed = Observed(
            frozenset(map(os.fsdecode, read)),
            frozenset(map(os.fsdecode, self._reread - gone)),
            frozenset(map(os.fsdecode, self._opened - gone - read)),
            frozenset(map(os.fsdecode, self._moved)),
            frozenset(map(os.fsdecode, there)),
            self._overflowed,
            self._unwatched,
        )
        return self._observed

    def _watch(self, directory: bytes, mask: int) -> bool:
        descriptor = _libc().inotify_add_watch(self._instance, directory, mask)
        if descriptor < 0:
            return False
        self._paths[descriptor] = directory.rstrip(b"/") + b"/"
        return True

    def _drain(self) -> None:
        assert self._wake is not None
        waiting = selectors.DefaultSelector()
        waiting.register(self._instance, selectors.EVENT_READ)
        waiting.register(self._wake[0], selectors.EVENT_READ)
        stopping = False
        while True:
            while len(self._backlog) < _BACKLOG_MAX and self._read():
                continue
            if self._backlog:
                self._parse(self._backlog.popleft())
            elif stopping:
                break
            else:
                stopping = any(key.fd == self._wake[0] for key, _ in waiting.select())
                if not stopping:
                    # Many events cost one wake-up: the watched program keeps its cores.
                    time.sleep(_GATHER_S)
        waiting.close()
        self._drained = True

    def _read(self) -> bool:
        try:
            self._backlog.append(os.read(self._instance, _BUFFER_SIZE))
        except BlockingIOError:
            return False
        return True

    def _parse(self, events: bytes) -> None:
        paths = self._paths
        offset = 0
        while offset < len(events):
            watch, mask, cookie, length = _HEAD.unpack_from(events, offset)
            name = events[offset + _HEAD.size : offset + _HEAD.size + length].rstrip(b"\0")
            offset += _HEAD.size + length
            if mask & _OVERFLOW:
                self._overflowed = True
            elif mask & _IGNORED:
                paths.pop(watch, None)
            elif watch not in paths:
                continue
            elif mask & _DIRECTORY:
                self._directory_event(mask, cookie, paths[watch] + name)
            else:
                self._file_event(mask, paths[watch] + name)

    def _file_event(self, mask: int, path: bytes) -> None:
        if mask == _OPEN:
            self._opened.add(path)
        elif mask & (_CLOSE_NOWRITE | _MOVED_FROM):
            # Read after it was written: a program that looks at its own result has no input in it.
            if path not in self._written:
                self._read_only.add(path)
            elif path in self._read_only:
                self._reread.add(path)
        elif mask & _WRITES:
            self._take_written(path, made=bool(mask & _CREATE))

    def _take_written(self, path: bytes, *, made: bool) -> None:
        self._written.add(path)
        if made and path not in self._opened:
            self._made.add(path)

    def _directory_event(self, mask: int, cookie: int, path: bytes) -> None:
        prefix = path + b"/"
        if mask & _MOVED_FROM:
            self._moved.add(path)
            # Out of the watched tree for all we know; the matching move-in, if there is one, follows.
            below = {watch: known for watch, known in self._paths.items() if known.startswith(prefix)}
            self._adrift[cookie] = {watch: known[len(prefix) :] for watch, known in below.items()}
            for watch in below:
                del self._paths[watch]
        elif mask & (_MOVED_TO | _CREATE):
            for watch, rest in self._adrift.pop(cookie, {}).items():
                self._paths[watch] = prefix + rest
            self._enter_directory(path)

    def _enter_directory(self, directory: bytes) -> None:
        """Watch a directory that appeared; what is in it already was made before we looked, so it counts as written."""
        pending = [directory]
        while pending:
            current = pending.pop()
            if not self._watch(current, _MASK | _NO_FOLLOW):
                self._unwatched += ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR)
            try:
                with os.scandir(current) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        else:
                            self._take_written(entry.path, made=True)
            except OSError:
                continue  # gone again, or not ours to read: then its files are not known to be written


def _new_instance() -> int:
    if sys.platform == "linux":
        instance: int = _libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if instance < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return instance
    else:  # noqa: RET505 (types are checked for other systems, too)
        raise OSError(errno.ENOSYS, "inotify is Linux's")


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
