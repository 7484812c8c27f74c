"""Go to a version in which 1 % of the files differ: the time should follow the change, not the size of the data."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import data
from race import race
from script import run_benchmark
from support import Command, Options, Timing
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

FILE: Final = 8 << 10
CHANGED: Final = 0.01
SETTLE: Final = 2.5
POINTERS: Final = {"xver": "xver.lock", "dvc": "data.dvc"}
"""The file that says which version the data should be."""

Round: TypeAlias = "Callable[[Tool, int], Timing]"


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table each for nothing to do, 1 % to do, everything to do."""
    count = 100_000 if options.size == "full" else 5_000
    tools = without(contestants(options, work / "home"), "cp", "restic")
    versions: dict[str, tuple[str, str]] = {}

    def go(tool: Tool, version: str) -> Timing:
        repository = work / tool.name
        return tool.timed(repository, checkout_command(tool, repository, version))

    def nothing(tool: Tool, number: int) -> Timing:
        if number == 0:
            versions[tool.name] = _two_versions(tool, work / tool.name, count)
        return go(tool, versions[tool.name][1])

    def one_percent(tool: Tool, number: int) -> Timing:
        return go(tool, versions[tool.name][number % 2])

    def everything(tool: Tool, number: int) -> Timing:
        # Moved away, not deleted: ext4 is slow to make files where many were deleted a moment ago.
        (work / tool.name / DATA).rename(work / f"{tool.name}-old-{number}")
        return go(tool, versions[tool.name][1])

    works: dict[str, Round] = {
        "Check out what is there already": nothing,
        f"Check out a version with {count * CHANGED:,.0f} other files": one_percent,
        "Check out everything, the folder being gone": everything,
    }
    done: list[dict[str, Row]] = []
    for one_round in works.values():
        running = {name: tool for name, tool in tools.items() if not done or done[-1][name].timings}
        absent = {name: Row(name, note="see above") for name in tools if name not in running}
        done.append({**race(running, options.rounds or 4, one_round), **absent})
    idle, part, whole = (rows["xver"] for rows in done)
    if idle.timings and part.timings and whole.timings:
        limit = idle.seconds + 5 * CHANGED * whole.seconds
        done[1]["xver"] = part.with_facts(
            {}, [Goal(f"as the change: ≤ idle + 5 % of all = {limit:.2f} s", part.seconds <= limit)]
        )
    for title, rows in zip(works, done, strict=True):
        yield Table(
            title,
            list(rows.values()),
            baseline="git",
            setting=f"{count:,} files of 8 KiB; the page cache is warm; the disk may still be writing.",
        )


def _two_versions(tool: Tool, repository: Path, count: int) -> tuple[str, str]:
    """Return the names of two versions, the second of which lies in the repository's `data`."""
    data.small_files(repository / DATA, count, FILE)
    tool.run(repository, *tool.create)
    names = []
    for number in range(2):
        if number:
            data.change_some(repository / DATA, CHANGED, seed=number)
        tool.run(repository, tool.add, *tool.commit)
        names.append(version_of(tool, repository))
    time.sleep(SETTLE)
    tool.run(repository, tool.status)
    return names[0], names[1]


def version_of(tool: Tool, repository: Path) -> str:
    """Return the name of the version that was committed last."""
    if tool.name in POINTERS:
        return (repository / POINTERS[tool.name]).read_text(encoding="utf-8")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    return head.stdout.strip()


def checkout_command(tool: Tool, repository: Path, version: str) -> Command:
    """Return the command that brings `data` to a version; a pointer it reads is written first."""
    if tool.name in POINTERS:
        (repository / POINTERS[tool.name]).write_text(version, encoding="utf-8", newline="")
        return (*tool.version[:-1], "checkout")
    return ("git", "checkout", "-q", version, "--", DATA)


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
