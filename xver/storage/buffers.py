"""Memory for what is read in large parts."""

from __future__ import annotations

import contextlib
import mmap
import sys
from collections import deque
from collections.abc import Iterator
from typing import Final

_LARGE: Final = 2 * 1024 * 1024
"""The size of a huge page, and of a large part."""
_KEPT: Final = 8
"""Areas that are used again: as many as are read at once."""
_reusing: Final[set[object]] = set()
_areas: Final[deque[mmap.mmap]] = deque()


@contextlib.contextmanager
def reused() -> Iterator[None]:
    """Let large buffers be used again, meanwhile, once nobody looks at them any more.

    The system gives each new one out in zeros, page after page, and on a busy machine looks for huge pages first: a
    second and more for each gigabyte that is read.
    """
    token = object()
    _reusing.add(token)
    try:
        yield
    finally:
        _reusing.discard(token)
        if not _reusing:
            _areas.clear()


def new_buffer(size: int) -> memoryview:
    """Return memory of so many bytes, with anything in it; it is given back when nobody looks at it any more.

    A large one is of huge pages where the system has them: to be given 2,048 small ones for each 8 MiB that are read
    costs as much time as to copy the bytes twice.
    """
    if sys.platform == "linux" and size >= _LARGE // 2:
        buffer = _used_again(size)
        if buffer is not None:
            return buffer
        # Whole pages only: what is left at the end would be small ones.
        area = mmap.mmap(-1, -(-size // _LARGE) * _LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):  # a kernel without them
            area.madvise(mmap.MADV_HUGEPAGE)
        buffer = memoryview(area)[:size]
        if _reusing:
            _areas.append(area)
        return buffer
    return memoryview(bytearray(size))


def _used_again(size: int) -> memoryview | None:
    """Return an area that nobody looks at; let one that is too small go, where many are kept.

    Whoever takes one out of the queue has it alone, so no lock is needed, and none can be left held by a fork.
    """
    for _ in range(len(_areas)):
        try:
            area = _areas.popleft()
        except IndexError:
            return None  # another thread has it
        if not _is_free(area):
            _areas.append(area)
        elif len(area) >= size:
            buffer = memoryview(area)[:size]
            _areas.append(area)
            return buffer
        elif len(_areas) < _KEPT:
            _areas.append(area)
    while len(_areas) >= _KEPT:
        with contextlib.suppress(IndexError):
            _areas.popleft()
    return None


def _is_free(area: mmap.mmap) -> bool:
    try:
        area.resize(len(area))  # which is refused as long as there are views of it
    except BufferError:
        return False
    return True
