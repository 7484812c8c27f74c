"""Memory for what is read in large parts."""

from __future__ import annotations

import mmap
import sys
from typing import Final

_LARGE: Final = 2 * 1024 * 1024


def new_buffer(size: int) -> memoryview:
    """Return new memory of so many bytes; it is given back when nobody looks at it any more.

    A large one is of huge pages where the system has them: to be given 2,048 small ones for each 8 MiB that are read
    costs as much time as to copy the bytes twice.
    """
    if sys.platform == "linux" and size >= _LARGE:
        area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        area.madvise(mmap.MADV_HUGEPAGE)
        return memoryview(area)
    return memoryview(bytearray(size))
