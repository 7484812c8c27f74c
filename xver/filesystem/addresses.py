"""Addresses of versioned files: which store, which version, which path.

    xver://data/train.parquet@v1.0                     this repository
    xver:///home/ada/survey//data/labels.csv@main~2    another one here: // ends its folder
    xver+s3://bucket/prefix//data/labels.csv@v1        a remote, without a clone: // ends its address

What follows the last @ is the version. An @ of a path or a version itself is written twice: `mail@@home.csv`.

fsspec builds paths by joining parts, so within it the version comes first: `@v1/data/labels.csv`. Both are
understood everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from xver.errors import InvalidInput

PREFIX: Final = "xver"
_RUN: Final = re.compile("@+")
_ROOTED: Final = re.compile(r"/|[A-Za-z]:[/\\]")
_HINT: Final = "as in data/labels.csv@v1.0; an @ that belongs to a name is written twice: mail@@home.csv"


@dataclass(frozen=True, slots=True)
class Address:
    """A file or folder of a version. `store` is empty for this repository, `rev` None for the default version."""

    store: str
    rev: str | None
    path: str

    def __str__(self) -> str:
        """Return the form with the version first; `parse_address` gives the same address back."""
        parts = []
        if self.rev is not None:
            parts.append("@" + self.rev.replace("%", "%25").replace("/", "%2F").replace("@", "%40"))
        if self.path:
            parts.append(self.path.replace("@", "@@"))
        below = "/".join(parts)
        return f"{self.store}//{below}" if self.store else below

    def at(self, path: str) -> Address:
        """Return the address of another path of the same version."""
        return replace(self, path=path)


def parse_address(text: str, *, is_remote: bool) -> Address:
    """Return what an address without its protocol names; `is_remote`: it begins with the address of a store.

    Raises:
        InvalidInput: which @ begins the version cannot be told.
    """
    store, below = "", text
    if is_remote or _ROOTED.match(text):
        store, _, below = text.partition("//")
        if below and not store:
            raise InvalidInput(f"{text!r} names no store", hint="as in bucket/prefix//data/labels.csv@v1.0")
        store = store.rstrip("/") or store
    if below.startswith("@") and not below.startswith("@@"):
        word, _, path = below[1:].partition("/")
        rev: str | None = unquote(word)
    else:
        ends = [run.end() for run in _RUN.finditer(below) if len(run[0]) % 2]
        cut = ends[-1] if ends else None
        path = below if cut is None else below[: cut - 1]
        rev = None if cut is None else below[cut:].replace("@@", "@")
    if rev == "" or any(len(run[0]) % 2 for run in _RUN.finditer(path)):
        raise InvalidInput(f"{text!r} does not say which version is meant", hint=_HINT)
    return Address(store, rev, path.replace("@@", "@").strip("/"))
