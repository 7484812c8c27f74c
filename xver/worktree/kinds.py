"""What kind of entry a file is by its mode, and how one is opened that may be something else by now."""

from __future__ import annotations

import os
import stat as stat_
from typing import Final

from xver.model.entries import EntryKind

# A link or a pipe may have taken the file's place: the one is not followed, the other not waited for.
OPEN_FLAGS: Final = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_BINARY", "O_CLOEXEC", "O_NONBLOCK")
)


def kind_of_stat(mode: int) -> EntryKind:
    """Return the kind of entry that a file of this mode becomes; on Windows no file is executable."""
    if stat_.S_ISLNK(mode):
        return EntryKind.LINK
    return EntryKind.EXECUTABLE if os.name != "nt" and mode & 0o100 else EntryKind.FILE


def is_kind(found: EntryKind, wanted: EntryKind, *, has_modes: bool = os.name != "nt") -> bool:
    """Tell whether a file found as one kind may be of another: without modes a file may be an executable one."""
    return found is wanted or (not has_modes and {found, wanted} == {EntryKind.FILE, EntryKind.EXECUTABLE})
