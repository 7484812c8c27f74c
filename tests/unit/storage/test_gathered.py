"""Many parts become one file, to the last byte, however much of them the system takes at once."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from xver.storage.gathered import write_parts


@pytest.mark.parametrize(
    "parts",
    [[], [b""], [b"one"], [b"", b"a", b"", memoryview(b"bc"), b""], [b"%d " % n for n in range(5_000)]],
    ids=["nothing", "empty", "one", "some empty", "more than a call takes"],
)
def test_parts_stand_one_behind_the_other(tmp_path: Path, parts: list[bytes | memoryview]) -> None:
    with io.FileIO(tmp_path / "file", "xb") as file:
        file.write(b"before ")
        write_parts(file, parts)
        write_parts(file, [b" after"])
    assert (tmp_path / "file").read_bytes() == b"before " + b"".join(parts) + b" after"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no call that takes several parts")
@pytest.mark.parametrize("taken", range(12))
def test_what_was_cut_short_is_written_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    def some(descriptor: int, parts: Sequence[bytes]) -> int:
        return os.write(descriptor, b"".join(parts)[:taken])

    monkeypatch.setattr(os, "writev", some)
    with io.FileIO(tmp_path / "file", "xb") as file:
        write_parts(file, [b"abc", b"", b"defg", b"hijkl"])
    assert (tmp_path / "file").read_bytes() == b"abcdefghijkl"


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with io.FileIO(tmp_path / "file", "rb") as file, pytest.raises(OSError, match=r"descriptor|not open"):
        write_parts(file, [b"a", b"b"])
