"""What of the paths that a user names can be taken under version control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from xver.errors import InvalidInput
from xver.format.lockfile import NAME as LOCK_NAME
from xver.git.ignore_block import FILE as GIT_IGNORE
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import Dataset, Entry
from xver.model.paths import PathSet, TrackedPath, is_below, parse_path, typed
from xver.repo import Repo
from xver.settings import NAME as SETTINGS_NAME
from xver.versioning.membership import rules
from xver.versioning.partly import refuse_outside, rows_of
from xver.worktree.compare import find_link_above, is_there
from xver.worktree.ignore import NAME as IGNORE_NAME
from xver.worktree.ignore import Ignore

_OWN_FILES: Final = frozenset({LOCK_NAME, SETTINGS_NAME, GIT_IGNORE, ".gitattributes", IGNORE_NAME})


_NAMED: Final = 4
"""Tracked paths that a hint names."""


def targets(
    repo: Repo, paths: Sequence[str], entries: Mapping[TrackedPath, Entry], ignore: Ignore
) -> dict[TrackedPath, list[str]]:
    """Return the tracked paths to take in; for one that only in parts changes, those parts.

    Raises:
        InvalidInput: nothing is there, git tracks it, it overlaps what is tracked, or a rule leaves it out.
    """
    wanted: dict[TrackedPath, list[str]] = {}
    fresh: list[TrackedPath] = []
    known = PathSet(entries)
    for text in paths:
        if not text:
            names = " ".join(map(typed, [*entries][:_NAMED])) or "PATH"
            raise InvalidInput(
                "the whole repository cannot be one dataset",
                hint=f"name the folders and files that are data: xver add {names}",
            )
        path = parse_path(text)
        _refuse_own(repo, path)
        _refuse_ignored(repo, path, ignore, hint=f"xver add -f {typed(path)} adds it all the same")
        above = known.above(path)
        if above is None:
            if tops := known.below(path):
                raise InvalidInput(
                    f"{path} holds {tops[0]}, which is tracked by itself",
                    hint=f"xver add {typed(tops[0])}, or xver rm --cached {typed(tops[0])} first",
                )
            fresh.append(path)
            wanted[path] = []
        elif above == path:
            wanted[above] = []
        elif above not in wanted or wanted[above]:
            if not is_there(repo.root, path) and not _was_tracked(repo, above, entries[above], path):
                raise InvalidInput(f"there is no {path}", hint="give the path of a file or folder that exists")
            refuse_outside(repo, path)
            wanted.setdefault(above, []).append(path)
    given = PathSet(fresh)
    if inner := next((path for path in fresh if given.above(path) != path), None):
        raise InvalidInput(f"{inner} overlaps another of the paths given", hint="give the outer one alone")
    for top, parts in wanted.items():
        if not parts and not is_there(repo.root, top):
            hint = f"xver checkout {typed(top)} brings it back, xver rm {typed(top)} stops tracking it"
            raise InvalidInput(
                f"there is no {top}", hint=hint if top in entries else "give the path of a file or folder that exists"
            )
    if repo.git is not None and fresh and (tracked := git_tracks_any(repo.git, fresh)):
        raise InvalidInput(f"git tracks {tracked[0]}", hint=f"git rm -r --cached {typed(tracked[0])}, then xver add it")
    return wanted


def refuse_place(repo: Repo, path: TrackedPath) -> None:
    """Refuse paths that cannot be data: xver's own files, what lies behind a link, what is ignored and not tracked."""
    _refuse_own(repo, path)
    _refuse_ignored(repo, path, rules(repo), hint=f"take the rule out of {repo.ignore.files}")


def _refuse_own(repo: Repo, path: TrackedPath) -> None:
    if path in _OWN_FILES:
        raise InvalidInput(f"{path} belongs to git and xver, and is no data", hint="xver add data models")
    if (link := find_link_above(repo.root, path)) is not None:
        raise InvalidInput(f"{path} lies behind the link {link}", hint=f"xver add {typed(link)} tracks the link itself")


def _refuse_ignored(repo: Repo, path: TrackedPath, ignore: Ignore, *, hint: str) -> None:
    for part in accumulate(path.split("/"), "{}/{}".format):
        if ignore(part, is_directory=part != path or (repo.root / part).is_dir()):
            raise InvalidInput(f"a rule of {ignore.files} leaves {part} out", hint=hint)


def _was_tracked(repo: Repo, top: TrackedPath, entry: Entry, path: str) -> bool:
    inner = path[len(top) + 1 :]
    return isinstance(entry, Dataset) and any(is_below(row.path, inner) for row in rows_of(repo, top, entry))
