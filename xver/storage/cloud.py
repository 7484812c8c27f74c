"""Storage on a server, whichever it is: the contract, over a `Client` of five requests.

    put     write                        the same name always means the same bytes
    create  write, if nothing is there   and whenever the answer leaves a doubt: read, and the bytes decide
    get     read                         get_many: eight ranges on their way at a time, of small ones 32

Each target has a file beside this one, with its client, its form of address and the advice of its error messages.
Clients connect, and import their libraries, at the first request.
"""

from __future__ import annotations

import contextlib
import email.utils
import io
import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import BinaryIO, Final

from xver.errors import Conflict, NotFound, StorageError, TransientStorageError, XverError
from xver.storage.base import Part, Stat, Storage
from xver.storage.cloud_errors import Address, answer, broke_off, translate

_IN_FLIGHT: Final = 8
_SMALL_IN_FLIGHT: Final = 32
"""Of parts that together take no more than `_SMALL`: most of their time is the way there and back."""
_SMALL: Final = 2 * 1024 * 1024
_ATTEMPTS: Final = 3
_NOT_AS_ASKED: Final = 412


class Body(io.BytesIO):
    """Bytes to be sent bit by bit: given as plain bytes, they are copied whole into the buffer of the connection."""

    def __len__(self) -> int:
        return self.getbuffer().nbytes


class Client(ABC):
    """What a target's own library does, one request a call; it raises what that library raises.

    `path` is the whole name below the bucket. Used from several threads; made anew in a forked process.
    """

    @abstractmethod
    def read(self, path: str, start: int | None, end: int | None) -> bytes | memoryview:
        """Return all bytes, those of [start, end), or the last ones where `start` is negative and `end` None.

        Fewer come back, or a refusal with status 416, where the object ends before.
        """

    def read_pinned(self, path: str, start: int, end: int, pin: str) -> bytes | memoryview:
        """Return the bytes [start, end) of what `pin` names; refused with status 412 where the object is another now.

        By default whatever is there: this target cannot be asked so.
        """
        del pin
        return self.read(path, start, end)

    @abstractmethod
    def write(self, path: str, body: Body, *, is_new: bool) -> None:
        """Store an object whole, in one step that nobody sees half of; with `is_new` only if there is none yet."""

    @abstractmethod
    def look(self, path: str) -> Stat | None:
        """Return what is known of an object, None for what is none; a missing one raises what the library raises."""

    @abstractmethod
    def find(self, prefix: str) -> Iterator[Stat]:
        """Yield every object whose path starts with `prefix`, by its path."""

    def find_kept(self, prefix: str) -> Iterator[Stat]:
        """Yield what `find` does, each with the name under which this target keeps its version, if it does."""
        return self.find(prefix)

    @abstractmethod
    def remove(self, path: str) -> None:
        """Delete an object; one that is missing may be an error."""

    def identity(self) -> str:
        """Return who the server takes us for, as far as the library can tell; without secrets.

        Sends at most a few requests, to the provider's own service for it; raises what the library raises.
        """
        return "unknown"

    def clock(self) -> float | None:
        """Return the server's time in seconds since 1970, by a request that changes nothing; None if it tells none."""
        return None

    def old_versions(self, prefix: str) -> Iterator[str] | None:
        """Yield the path of each version kept of an object below a prefix, also deleted; None: it cannot be told."""
        del prefix
        return None

    def sweep(self) -> None:
        """Remove what killed writers left behind more than a day ago; nothing, where writes leave nothing."""
        return


class CloudStorage(Storage):
    """The objects below `address`. Nothing is contacted before the first call.

    Instances may be used from several threads, and on both sides of a fork.
    """

    def __init__(self, address: Address, connect: Callable[[], Client]) -> None:
        self._address = address
        self._root = f"{address.prefix}/" if address.prefix else ""
        self._connect = connect
        self._by_process: dict[int, Client] = {}
        self._connecting: dict[int, Lock] = {}

    @property
    def url(self) -> str:
        return self._address.url

    def get(self, key: str, part: Part | None = None) -> bytes:
        return bytes(self._read(key) if part is None else self._get_part(key, part))

    def _get_part(self, key: str, part: Part) -> bytes | memoryview:
        if part.length == 0:
            return self._read_nothing(key, part.offset)
        start, end = part.offset, part.offset + part.length
        try:
            # The last bytes are asked for from the end, which spares a request for the size.
            data = self._read(key, start) if start < 0 else self._read(key, start, end, part.pin)
        except _OutOfRange:
            data = b""
        if start >= 0 and len(data) == part.length:
            return data
        if start < 0 and len(data) == -start and end <= 0:
            return data[: part.length]
        raise StorageError(f"{key} has no {part.length} bytes at {start}: it was cut short")

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes | memoryview]:
        if len(parts) < 2:
            yield from (self._get_part(key, part) for key, part in parts)
            return
        waiting = deque(parts)
        with ThreadPoolExecutor(_SMALL_IN_FLIGHT, "get") as pool:
            flying: deque[tuple[int, Future[bytes | memoryview]]] = deque()
            weight = 0
            try:
                while flying or waiting:
                    # The next one starts when the caller comes back, so what it holds on to counts as in flight.
                    while waiting and _may_start(len(flying), weight + waiting[0][1].length):
                        key, part = waiting.popleft()
                        flying.append((part.length, pool.submit(self._get_part, key, part)))
                        weight += part.length
                    length, future = flying.popleft()
                    weight -= length
                    yield future.result()
            finally:
                for _, future in flying:
                    future.cancel()

    def put(self, key: str, source: bytes | memoryview) -> None:
        self._send(key, Body(source))

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """Give a buffer to write the object into; it is sent, without being copied, when the block ends well."""
        body = Body()
        yield body
        self._send(key, body)

    def create(self, key: str, body: bytes) -> bool:
        if not body:
            raise StorageError(f"an empty object cannot be created: {key}")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._send(key, Body(body), is_new=True)
                return True
            except XverError as error:
                # "It exists" may be said of our own object, made by a request whose answer was lost, and a time-out
                # may have made it. So nothing is believed before the object is read back.
                found = self._find(key)
                if found is not None:
                    return found == body
                if attempt == _ATTEMPTS or not (isinstance(error, TransientStorageError) or _is_taken(error)):
                    raise
                time.sleep(0.1 * attempt)
        raise AssertionError("unreachable")

    def stat(self, key: str) -> Stat | None:
        try:
            with self._translated(key):
                found = self.client.look(self._root + key)
        except NotFound:
            return None
        return None if found is None else replace(found, key=key)

    def list(self, prefix: str) -> Iterator[Stat]:
        # The pages are asked for one after the other, so what fails half way has to be caught here.
        with self._translated(prefix):
            for found in self.client.find(self._root + prefix):
                yield replace(found, key=found.key[len(self._root) :])

    def list_kept(self, prefix: str) -> Iterator[Stat]:
        with self._translated(prefix):
            for found in self.client.find_kept(self._root + prefix):
                yield replace(found, key=found.key[len(self._root) :])

    def delete(self, key: str) -> None:
        with contextlib.suppress(NotFound), self._translated(key):
            self.client.remove(self._root + key)

    def sweep(self) -> None:
        with self._translated(""):
            self.client.sweep()

    def identity(self) -> str:
        with self._translated(""):
            return self.client.identity()

    def old_versions(self, prefix: str) -> Sequence[str] | None:
        try:
            with self._translated(prefix):
                found = self.client.old_versions(self._root + prefix)
                return None if found is None else [path.removeprefix(self._root) for path in found]
        except StorageError:
            return None  # not allowed, or not known there

    def clock(self) -> float | None:
        with self._translated(""):
            return self.client.clock()

    @property
    def client(self) -> Client:
        """The client of this process: its threads and connections do not survive a fork."""
        process = os.getpid()
        client = self._by_process.get(process)
        if client is None:
            if self._by_process:
                _leave_parent()
            # To connect takes most of the time of a short command: of several threads one does it.
            with self._connecting.setdefault(process, Lock()):
                client = self._by_process.get(process) or self._connect()
                self._by_process[process] = client
        return client

    def _send(self, key: str, body: Body, *, is_new: bool = False) -> None:
        body.seek(0)
        with self._translated(key):
            self.client.write(self._root + key, body, is_new=is_new)

    def _find(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except NotFound:
            return None

    def _read(self, key: str, start: int | None = None, end: int | None = None, pin: str = "") -> bytes | memoryview:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._translated(key):
                    if pin and start is not None and end is not None:
                        return self.client.read_pinned(self._root + key, start, end, pin)
                    return self.client.read(self._root + key, start, end)
            except TransientStorageError as error:
                # The client repeats requests, but no answer that breaks off half way.
                if attempt == _ATTEMPTS or not broke_off(error):
                    raise
            except StorageError as error:
                if pin and answer(error).status == _NOT_AS_ASKED:
                    raise Conflict(
                        f"{self.url}/{key} is another one than when it was listed",
                        hint="wait until whatever writes it is done, then try again",
                    ) from error
                raise
        raise AssertionError("unreachable")

    def _read_nothing(self, key: str, offset: int) -> bytes:
        # HTTP cannot ask for no bytes.
        found = self.stat(key)
        if found is None:
            raise NotFound(f"{self.url} has no {key}")
        if abs(offset) > found.size:
            raise StorageError(f"{key} ends before byte {offset}: it was cut short")
        return b""

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except (XverError, GeneratorExit):
            raise
        except Exception as error:
            if answer(error).status == 416:
                raise _OutOfRange(f"{key} ends before the bytes that were asked for") from error
            raise translate(error, key, self._address) from error


def _may_start(flying: int, weight: int) -> bool:
    """Tell whether one more part may be fetched, where all would then be of `weight` bytes."""
    return flying < _IN_FLIGHT or (flying < _SMALL_IN_FLIGHT and weight <= _SMALL)


class _OutOfRange(StorageError):
    """The object has none of the bytes that were asked for."""


def http_time(date: str | None) -> float | None:
    """Return what the header `Date` of an answer says, in seconds since 1970."""
    return None if date is None else email.utils.parsedate_to_datetime(date).timestamp()


def _leave_parent() -> None:
    """Make fsspec start a thread of its own in a forked process; before 2026 it waited for the parent's for ever."""
    from fsspec.asyn import reset_lock

    reset_lock()


def _is_taken(error: XverError) -> bool:
    """Tell whether a create was refused because of another object, or of another create that goes on."""
    said = answer(error)
    return said.status in (409, 412) or isinstance(error.__cause__, FileExistsError)
