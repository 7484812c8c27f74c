"""How long work tells how far it is.

The library counts into a `Meter` and never draws; the command line hands in one that does. A phase is
`start`, any number of `advance`s from any thread, `finish`; a meter serves one phase after another. A phase that is
started before another is finished is a part of it: then the other goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, Protocol, TypeAlias

Unit: TypeAlias = Literal["B", "files", "objects"]


class Meter(Protocol):
    """What a long function counts into; no method raises or waits, and `advance` may be called by any thread."""

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        """Begin a phase of `total` units (None: not known), named to the user by `label`: "Uploading"."""

    def advance(self, n: int) -> None:
        """Count `n` more units as done."""

    def finish(self) -> None:
        """End the phase begun last, whether it succeeded or not."""


class _Silent:
    def start(self, label: str, total: int | None, unit: Unit) -> None:
        pass

    def advance(self, n: int) -> None:
        pass

    def finish(self) -> None:
        pass


SILENT: Final[Meter] = _Silent()
"""The meter that nobody looks at."""

_LARGE: Final = 64 * 1024 * 1024


@contextmanager
def of_file(meter: Meter, label: str, size: int) -> Iterator[Callable[[int], None]]:
    """Give what counts the bytes that are read of a file: where it is large, they are a phase of their own."""
    if size < _LARGE:
        yield lambda _: None
        return
    meter.start(label, size, "B")
    try:
        yield meter.advance
    finally:
        meter.finish()
