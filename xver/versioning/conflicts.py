"""Files that both sides of a merge changed, laid out beside each other for people to compare.

.xver/conflicts/data/labels.base.csv        what both started from
.xver/conflicts/data/labels.ours.csv
.xver/conflicts/data/labels.theirs.csv
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from xver.errors import ContentNotFound
from xver.model.entries import Entries, File
from xver.repo import Repo
from xver.store.content import is_here, read_content
from xver.versioning.versions import find_entry
from xver.worktree.folders import refusals

_MOST: Final = 200
"""Conflicts laid out: nobody looks at more."""
_LONGEST: Final = 255
"""Bytes of a file's name, on nearly all file systems."""
_LONGEST_SUFFIX: Final = 32


def lay_out(repo: Repo, paths: Sequence[str], sides: Mapping[str, Entries]) -> Path | None:
    """Write the versions of each path that are files and here; return the folder, None where there was none to write.

    It lies with what is xver's own, so no `add` or `status` sees it; what an earlier merge laid out there goes.

    Raises:
        StorageError: the disk refuses.
    """
    clear(repo)
    folder = _folder(repo)
    for path in paths[:_MOST]:
        name = PurePosixPath(path)
        for side, entries in sides.items():
            try:
                entry = find_entry(repo.store, entries, path)
            except ContentNotFound:
                continue
            if isinstance(entry, File) and is_here(repo.store, entry.id, entry.size):
                place = folder / name.with_name(_name_of(name, side))
                with refusals(str(place)):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with place.open("wb") as file:
                        file.writelines(read_content(repo.store, entry.id, entry.size))
    return folder if folder.exists() else None


def _name_of(path: PurePosixPath, side: str) -> str:
    """Return the name of a side's copy; in place of the end of a name too long for that stands a digest of it."""
    stem, suffix = path.stem, path.suffix
    if len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, suffix = path.name, ""
    room = _LONGEST - len(f".{side}{suffix}".encode())
    if len(stem.encode()) > room:
        mark = "~" + hashlib.blake2b(stem.encode(), digest_size=4).hexdigest()
        stem = stem.encode()[: room - len(mark)].decode(errors="ignore") + mark
    return f"{stem}.{side}{suffix}"


def clear(repo: Repo) -> None:
    """Remove what a merge laid out."""
    shutil.rmtree(_folder(repo), ignore_errors=True)


def _folder(repo: Repo) -> Path:
    return repo.places.own / "conflicts"
