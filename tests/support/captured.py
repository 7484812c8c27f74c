"""What a command printed, byte by byte."""

from __future__ import annotations

import io

from xver.cli.output import Output


class Captured:
    """An `Output` into memory, in the given encoding."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False, colour: bool = True) -> None:
        self.now = 100.0
        stream = _Terminal if terminal else io.TextIOWrapper
        self._bytes = io.BytesIO()
        self._complaints = io.BytesIO()
        self.out = Output(
            stream(self._bytes, encoding=encoding, newline="\n"),
            stream(self._complaints, encoding=encoding, newline="\n", write_through=True),
            colour=colour,
            clock=lambda: self.now,
        )

    @property
    def stdout(self) -> bytes:
        self.out.flush()
        return self._bytes.getvalue()

    @property
    def stderr(self) -> bytes:
        return self._complaints.getvalue()


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True
