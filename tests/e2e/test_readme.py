"""The README's quarter of an hour, typed for real: every command works, and prints what the page shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.servers import Server
from tests.support.transcript import README, environment, make_bucket, shape, type_in, walk_through, without_progress


@pytest.mark.server
@pytest.mark.skipif(shutil.which("git") is None or shutil.which("bash") is None, reason="needs git and bash")
def test_the_walk_through_prints_what_the_page_shows(running_seaweedfs: Server, tmp_path: Path) -> None:
    block = walk_through(README.read_text(encoding="utf-8"))
    make_bucket(running_seaweedfs)
    fresh = type_in(block, tmp_path / "home", environment(running_seaweedfs, tmp_path / "home"))
    assert shape(fresh) == shape(block), "write it anew: python -m tests.support.transcript"


def test_the_page_fits_two_screens() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 160


def test_lines_of_progress_do_not_count() -> None:
    lines = ["Added data  4 files  30 MB  in 7 s", "Pulled origin  8.7 MB  in 3.0 s", "run a-b-01  ok  loss=3/s"]
    slow = ["Adding  4 files  0 files/s", "Checking out  70%  22 MB of 31 MB  4.4 MB/s  3 s left", *lines]
    slow += ["Copying  2%  1 kB of 40 kB  1 kB/s  2 min 1 s left"]
    assert without_progress("".join(f"{line}\n" for line in slow)).splitlines() == lines


def test_shapes_hide_what_differs_and_nothing_else() -> None:
    line = "run brisk-heron-17  python prepare.py  31 s  ok  lr=0.01  code 7f3a91c (clean)  b3:91c07e2f  1,697 files"
    other = "run mossy-lynx-02  python prepare.py  4.2 s  ok  lr=0.5  code 5c1e0aa (clean)  b3:00ff00ff  12 files"
    assert shape(line) == shape(other)
    assert shape(line) != shape(line.replace("ok", "failed"))
    assert shape("added data/raw") != shape("added data/row")
