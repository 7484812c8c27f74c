"""The words of a command line: revisions told from paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from xver.errors import ContentNotFound, CorruptData, NotFound, RevisionNotFound
from xver.model.paths import is_below, quoted
from xver.repo import Repo
from xver.versioning.versions import entries_at, find_entry, resolve

_PREFIXES = ("run",)


def split_revisions(repo: Repo, words: Sequence[str], *, most: int) -> tuple[list[str], list[str]]:
    """Tell revisions from paths as git does: up to `most` leading words that name a version; `--` ends them.

    Raises:
        RevisionNotFound: the first of the others names neither.
        NotFound: one behind it is no path of the disk, of `xver.lock` or of these versions, and no `--` says so.
    """
    revs: list[str] = []
    rest = list(words)
    while rest and len(revs) < most and rest[0] != "--":
        word = rest[0]
        try:
            resolve(repo, word)
        except RevisionNotFound:
            if os.path.lexists(word) or is_tracked(repo, word):
                break
            raise
        revs.append(rest.pop(0))
    if rest and rest[0] == "--":
        rest.pop(0)
    elif unknown := next((word for word in rest if not _is_path(repo, word, revs)), None):
        raise NotFound(
            f"{unknown} is no path: neither on the disk nor tracked",
            hint=f"xver ls shows what is tracked, xver log -- {quoted(unknown)} when it was",
        )
    return revs, [repo.relative(word, start=Path.cwd()) for word in rest]


def _is_path(repo: Repo, word: str, revs: Sequence[str]) -> bool:
    if os.path.lexists(word):
        return True
    path = repo.relative(word, start=Path.cwd())
    try:
        sides = (repo.lock.entries, *(entries_at(repo, rev) for rev in revs))
        return any(find_entry(repo.store, one, path) or any(is_below(top, path) for top in one) for one in sides)
    except (ContentNotFound, CorruptData):
        return True  # what is not here, or cannot be read, tells nothing


def split_path(repo: Repo, words: str) -> tuple[str, str | None]:
    """Tell a version from a path in it, as git does: `HEAD~2:data/raw`; None where no path is named.

    The path is one from the top of the repository, or, if it begins with `./` or `../`, from the current folder.
    """
    inside = 0
    for at, one in enumerate(words):
        inside += {"{": 1, "}": -1}.get(one, 0)
        # `:/text` is a version in git's words, and a time of day has a colon in braces.
        if one == ":" and not inside and at and words[:at] not in _PREFIXES:
            rev, path = words[:at], words[at + 1 :]
            if path.startswith(("./", "../")) or path in (".", ".."):
                return rev, repo.relative(path, start=Path.cwd())
            return rev, path.rstrip("/")
    return words, None


def is_tracked(repo: Repo, word: str) -> bool:
    """Tell whether a word names something that `xver.lock` tracks, a part of it, or a folder above it."""
    path = repo.relative(word, start=Path.cwd())
    return any(path == top or path.startswith(top + "/") or top.startswith(path + "/") for top in repo.lock.entries)
