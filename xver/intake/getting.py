"""Get: a path of a version, from any store to anywhere on this machine, with no repository of one's own.

Each file is written beside its place and renamed there, so what was cut off leaves none that looks whole; asked again,
what is there already is not fetched a second time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import AlreadyExists, InvalidInput, NotFound, StorageError, XverError
from xver.filesystem.originals import Original
from xver.filesystem.places import Place, find_below
from xver.filesystem.sources import LocalSource, RemoteSource
from xver.filesystem.trees import Tree
from xver.format.listings import Row
from xver.model.entries import Dataset, External, File, Link
from xver.model.paths import TrackedPath, quoted
from xver.progress import SILENT, Meter
from xver.store.content import read_rows
from xver.store.listings import read_listing
from xver.worktree.checkout import check_names
from xver.worktree.folders import open_folders
from xver.worktree.kinds import is_kind
from xver.worktree.reading import read_file
from xver.worktree.records import known_of

_FOLDS: Final = sys.platform in ("darwin", "win32")


@dataclass(frozen=True, slots=True)
class Got:
    """What a get did: where to, files and bytes written, files that were there."""

    target: Path
    written: int
    size: int
    there: int


def get(
    place: Place, to: Path | None, *, endpoint_url: str | None = None, force: bool = False, meter: Meter = SILENT
) -> Got:
    """Write a path of a version to `to` (default: its own name, here); into it, where it is a folder and a file comes.

    A folder is filled beside what it holds already. Files with other content are overwritten only by `force`.

    Raises:
        NotFound: there is no such path, or it is not stored.
        RepositoryNotFound, RevisionNotFound: no such store or version.
        AlreadyExists: files with other content are there; nothing was written.
        StorageError: the store cannot be read, or the disk not be written.
    """
    tree = _tree(place, endpoint_url)
    name = place.path.rpartition("/")[2]
    if not name and to is None:
        raise InvalidInput("a whole version has no name of its own", hint="xver get PLACE FOLDER")
    found = find_below(tree.store, tree.entries, place.path)
    if found is None:
        raise NotFound(f"{place.path or 'anything'} is not tracked there", hint=f"xver ls {quoted(_shown(place))}")
    target = Path(name) if to is None else to
    if isinstance(found, Dataset):
        root, rows = target, list(read_listing(tree.store, found.id))
    elif isinstance(found, list):
        root, rows = target, found
    else:
        target = target / name if target.is_dir() else target
        root, rows = target.parent, [Row(TrackedPath(target.name), found)]
    check_names((row.path for row in rows), folds=_FOLDS, windows=sys.platform == "win32")
    lacking = [row for row in rows if not _is_there(root, row, force=force)]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{root} cannot be made: {(error.strerror or str(error)).lower()}") from error
    _write(tree, root, lacking, force=force, meter=meter)
    return Got(target, len(lacking), sum(row.entry.size for row in lacking), len(rows) - len(lacking))


def _tree(place: Place, endpoint_url: str | None) -> Tree:
    if place.url is None:
        return LocalSource(Path(place.folder)).tree(place.rev)
    return RemoteSource(place.url, endpoint_url=endpoint_url).tree(place.rev)


def _write(tree: Tree, root: Path, rows: list[Row], *, force: bool, meter: Meter) -> None:
    def counted(parts: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        for part in parts:
            yield part
            meter.advance(len(part))

    meter.start("Getting", sum(row.entry.size for row in rows), "B")
    try:
        with open_folders(root) as folders:
            for row, parts in _read(tree, rows):
                folders.write(row.path, row.entry, counted(parts), seen=None if force else b"")
    finally:
        meter.finish()


def _read(tree: Tree, rows: list[Row]) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
    yield from read_rows(tree.store, [row for row in rows if not isinstance(row.entry, External)])
    for row in rows:
        if isinstance(row.entry, External):
            yield row, Original(row.entry).blocks()


def _is_there(root: Path, row: Row, *, force: bool) -> bool:
    """Tell whether a file is there already; raises `AlreadyExists` for one that is another."""
    path = root / row.path
    if not os.path.lexists(path):
        return False
    if isinstance(row.entry, External):
        if force:
            return False
        raise AlreadyExists(f"{path} is there, and may be another than {row.entry.uri}", hint="--force")
    assert isinstance(row.entry, File | Link)
    wanted = known_of(row.entry)
    try:
        known = read_file(os.fspath(path), None).known
        same = known.id == wanted.id and is_kind(known.kind, wanted.kind)
    except XverError:
        same = False
    if not (same or force):
        raise AlreadyExists(f"{path} is there, and is not what would be written", hint="--force, or another place")
    return same


def _shown(place: Place) -> str:
    return str(place).rpartition("//")[0] + "//"
