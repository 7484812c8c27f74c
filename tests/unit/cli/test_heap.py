"""What a transfer held is given back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

import xver

SCRIPT = """
import sys
from xver.cli.heap import give_back

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

if sys.argv[1] == "with":
    give_back()
bytearray(20 << 20)
before = resident()
large, small = [], []
for _ in range(10):
    large.append(bytearray(10 << 20))
    small.append(bytearray(100_000))
large.clear()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_large_buffers_go_back_though_small_ones_stay() -> None:
    kept = {way: held(way) for way in ("without", "with")}
    assert kept["with"] < 10
    assert kept["without"] > 50


def held(way: str) -> int:
    folder = Path(xver.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", SCRIPT, way], cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout)
