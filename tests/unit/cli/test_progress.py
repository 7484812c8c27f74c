"""What a meter draws, by a clock that the test turns."""

from __future__ import annotations

import io
import os
import threading

import pytest

from xver.cli.output import Output
from xver.cli.progress import Bar, Ticker
from xver.progress import SILENT


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_a_bar_waits_half_a_second(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Uploading", 812_000_000, "B")
    clock.now += 0.49
    bar.advance(1_000_000)
    assert stream.getvalue() == ""
    clock.now += 0.51
    bar.advance(202_000_000)
    assert stream.getvalue() == "\rUploading  [#####---------------]  25%  203 MB of 812 MB  203 MB/s  3 s left"


def test_work_that_is_over_at_once_shows_nothing(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Hashing", 10, "files")
    bar.advance(10)
    bar.finish()
    assert stream.getvalue() == ""


def test_a_bar_leaves_nothing_behind(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Hashing", None, "files")
    clock.now += 1
    bar.advance(12_345)
    drawn = stream.getvalue()
    assert drawn == "\rHashing  12,345 files  12,345 files/s"
    bar.finish()
    assert stream.getvalue() == drawn + "\r" + " " * (len(drawn) - 1) + "\r"
    clock.now += 10
    bar.advance(1)
    assert stream.getvalue().count("Hashing") == 1


def test_a_phase_within_another_is_shown_instead_and_then_the_other_goes_on(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Adding", None, "files")
    clock.now += 1
    bar.advance(7)
    bar.start("Adding big.bin", 1_000_000, "B")
    clock.now += 1
    bar.advance(500_000)
    assert stream.getvalue().split("\r")[-1].rstrip() == (
        "Adding big.bin  [##########----------]  50%  500 kB of 1.0 MB  500 kB/s  1 s left"
    )
    bar.finish()
    bar.advance(1)
    assert stream.getvalue().split("\r")[-1].rstrip() == "Adding  8 files  4 files/s"
    bar.finish()
    clock.now += 9
    drawn = stream.getvalue()
    bar.advance(1)
    assert stream.getvalue() == drawn


def test_a_shorter_line_covers_the_longer_one(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Long", None, "B")
    clock.now += 1
    bar.advance(999)
    clock.now += 9
    bar.advance(1)
    first, second = stream.getvalue().split("\r")[1:]
    assert first == "Long  999 B  999 B/s"
    assert second.rstrip() == "Long  1.0 kB  100 B/s"
    clock.now += 9990
    bar.advance(0)
    third = stream.getvalue().split("\r")[-1]
    assert third.rstrip() == "Long  1.0 kB  0 B/s"
    assert len(third) == len(second)


def test_a_bar_is_drawn_ten_times_a_second_at_most(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Hashing", 1000, "files")
    for _ in range(200):
        clock.now += 0.01
        bar.advance(1)
    assert 10 <= stream.getvalue().count("\r") <= 16


def test_a_bar_fits_its_terminal_and_keeps_labels_harmless(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 20)
    bar.start("Up\x1b[2Jloading", 1000, "B")
    clock.now += 1
    bar.advance(5000)
    line = stream.getvalue().removeprefix("\r")
    assert len(line) == 19
    assert "\x1b" not in line


def test_more_than_the_total_is_all_of_it(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Uploading", 10, "objects")
    clock.now += 1
    bar.advance(11)
    assert "[####################] 100%  11 of 10 objects" in stream.getvalue()
    assert "0 s left" in stream.getvalue()


def test_a_log_gets_a_line_every_five_seconds(clock: Clock, stream: io.StringIO) -> None:
    ticker = Ticker(stream, clock=clock)
    ticker.start("Uploading", 812_000_000, "B")
    for _ in range(11):
        clock.now += 1
        ticker.advance(10_000_000)
    ticker.finish()
    assert stream.getvalue() == (
        "Uploading  6%  50 MB of 812 MB  10 MB/s  1 min 17 s left\n"
        "Uploading  12%  100 MB of 812 MB  10 MB/s  1 min 12 s left\n"
    )


def test_counting_from_many_threads_loses_nothing(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Hashing", None, "files")

    def count() -> None:
        for _ in range(5000):
            bar.advance(1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now += 1
    bar.advance(0)
    assert "40,000 files " in stream.getvalue()


def test_a_stream_that_is_gone_does_not_fail_the_work(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock, columns=lambda: 100)
    bar.start("Hashing", None, "files")
    clock.now += 1
    stream.close()
    bar.advance(1)
    bar.finish()


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_which_meter_a_process_gets() -> None:
    import pty

    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal, open(ours, "rb"):
        out = Output(io.StringIO(), terminal)
        assert isinstance(out.meter(), Bar)
        assert out.meter() is out.meter()
        out.quiet = True
        assert out.meter() is SILENT
    assert isinstance(Output(io.StringIO(), io.StringIO()).meter(), Ticker)


def test_the_silent_meter_takes_everything() -> None:
    SILENT.start("Hashing", None, "files")
    SILENT.advance(1)
    SILENT.finish()
