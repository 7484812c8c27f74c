"""Places in any store, as people name them: `STORE[@REV]:PATH`, or an address of `addresses`.

    s3://bucket/survey@v1:data/raw      a remote          /mnt/share/survey:data/raw   a folder that is a remote
    ~/survey@main~2:data/raw            a repository      @v1:data/raw                 the one around this folder
    xver+s3://bucket/survey//data/raw@v1                  an address

The first @ behind a host or a bucket begins the version, the first colon behind that the path; an @ of a folder's name
is written twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import InvalidInput
from xver.filesystem.addresses import PREFIX, parse_address
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry
from xver.model.paths import TrackedPath, is_below
from xver.places import find_places
from xver.storage.locate import SCHEMES
from xver.store.listings import find_row, read_listing, rows_below
from xver.store.store import MARKER, Store

_SCHEME: Final = re.compile(r"(xver\+)?([A-Za-z][A-Za-z0-9+.-]+)://")
_DRIVE: Final = re.compile(r"[A-Za-z]:[/\\]")
_RUN: Final = re.compile("@+")
SHAPES: Final = "s3://bucket/survey@v1:data/raw, /path/of/a/repository@v1:data/raw, or @v1:data/raw of this one"


@dataclass(frozen=True, slots=True)
class Place:
    """A path of a version: `url` is a remote's address, or None and `folder` lies in a repository of this machine.

    `rev` None is the default version, an empty `path` all of it.
    """

    url: str | None
    folder: str
    rev: str | None
    path: str

    def __str__(self) -> str:
        """Return the address that stands for it on this machine, whatever the current folder is."""
        if self.url is None:
            store = f"{PREFIX}://{Path(self.folder).resolve().as_posix()}"
        else:
            store = f"{PREFIX}+{self.url}"
        rev = "" if self.rev is None else "@" + self.rev.replace("@", "@@")
        return f"{store}//{self.path.replace('@', '@@')}{rev}"


def parse_place(text: str, *, start: Path, plain: bool = True) -> Place | None:
    """Return what `text` names, None for what names no path of a version; folders are taken from `start`.

    `plain`: an address such as `s3://…` is a store's also without `xver+` in front.

    Raises:
        InvalidInput: it names a store, and no version or path of it can be told.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _local(text, start)
    if scheme[1] is None and scheme[2] == PREFIX:
        address = parse_address(text[scheme.end() :], is_remote=False)
        return Place(None, str(start / (address.store or ".")), address.rev, address.path)
    if scheme[1] is None and not plain:
        return None
    if scheme[2] not in SCHEMES and scheme[2] != "file":
        if scheme[1] is None:
            return None
        raise InvalidInput(f"xver keeps nothing at {scheme[2]}:// addresses", hint=SHAPES)
    below = text[scheme.end() :]
    if "//" in below:
        address = parse_address(below, is_remote=True)
        return Place(f"{scheme[2]}://{address.store}", "", address.rev, address.path)
    # `user@host:port` is no version and no path, nor is what stands before the colon of a drive.
    drive = _DRIVE.match(below, 1) if scheme[2] == "file" else None
    behind = below.find("/") if scheme[2] == "sftp" else 0 if drive is None else drive.end()
    store, rev, path = _split(below, max(behind, 0))
    if path is None:
        raise InvalidInput(f"{text} names no path of that store", hint=SHAPES)
    return Place(f"{scheme[2]}://{store}", "", rev, path)


def find_below(
    store: Store, entries: Mapping[TrackedPath, Entry] | Mapping[str, Entry], path: str
) -> Entry | list[Row] | None:
    """Return what a path is in a version: an entry, or the rows below a folder that is none; None if nothing.

    Rows are sorted, and named from the folder on.
    """
    if path in entries:
        return entries[TrackedPath(path)]
    rows: list[Row] = []
    for top, entry in entries.items():
        if is_below(top, path):
            inner = top[len(path) + 1 :] if path else str(top)
            if isinstance(entry, Dataset):
                rows += [Row(TrackedPath(f"{inner}/{row.path}"), row.entry) for row in read_listing(store, entry.id)]
            else:
                rows.append(Row(TrackedPath(inner), entry))
        elif isinstance(entry, Dataset) and is_below(path, top):
            part = path[len(top) + 1 :]
            if (row := find_row(store, entry.id, TrackedPath(part))) is not None:
                return row
            rows += [
                Row(TrackedPath(one.path[len(part) + 1 :]), one.entry) for one in rows_below(store, entry.id, part)
            ]
    return sorted(rows, key=lambda row: row.path.encode()) or None


def _local(text: str, start: Path) -> Place | None:
    if os.path.lexists(start / text):
        return None  # a file may have a colon in its name
    drive = _DRIVE.match(text)
    store, rev, path = _split(text, 0 if drive is None else drive.end())
    if path is None:
        return None
    folder = start / Path(store or ".").expanduser()
    if (folder / MARKER).is_file():
        return Place(folder.resolve().as_uri(), "", rev, path)
    return Place(None, str(folder), rev, path) if folder.is_dir() and find_places(folder) is not None else None


def _split(text: str, start: int) -> tuple[str, str | None, str | None]:
    """Return store, version and path of `STORE[@REV]:PATH`, looking for @ and the colon behind `start`."""
    run = next((run for run in _RUN.finditer(text, start) if len(run[0]) % 2), None)
    colon = _colon(text, start)
    if colon is None:
        return text, None, None
    path = text[colon + 1 :].strip("/")
    if run is None or run.start() > colon:
        return text[:colon].replace("@@", "@"), None, path
    rev = text[run.end() : colon]
    if not rev:
        raise InvalidInput(f"{text} names no version behind the @", hint=SHAPES)
    return text[: run.end() - 1].replace("@@", "@"), rev, path


def _colon(text: str, start: int) -> int | None:
    """Return where the colon stands that begins the path: not one in braces, which is of a moment's time of day."""
    inside = 0
    for at in range(start, len(text)):
        inside += {"{": 1, "}": -1}.get(text[at], 0)
        if text[at] == ":" and not inside:
            return at
    return None
