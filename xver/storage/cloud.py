"""Storage in a bucket, through fsspec: one request an object, and never an upload in parts.

    put     PUT                      the same name always means the same bytes
    create  PUT If-None-Match: *     and whenever the answer leaves a doubt: GET, and the bytes decide
    get     GET [Range]              get_many: eight ranges on their way at a time

An upload in parts would let several creators win and, killed, stay billed. fsspec and the client of the cloud are
imported at the first request.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from xver.errors import InvalidInput, NotFound, StorageError, TransientStorageError, XverError
from xver.storage.base import Part, Stat, Storage
from xver.storage.cloud_errors import Address, answer, broke_off, translate

_IN_FLIGHT: Final = 8
_ATTEMPTS: Final = 3
_ONE_REQUEST: Final = 5 * 1024**3  # the largest object that one PUT may bring
_ADDRESS: Final = re.compile(r"s3://(?P<bucket>[^/]*)(?:/(?P<prefix>.*))?", re.DOTALL)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_BAD_PART: Final = re.compile(r"\.{0,2}", re.DOTALL)
_BAD_TEXT: Final = re.compile(r"[\x00-\x1f\x7f?#\\]")


class CloudStorage(Storage):
    """The objects below `s3://bucket/prefix`. `endpoint_url` names the server where it is not the provider's own.

    Credentials, region and proxies are those that every AWS tool uses. Nothing is contacted before the first call.
    Instances may be used from several threads, and on both sides of a fork.

    Raises:
        InvalidInput: an address that cannot be one, that holds credentials, or whose client is not installed.
    """

    def __init__(self, url: str, endpoint_url: str | None = None) -> None:
        self._bucket, self._prefix = _parse(url)
        self._endpoint_url = _check_endpoint(endpoint_url)
        self._by_process: dict[int, Any] = {}
        if importlib.util.find_spec("s3fs") is None:
            raise InvalidInput("s3:// needs the package s3fs", hint="pip install 'xver[s3]'")

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def get(self, key: str, part: Part | None = None) -> bytes:
        if part is None:
            return self._read(key)
        if part.length == 0:
            return self._read_nothing(key, part.offset)
        start, end = part.offset, part.offset + part.length
        try:
            # The last bytes are asked for from the end, which spares a request for the size.
            data = self._read(key, start) if start < 0 else self._read(key, start, end)
        except _OutOfRange:
            data = b""
        if start >= 0 and len(data) == part.length:
            return data
        if start < 0 and len(data) == -start and end <= 0:
            return data[: part.length]
        raise StorageError(f"{key} has no {part.length} bytes at {start}: it was cut short")

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        if len(parts) < 2:
            yield from (self.get(key, part) for key, part in parts)
            return
        waiting = iter(parts)
        with ThreadPoolExecutor(_IN_FLIGHT, "get") as pool:
            flying: deque[Future[bytes]] = deque()
            try:
                for key, part in itertools.islice(waiting, _IN_FLIGHT):
                    flying.append(pool.submit(self.get, key, part))
                while flying:
                    # The next one starts when the caller comes back, so what it holds on to counts as in flight.
                    yield flying.popleft().result()
                    for key, part in itertools.islice(waiting, 1):
                        flying.append(pool.submit(self.get, key, part))
            finally:
                for future in flying:
                    future.cancel()

    def put(self, key: str, source: bytes | memoryview) -> None:
        self._send(key, _Body(source))

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """Give a buffer to write the object into; it is sent, without being copied, when the block ends well."""
        body = _Body()
        yield body
        self._send(key, body)

    def create(self, key: str, body: bytes) -> bool:
        if not body:
            raise StorageError(f"an empty object cannot be created: {key}")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._send(key, _Body(body), mode="create")
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
                found = self._files.info(self._path(key))
        except NotFound:
            return None
        return Stat(key, int(found["size"])) if found["type"] == "file" else None

    def list(self, prefix: str) -> Iterator[Stat]:
        root = f"{self._prefix}/" if self._prefix else ""
        with self._translated(prefix):
            # Asked below the bucket with a prefix, an empty answer costs no second request.
            found = self._files.find(self._bucket, prefix=root + prefix, detail=True)
        start = len(self._bucket) + 1 + len(root)
        for path, facts in found.items():
            if facts["type"] == "file" and path.startswith(prefix, start):
                yield Stat(path[start:], int(facts["size"]))

    def delete(self, key: str) -> None:
        with contextlib.suppress(NotFound), self._translated(key):
            self._files.rm_file(self._path(key))

    def _send(self, key: str, body: _Body, mode: str = "overwrite") -> None:
        body.seek(0)
        with self._translated(key):
            self._files.pipe_file(self._path(key), body, mode=mode, chunksize=_ONE_REQUEST)

    def _find(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except NotFound:
            return None

    def _read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._translated(key):
                    data = self._files.cat_file(self._path(key), start=start, end=end)
                return bytes(data)
            except TransientStorageError as error:
                # The client repeats requests, but no answer that breaks off half way.
                if attempt == _ATTEMPTS or not broke_off(error):
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

    def _path(self, key: str) -> str:
        return "/".join(filter(None, (self._bucket, self._prefix, key)))

    @property
    def _files(self) -> Any:
        """The file system of this process: its threads and connections do not survive a fork."""
        process = os.getpid()
        files = self._by_process.get(process)
        if files is None:
            if self._by_process:
                _leave_parent()
            # Two threads may both make one; both use the one that is kept.
            files = self._by_process.setdefault(process, _file_system(self._endpoint_url))
        return files

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if answer(error).status == 416:
                raise _OutOfRange(f"{key} ends before the bytes that were asked for") from error
            raise translate(error, key, Address(self.url, self._bucket, self._endpoint_url)) from error


class _OutOfRange(StorageError):
    """The object has none of the bytes that were asked for."""


class _Body(io.BytesIO):
    """Bytes to be sent bit by bit: given as plain bytes, they are copied whole into the buffer of the connection."""

    def __len__(self) -> int:
        return self.getbuffer().nbytes


def _file_system(endpoint_url: str | None) -> Any:
    import s3fs

    files = s3fs.S3FileSystem(
        endpoint_url=endpoint_url,
        skip_instance_cache=True,
        use_listings_cache=False,
        # One GET an object: with more, every whole read asks for the size first. Ranges are our own to spread.
        max_concurrency=1,
        config_kwargs={
            "connect_timeout": 5,
            "read_timeout": 60,
            "max_pool_connections": 64,
            "retries": {"max_attempts": 3, "mode": "standard"},
            # Other servers than Amazon's do not know the newer checksums; frames have their own.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
    )
    # The client below repeats already; times five, a server that hangs would be waited for for an hour.
    files.retries = 1
    return files


def _leave_parent() -> None:
    """Make fsspec start a thread of its own in a forked process; before 2026 it waited for the parent's for ever."""
    from fsspec.asyn import reset_lock

    reset_lock()


def _is_taken(error: XverError) -> bool:
    """Tell whether a create was refused because of another object, or of another create that goes on."""
    said = answer(error)
    return said.status in (409, 412) or isinstance(error.__cause__, FileExistsError)


def _parse(url: str) -> tuple[str, str]:
    """Return bucket and prefix; raises `InvalidInput`."""
    shape = "s3://bucket/prefix"
    found = _ADDRESS.fullmatch(url)
    if found is None:
        scheme = url.partition("://")[0]
        raise InvalidInput(
            f"xver cannot store at {scheme}:// addresses",
            hint=f"{shape} (also of S3-compatible servers: --endpoint-url), or the path of a folder",
        )
    bucket, prefix = found["bucket"], (found["prefix"] or "").rstrip("/")
    if "@" in bucket or ":" in bucket:
        raise InvalidInput(
            "credentials do not belong into an address, where everybody reads them",
            hint=f"{shape}, with credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or in ~/.aws",
        )
    if not _BUCKET.fullmatch(bucket):
        raise InvalidInput(f"no name of a bucket: {bucket!r}", hint=shape)
    if _BAD_TEXT.search(prefix) or (prefix and any(_BAD_PART.fullmatch(part) for part in prefix.split("/"))):
        raise InvalidInput(f"no prefix of a bucket: {prefix!r}", hint=shape)
    return bucket, prefix


def _check_endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    shape = "--endpoint-url https://host:port"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(f"no address of a server: {url!r}", hint=shape) from error
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("credentials do not belong into the address of a server", hint=shape)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"no address of a server: {url!r}", hint=shape)
    return url
