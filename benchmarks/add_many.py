"""Add and commit many small files: xver beside `cp -r`, both until the disk has them; and what the store then holds.

No round removes what it made before all are done: ext4 avoids the inodes of files deleted in the last minute, one by
one, which makes the next hundred thousand files cost ten times as much.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import data
from race import race
from script import run_benchmark
from support import MiB, Options, Timing
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants

MAX_MEMORY = 250 * MiB
FILE = 8 << 10
SIZES = {"small": (5_000,), "full": (20_000, 100_000)}
GOALS = {20_000: 1.2}
"""Seconds for add and commit, by number of files."""


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for each number of files."""
    for count in SIZES[options.size]:
        folder = work / f"add-{count}"
        folder.mkdir()
        yield _add(options, folder, count)
        shutil.rmtree(folder)


def _add(options: Options, work: Path, count: int) -> Table:
    tools = contestants(options, work / "home")
    stores: dict[str, tuple[int, int]] = {}

    def one_round(tool: Tool, number: int) -> Timing:
        repository = work / f"{tool.name}-{number}"
        data.small_files(repository / DATA, count, FILE)
        tool.run(repository, *tool.create)
        steps = [tool.timed(repository, command, flush=True) for command in (tool.add, *tool.commit)]
        stores[tool.name] = data.tree_size(tool.store(repository))
        return Timing(sum(step.seconds for step in steps), max(step.peak for step in steps))

    rows = race(tools, options.rounds or 3, one_round)

    def judged(row: Row) -> Row:
        if not row.timings:
            return row
        rate = count / row.seconds
        goals = [
            Goal("no slower than cp", row.seconds <= rows["cp"].seconds),
            Goal("≥ 15,000 files/s", rate >= 15_000),
            Goal("< 250 MiB", 0 < row.peak < MAX_MEMORY),
        ]
        if count in GOALS:
            goals.append(Goal(f"≤ {GOALS[count]} s", row.seconds <= GOALS[count]))
        objects, size = stores[row.name]
        facts = {
            "files/s": f"{rate:,.0f}",
            "files in the store": f"{objects:,}",
            "store MiB": f"{size / MiB:,.0f}",
            "peak MiB": f"{row.peak / MiB:,.0f}",
        }
        return row.with_facts(facts, goals if row.name == "xver" else ())

    return Table(
        f"Add and commit {count:,} files of 8 KiB ({count * FILE / MiB:,.0f} MiB)",
        [judged(row) for row in rows.values()],
        baseline="cp",
        setting="Until the disk has everything (`sync -f` counts); the files are in the page cache, "
        "text-like, 1,000 to a folder. What has no commit only adds.",
    )


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
