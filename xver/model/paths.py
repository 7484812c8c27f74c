"""Tracked paths: parsed once, safe for ever.

A tracked path is relative, `/`-separated and UTF-8, and cannot leave the directory it is checked out into, nor
name the places where git and xver keep themselves, in any disguise a file system may fold.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NewType

from xver.errors import InvalidInput

TrackedPath = NewType("TrackedPath", str)

MAX_PATH: Final = 4096
"""The longest path, in bytes of UTF-8."""

_OWN_NAMES: Final = frozenset({".git", ".xver"})
_FAST_BAD: Final = ("//", "/./", "/../", "\0")
# HFS+ ignores these when it compares names, so `.g<ZWNJ>it` is `.git` there (git's is_hfs_dotgit list).
_IGNORABLE: Final = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))


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
    if encoded[0] == 0x2F or encoded[-1] == 0x2F or any(bad in text for bad in _FAST_BAD):
        raise InvalidInput(f"path is not relative and clean: {text!r}")
    for part in text.split("/"):
        if part in (".", "..", ""):
            raise InvalidInput(f"path is not relative and clean: {text!r}")
        # Most names have neither a dot in front nor a tilde nor anything above ASCII: nothing to unmask.
        if (part[0] == "." or "~" in part or not part.isascii()) and _is_own_name(part):
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


def fold(path: str) -> str:
    """Return what a case-folding, normalising file system may take the path for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _is_own_name(part: str) -> bool:
    # NTFS: trailing dots and spaces vanish, `:` opens a stream, and `GIT~1` is the short name of `.git`.
    plain = unicodedata.normalize("NFKC", part.translate(_IGNORABLE)).casefold().split(":")[0].rstrip(". ")
    return plain in _OWN_NAMES or plain in ("git~1", "xver~1")
