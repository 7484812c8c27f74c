"""Values as people read them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.cli.human import count, duration, parse_size, safe, shorten, size, when, width
from xver.errors import InvalidInput


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (8_500, "8.5 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (24_000_000, "24 MB"),
        (812_400_000, "812 MB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (10**18, "1.0 EB"),
        (5 * 10**21, "5000 EB"),
    ],
)
def test_size(n: int, text: str) -> None:
    assert size(n) == text


@given(st.integers(1000, 10**21 - 10**18))
def test_a_size_has_two_or_three_digits_and_is_right_to_five_percent(n: int) -> None:
    number, unit = size(n).split()
    assert 1 <= float(number) < 1000
    assert len(number.replace(".", "")) in (2, 3)
    factor = 1000 ** (("kB", "MB", "GB", "TB", "PB", "EB").index(unit) + 1)
    assert abs(float(number) * factor - n) <= n * 0.051


def test_count() -> None:
    assert count(100_000) == "100,000"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.038, "38 ms"),
        (0.0996, "0.1 s"),
        (4.21, "4.2 s"),
        (9.96, "10 s"),
        (31.4, "31 s"),
        (59.6, "1 min 00 s"),
        (65, "1 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7_630, "2 h 07 min"),
        (86_400 * 3 + 4 * 3600 + 59, "3 d 04 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_when_is_shown_on_the_clock_of_who_did_it() -> None:
    assert when(1_795_525_391, 60) == "2026-11-24 14:03:11 +0100"
    assert when(1_795_525_391, -570) == "2026-11-24 03:33:11 -0930"
    assert when(-86_400, 0) == "1969-12-31 00:00:00 +0000"


@pytest.mark.parametrize(
    ("time", "offset"), [(10**15, 0), (-(10**15), 0), (10**40, 0), (0, 100_000), (-62135596800, -60)]
)
def test_when_no_calendar_holds_it(time: int, offset: int) -> None:
    assert when(time, offset) == f"@{time}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data/raw", "data/raw"),
        ("Ødegård/写真.jpg", "Ødegård/写真.jpg"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x9b31m", r"\x9b31m"),
        ("gpj.\u202egnp", r"gpj.\u202egnp"),
        ("bad\udcff", r"bad\xff"),
        ("half\ud83d", r"half\ud83d"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text(st.characters()))
def test_safe_text_can_be_printed_anywhere_and_stays_itself(text: str) -> None:
    shown = safe(text)
    assert not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in shown)
    assert safe(shown) == shown
    shown.encode()


def test_width_and_shorten() -> None:
    assert width("写真") == 4
    assert width("e\u0301") == 1
    assert shorten("写真.jpg", 5) == "写真."
    assert shorten("写真", 3) == "写"
    assert shorten("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("0", 0),
        ("12000", 12_000),
        ("1 B", 1),
        ("50GB", 50_000_000_000),
        (" 1.5 gb ", 1_500_000_000),
        ("800kB", 800_000),
        ("2TB", 2 * 10**12),
    ],
)
def test_parse_size(text: str, n: int) -> None:
    assert parse_size(text) == n


@pytest.mark.parametrize("text", ["", "much", "-1", "1e9", "1 GiB", "GB", "1..5GB", "9" * 400, "١"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no size"):
        parse_size(text)
