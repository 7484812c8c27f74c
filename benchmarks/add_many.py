"""Add many small files: `xver add` beside `cp -r`, both until the disk has them; and what the store then holds."""

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

FILE = 8 << 10


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield the table."""
    count, rounds = (100_000, 3) if options.size == "full" else (5_000, 3)
    tools = contestants(options, work / "home")
    stores: dict[str, tuple[int, int]] = {}

    def one_round(tool: Tool, number: int) -> Timing:
        repository = work / f"{tool.name}-{number}"
        data.small_files(repository / DATA, count, FILE)
        try:
            tool.run(repository, *tool.create)
            timing = tool.timed(repository, tool.add, flush=True)
            stores[tool.name] = data.tree_size(tool.store(repository))
            return timing
        finally:
            shutil.rmtree(repository)

    rows = race(tools, options.rounds or rounds, one_round)

    def judged(row: Row) -> Row:
        if not row.timings:
            return row
        rate = count / row.seconds
        goals = (
            Goal("no slower than cp", row.seconds <= rows["cp"].seconds),
            Goal("≥ 15,000 files/s", rate >= 15_000),
        )
        objects, size = stores[row.name]
        facts = {"files/s": f"{rate:,.0f}", "files in the store": f"{objects:,}", "store MiB": f"{size / MiB:,.0f}"}
        return row.with_facts(facts, goals if row.name == "xver" else ())

    yield Table(
        f"Add {count:,} files of 8 KiB ({count * FILE / MiB:,.0f} MiB)",
        [judged(row) for row in rows.values()],
        baseline="cp",
        setting="Until the disk has everything (`sync -f` counts); the files are in the page cache, "
        "text-like, 1,000 to a folder.",
    )


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
