"""What a retention table keeps: the rules of backup tools, one at a time and together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.settings import Retention
from xver.upkeep.retention import Moment, chosen

NOON = datetime(2025, 3, 31, 12, tzinfo=UTC)  # a Monday


def days(*ago: float, offset: int = 0) -> list[Moment]:
    return [Moment(str(n), int((NOON - timedelta(days=n)).timestamp()), offset) for n in ago]


@pytest.mark.parametrize(
    ("rules", "ago", "kept"),
    [
        (Retention(keep_last=2), (0, 1, 2), {"0", "1"}),
        (Retention(keep_daily=2), (0, 0.1, 1, 1.1, 2), {"0", "1"}),
        # A day without a version is none: two days are two that have one.
        (Retention(keep_daily=2), (0, 40, 90), {"0", "40"}),
        # Monday begins a week, and the last of each week stays.
        (Retention(keep_weekly=2), (0, 1, 2, 7, 8), {"0", "1"}),
        (Retention(keep_monthly=2), (0, 1, 31, 32), {"0", "31"}),
        (Retention(keep_yearly=9), (0, 89, 90, 91), {"0", "90"}),
        (Retention(keep_last=1, keep_monthly=2), (0, 1, 31), {"0", "31"}),
        (Retention(keep_last=5), (), set()),
    ],
)
def test_rules(rules: Retention, ago: tuple[float, ...], kept: set[str]) -> None:
    assert chosen(days(*ago), rules) == kept


def test_days_are_the_authors_own() -> None:
    # 12:00 and 18:00 in London are two days in a place that is ten hours ahead.
    same, ahead = days(0, -0.25), days(0, -0.25, offset=600)
    assert len(chosen(same, Retention(keep_daily=5))) == 1
    assert len(chosen(ahead, Retention(keep_daily=5))) == 2


def test_times_that_no_calendar_has_are_no_obstacle() -> None:
    moments = [Moment("far", 1 << 60, 0), Moment("early", -(1 << 60), 0), *days(0)]
    assert chosen(moments, Retention(keep_daily=9, keep_weekly=9, keep_monthly=9, keep_yearly=9)) == {
        "far",
        "early",
        "0",
    }


@given(
    st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(-900, 900)), max_size=30),
    st.builds(Retention, *[st.integers(0, 4)] * 5),
)
def test_the_newest_is_kept_by_every_rule_and_no_rule_keeps_more_than_it_says(
    times: list[tuple[int, int]], rules: Retention
) -> None:
    moments = [Moment(str(n), time, offset) for n, (time, offset) in enumerate(times)]
    kept = chosen(moments, rules)
    counts = (rules.keep_last, rules.keep_daily, rules.keep_weekly, rules.keep_monthly, rules.keep_yearly)
    assert len(kept) <= sum(counts)
    if moments and any(counts):
        assert any(one.label in kept for one in moments if one.time == max(moment.time for moment in moments))
    assert chosen(moments, Retention(keep_last=len(moments))) == {one.label for one in moments}
