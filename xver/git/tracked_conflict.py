"""One path, one owner: find out which of the paths that xver is to track git tracks already."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from xver.git.command import GitCommand
from xver.git.state import tracked_files


def git_tracks_any(git: GitCommand, paths: Iterable[str]) -> list[str]:
    """Return those of `paths`, files or folders, that git tracks in whole or in part, in the order given.

    A path inside of something git tracks as one (a submodule, a symbolic link) counts. The cure is
    `git rm -r --cached PATH`. One git process, whatever the number of paths.
    """
    asked = list(paths)
    if not asked:
        return []
    files = sorted(tracked_files(git))
    known = set(files)
    return [path for path in asked if _meets(path.rstrip("/"), files, known)]


def _meets(path: str, files: list[str], known: set[str]) -> bool:
    if not path:  # the top of the work tree holds everything
        return bool(files)
    parts = path.split("/")
    if any("/".join(parts[:count]) in known for count in range(1, len(parts) + 1)):
        return True
    folder = path + "/"
    place = bisect_left(files, folder)
    return place < len(files) and files[place].startswith(folder)
