"""Many parts into a file at once: one call of the system instead of one a part, for which threads wait each time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import FileIO
from typing import Final

_AT_ONCE: Final = 512
"""Parts of one call: the fewest that a system takes are 1,024 (`IOV_MAX`), on all that have it."""


def write_parts(file: FileIO, parts: Sequence[bytes | memoryview]) -> None:
    """Write parts one behind the other, to the last byte. Raises `OSError`."""
    for at in range(0, len(parts), _AT_ONCE):
        group = parts[at : at + _AT_ONCE]
        # Windows has no such call. What is cut short is written part by part, so that the disk tells why.
        written = os.writev(file.fileno(), group) if hasattr(os, "writev") else 0
        for part in group:
            if written < len(part):
                _write_all(file, memoryview(part)[max(written, 0) :])
            written -= len(part)


def _write_all(file: FileIO, part: bytes | memoryview) -> None:
    view = memoryview(part)
    while view:
        view = view[file.write(view) or 0 :]
