"""The copies of `xver.lock` that git has: what brings back one that is gone, or that nobody can read.

Lines that git joins are not always data that joins: a merge by text may name a path twice. Then the two sides are whole
in git's history, and are merged anew.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from xver.errors import CorruptData, InvalidInput, UnsupportedFormat
from xver.format.lockfile import NAME, decode_lock
from xver.git.command import GitCommand
from xver.model.paths import typed

Sides: TypeAlias = tuple[bytes, bytes, bytes]
"""What two commits have in common of `xver.lock`, and what each has: no bytes where there is none."""
_LOOKED_AT: Final = 50
"""How many versions back a copy is looked for."""


def has_copy(git: GitCommand) -> bool:
    """Tell whether git's index or HEAD has `xver.lock`: one that is not on the disk went by accident."""
    return bool(git.raw("ls-files", "--", NAME)) or git.ok("cat-file", "-e", f"HEAD:{NAME}")


def way_back(git: GitCommand) -> str | None:
    """Return the command that brings back the nearest copy that can be read, None where there is none."""
    if git.raw("ls-files", "--unmerged", "--", NAME):
        return "xver merge"  # git's index has both sides
    if _is_good(_text(git, "")):
        return f"git restore {typed(NAME)}"
    if joined_sides(git) is not None:
        return "xver merge"
    for commit in ("HEAD", *_versions(git, _LOOKED_AT)):
        if _is_good(_text(git, commit)):
            return f"git checkout {commit[:10]} -- {typed(NAME)}"
    return None


def way_on(git: GitCommand) -> str | None:
    """Return the command that gives HEAD, whose copy nobody can read, one that can be; None where there is none."""
    if _is_good(_text(git, "")):
        return "git commit"  # what is staged is the remedy
    found = way_back(git)
    return None if found is None else f"{found}, then git commit"


def joined_sides(git: GitCommand) -> Sides | None:
    """Return what git joined by its lines into a copy that nobody can read, None if it did not.

    It is asked of the merge that goes on, or else of the last commit that changed `xver.lock`.
    """
    if git.ok("rev-parse", "--quiet", "--verify", "MERGE_HEAD"):
        made, parents = "", ["HEAD", "MERGE_HEAD"]
    elif (made := next(iter(_versions(git, 1)), "")) == "":
        return None
    else:
        parents = git.text("rev-list", "-1", "--parents", made).split()[1:]
    if len(parents) != 2 or _is_good(_text(git, made)):
        return None
    base = git.text("merge-base", *parents, check=False).strip()
    sides = (_text(git, base) if base else b"", _text(git, parents[0]), _text(git, parents[1]))
    return sides if all(not side or _is_good(side) for side in sides) else None


def _versions(git: GitCommand, most: int) -> list[str]:
    """Return the last commits up to HEAD that changed `xver.lock`."""
    return git.lines("rev-list", f"-{most}", "HEAD", "--", NAME, check=False)


def _text(git: GitCommand, commit: str) -> bytes:
    """Return the copy of a commit, or, without one, of the index; no bytes where there is none."""
    return git.raw("cat-file", "blob", f"{commit}:{NAME}", check=False)


def _is_good(text: bytes) -> bool:
    try:
        decode_lock(text)
    except (CorruptData, InvalidInput, UnsupportedFormat):
        return False
    return True
