"""Memory that a transfer gives back: without this its heap grows with what passed through it."""

from __future__ import annotations

import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGE: Final = 2 * 1024 * 1024
_KEPT: Final = 4 * 1024 * 1024
"""Free memory that stays at the end of an arena: with 128 KiB, the default, each block of a connection goes back."""
_ARENAS: Final = 2


def give_back() -> None:
    """Let the C library return each large buffer to the system as soon as it is free (mallopt(3), glibc only).

    By default it learns from buffers of mebibytes to keep them, in an arena for each thread, and what is left between
    them adds up: 20 MiB after 4 GiB. For a command of its own only: the memory of a caller's process is not ours.
    """
    if sys.platform == "linux":
        import ctypes

        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
            library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
            library.mallopt(_M_ARENA_MAX, _ARENAS)
