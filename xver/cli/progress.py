"""Meters that people see: a bar on a terminal, now and then a line in a log.

Neither shows anything of work that is over within half a second. They are drawn by the thread that counts, so no
thread of ours runs beside the work; a stderr that is gone silences the meter and never fails the work. (rich draws
finer bars, and takes 90 ms to import, more than all of `xver status` may.)
"""

from __future__ import annotations

import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TextIO, TypeAlias

from xver.cli.human import count, duration, safe, shorten, size, width
from xver.progress import Unit

_CELLS: Final = 20
_Phase: TypeAlias = tuple[str, "int | None", Unit, int, float, float]


class _Timed(ABC):
    """Counts, and calls `_show` when it is due."""

    first: float
    every: float

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._label = ""
        self._total: int | None = None
        self._unit: Unit = "B"
        self._done = 0
        self._begun = 0.0
        self._due = math.inf
        self._outer: list[_Phase] = []

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        """Begin a phase; see `xver.progress.Meter`."""
        with self._lock:
            if self._due < math.inf:
                self._outer.append((self._label, self._total, self._unit, self._done, self._begun, self._due))
            self._end()
            self._label, self._total, self._unit = safe(label), total, unit
            self._done = 0
            self._begun = self._clock()
            self._due = self._begun + self.first

    def advance(self, n: int) -> None:
        """Count `n` more units as done, and draw if it is time."""
        with self._lock:
            self._done += n
            now = self._clock()
            if now >= self._due:
                self._due = now + self.every
                self._show(now - self._begun)

    def finish(self) -> None:
        """End the phase; one that it is a part of goes on."""
        with self._lock:
            self._end()
            if self._outer:
                self._label, self._total, self._unit, self._done, self._begun, self._due = self._outer.pop()

    def _end(self) -> None:
        self._due = math.inf

    @abstractmethod
    def _show(self, elapsed: float) -> None: ...

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # gone, or closed
            self._due = math.inf

    def _figures(self, elapsed: float) -> str:
        """Return "341 MB of 812 MB  85 MB/s  6 s left", as far as it is known."""
        amount = size if self._unit == "B" else count
        name = "" if self._unit == "B" else f" {self._unit}"
        rate = self._done / elapsed if elapsed > 0 else 0.0
        parts = [f"{amount(self._done)}{name}", f"{amount(round(rate))}{name}/s"]
        if self._total is not None:
            parts[0] = f"{amount(self._done)} of {amount(self._total)}{name}"
            if rate > 0:
                left = max(0, math.ceil((self._total - self._done) / rate))
                parts.append(f"{left} s left" if left < 60 else f"{duration(left)} left")
        return "  ".join(parts)

    def _share(self) -> float | None:
        return min(1.0, self._done / self._total) if self._total else None


class Bar(_Timed):
    """One line of a terminal, drawn again and again, and gone when the phase is over."""

    first = 0.5
    every = 0.1

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(stream, clock=clock)
        self._columns = columns or self._terminal_columns
        self._drawn = 0

    def hide(self) -> None:
        """Clear the line, for something else to be written there; the next `advance` may draw again."""
        if self._drawn:
            with self._lock:
                self._erase()

    def _end(self) -> None:
        super()._end()
        self._erase()

    def _erase(self) -> None:
        if self._drawn:
            # Spaces, not an escape sequence: every terminal understands them.
            self._write("\r" + " " * self._drawn + "\r")
            self._drawn = 0

    def _show(self, elapsed: float) -> None:
        share = self._share()
        bar = ""
        if share is not None:
            filled = int(share * _CELLS)
            bar = f"[{'#' * filled}{'-' * (_CELLS - filled)}] {int(share * 100):3d}%  "
        # The last column stays free: writing there wraps on some terminals.
        room = max(1, self._columns() - 1)
        text = shorten(f"{self._label}  {bar}{self._figures(elapsed)}", room)
        padding = max(0, min(room, self._drawn) - width(text))
        self._write("\r" + text + " " * padding)
        self._drawn = width(text) + padding

    def _terminal_columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


class Ticker(_Timed):
    """A line every five seconds, for a log."""

    first = 5.0
    every = 5.0

    def _show(self, elapsed: float) -> None:
        share = self._share()
        percent = "" if share is None else f"{int(share * 100)}%  "
        self._write(f"{self._label}  {percent}{self._figures(elapsed)}\n")
