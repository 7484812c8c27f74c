"""What every command prints with: lines, tables, one JSON document, warnings, a meter.

Answers go to stdout; warnings, progress and errors to stderr. Text from anywhere is made safe on its way out; the
only escape sequences are those of a `Styled`, and those only on a terminal. A name that the encoding of the
terminal cannot hold is shown with escapes and never ends a command.
"""

from __future__ import annotations

import errno
import math
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Any, Final, Literal, TextIO, TypeAlias

import click

from xver.cli.human import safe, width
from xver.cli.progress import Bar, Ticker
from xver.progress import SILENT, Meter

Style: TypeAlias = Literal["strong", "faint", "good", "bad", "id"]

_STYLES: Final[dict[Style, dict[str, Any]]] = {
    "strong": {"bold": True},
    "faint": {"dim": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "id": {"fg": "yellow"},
}
# What an encoding without them gets instead of the signs that trees and shortened ids are drawn with.
_PLAIN: Final = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "…": "..."})
# JSON escapes what is below the space by itself; a terminal obeys these as well.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Styled:
    """Text in a colour or weight, where the terminal has one."""

    text: str
    style: Style


Text: TypeAlias = "str | Styled"


class Output:
    """The two streams of one process; `quiet` and `debug` are set by the options of that name.

    `notes_apart` is set by commands whose answer is to be one JSON document: stdout has nothing else.
    """

    def __init__(
        self, stdout: TextIO, stderr: TextIO, *, colour: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        for stream in (stdout, stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        self.quiet = False
        self.notes_apart = False
        self.debug = False
        self._stdout = stdout
        self._stderr = stderr
        self._colour = colour
        self._clock = clock
        self._bar: Bar | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether stderr is a terminal."""
        return self._stderr.isatty()

    def line(self, *parts: Text) -> None:
        """Print one line of the answer: the parts, one after another."""
        self._write(self._stdout, self._join(parts, self._stdout) + "\n")

    def note(self, *parts: Text) -> None:
        """Print one line on what was done: not with `-q`, and beside a JSON document on stderr."""
        if not self.quiet:
            stream = self._stderr if self.notes_apart else self._stdout
            self._write(stream, self._join(parts, stream) + "\n")

    def table(
        self, rows: Iterable[Sequence[Text]], headers: Sequence[str] = (), *, right: Collection[int] = ()
    ) -> None:
        """Print `rows` in aligned columns; those numbered in `right` (from 0) are aligned to the right."""
        cells = [[_plain(cell) for cell in row] for row in rows]
        head = [[Styled(safe(header), "strong") for header in headers]] if headers else []
        table: list[Sequence[Text]] = [*head, *cells]
        if not table:
            return
        columns = max(len(row) for row in table)
        widths = [max(_width(row[at]) for row in table if at < len(row)) for at in range(columns)]
        for row in table:
            parts: list[Text] = []
            for at, cell in enumerate(row):
                gap = " " * (widths[at] - _width(cell))
                last = at == len(row) - 1
                parts += [gap, cell] if at in right else [cell, "" if last else gap]
                parts.append("" if last else "  ")
            self.line(*parts)

    def json(self, value: object) -> None:
        """Print the answer as one JSON document in UTF-8, whatever the locale.

        Keys stay in the order of `value`. What JSON cannot hold has one form everywhere: NaN and infinities are null,
        and a byte of a file name that is not UTF-8 is a lone surrogate, which `os.fsencode` turns back.
        """
        import json

        text = json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False)
        self.raw(_UNSAFE.sub(lambda one: f"\\u{ord(one[0]):04x}", text).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        """Write bytes to stdout as they are: the content of a file."""
        self._clear()
        try:
            self._stdout.flush()
            self._stdout.buffer.write(data)
        except OSError as error:
            raise _broken(error) from error

    def warn(self, *parts: Text) -> None:
        """Print a warning to stderr; also with `-q`."""
        self.complain(Styled("warning:", "strong"), " ", *parts)

    def complain(self, *parts: Text) -> None:
        """Print one line to stderr; where nobody reads that, there is nobody to tell."""
        with suppress(OSError):
            self._write(self._stderr, self._join(parts, self._stderr) + "\n")

    def meter(self) -> Meter:
        """Return what shows the progress of long work: a bar, a line now and then, or nothing with `-q`."""
        if self.quiet:
            return SILENT
        if not self.on_terminal:
            return Ticker(self._stderr, clock=self._clock)
        self._bar = self._bar or Bar(self._stderr, clock=self._clock)
        return self._bar

    def flush(self) -> None:
        """Hand everything to the system; raises `BrokenPipeError` where nobody reads on."""
        self._clear()
        try:
            self._stdout.flush()
        except OSError as error:
            raise _broken(error) from error

    def abandon(self) -> None:
        """Give up stdout: what is still to be written goes nowhere, so that the interpreter can end in peace."""
        try:
            target = self._stdout.fileno()
        except (OSError, ValueError):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, target)
        os.close(nowhere)

    def _clear(self) -> None:
        if self._bar is not None:
            self._bar.hide()

    def _join(self, parts: Iterable[Text], stream: TextIO) -> str:
        coloured = self._colour and stream.isatty()
        return "".join(
            safe(part)
            if isinstance(part, str)
            else click.style(safe(part.text), **_STYLES[part.style])
            if coloured
            else safe(part.text)
            for part in parts
        )

    def _write(self, stream: TextIO, text: str) -> None:
        self._clear()
        if not text.isascii() and not (stream.encoding or "").lower().startswith("utf"):
            text = text.translate(_PLAIN)
        try:
            stream.write(text)
        except OSError as error:
            raise _broken(error) from error


pass_output = click.make_pass_decorator(Output)
"""Give a command its `Output` as first argument."""


def process_output(environ: Mapping[str, str]) -> Output:
    """Return the output of this process, in colour if `environ` does not forbid it (no-color.org)."""
    # The consoles of Windows may print the sequences as text.
    colour = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and os.name != "nt"
    return Output(_stream(sys.stdout), _stream(sys.stderr), colour=colour)


def _stream(stream: TextIO | None) -> TextIO:
    # None: the process was started with this stream closed.
    return open(os.devnull, "w", encoding="utf-8") if stream is None else stream


def _broken(error: OSError) -> OSError:
    # Windows says EINVAL of a pipe that nobody reads.
    if os.name == "nt" and error.errno == errno.EINVAL:
        return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return error


def _plain(cell: Text) -> Text:
    return safe(cell) if isinstance(cell, str) else Styled(safe(cell.text), cell.style)


def _width(cell: Text) -> int:
    return width(cell if isinstance(cell, str) else cell.text)


def _finite(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
    return value
