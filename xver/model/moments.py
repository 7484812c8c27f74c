"""Moments as people write them: `2 days ago`, `yesterday`, `2026-03-01`, `2026-03-01 14:30`, `@1772000000`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from xver.errors import InvalidInput

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_MONTHS: Final = {"month": 1, "year": 12}
# Dots stand for spaces, as git has it: nobody likes to quote.
_AGO: Final = re.compile(r"([0-9]{1,6}|an?|one)[ .]+(second|minute|hour|day|week|month|year)s?[ .]+ago")
_EPOCH: Final = re.compile(r"@([0-9]{1,12})")
_LAST: Final = re.compile(r"last[ .]+(week|month|year)")


def parse_moment(text: str, *, now: datetime | None = None) -> int:
    """Return the moment that a person's words mean, in seconds since 1970.

    A date without a time is its first second, and one without a zone is on this machine's clock.

    Raises:
        InvalidInput: they mean none.
    """
    here = (now or datetime.now()).astimezone()
    words = text.strip().lower()
    try:
        return int(_find(words, here).timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"no date: {text!r}", hint='use "2 days ago", yesterday, 2026-03-01 or "2026-03-01 14:30"'
        ) from error


def _find(words: str, here: datetime) -> datetime:
    today = here.replace(hour=0, minute=0, second=0, microsecond=0)
    named: dict[str, Callable[[], datetime]] = {
        "now": lambda: here,
        "today": lambda: today,
        "yesterday": lambda: here - timedelta(days=1),
    }
    if words in named:
        return named[words]()
    if (epoch := _EPOCH.fullmatch(words)) is not None:
        return datetime.fromtimestamp(int(epoch[1])).astimezone()
    if (last := _LAST.fullmatch(words)) is not None:
        return _before(here, 1, last[1])
    if (ago := _AGO.fullmatch(words)) is not None:
        return _before(here, int(ago[1]) if ago[1].isdigit() else 1, ago[2])
    found = datetime.fromisoformat(words.upper())
    return found if found.tzinfo is not None else found.astimezone()


def _before(here: datetime, count: int, unit: str) -> datetime:
    if unit in _SECONDS:
        return here - timedelta(seconds=count * _SECONDS[unit])
    months = here.year * 12 + here.month - 1 - count * _MONTHS[unit]
    year, month = divmod(months, 12)
    # The last day of a month that is shorter: a month before 31 March is the end of February.
    for day in range(here.day, 27, -1):
        try:
            return here.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return here.replace(year=year, month=month + 1)
