"""Wait a moment for a file that somebody has open: Windows neither replaces nor removes one, POSIX does both.

An indexer, a virus scanner or another reader has it for milliseconds. What is refused for longer is refused.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar

_WAITS_S: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4)

_Result = TypeVar("_Result")


def patiently(act: Callable[[], _Result], *, waits: tuple[float, ...] | None = None) -> _Result:
    """Return what `act` returns; on `PermissionError` try again after each of `waits`, in seconds.

    By default under a second altogether on Windows; elsewhere the error is about rights, and there is nothing to wait
    for.
    """
    for wait in _default_waits() if waits is None else waits:
        try:
            return act()
        except PermissionError:
            time.sleep(wait)
    return act()


def replace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Rename a file to a name that may be taken, as `os.replace`, with patience."""
    patiently(lambda: os.replace(source, target))


def _default_waits() -> tuple[float, ...]:
    return _WAITS_S if sys.platform == "win32" else ()
