"""From the address a person types to the origin behind it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xver.errors import InvalidInput
from xver.filesystem.places import parse_place
from xver.intake.folders import FolderOrigin, path_of_uri
from xver.intake.objects import ObjectsOrigin
from xver.intake.origin import Origin
from xver.intake.references import ReferenceOrigin
from xver.intake.repositories import RepositoryOrigin
from xver.intake.web import WebOrigin
from xver.storage.web import SCHEMES as WEB

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def find_origin(address: str, *, endpoint_url: str | None, start: Path, is_reference: bool = False) -> Origin:
    """Return what an address means; what has no scheme is taken from the folder `start`.

    A path of a version (`xver.filesystem.places`), a file of a web server, a file or folder of this machine, or the
    object or objects at an address that a storage of ours or fsspec reads. `is_reference`: only what a bucket lists.

    Raises:
        InvalidInput: an address that cannot be one; the hint names the forms there are, or what to install.
        NotFound: a path of this machine where nothing is.
    """
    if not address.strip() or _CONTROL.search(address):
        raise InvalidInput("an address is needed", hint="https://host/file, s3://bucket/folder, or a path")
    if is_reference:
        return ReferenceOrigin(address, endpoint_url)
    place = parse_place(address, start=start, plain=False)
    if place is not None:
        return RepositoryOrigin(place, endpoint_url)
    scheme = _SCHEME.match(address)
    if scheme is None:
        return FolderOrigin(start / Path(address).expanduser())
    word = scheme[1].lower()
    if word == "file":
        return FolderOrigin(path_of_uri(address))
    return WebOrigin(address) if word in WEB else ObjectsOrigin(address, endpoint_url)
