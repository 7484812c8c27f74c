"""Find the git repository around a directory by reading a few small files: no process is started.

    start/ … up … root/.git            a directory: the git dir itself
                  root/.git            a file `gitdir: PATH`: a linked worktree or a submodule
    git_dir/commondir                  a linked worktree names the dir it shares with the others

Follows gitrepository-layout(5). Neither GIT_DIR nor `core.worktree` is looked at: the root is where `.git` is.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import RepositoryNotFound

_GITFILE: Final = "gitdir: "
_SECTION: Final = re.compile(r"\s*\[\s*([^\]\s\"]+)\s*(\"[^\]]*)?\]")
_BARE: Final = re.compile(r"\s*bare\s*(?:=\s*\"?([^\"#;\s]*)\"?\s*)?(?:[#;].*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GitPlaces:
    """Where a git repository is: absolute paths, links in `root` resolved.

    `root` is the top of the work tree, `git_dir` the folder of this work tree's own state, `common_dir` the folder
    that all linked worktrees share; the last two are one unless this is a linked worktree.
    """

    root: Path
    git_dir: Path
    common_dir: Path


def find_git(start: Path) -> GitPlaces | None:
    """Return the git repository whose work tree holds `start`, None where there is none.

    Looks upwards as far as the root of the file system. Bare repositories and the inside of a git dir have no work
    tree: None. What looks like `.git` and is not one is passed over, as git does; raises `RepositoryNotFound` only
    for a `.git` file that points to what is gone.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if dot_git.is_dir():
            git_dir: Path | None = dot_git
        elif dot_git.is_file():
            git_dir = _follow(dot_git)
        else:
            git_dir = None
        if git_dir is not None and _is_git_dir(git_dir):
            common_dir = _common_dir(git_dir)
            # `core.bare` speaks of the main work tree only; linked worktrees of a bare repository are usual.
            if common_dir == git_dir and _is_bare(git_dir):
                return None
            return GitPlaces(folder, git_dir, common_dir)
        if _is_git_dir(folder):
            return None
    return None


def _follow(gitfile: Path) -> Path | None:
    text = _read(gitfile) or ""
    if not text.startswith(_GITFILE):
        return None
    target = Path(os.path.abspath(gitfile.parent / text.removeprefix(_GITFILE).rstrip("\r\n")))
    if not _is_git_dir(target):
        raise RepositoryNotFound(
            f"{gitfile} points to {target}, which is no git repository", hint="git worktree repair"
        )
    return target


def _is_git_dir(folder: Path) -> bool:
    if not os.path.lexists(folder / "HEAD"):  # HEAD may be a link to a branch that is not born yet
        return False
    common = _common_dir(folder)
    return (common / "objects").is_dir() and (common / "refs").is_dir()


def _common_dir(git_dir: Path) -> Path:
    text = _read(git_dir / "commondir")
    return git_dir if text is None else Path(os.path.abspath(git_dir / text.rstrip("\r\n")))


def _is_bare(git_dir: Path) -> bool:
    bare = False
    section = ""
    for line in (_read(git_dir / "config") or "").split("\n"):
        opened = _SECTION.match(line)
        if opened:
            section = opened[1].casefold() if opened[2] is None else ""
        said = _BARE.fullmatch(line[opened.end() if opened else 0 :]) if section == "core" else None
        if said:
            bare = said[1] is None or said[1].casefold() in ("true", "yes", "on", "1")
    return bare


def _read(path: Path) -> str | None:
    try:
        return os.fsdecode(path.read_bytes())
    except OSError:
        return None
