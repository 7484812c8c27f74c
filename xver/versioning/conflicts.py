"""Files that both sides of a merge changed, laid out beside each other for people to compare.

.xver/conflicts/data/labels.base.csv        what both started from
.xver/conflicts/data/labels.ours.csv
.xver/conflicts/data/labels.theirs.csv
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from xver.errors import ContentNotFound
from xver.history.diff import Entries
from xver.model.entries import File
from xver.repo import Repo
from xver.store.content import is_here, read_content
from xver.versioning.versions import find_entry
from xver.worktree.folders import refusals

_MOST: Final = 200
"""Conflicts laid out: nobody looks at more."""


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
                place = folder / name.with_name(f"{name.stem}.{side}{name.suffix}")
                with refusals(str(place)):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with place.open("wb") as file:
                        file.writelines(read_content(repo.store, entry.id, entry.size))
    return folder if folder.exists() else None


def clear(repo: Repo) -> None:
    """Remove what a merge laid out."""
    shutil.rmtree(_folder(repo), ignore_errors=True)


def _folder(repo: Repo) -> Path:
    return repo.places.own / "conflicts"
