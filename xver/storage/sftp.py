"""A folder on a machine that lets us in by SSH, through asyncssh.

    write   tmp/<random>  written, fsynced  → renamed to its path
    create  tmp/<random>  written, fsynced  → hard-linked to its path: of all links exactly one succeeds

A server without links has to rename without replacing, as its protocol says; the probe tries it. Keys, agent, user
and host names are those of the user's own ssh configuration, and the host's key must be in known_hosts, always. A
connection that breaks is made again, and what was under way is repeated. Large objects go in many requests at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from xver.errors import InvalidInput, StorageError
from xver.storage.addresses import check_prefix, need
from xver.storage.base import Stat
from xver.storage.cloud import Body, Client, CloudStorage
from xver.storage.cloud_errors import Address, Advice

SHAPE: Final = "sftp://user@host/path, or sftp://host/~/path below the home there"
_TEMPORARY: Final = "tmp"
_DAY: Final = 86_400
_ATTEMPTS: Final = 3
_CONNECT_SECONDS: Final = 10
_SILENCE_SECONDS: Final = 15
T = TypeVar("T")


def locate_sftp(url: str, endpoint_url: str | None = None) -> CloudStorage:
    """Return the storage at `sftp://[user@]host[:port]/path`; `/~/` begins at the home there.

    Raises:
        InvalidInput: an address that cannot be one, that holds a password, or asyncssh is not installed.
    """
    if endpoint_url is not None:
        raise InvalidInput("an sftp:// address names its server itself", hint=SHAPE)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"no address of a host: {url!r}", hint=SHAPE) from error
    if parts.password is not None:
        raise InvalidInput(
            "credentials do not belong into an address, where everybody reads them",
            hint="a key in ~/.ssh or in your agent: ssh-copy-id puts it there",
        )
    if not parts.hostname or parts.hostname.startswith("-") or parts.query or parts.fragment:
        raise InvalidInput(f"no address of a host: {url!r}", hint=SHAPE)
    path = parts.path.strip("/")
    prefix = path.removeprefix("~/")
    if not prefix or prefix == "~":
        raise InvalidInput(f"{url} names no folder", hint=SHAPE)
    check_prefix(prefix, shape=SHAPE, bucket="host")
    need("asyncssh", scheme="sftp", extra="sftp")
    login = f"{parts.username}@{parts.hostname}" if parts.username else parts.hostname
    ssh = f"ssh{f' -p {port}' if port else ''} {login}"
    advice = Advice(
        make_bucket=ssh,
        credentials=f"{ssh}, until it works",
        refused=f"{ssh}, until it works without a question: ssh-add, or ssh-copy-id {login}",
        renew=ssh,
        certificate=ssh,
        rights=f"{ssh}, and look at the rights of that folder",
        bucket="host",
    )
    where = f"sftp://{parts.netloc}/{path}"
    address = Address(where, parts.hostname, None, prefix=prefix, advice=advice)
    start = "" if path.startswith("~/") else "/"
    return CloudStorage(address, lambda: SftpClient(address, start, parts.username, port))


class SftpClient(Client):
    """One folder, through asyncssh; `start` stands before every path."""

    def __init__(self, address: Address, start: str, user: str | None, port: int | None) -> None:
        from fsspec.asyn import get_loop

        logging.getLogger("asyncssh").addHandler(logging.NullHandler())
        self._address = address
        self._start = start
        self._temporary = f"{start}{address.prefix}/{_TEMPORARY}"
        self._options = {name: one for name, one in (("username", user), ("port", port)) if one is not None}
        self._loop = get_loop()
        self._lock: asyncio.Lock | None = None
        self._connection: Any = None
        self._session: Any = None
        self._open: list[Any] = []
        weakref.finalize(self, _hang_up, self._loop, self._open)

    def read(self, path: str, start: int | None, end: int | None) -> bytes:
        async def ask(sftp: Any) -> bytes:
            async with sftp.open(self._start + path, "rb") as file:
                if start is None:
                    return bytes(await file.read(-1, 0))
                first = start if start >= 0 else max(0, (await file.stat()).size + start)
                return bytes(await file.read(-1 if end is None else end - first, first))

        return self._ask(ask)

    def write(self, path: str, body: Body, *, is_new: bool) -> None:
        target = self._start + path
        data = body.getvalue()

        async def ask(sftp: Any) -> None:
            beside = await self._write_beside(sftp, data)
            try:
                await (_link if is_new else _replace)(sftp, beside, target)
            finally:
                await _remove_if_there(sftp, beside)

        self._ask(ask)

    def look(self, path: str) -> Stat | None:
        async def ask(sftp: Any) -> Stat | None:
            found = await sftp.stat(self._start + path)
            return _stat(path, found) if _is_file(found) else None

        return self._ask(ask)

    def find(self, prefix: str) -> Iterator[Stat]:
        folders = [prefix.rstrip("/")]
        while folders:
            folder = folders.pop()
            for name, facts in self._ask(partial(_entries, folder=self._start + folder)):
                path = f"{folder}/{name}"
                if _is_folder(facts):
                    if self._start + path != self._temporary:
                        folders.append(path)
                elif _is_file(facts):
                    yield _stat(path, facts)

    def remove(self, path: str) -> None:
        self._ask(lambda sftp: sftp.remove(self._start + path))

    def identity(self) -> str:
        async def ask(_: Any) -> str:
            return str(self._connection.get_extra_info("username"))

        return f"{self._ask(ask)}, by a key"

    def sweep(self) -> None:
        async def ask(sftp: Any) -> None:
            for name, facts in await _entries(sftp, self._temporary):
                if _is_file(facts) and (facts.mtime or 0) < time.time() - _DAY:
                    await _remove_if_there(sftp, f"{self._temporary}/{name}")

        self._ask(ask)

    async def _write_beside(self, sftp: Any, data: bytes) -> str:
        from asyncssh import SFTPNoSuchFile, SFTPOpUnsupported

        name = f"{self._temporary}/{os.urandom(16).hex()}"
        try:
            file = await sftp.open(name, "xb")
        except SFTPNoSuchFile:
            await sftp.makedirs(self._temporary, exist_ok=True)
            file = await sftp.open(name, "xb")
        try:
            async with file:
                await file.write(data)
                # Where the server cannot, what it acknowledges is as durable as it makes it.
                with contextlib.suppress(SFTPOpUnsupported):
                    await file.fsync()
        except BaseException:
            await _remove_if_there(sftp, name)
            raise
        return name

    def _ask(self, call: Callable[[Any], Awaitable[T]]) -> T:
        from fsspec.asyn import sync

        answer: T = sync(self._loop, self._attempt, call)
        return answer

    async def _attempt(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Do something by SFTP, and again over a new connection when this one breaks."""
        from asyncssh import ChannelOpenError, DisconnectError, SFTPConnectionLost, SFTPNoConnection

        for attempt in range(1, _ATTEMPTS + 1):
            session = await self._connected()
            try:
                return await call(session)
            except (DisconnectError, ChannelOpenError, SFTPConnectionLost, SFTPNoConnection, ConnectionError):
                if session is self._session:
                    self._session = None
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(0.1 * attempt)
        raise AssertionError("unreachable")

    async def _connected(self) -> Any:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._session is None:
                self._session = await self._connect()
            return self._session

    async def _connect(self) -> Any:
        import asyncssh

        while self._open:
            self._open.pop().close()
        configuration = os.path.expanduser("~/.ssh/config")
        options = asyncssh.SSHClientConnectionOptions(
            host=self._address.bucket,
            config=[configuration] if os.path.exists(configuration) else [],
            connect_timeout=_CONNECT_SECONDS,
            login_timeout=3 * _CONNECT_SECONDS,
            keepalive_interval=_SILENCE_SECONDS,
            keepalive_count_max=4,
            **self._options,
        )
        if options.known_hosts is None:
            raise StorageError(
                f"your ssh configuration knows no hosts, so any machine could pose as {self._address.bucket}",
                hint="remove UserKnownHostsFile from ~/.ssh/config",
            )
        self._connection = await asyncssh.connect(self._address.bucket, options=options)
        self._open.append(self._connection)
        return await self._connection.start_sftp_client()


async def _link(sftp: Any, beside: str, target: str) -> None:
    """Give a new file its name, unless something has it: then raise `FileExistsError`."""
    from asyncssh import SFTPError, SFTPNoSuchFile, SFTPOpUnsupported

    for attempt in (1, 2):
        try:
            try:
                await sftp.link(beside, target)
            except SFTPOpUnsupported:
                # The protocol's own rename must not replace anything. Never that of POSIX.
                await sftp.rename(beside, target)
            return
        except SFTPNoSuchFile:
            if attempt == 2:
                raise
            await sftp.makedirs(target.rpartition("/")[0], exist_ok=True)
        except SFTPError as error:
            if await sftp.lexists(target):
                raise FileExistsError(target) from error
            raise


async def _replace(sftp: Any, beside: str, target: str) -> None:
    """Give a new file its name, whatever has it."""
    from asyncssh import SFTPError, SFTPNoSuchFile, SFTPOpUnsupported

    for attempt in (1, 2):
        try:
            try:
                await sftp.posix_rename(beside, target)
            except SFTPOpUnsupported:
                try:
                    await sftp.rename(beside, target)
                except SFTPNoSuchFile:
                    raise
                except SFTPError:
                    await sftp.remove(target)
                    await sftp.rename(beside, target)
            return
        except SFTPNoSuchFile:
            if attempt == 2:
                raise
            await sftp.makedirs(target.rpartition("/")[0], exist_ok=True)


async def _remove_if_there(sftp: Any, path: str) -> None:
    from asyncssh import Error

    # It has its final name by now, or lies in tmp/ until the next sweep.
    with contextlib.suppress(Error, OSError):
        await sftp.remove(path)


async def _entries(sftp: Any, folder: str) -> list[tuple[str, Any]]:
    from asyncssh import SFTPNoSuchFile

    try:
        found = [(str(one.filename), one.attrs) async for one in sftp.scandir(folder)]
    except SFTPNoSuchFile:
        return []
    return sorted((pair for pair in found if pair[0] not in (".", "..")), key=lambda pair: pair[0])


def _stat(path: str, facts: Any) -> Stat:
    # The time is in whole seconds: of two changes in one of them the size may tell.
    return Stat(path, int(facts.size), f"{facts.mtime}-{facts.size}" if facts.mtime else "")


def _is_file(facts: Any) -> bool:
    from asyncssh.constants import FILEXFER_TYPE_REGULAR

    return bool(facts.type == FILEXFER_TYPE_REGULAR)


def _is_folder(facts: Any) -> bool:
    from asyncssh.constants import FILEXFER_TYPE_DIRECTORY

    return bool(facts.type == FILEXFER_TYPE_DIRECTORY)


def _hang_up(loop: Any, connections: list[Any]) -> None:
    for connection in connections:
        with contextlib.suppress(RuntimeError):  # the loop has ended with the process
            loop.call_soon_threadsafe(connection.close)
