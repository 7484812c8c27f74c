"""Objects of whatever else fsspec knows (ftp, hdfs, github, hf and others): for reading alone, never a remote.

Credentials and options are those that each filesystem takes from the environment or from fsspec's own configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from xver.errors import InvalidInput, StorageError
from xver.storage.base import Stat
from xver.storage.cloud import Body, Client, CloudStorage
from xver.storage.cloud_errors import Address, Advice

_VERSIONS: Final = ("ETag", "etag", "checksum", "sha", "md5Hash", "mtime", "modify", "LastModified", "last_modified")
"""What filesystems call what changes with an object's bytes, the surest first."""


def locate_foreign(url: str) -> CloudStorage:
    """Return the objects at an address that fsspec understands; nothing is contacted.

    Raises:
        InvalidInput: fsspec knows no such addresses, or what reads them is not installed; the hint names it.
    """
    from fsspec.core import url_to_fs  # what it raises is as various as its filesystems
    from fsspec.registry import get_filesystem_class

    scheme = url.partition("://")[0]
    try:
        get_filesystem_class(scheme)
    except ValueError as error:
        raise InvalidInput(
            f"nothing here reads {scheme}:// addresses", hint="https://…, s3://…, gs://…, az://…, sftp://…, or a path"
        ) from error
    except ImportError as error:
        raise InvalidInput(f"{scheme}:// needs a package that is not installed", hint=str(error)) from error
    advice = Advice(
        make_bucket="correct the address",
        credentials=f"see fsspec's documentation of {scheme}://",
        refused=f"see fsspec's documentation of {scheme}://",
        renew="renew them",
        rights="ask its owner for the right to read there",
        bucket="place",
    )
    address = Address(url.rstrip("/"), url, advice=advice)
    return CloudStorage(address, lambda: _ForeignClient(*url_to_fs(url.rstrip("/"))))


class _ForeignClient(Client):
    """The objects below one path of a filesystem; the empty path is that path itself."""

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")

    def read(self, path: str, start: int | None, end: int | None) -> bytes:
        return bytes(self._files.cat_file(self._whole(path), start=start, end=end))

    def look(self, path: str) -> Stat | None:
        self._files.invalidate_cache()
        found = self._files.info(self._whole(path))
        return _stat(path, found) if found["type"] == "file" else None

    def find(self, prefix: str) -> Iterator[Stat]:
        self._files.invalidate_cache()
        for path, facts in self._files.find(self._whole(prefix.rstrip("/")), detail=True).items():
            name = path[len(self._root) :].lstrip("/")
            if facts["type"] == "file" and name:
                yield _stat(name, facts)

    def write(self, path: str, body: Body, *, is_new: bool) -> None:  # noqa: ARG002 - refused
        raise StorageError(f"nothing is written to {self._whole(path)}: it is only read")

    def remove(self, path: str) -> None:
        raise StorageError(f"nothing is removed from {self._whole(path)}: it is only read")

    def _whole(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root


def _stat(name: str, facts: Mapping[str, Any]) -> Stat:
    version = next((str(facts[key]) for key in _VERSIONS if facts.get(key)), "")
    # Some servers tell no size of what they make up as they go.
    if facts.get("size") is None:
        raise StorageError(f"the size of {facts.get('name', name)} is not told, so it cannot be read in parts")
    return Stat(name, int(facts["size"]), version)
