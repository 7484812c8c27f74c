"""Views: files of a version as a folder of this machine, read-only and made once, whoever asks for them.

<cache>/views/<listing id>/             whole from the moment it has its name
<cache>/views/.<listing id>.<random>    one that is being made, or removed

The name is the id of what it holds, so the same data of any version, branch or repository is one view.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import NotFound, StorageError
from xver.format.listings import Row
from xver.model.entries import Dataset, Entries, External, File, Link
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath, is_below
from xver.progress import SILENT, Meter
from xver.store.content import read_rows
from xver.store.listings import put_listing, read_listing, rows_below
from xver.store.remembered import VIEWS
from xver.store.store import Store
from xver.worktree.checkout import check_names
from xver.worktree.folders import open_folders

_DAY: Final = 86_400
_EXISTS: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES, errno.EPERM)
"""What systems say when a folder is to get the name of one that is there."""


@dataclass(frozen=True, slots=True)
class View:
    """A folder that holds a listing, and whether it was made just now."""

    folder: Path
    id: ListingId
    is_new: bool


def make_view(store: Store, entries: Entries, path: str, *, cache: Path, meter: Meter = SILENT) -> View:
    """Return the view of what was tracked at or below a path; a file is in a folder of its own.

    Every byte is verified when the view is made. Links are links, as they were tracked.

    Raises:
        NotFound: nothing was tracked there, or nothing but references to what lies elsewhere.
        ContentNotFound: content is nowhere to be had.
        InvalidInput: names that this file system cannot hold.
        StorageError: the disk refuses; nothing of the view is left.
    """
    id, rows = _listing(store, entries, path)
    views = cache / VIEWS
    folder = views / id.hex()
    if folder.is_dir():
        _touch(folder)
        return View(folder, id, is_new=False)
    rows = list(rows)
    if rows and all(isinstance(row.entry, External) for row in rows):
        raise NotFound(f"{path} is only referred to, and not stored", hint="xver get copies what lies elsewhere")
    try:
        views.mkdir(parents=True, exist_ok=True)
        beside = views / f".{id.hex()}.{os.urandom(4).hex()}"
        beside.mkdir()
    except OSError as error:
        raise _refused(views, error) from error
    try:
        _write(store, beside, rows, meter)
        if sys.platform != "win32":
            # Under its name it is never made again: the disk has to have it first.
            os.sync()
        return View(folder, id, is_new=_name(beside, folder))
    finally:
        _remove(beside)


def drop_views(cache: Path, *, days: float) -> list[Path]:
    """Remove the views that nobody has asked for in so many days, and what was never finished; return the former.

    One that we may not remove stays.
    """
    views, now = cache / VIEWS, time.time()
    dropped = []
    for folder in sorted(views.iterdir()) if views.is_dir() else []:
        with suppress(FileNotFoundError):
            age = now - folder.stat().st_mtime
            if folder.name.startswith("."):
                if age > _DAY:
                    _remove(folder)
            elif age >= days * _DAY:
                # It goes at once, whatever the removal takes: half of it is never seen.
                beside = views / f".{folder.name}.{os.urandom(4).hex()}"
                _let_write(folder)
                try:
                    folder.rename(beside)
                except PermissionError:
                    # Somebody else's, on a shared disk; or a program has one of its files open, on Windows.
                    _forbid_writing(folder)
                    continue
                _remove(beside)
                dropped.append(folder)
    return dropped


def _listing(store: Store, entries: Entries, path: str) -> tuple[ListingId, Iterable[Row]]:
    entry = entries.get(TrackedPath(path))
    if isinstance(entry, Dataset):
        return entry.id, read_listing(store, entry.id)
    rows = sorted(_rows(store, entries, path), key=lambda row: row.path.encode())
    if not rows:
        raise NotFound(f"{path or 'nothing'} is not tracked there", hint="xver ls shows what is")
    return put_listing(None, rows).id, rows


def _rows(store: Store, entries: Entries, path: str) -> Iterator[Row]:
    name = path.rpartition("/")[2]
    for top, entry in entries.items():
        if is_below(top, path):
            inner = top[len(path) + 1 :] if path else top
            if isinstance(entry, Dataset):
                yield from (Row(TrackedPath(f"{inner}/{row.path}"), row.entry) for row in read_listing(store, entry.id))
            else:
                yield Row(TrackedPath(inner or name), entry)
        elif isinstance(entry, Dataset) and is_below(path, top):
            part = path[len(top) + 1 :]
            for row in rows_below(store, entry.id, part):
                yield Row(TrackedPath(row.path[len(part) + 1 :] or name), row.entry)


def _write(store: Store, folder: Path, rows: Iterable[Row], meter: Meter) -> None:
    """Write the files, and take away the right to write from them and from the folders below."""
    every = [row for row in rows if isinstance(row.entry, File | Link)]
    folds, windows = _folds_case(folder), sys.platform == "win32"
    if folds or windows:
        check_names((row.path for row in every), folds=folds, windows=windows)
    meter.start("Making the view", sum(row.entry.size for row in every), "B")
    with open_folders(folder) as folders:
        for row, parts in read_rows(store, every):
            folders.write(row.path, row.entry, parts, seen=b"")
            meter.advance(row.entry.size)
    meter.finish()
    for row in every:
        if isinstance(row.entry, File):
            (folder / row.path).chmod(0o555 if row.entry.executable else 0o444)
    for where, _, _ in os.walk(folder, topdown=False):
        if Path(where) != folder:
            Path(where).chmod(0o555)


def _name(beside: Path, folder: Path) -> bool:
    """Give a view its name; tell whether nobody else has made it meanwhile."""
    try:
        beside.rename(folder)
    except OSError as error:
        if error.errno not in _EXISTS or not folder.is_dir():
            raise _refused(folder, error) from error
        return False
    folder.chmod(0o555)
    return True


def _remove(folder: Path) -> None:
    """Remove a folder that may not be written in, if it is there."""
    if not folder.is_dir():
        return
    for where, _, _ in os.walk(folder):
        _let_write(Path(where))
    if sys.platform == "win32":
        for file in folder.rglob("*"):
            file.chmod(0o666)
    shutil.rmtree(folder, ignore_errors=True)


def _let_write(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o755)


def _forbid_writing(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o555)


def _touch(folder: Path) -> None:
    with suppress(OSError):  # somebody else's, on a shared disk
        os.utime(folder)


def _folds_case(folder: Path) -> bool:
    """Tell whether the file system takes names of different case for one."""
    probe = folder.with_name(folder.name.upper())
    return probe != folder and probe.exists()


def _refused(path: Path, error: OSError) -> StorageError:
    why = (error.strerror or str(error)).lower()
    return StorageError(f"{path} cannot be written: {why}", hint="XVER_CACHE names another folder")
