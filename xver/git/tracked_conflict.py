"""One path, one owner: find out which of the paths that xver is to track git tracks already, and hand them over."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable

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


def rows_of(git: GitCommand, paths: Collection[str]) -> list[str]:
    """Return what git's index has of some files, as `git ls-files --stage` prints it."""
    wanted = frozenset(paths)
    return [row for row in git.paths("ls-files", "--stage", "-z") if row.partition("\t")[2] in wanted]


def leave_index(git: GitCommand, rows: Iterable[str]) -> None:
    """Take rows out of git's index in one step; their files stay on the disk."""
    gone = ((row.split(" ", 2)[1], row.partition("\t")[2]) for row in rows)
    _update(git, "".join(f"0 {id}\t{path}\0" for id, path in gone))


def enter_index(git: GitCommand, rows: Iterable[str]) -> None:
    """Put rows back into git's index, but for paths that it has again."""
    paths = {row.partition("\t")[2]: row for row in rows}
    known = set(git_tracks_any(git, paths))
    lacking = "".join(f"{row}\0" for path, row in paths.items() if path not in known)
    _update(git, lacking)


def _update(git: GitCommand, rows: str) -> None:
    if rows:
        git.change("update-index", "-z", "--index-info", input=rows.encode("utf-8", "surrogateescape"))


def _meets(path: str, files: list[str], known: set[str]) -> bool:
    if not path:  # the top of the work tree holds everything
        return bool(files)
    parts = path.split("/")
    if any("/".join(parts[:count]) in known for count in range(1, len(parts) + 1)):
        return True
    folder = path + "/"
    place = bisect_left(files, folder)
    return place < len(files) and files[place].startswith(folder)
