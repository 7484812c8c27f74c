"""Where a repository keeps its parts, and how it is found from any folder inside.

in git        <git common dir>/xver/   store/ runs/ cache/       shared by linked worktrees
<git dir>/xver/          stat-index lock worktree sparse  of this worktree
outside git   .xver/                   all of it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.format.lockfile import NAME as LOCK_NAME
from xver.git.locate import GitPlaces, find_git
from xver.settings import NAME as SETTINGS_NAME

OWN_FOLDER: Final = ".xver"


@dataclass(frozen=True, slots=True)
class Places:
    """Absolute paths: the work tree's root, the folder all worktrees share, and the one of this worktree."""

    root: Path
    shared: Path
    own: Path
    git: GitPlaces | None


def find_places(start: Path) -> Places | None:
    """Return where the repository around a folder keeps its parts, None if there is none."""
    start = start.resolve()
    git = find_git(start)
    own = next((folder for folder in (start, *start.parents) if _is_own(folder)), None)
    if git is not None and (own is None or len(own.parts) <= len(git.root.parts)):
        places = places_in_git(git)
        if own == git.root and not (places.shared / "store").exists():
            # git came later: the history that is there goes on.
            return places_outside(own)
        # A clone made by git has the two files and no store yet; that makes it a repository of ours all the same.
        marks = (places.shared / "store", git.root / LOCK_NAME, git.root / SETTINGS_NAME)
        if any(mark.exists() for mark in marks):
            return places
    return None if own is None else places_outside(own)


def _is_own(folder: Path) -> bool:
    """Tell whether a folder has, or had, a repository without git: its store may be gone."""
    own = folder / OWN_FOLDER
    return (own / "store").is_dir() or ((own / "HEAD").is_file() and (folder / LOCK_NAME).is_file())


def places_in_git(git: GitPlaces) -> Places:
    """Return the places of a repository beside git."""
    return Places(git.root, git.common_dir / "xver", git.git_dir / "xver", git)


def places_outside(root: Path) -> Places:
    """Return the places of a repository without git."""
    return Places(root, root / OWN_FOLDER, root / OWN_FOLDER, None)
