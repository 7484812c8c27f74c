"""The parts that addresses share: a bucket with a prefix, and the server behind it."""

from __future__ import annotations

import importlib.util
import re
from typing import Final
from urllib.parse import urlsplit

from xver.errors import InvalidInput

_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_BAD_PART: Final = re.compile(r"\.{0,2}", re.DOTALL)
_BAD_TEXT: Final = re.compile(r"[\x00-\x1f\x7f?#\\]")


def split_bucket(url: str, *, shape: str, bucket: str, credentials: str) -> tuple[str, str]:
    """Return bucket and prefix of `scheme://bucket/prefix`.

    `shape` is the form to follow, `bucket` the provider's word, `credentials` where those belong instead.

    Raises:
        InvalidInput: it has another form, or holds credentials.
    """
    name, _, prefix = url.partition("://")[2].partition("/")
    prefix = prefix.rstrip("/")
    if "@" in name or ":" in name:
        raise InvalidInput(
            "credentials do not belong into an address, where everybody reads them",
            hint=f"{shape}, with credentials {credentials}",
        )
    if not _BUCKET.fullmatch(name):
        raise InvalidInput(f"no name of a {bucket}: {name!r}", hint=shape)
    check_prefix(prefix, shape=shape, bucket=bucket)
    return name, prefix


def check_prefix(prefix: str, *, shape: str, bucket: str) -> None:
    """Refuse with `InvalidInput` a prefix whose parts are empty or climb, or that holds an URL's own characters."""
    if _BAD_TEXT.search(prefix) or (prefix and any(_BAD_PART.fullmatch(part) for part in prefix.split("/"))):
        raise InvalidInput(f"no prefix of a {bucket}: {prefix!r}", hint=shape)


def check_endpoint(url: str | None) -> str | None:
    """Return the address of a server as it is; raises `InvalidInput` for what is none, or holds credentials."""
    if url is None:
        return None
    shape = "--endpoint-url https://host:port"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(f"no address of a server: {url!r}", hint=shape) from error
    if parts.username is not None or parts.password is not None or parts.query:
        raise InvalidInput("credentials do not belong into the address of a server", hint=shape)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"no address of a server: {url!r}", hint=shape)
    return url


def need(package: str, *, scheme: str, extra: str) -> None:
    """Raise `InvalidInput` when the client of a target is not installed; nothing is imported."""
    if importlib.util.find_spec(package) is None:
        raise InvalidInput(f"{scheme}:// needs the package {package}", hint=f"pip install 'xver[{extra}]'")
