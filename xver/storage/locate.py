"""From the address a person types to the storage behind it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from xver.errors import InvalidInput
from xver.storage.base import Storage
from xver.storage.local import LocalStorage

# Two letters at least, so that a drive of Windows is no scheme.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_DRIVE: Final = re.compile("/[A-Za-z]:")
# As git has it: what has a colon before the first slash is no path.
_HEAD: Final = re.compile(r"([^/\\:]+):(.*)", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _s3(url: str, endpoint_url: str | None) -> Storage:
    from xver.storage.s3 import locate_s3

    return locate_s3(url, endpoint_url)


def _gcs(url: str, endpoint_url: str | None) -> Storage:
    from xver.storage.gcs import locate_gcs

    return locate_gcs(url, endpoint_url)


def _azure(url: str, endpoint_url: str | None) -> Storage:
    from xver.storage.azure import locate_azure

    return locate_azure(url, endpoint_url)


def _sftp(url: str, endpoint_url: str | None) -> Storage:
    from xver.storage.sftp import locate_sftp

    return locate_sftp(url, endpoint_url)


SCHEMES: Final[Mapping[str, Callable[[str, str | None], Storage]]] = {
    "s3": _s3,
    "gs": _gcs,
    "az": _azure,
    "sftp": _sftp,
}
"""What opens each kind of address that is no folder's; each loads what it needs when it is asked for."""
_SHAPES: Final = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, sftp://host/path, or a folder's path"


def locate(url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
    """Return the storage at `url`: an address of `SCHEMES`, `file:///path`, or a path, taken from `base` if relative.

    Nothing is contacted yet. `endpoint_url` names the server where it is not the provider's own.

    Raises:
        InvalidInput: an address that cannot be one; the hint names the forms there are, or what to install.
    """
    if not url.strip() or _CONTROL.search(url):
        raise InvalidInput("an address is needed", hint=_SHAPES)
    scheme = _SCHEME.match(url)
    if scheme is None:
        _refuse_mistyped(url, windows=sys.platform == "win32")
        return LocalStorage(base / Path(url).expanduser())
    if scheme[1].lower() == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
            raise InvalidInput(f"{url} names no folder of this machine", hint="file:///path/of/a/folder")
        return LocalStorage(base / path_of(parts.path, windows=sys.platform == "win32"))
    if (open_one := SCHEMES.get(scheme[1])) is None:
        raise InvalidInput(f"xver cannot store at {scheme[1]}:// addresses", hint=_SHAPES)
    return open_one(url, endpoint_url)


def _refuse_mistyped(url: str, *, windows: bool) -> None:
    """Refuse what would make a folder called `s3:`; raises `InvalidInput`."""
    found = _HEAD.fullmatch(url)
    if found is None:
        return
    head, rest = found[1], found[2]
    if len(head) == 1 and head.isalpha():
        if windows:
            return
        raise InvalidInput(f"{url} names a drive of Windows", hint=f"a folder of that name: ./{url}")
    if (scheme := head.lower()) in (*SCHEMES, "file"):
        slashes = ":///" if scheme == "file" else "://"
        meant = f"did you mean {scheme}{slashes}{rest.strip('/')}?" if rest.strip("/") else _SHAPES
    elif "@" in head:
        meant = f"did you mean sftp://{head}{rest if rest.startswith('/') else f'/~/{rest}'}?"
    else:
        meant = _SHAPES
    raise InvalidInput(f"{url} is no address", hint=f"{meant}; a folder of that name: ./{url}")


def path_of(quoted: str, *, windows: bool) -> str:
    """Return the path that the last part of a file:// address stands for: Windows has a drive behind the slash."""
    path = unquote(quoted)
    return path[1:] if windows and _DRIVE.match(path) else path
