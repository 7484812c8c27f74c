"""What the words of a user name: paths and patterns."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from xver.errors import NotFound
from xver.model.entries import Dataset
from xver.model.paths import TrackedPath
from xver.repo import Repo


def expand(repo: Repo, patterns: Iterable[str], *, start: Path) -> list[str]:
    """Return the paths, relative to the root, that a user's words name from folder `start`: names and globs.

    Raises:
        NotFound: a glob that matches nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if not os.path.lexists(start / pattern) and any(one in pattern for one in "*?["):
            from glob import glob

            matches = sorted(glob(pattern, root_dir=start, recursive=True))
            for match in matches:
                found[repo.relative(match, start=start)] = None
            if not matches:
                found |= dict.fromkeys(_tracked_matches(repo, pattern, start))
        else:
            found[repo.relative(pattern, start=start)] = None
    return list(found)


def _tracked_matches(repo: Repo, pattern: str, start: Path) -> list[str]:
    """Return what a pattern that matches nothing on the disk names in `xver.lock`: itself, or what was deleted."""
    from xver.versioning.partly import rows_of

    wanted, found = repo.relative(pattern, start=start), []
    for top, entry in repo.lock.entries.items():
        depth = top.count("/") + 1
        if PurePosixPath(top).match(wanted):
            found.append(top)
        elif isinstance(entry, Dataset) and PurePosixPath(top).match("/".join(wanted.split("/")[:depth])):
            paths = (TrackedPath(f"{top}/{row.path}") for row in rows_of(repo, top, entry))
            found += [path for path in paths if path == wanted or PurePosixPath(path).match(wanted)]
    if not found:
        raise NotFound(f"nothing matches {pattern}", hint="quote the pattern, and check the folder you are in")
    return [*found]
