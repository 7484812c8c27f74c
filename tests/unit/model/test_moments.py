"""Moments in words: those of a calendar, and those that count back from now."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from xver.errors import InvalidInput
from xver.model.moments import parse_moment

NOW = datetime(2026, 3, 31, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-31T12:30:15+00:00"),
        ("yesterday", "2026-03-30T12:30:15+00:00"),
        ("2 days ago", "2026-03-29T12:30:15+00:00"),
        ("2.days.ago", "2026-03-29T12:30:15+00:00"),
        ("An hour ago", "2026-03-31T11:30:15+00:00"),
        (" 90 minutes ago ", "2026-03-31T11:00:15+00:00"),
        ("1 second ago", "2026-03-31T12:30:14+00:00"),
        ("2 weeks ago", "2026-03-17T12:30:15+00:00"),
        ("1 month ago", "2026-02-28T12:30:15+00:00"),
        ("last month", "2026-02-28T12:30:15+00:00"),
        ("4 months ago", "2025-11-30T12:30:15+00:00"),
        ("2 years ago", "2024-03-31T12:30:15+00:00"),
        ("2026-03-01t10:00z", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01 10:00:05+02:00", "2026-03-01T08:00:05+00:00"),
        ("@1772000000", "2026-02-25T06:13:20+00:00"),
    ],
)
def test_what_words_mean(text: str, expected: str) -> None:
    assert parse_moment(text, now=NOW) == int(datetime.fromisoformat(expected).timestamp())


def test_a_date_alone_is_its_first_second_here() -> None:
    assert parse_moment("2026-03-01") == int(datetime(2026, 3, 1).timestamp())
    assert parse_moment("today") == int(datetime.now().replace(hour=0, minute=0, second=0).timestamp())


@pytest.mark.parametrize(
    "text",
    ["", "soon", "ago", "in 2 days", "2026-02-30", "9999999 days ago", "999999 years ago", "@"],
)
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no date"):
        parse_moment(text)
