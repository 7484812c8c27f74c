"""Which versions a retention table keeps: the newest, and the newest of each day, week, month and year.

The rules are those of backup tools (restic's `forget`, borg's `prune`): each asks for a number of periods, counts those
that have a version, the newest first, and keeps the last version of each. What any rule keeps is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from xver.settings import Retention

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(NamedTuple):
    """A version as far as rules go: what it is called, seconds since 1970, and its author's minutes from UTC."""

    label: str
    time: int
    offset: int


def chosen(versions: Iterable[Moment], rules: Retention) -> set[str]:
    """Return the labels of the versions of one branch that the rules keep; tags are not its business.

    Of versions of one second those given first count as newer. Days, weeks (ISO 8601, from Monday), months and years
    are those of the author's clock.
    """
    newest = sorted(versions, key=lambda one: one.time, reverse=True)
    kept: set[str] = set()
    for count, period in (
        (rules.keep_last, lambda one: one.label),
        (rules.keep_daily, lambda one: _local(one).date()),
        (rules.keep_weekly, lambda one: _local(one).isocalendar()[:2]),
        (rules.keep_monthly, lambda one: (_local(one).year, _local(one).month)),
        (rules.keep_yearly, lambda one: _local(one).year),
    ):
        kept |= _last_of_each(newest, count, period)
    return kept


def _last_of_each(newest: list[Moment], count: int, period: Callable[[Moment], Hashable]) -> set[str]:
    found: dict[Hashable, str] = {}
    for one in newest:
        key = period(one)
        if key not in found:
            if len(found) == count:
                break
            found[key] = one.label
    return set(found.values())


def _local(one: Moment) -> datetime:
    # A time that no calendar holds counts as the earliest or latest that one does.
    try:
        return _EPOCH + timedelta(seconds=one.time, minutes=one.offset)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if one.time < 0 else datetime.max.replace(tzinfo=UTC)
