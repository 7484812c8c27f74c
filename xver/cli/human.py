"""Values as people read them: sizes, counts, durations, times, and text that is safe to show.

Names come from file systems, remotes and other people's commits. What a terminal would obey (escape sequences,
line ends, changes of writing direction) is shown as its escape instead.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from xver.errors import InvalidInput

_SIZES: Final = ("kB", "MB", "GB", "TB", "PB", "EB")
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*(B|[kMGTPE]B)?", re.IGNORECASE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# C0 and C1 controls, marks and overrides of direction, the line separators, and halves of surrogate pairs.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def size(n: int) -> str:
    """Return `n` bytes in decimal units: "0 B", "8.5 kB", "812 MB"."""
    if n < 1000:
        return f"{n} B"
    value = float(n)
    for unit in _SIZES:
        value /= 1000
        # Rounding must not give "1000 kB" or "10.0 kB".
        if value < 9.95:
            return f"{value:.1f} {unit}"
        if value < 999.5 or unit == _SIZES[-1]:
            break
    return f"{value:.0f} {unit}"


def parse_size(text: str) -> int:
    """Return the bytes that a person's words mean, in decimal units: "50 GB", "1.5GB", "800MB", "12000".

    Raises:
        InvalidInput: they mean none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"no size: {text!r}", hint="use a number with B, kB, MB, GB or TB, as in 50GB")
    power = ("b", *(unit.lower() for unit in _SIZES)).index((match[2] or "b").lower())
    return int(float(match[1]) * 1000**power)


def count(n: int) -> str:
    """Return a count with its thousands apart: "100,000"."""
    return f"{n:,}"


def plural(n: int, word: str) -> str:
    """Return a count with its word: "1 file", "100,000 files"."""
    return f"{count(n)} {word}" + ("" if n == 1 else "s")


def duration(seconds: float) -> str:
    """Return a length of time: "38 ms", "4.2 s", "31 s", "1 min 05 s", "2 h 07 min", "3 d 04 h"."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60:02d} min"
    return f"{whole // 86400} d {whole // 3600 % 24:02d} h"


def when(time: int, offset: int) -> str:
    """Return a moment, `time` in seconds since 1970, on a clock `offset` minutes from UTC.

    A time that no calendar holds is shown as git writes it: "@99999999999999".
    """
    try:
        moment = (_EPOCH + timedelta(seconds=time)).astimezone(timezone(timedelta(minutes=offset)))
    except (OverflowError, ValueError):
        return f"@{time}"
    return moment.strftime("%Y-%m-%d %H:%M:%S %z")


def safe(text: str) -> str:
    r"""Return `text` as one line that cannot drive a terminal: a line end is shown as `\n`, ESC as `\x1b`.

    A byte of a file name that is not UTF-8 (PEP 383) is shown as `\xff`.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escape, text)


def width(text: str) -> int:
    """Return how many columns `text` takes in a terminal, by its East Asian widths and combining marks."""
    if text.isascii():
        return len(text)
    return sum(_columns(one) for one in text)


def shorten(text: str, columns: int) -> str:
    """Return as much of `text` as fits into `columns`."""
    if width(text) <= columns:
        return text
    taken = 0
    for position, one in enumerate(text):
        taken += _columns(one)
        if taken > columns:
            return text[:position]
    return text


def _escape(match: re.Match[str]) -> str:
    one = match[0]
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return _SHORT.get(one) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _columns(one: str) -> int:
    if unicodedata.category(one) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
