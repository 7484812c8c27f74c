"""A benchmark as a script: its options, what it runs on, and its tables printed as soon as they are measured."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from support import GiB, Options
from tables import Table
from tools import contestants

Measure: TypeAlias = "Callable[[Options, Path], Iterator[Table]]"


def run_benchmark(description: str | None, measure: Measure, *, sizes: Sequence[str] = ("small", "full")) -> None:
    """Run one benchmark with the options of the command line."""
    parsed = arguments(description, sizes).parse_args()
    options = options_of(parsed)
    with work_folder(parsed.folder) as work:
        print(describe(options, Path(work)), flush=True)
        for table in measure(options, Path(work)):
            print(table.markdown(), flush=True)


def arguments(description: str | None, sizes: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser of the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sizes, default="small", help="small: a minute; full: the sizes of the goals")
    parser.add_argument("--rounds", type=int, help="rounds of each contestant (default: what the benchmark thinks fit)")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made (default: the system's)")
    parser.add_argument("--xver", default="", help="the command that starts xver (default: beside this Python)")
    parser.add_argument("--with-git", action="store_true", help="also let git store large files, which is slow")
    return parser


def options_of(parsed: argparse.Namespace) -> Options:
    """Return the options that were given."""
    beside = Path(sys.executable).with_name("xver")
    default = (str(beside),) if beside.exists() else (sys.executable, "-m", "xver")
    return Options(parsed.size, parsed.rounds, tuple(parsed.xver.split()) or default, parsed.with_git)


def work_folder(parent: Path | None) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder for one benchmark, in `parent`, which is made if it is not there."""
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="xver-benchmark-", dir=parent, ignore_cleanup_errors=True)


def describe(options: Options, work: Path) -> str:
    """Return what the figures hold for: the machine, its file system, the versions of all contestants."""
    facts = (
        f"{_processor()}, {os.cpu_count()} cores, {_memory()}",
        f"{platform.system()} {platform.release()}",
        _file_system(work),
        f"Python {platform.python_version()}",
        f"size `{options.size}`",
    )
    tools = contestants(options, work / "home").values()
    return "\n".join([f"{'; '.join(facts)}.", "", *(f"- {tool.name}: {tool.release}" for tool in tools)]) + "\n"


def _processor() -> str:
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            names = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GiB:.0f} GiB"
    except (AttributeError, OSError, ValueError):
        return "memory unknown"


def _file_system(folder: Path) -> str:
    if sys.platform != "linux":
        return "file system unknown"
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1:3] for line in mounts]
    holding = [(len(point), kind) for point, kind in points if folder.resolve().is_relative_to(point)]
    return max(holding)[1] if holding else "file system unknown"
