"""Files of web servers: asked for only if they changed, their length checked, read on where a connection broke off.

A server that names a version (`ETag`, RFC 9110) is asked with `If-None-Match`, one that tells a time of change with
`If-Modified-Since`: what is the same does not travel. Proxies are those of the environment.
"""

from __future__ import annotations

import contextlib
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from xver import __version__
from xver.errors import Conflict, InvalidInput, NotFound, StorageError, TransientStorageError, XverError

SCHEMES: Final = frozenset({"http", "https"})
_BLOCK: Final = 4 * 1024 * 1024
_SILENCE_S: Final = 60
_FAILURES: Final = 3
_NOT_MODIFIED: Final = 304
_PARTIAL: Final = 206
_SAFE: Final = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class WebFacts:
    """What a server says of a file: its names for these bytes (empty where it has none), and its size if it tells."""

    etag: str = ""
    modified: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file on its way: what the server says of it, and its bytes, which end early only by an error."""

    facts: WebFacts
    blocks: Iterator[bytes]


def check_web(url: str) -> str:
    """Return the address of a file of a web server as it is sent; raises `InvalidInput` for what cannot be one."""
    try:
        parts = urlsplit(url)
        has_secret = parts.username is not None or parts.password is not None
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(f"no address of a file: {url!r}", hint="https://host/path") from error
    if has_secret:
        raise InvalidInput(
            "credentials do not belong into an address, where everybody reads them",
            hint="use an address that needs none, or one that its server has signed",
        )
    if parts.scheme.lower() not in SCHEMES or not parts.hostname:
        raise InvalidInput(f"no address of a file: {url!r}", hint="https://host/path")
    return quote(url.partition("#")[0], safe=_SAFE)


@contextlib.contextmanager
def open_web(url: str, *, known: WebFacts | None = None) -> Iterator[WebFile | None]:
    """Give the file at an address; None where the server says that it is still what is `known`.

    Raises:
        NotFound: there is none.
        Conflict: it changed while it was read.
        StorageError: the server refuses, or cannot be reached.
    """
    answer = _ask(url, _conditions(known))
    if answer is None:
        yield None
        return
    reading = _Reading(url, answer)
    try:
        yield WebFile(reading.facts, reading.blocks())
    finally:
        reading.close()


def look_web(url: str, *, known: WebFacts | None = None) -> WebFacts | None:
    """Return what the server says of a file, of which nothing travels; None where it is what is `known`.

    Raises like `open_web`.
    """
    answer = _ask(url, _conditions(known), method="HEAD")
    if answer is None:
        return None
    with answer:
        return _facts(answer.headers)


class _Reading:
    """The bytes of one file, over as many connections as it takes."""

    def __init__(self, url: str, answer: HTTPResponse) -> None:
        self._url = url
        self._answer = answer
        self.facts = _facts(answer.headers)

    def close(self) -> None:
        self._answer.close()

    def blocks(self) -> Iterator[bytes]:
        got, failures = 0, 0
        while True:
            try:
                # A connection that ends early looks like the end of the file: only the length tells.
                while block := self._answer.read(_BLOCK):
                    got, failures = got + len(block), 0
                    yield block
                if self.facts.size is None or got >= self.facts.size:
                    return
                cause: Exception = EOFError(f"{got} of {self.facts.size} bytes")
            except (OSError, HTTPException) as error:
                cause = error
            failures += 1
            if failures > _FAILURES or not self._can_go_on:
                raise TransientStorageError(
                    f"the connection to {self._url} broke off after {got:,} bytes", hint="try again"
                ) from cause
            self._go_on(got)

    @property
    def _can_go_on(self) -> bool:
        # A weak ETag (W/"…") may stand for other bytes.
        return self.facts.etag.startswith('"')

    def _go_on(self, got: int) -> None:
        self._answer.close()
        answer = _ask(self._url, {"Range": f"bytes={got}-", "If-Range": self.facts.etag})
        assert answer is not None, "nothing was asked that a server answers with 304"
        self._answer = answer
        if answer.status != _PARTIAL or not (answer.headers.get("Content-Range") or "").startswith(f"bytes {got}-"):
            if _facts(answer.headers).etag == self.facts.etag:
                raise TransientStorageError(
                    f"the connection to {self._url} broke off after {got:,} bytes, and its server cannot go on there",
                    hint="try again",
                )
            raise Conflict(f"{self._url} changes while it is read", hint="try again when whatever writes it is done")


def _conditions(known: WebFacts | None) -> dict[str, str]:
    if known is None:
        return {}
    if known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if known.modified else {}


def _facts(headers: Message) -> WebFacts:
    length = headers.get("Content-Length") or ""
    size = int(length) if length.isdecimal() and not headers.get("Transfer-Encoding") else None
    return WebFacts(headers.get("ETag") or "", headers.get("Last-Modified") or "", size)


def _ask(url: str, headers: dict[str, str], *, method: str = "GET") -> HTTPResponse | None:
    """Send a request; return the answer, None for "not modified"."""
    headers = {"User-Agent": f"xver/{__version__}", **headers}
    request = urllib.request.Request(check_web(url), headers=headers, method=method)  # noqa: S310 - http and https only
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=_SILENCE_S)  # noqa: S310
    except HTTPError as error:
        with error:
            if error.code == _NOT_MODIFIED:
                return None
            raise _refusal(url, error.code) from error
    except (OSError, HTTPException) as error:
        raise _failure(url, error) from error
    return answer


def _refusal(url: str, status: int) -> XverError:
    if status in (404, 410):
        return NotFound(f"there is nothing at {url} ({status})", hint="check the address")
    if status in (401, 403):
        return StorageError(f"{url} denies access ({status})", hint="ask its owner for an address that you may read")
    if status in (408, 429) or status >= 500:
        return TransientStorageError(f"{url} failed ({status})", hint="try again in a minute")
    return StorageError(f"{url} cannot be read ({status})", hint="check the address")


def _failure(url: str, error: Exception) -> StorageError:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StorageError(
            f"the certificate of {url} cannot be trusted", hint="export SSL_CERT_FILE=…, the file of its authority"
        )
    if isinstance(cause, TimeoutError):
        return TransientStorageError(f"{url} did not answer in time", hint="try again")
    if isinstance(cause, HTTPException):
        return TransientStorageError(f"the connection to {url} broke off", hint="try again")
    return TransientStorageError(f"{url} cannot be reached", hint="check the network and the address, then try again")
