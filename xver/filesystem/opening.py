"""`xver.open`: a file of any version, here or at a remote, without checking it out."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import IO, Any, Final

from xver.errors import InvalidInput
from xver.filesystem.addresses import Address, parse_address
from xver.filesystem.files import KINDS, VersionedFiles
from xver.filesystem.repositories import MODES
from xver.repo import open_repo

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def open_file(
    path: str | os.PathLike[str],
    mode: str = "r",
    *,
    rev: str | None = None,
    encoding: str = "utf-8",
    endpoint_url: str | None = None,
) -> IO[Any]:
    """Open a file of a version for reading, without checking anything out; `xver.open` is this.

    `path` is one of this repository, from the current folder, or an address: `xver://data/labels.csv@v1.0`,
    `xver+s3://bucket/prefix//data/labels.csv@v1`. `rev` is the version where the address names none; without either
    it is HEAD, or a remote's default branch. Only what is read is fetched; the file can be sought in. A remote is
    looked at anew each time: for many files of one take `xver.open_repo`, or a filesystem of fsspec's.

    Raises:
        FileNotFoundError: nothing of that path, or no such version.
        InvalidInput: a mode other than "r" and "rb".
    """
    if mode not in MODES:
        raise InvalidInput(f"mode {mode!r}: versions are only read", hint='mode="r" for text, mode="rb" for bytes')
    files, inner = _files_of(os.fspath(path), endpoint_url)
    address = parse_address(inner, is_remote=files.is_remote)
    if rev is not None:
        if address.rev is not None and address.rev != rev:
            raise InvalidInput(f"{os.fspath(path)} names a version, and rev={rev!r} another one")
        address = Address(address.store, rev, address.path)
    file = files.open(str(address), "rb")
    return file if mode == "rb" else io.TextIOWrapper(file, encoding=encoding)


def _files_of(text: str, endpoint_url: str | None) -> tuple[VersionedFiles, str]:
    for kind in KINDS:
        if text.startswith(f"{kind.protocol}://"):
            # One of its own: fsspec shares others, which stay at the state they were opened with.
            files = kind(endpoint_url=endpoint_url, skip_instance_cache=True)
            return files, kind._strip_protocol(text)  # noqa: SLF001
    if _SCHEME.match(text):
        raise InvalidInput(f"{text} is no address of a versioned file", hint="xver+s3://bucket/prefix//path@version")
    repo = open_repo()
    inner = repo.relative(text, start=Path.cwd())
    return VersionedFiles(), str(Address("", None, inner))
