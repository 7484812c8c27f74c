"""Read a user's file while it may be changing: what was read is either one state of it, or refused."""

from __future__ import annotations

import os
import stat as stat_
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from xver.errors import Conflict, InvalidInput
from xver.model.entries import CHUNK_MAX, Entry, EntryKind, File, Link
from xver.model.ids import NO_FINGERPRINT, chunk_id, fingerprint, fingerprinter
from xver.store.content import Content, put_bytes, put_stream
from xver.store.packing import Packer
from xver.worktree.stat_index import Known, pack_stat, settled

_BLOCK: Final = 8 * 1024 * 1024
_ATTEMPTS: Final = 3
# O_NONBLOCK: a pipe that took the file's place must not make us wait for a writer.
_FLAGS: Final = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_BINARY", "O_CLOEXEC", "O_NONBLOCK")
)

_Result = TypeVar("_Result")


class Reading(NamedTuple):
    """What a file was when it was read, and the stat to record for it."""

    known: Known
    stat: bytes


def read_file(path: str, packer: Packer | None) -> Reading:
    """Read a file or link and store its content; without a packer only identify it.

    Raises:
        Conflict: the file went on changing while it was read.
        InvalidInput: it cannot be read, or is gone.
    """
    return _steadily(path, lambda found, handle: _identify(path, found, handle, packer))


def read_fingerprint(path: str) -> tuple[EntryKind, bytes, bytes]:
    """Return a file's kind, the fingerprint of its bytes and the stat to record; a link's fingerprint is its id."""
    return _steadily(path, _fingerprint)


def kind_of_stat(mode: int) -> EntryKind:
    """Return the kind of entry that a file of this mode becomes; on Windows no file is executable."""
    if stat_.S_ISLNK(mode):
        return EntryKind.LINK
    return EntryKind.EXECUTABLE if os.name != "nt" and mode & 0o100 else EntryKind.FILE


def entry_of(known: Known) -> Entry:
    """Return the listing entry of what is known of a file."""
    if known.kind is EntryKind.LINK:
        return Link(known.id, known.size)  # type: ignore[arg-type]
    executable = known.kind is EntryKind.EXECUTABLE
    return File(known.id, known.size, known.fingerprint, known.sha256, executable)  # type: ignore[arg-type]


def known_of(entry: File | Link) -> Known:
    """Return what a listing's entry says of a file."""
    if isinstance(entry, Link):
        return Known(EntryKind.LINK, entry.size, entry.id, NO_FINGERPRINT, None)
    kind = EntryKind.EXECUTABLE if entry.executable else EntryKind.FILE
    return Known(kind, entry.size, entry.id, entry.fingerprint, entry.sha256)


def _steadily(path: str, read: Callable[[os.stat_result, int | None], tuple[_Result, int]]) -> _Result:
    """Call `read` with the file's stat and descriptor (None for a link) until the stat is the same afterwards."""
    for _ in range(_ATTEMPTS):
        try:
            found = os.lstat(path)
            if stat_.S_ISLNK(found.st_mode):
                result, _size = read(found, None)
                if pack_stat(os.lstat(path)) == pack_stat(found):
                    return result
                continue
            handle = os.open(path, _FLAGS)
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
        try:
            before = os.fstat(handle)
            if not stat_.S_ISREG(before.st_mode):
                raise InvalidInput(f"cannot read {path}: it is neither file nor link")
            result, size = read(before, handle)
            if size == before.st_size and pack_stat(os.fstat(handle)) == pack_stat(before):
                return result
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
        finally:
            os.close(handle)
    raise Conflict(f"{path} changes while it is read", hint="wait until whatever writes it is done, then add it again")


def _identify(path: str, found: os.stat_result, handle: int | None, packer: Packer | None) -> tuple[Reading, int]:
    now = time.time_ns()
    kind = kind_of_stat(found.st_mode)
    if handle is None:
        data = os.fsencode(os.readlink(path))
        content = _put(data, packer)
        return Reading(Known(kind, content.size, content.id, NO_FINGERPRINT, None), settled(found, now)), len(data)
    if found.st_size <= CHUNK_MAX:
        content = _put(_read_small(handle, found.st_size), packer)
    else:
        content = put_stream(packer, _blocks(handle, found.st_size))
    known = Known(kind, content.size, content.id, content.fingerprint, content.sha256)
    return Reading(known, settled(found, now)), content.size


def _fingerprint(found: os.stat_result, handle: int | None) -> tuple[tuple[EntryKind, bytes, bytes], int]:
    now = time.time_ns()
    kind = kind_of_stat(found.st_mode)
    if handle is None:
        return (kind, NO_FINGERPRINT, settled(found, now)), found.st_size
    if found.st_size <= _BLOCK:
        data = _read_small(handle, found.st_size)
        return (kind, fingerprint(data), settled(found, now)), len(data)
    prints = fingerprinter()
    size = 0
    while size <= found.st_size and (block := os.read(handle, _BLOCK)):
        prints.update(block)
        size += len(block)
    return (kind, prints.digest(), settled(found, now)), size


def _put(data: bytes, packer: Packer | None) -> Content:
    if packer is not None:
        return put_bytes(packer, data)
    if len(data) > CHUNK_MAX:
        return put_stream(None, [data])
    return Content(chunk_id(data), len(data), fingerprint(data), None)


def _read_small(handle: int, size: int) -> bytes:
    data = os.read(handle, size + 1)
    while 0 < len(data) < size:
        more = os.read(handle, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


def _blocks(handle: int, size: int) -> Iterator[bytes]:
    """Yield the file's bytes, and not much more than `size`: one that grows faster than it is read has no end."""
    # The disk reads the next block while this one is hashed and cut.
    with ThreadPoolExecutor(1, "read") as reader:
        coming = reader.submit(os.read, handle, _BLOCK)
        while block := coming.result():
            size -= len(block)
            coming = reader.submit(os.read, handle, _BLOCK if size >= 0 else 0)
            yield block
