"""Add one large file that no compressor makes smaller: `xver add` beside `cp`, both until the disk has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import data
from race import race
from script import run_benchmark
from support import GiB, MiB, Options, Timing
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

MAX_MEMORY = 250 * MiB


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield the table."""
    size = 2 * GiB if options.size == "full" else 128 * MiB
    tools = without(contestants(options, work / "home"), *([] if options.with_git else ["git"]))
    source = work / "source"
    data.random_file(source, size)

    def one_round(tool: Tool, number: int) -> Timing:
        repository = work / f"{tool.name}-{number}"
        (repository / DATA).mkdir(parents=True)
        shutil.copyfile(source, repository / DATA / "big.bin")
        try:
            tool.run(repository, *tool.create)
            return tool.timed(repository, tool.add, flush=True)
        finally:
            shutil.rmtree(repository)

    rows = race(tools, options.rounds or 3, one_round)
    yield Table(
        f"Add one file of {size / GiB:g} GiB, random bytes",
        [_judged(row, rows["cp"], size) for row in rows.values()],
        baseline="cp",
        setting="Until the disk has everything (`sync -f` counts); the file is in the page cache. "
        "Memory: the peak of the whole process tree.",
    )


def _judged(row: Row, copy: Row, size: int) -> Row:
    if not row.timings:
        return row
    goals = (Goal("no slower than cp", row.seconds <= copy.seconds), Goal("< 250 MiB", 0 < row.peak < MAX_MEMORY))
    facts = {"MB/s": f"{size / row.seconds / 1e6:,.0f}", "peak MiB": f"{row.peak / MiB:,.0f}"}
    return row.with_facts(facts, goals if row.name == "xver" else ())


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
