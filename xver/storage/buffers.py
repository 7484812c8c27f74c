"""Memory for what is read in large parts."""

from __future__ import annotations

import contextlib
import mmap
import sys
from typing import Final

_LARGE: Final = 2 * 1024 * 1024
"""The size of a huge page, and of a large part."""


def new_buffer(size: int) -> memoryview:
    """Return new memory of so many bytes; it is given back when nobody looks at it any more.

    A large one is of huge pages where the system has them: to be given 2,048 small ones for each 8 MiB that are read
    costs as much time as to copy the bytes twice.
    """
    if sys.platform == "linux" and size >= _LARGE // 2:
        # Whole pages only: what is left at the end would be small ones.
        area = mmap.mmap(-1, -(-size // _LARGE) * _LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):  # a kernel without them
            area.madvise(mmap.MADV_HUGEPAGE)
        return memoryview(area)[:size]
    return memoryview(bytearray(size))
