"""Tracked paths: parsed once, safe for ever.

A tracked path is relative, `/`-separated and UTF-8, and cannot leave the directory it is checked out into, nor
name the places where git and xver keep themselves, in any disguise a file system may fold.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from pathlib import PurePath
from typing import Final, Generic, NewType, TypeVar

from xver.errors import InvalidInput

TrackedPath = NewType("TrackedPath", str)
_Path = TypeVar("_Path", bound=str)

MAX_PATH: Final = 4096
"""The longest path, in bytes of UTF-8."""
_standing = ""

_OWN_NAMES: Final = frozenset({".git", ".xver", "git~1", "xver~1"})
# What file systems pass over when they compare names, so that `.g<ZWNJ>it` is `.git` there: Unicode's property
# Default_Ignorable_Code_Point (ext4 and f2fs with case folding), of which HFS+ has a part.
_IGNORABLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def parse_path(text: str) -> TrackedPath:
    """Return `text` as a tracked path.

    Raises `InvalidInput` for absolute paths, empty, `.` and `..` parts, NUL, text that is not UTF-8, paths longer
    than `MAX_PATH` bytes, and any part that a file system could take for `.git` or `.xver`.
    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"path is not UTF-8: {text!r}") from error
    if not encoded or len(encoded) > MAX_PATH:
        raise InvalidInput(f"path of {len(encoded)} bytes: {text[:80]!r} (1 to {MAX_PATH} are allowed)")
    if "\0" in text:
        raise InvalidInput(f"path with a NUL: {text!r}")
    for part in text.split("/"):
        if part in (".", "..", ""):
            raise InvalidInput(f"path is not relative and clean: {text!r}")
        # Most names have neither a dot in front nor a tilde nor a backslash nor anything above ASCII.
        if (part[0] == "." or "~" in part or "\\" in part or not part.isascii()) and _is_disguised(part):
            raise InvalidInput(f"path names a place of git's or xver's own: {text!r}")
    return TrackedPath(text)


def decode_path(encoded: bytes) -> TrackedPath:
    """Return a path read from a listing; raises `InvalidInput` like `parse_path`."""
    try:
        return parse_path(encoded.decode())
    except UnicodeDecodeError as error:
        raise InvalidInput(f"path is not UTF-8: {encoded!r}") from error


def is_below(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` itself or lies below it; the empty folder holds everything."""
    return not folder or path == folder or path.startswith(folder + "/")


def overlaps(one: str, other: str) -> bool:
    """Tell whether one path is the other or a prefix of it."""
    return is_below(one, other) or is_below(other, one)


class PathSet(Generic[_Path]):
    """Paths, asked for what lies above or below another one without a look at them all."""

    def __init__(self, paths: Iterable[_Path]) -> None:
        self._known: dict[str, _Path] = {one: one for one in paths}
        self._ordered = sorted(self._known.values())

    def above(self, path: str) -> _Path | None:
        """Return the outermost that is `path` or a folder above it."""
        folders = accumulate(path.split("/"), "{}/{}".format)
        return next((self._known[one] for one in folders if one in self._known), None)

    def below(self, folder: str) -> list[_Path]:
        """Return those that are `folder` or lie below it, sorted."""
        # The sign behind `/` ends what begins with it.
        first, end = (bisect_left(self._ordered, folder + sign) for sign in "/0")
        return [*([self._known[folder]] if folder in self._known else []), *self._ordered[first:end]]


def is_anchored(path: str) -> bool:
    """Tell whether Windows takes a tracked path for one that begins at a drive, a server or the top of the disk."""
    return path.startswith("\\") or path[1:2] == ":"


def stand_in(folder: str) -> None:
    """Let `typed` know in which folder of the repository the person stands; the empty one is the root."""
    global _standing  # noqa: PLW0603 - of a process, as its working directory is
    _standing = folder


def typed(path: str | PurePath) -> str:
    """Return a path from the root as one types it where one stands: for hints.

    Where a shell would make two words of it, or something else, it is in quotes; absolute paths stay.
    """
    text = str(path) or "."
    return quoted(posixpath.relpath(text, _standing) if _standing and not text.startswith("/") else text)


def quoted(text: str) -> str:
    """Return a text as one word of a command: in quotes where a shell would make two of it, or something else."""
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def fold(path: str) -> str:
    """Return what a case-folding, normalising file system may take the path for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _is_disguised(part: str) -> bool:
    # By way of capitals, so that `ı`, whose capital is I, counts as an i.
    plain = _IGNORABLE.sub("", unicodedata.normalize("NFKC", _IGNORABLE.sub("", part)).upper().casefold())
    # Windows: a backslash separates, `:` opens a stream, trailing dots and spaces vanish, `GIT~1` is `.git`.
    names = [name.split(":")[0] for name in plain.split("\\")]
    return any(name.rstrip(". ") in _OWN_NAMES for name in names) or (len(names) > 1 and ".." in names)
