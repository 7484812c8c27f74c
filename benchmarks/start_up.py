"""Ask what has changed, when nothing has and after every file was touched; and how soon xver answers at all."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import data
from race import race
from script import run_benchmark
from support import GiB, MiB, Options, Timing, timed
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

SIZES = {"small": (10_000,), "full": (10_000, 100_000), "huge": (10_000, 100_000, 1_000_000)}
START_UP = 0.15
COMMANDS = {"--version": 0.15, "status": 0.2, "log": 0.3}
"""Seconds in which xver answers when there is next to nothing to do."""
# A stat cache trusts a file only if it is older than the cache's entry by the clock's grain, two seconds at most.
SETTLE = 2.5
READ_ALL = """\
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(f"{folder}/{name}", "rb") as file:
            file.read()
"""


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for the start, and two for each number of files."""
    yield _start_up(options, work)
    for count in SIZES[options.size]:
        yield from _status(options, work, count)


def _start_up(options: Options, work: Path) -> Table:
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
    return Table(
        "Start: what there is to wait for before any work",
        rows,
        baseline="bare Python",
        setting="Whole processes in a repository of one small file; the page cache is warm.",
    )


def _status(options: Options, work: Path, count: int) -> Iterator[Table]:
    size = 8 << 10 if count <= 100_000 else 1 << 10
    # With a million files the others take many minutes.
    left_out = ("cp",) if count <= 100_000 else ("cp", "dvc", "restic")
    tools = without(contestants(options, work / "home"), *left_out)
    folder = work / f"status-{count}"
    folder.mkdir()

    def idle(tool: Tool, number: int) -> Timing:
        repository = folder / tool.name
        if number == 0:
            _prepare(tool, repository, count, size)
        return tool.timed(repository, tool.status)

    def touched(tool: Tool, _: int) -> Timing:
        repository = folder / tool.name
        data.touch_all(repository / DATA)
        time.sleep(SETTLE)
        return tool.timed(repository, tool.status)

    rows = race(tools, options.rounds or 5, idle)
    ours, git = rows["xver"], rows["git"]
    if ours.timings and git.timings:
        goals = [Goal("≤ 0.15 s + 1.5 × git", ours.seconds <= START_UP + 1.5 * git.seconds)]
        if count == 1_000_000:
            goals += [Goal("< 4.5 s", ours.seconds < 4.5), Goal("< 1 GiB", 0 < ours.peak < GiB)]
        rows["xver"] = ours.with_facts({}, goals)
    setting = f"Files of {size >> 10} KiB; the page cache is warm; one status before the first counted one."
    yield Table(f"Status of {count:,} files, nothing changed", _with_memory(rows), baseline="git", setting=setting)

    running = {name: tool for name, tool in tools.items() if rows[name].timings}
    rounds = options.rounds or 3
    rows = race(running, rounds, touched)
    if not running:
        return
    somewhere = next(iter(running.values()))
    command = [sys.executable, "-c", READ_ALL, DATA]
    read = [timed(command, cwd=folder / somewhere.name, env=somewhere.environment) for _ in range(rounds)]
    if {"xver", "git"} <= running.keys() and rows["xver"].timings and rows["git"].timings:
        ours, git = rows["xver"], rows["git"]
        rows["xver"] = ours.with_facts({}, [Goal("reading only: no slower than git", ours.seconds <= git.seconds)])
    yield Table(
        f"Status of {count:,} files after touching every one",
        [Row("read all", read), *_with_memory(rows)],
        baseline="git",
        setting=f"{setting} Contents are as they were. `read all`: one thread that opens and reads every file.",
    )
    shutil.rmtree(folder)


def _prepare(tool: Tool, repository: Path, count: int, size: int) -> None:
    data.small_files(repository / DATA, count, size)
    tool.run(repository, *tool.create, tool.add, *tool.commit)
    time.sleep(SETTLE)
    tool.run(repository, tool.status)


def _with_memory(rows: dict[str, Row]) -> list[Row]:
    return [row.with_facts({"peak MiB": f"{row.peak / MiB:,.0f}"}) if row.timings else row for row in rows.values()]


if __name__ == "__main__":
    run_benchmark(__doc__, measure, sizes=tuple(SIZES))
