"""Ask for little: how soon xver answers when there is next to nothing to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import data
from race import race
from script import run_benchmark
from support import Options, Timing, timed
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

COMMANDS = {"--version": 0.15, "status": 0.2, "log": 0.3}
"""Seconds in which xver answers when there is next to nothing to do."""


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield the one table."""
    tools = without(contestants(options, work / "home"), "cp", "restic")
    rounds = options.rounds or 7
    folder = work / "start"
    rows = [Row("bare Python", [timed([sys.executable, "-c", ""], cwd=work, env=os.environ) for _ in range(rounds)])]
    for command, goal in COMMANDS.items():

        def one_round(tool: Tool, number: int, command: str = command) -> Timing:
            repository = folder / tool.name
            if not repository.exists():
                data.small_files(repository / DATA, 1, 10)
                tool.run(repository, *tool.create, tool.add, *tool.commit)
            if number == 0:
                tool.run(repository, (*tool.version[:-1], command))
            return tool.timed(repository, (*tool.version[:-1], command))

        running = tools if command != "log" else without(tools, "dvc")
        for name, row in race(running, rounds, one_round).items():
            goals = [Goal(f"< {goal} s", row.seconds < goal)] if name == "xver" and row.timings else []
            rows.append(replace(row.with_facts({}, goals), name=f"{name} {command}"))
    yield Table(
        "Start: what there is to wait for before any work",
        rows,
        baseline="bare Python",
        setting="Whole processes in a repository of one small file; the page cache is warm.",
    )


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
