"""A day's work on 1,000 to 1,000,000 files, beside git and DVC: add, ask, touch, change one, change 1 %, go back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import data
from checkout import checkout_command, version_of
from script import run_benchmark
from support import FailedCommand, GiB, MiB, Options, Timing
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

SIZES: Final = {"small": (1_000, 10_000), "full": (1_000, 100_000), "huge": (1_000, 100_000, 1_000_000)}
FILE: Final = 1 << 10
# A stat cache trusts a file only if it is older than the cache's entry by the clock's grain, two seconds at most.
SETTLE: Final = 2.5
_WORKS: Final = (
    "add",
    "status, nothing changed",
    "add, nothing changed",
    "status, one file changed",
    "add, one file changed",
    "status, every file touched",
    "check out a version with 1 % changed",
)


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for each number of files."""
    tools = without(contestants(options, work / "home"), "cp", "restic")
    for count in SIZES[options.size]:
        yield _table(options, work / f"{count}", count, tools)


def _table(options: Options, folder: Path, count: int, tools: dict[str, Tool]) -> Table:
    rows = {(kind, name): Row(f"{kind}: {name}", note="not reached") for kind in _WORKS for name in tools}
    for name, tool in tools.items():
        if count > 100_000 and name == "dvc":
            notes = dict.fromkeys(_WORKS, "left out: many minutes")
            rows |= {(kind, name): Row(f"{kind}: {name}", note=note) for kind, note in notes.items()}
            continue
        day = _day(tool, folder / name, count, options.rounds or 3)
        for kind in _WORKS:
            try:
                timings = next(day)
            except FailedCommand as failure:
                rows[kind, name] = Row(f"{kind}: {name}", note=f"failed: {failure}")
                break
            row = Row(f"{kind}: {name}", timings)
            rows[kind, name] = row.with_facts({"peak MiB": f"{row.peak / MiB:,.0f}"})
    for kind, goal in _goals(count, rows):
        rows[kind, "xver"] = rows[kind, "xver"].with_facts({}, [goal])
    return Table(
        f"{count:,} files",
        list(rows.values()),
        baseline="status, nothing changed: git",
        setting=f"Files of {FILE >> 10} KiB, 1,000 to a folder; what add and checkout wrote is on the disk.",
    )


def _day(tool: Tool, repository: Path, count: int, rounds: int) -> Iterator[list[Timing]]:
    """Yield the timings of each work, in the order of `_WORKS`. Raises FailedCommand."""
    data.small_files(repository / DATA, count, FILE)
    tool.run(repository, *tool.create)
    yield [tool.timed(repository, tool.add, flush=True)]
    tool.run(repository, *tool.commit)
    first = version_of(tool, repository)
    _settle(tool, repository)
    yield [tool.timed(repository, tool.status) for _ in range(rounds)]
    yield [tool.timed(repository, tool.add)]
    one = repository / DATA / "0000" / "0007.txt"
    one.write_bytes(one.read_bytes()[::-1])
    time.sleep(SETTLE)
    yield [tool.timed(repository, tool.status)]
    yield [tool.timed(repository, tool.add, flush=True)]
    data.touch_all(repository / DATA)
    time.sleep(SETTLE)
    yield [tool.timed(repository, tool.status)]
    data.change_some(repository / DATA, 0.01, seed=1)
    tool.run(repository, tool.add, *tool.commit)
    versions = (first, version_of(tool, repository))
    _settle(tool, repository)
    yield [
        tool.timed(repository, checkout_command(tool, repository, versions[number % 2]), flush=True)
        for number in range(2)
    ]


def _settle(tool: Tool, repository: Path) -> None:
    time.sleep(SETTLE)
    tool.run(repository, tool.status)


def _goals(count: int, rows: dict[tuple[str, str], Row]) -> Iterator[tuple[str, Goal]]:
    """Yield the goals that can be judged, each with the work it is about."""
    idle = "status, nothing changed"
    ours, git = rows[idle, "xver"], rows[idle, "git"]
    again = rows["add, nothing changed", "xver"]
    if ours.timings and git.timings:
        yield idle, Goal("≤ 0.15 s + 1.5 × git", ours.seconds <= 0.15 + 1.5 * git.seconds)
    if ours.timings and count == 1_000_000:
        yield idle, Goal("< 4.5 s", ours.seconds < 4.5)
        yield idle, Goal("< 1 GiB", 0 < ours.peak < GiB)
    if ours.timings and again.timings:
        yield "add, nothing changed", Goal("≤ 1.1 × idle status", again.seconds <= 1.1 * ours.seconds)


if __name__ == "__main__":
    run_benchmark(__doc__, measure, sizes=tuple(SIZES))
