"""Edit 200 rows at random places of a large CSV: what the second version costs to store and to send."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import data
from race import race
from script import run_benchmark
from support import MiB, Options, Timing
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

EDITED = 200


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for storing and one for sending."""
    size = (512 if options.size == "full" else 32) * MiB
    tools = without(contestants(options, work / "home"), *([] if options.with_git else ["git"]))
    first, second = work / "first.csv", work / "second.csv"
    rows_in_all = data.csv_file(first, size)
    shutil.copyfile(first, second)
    data.edit_rows(second, EDITED, seed=1)
    stored: dict[str, int] = {}
    sent: dict[str, int] = {}
    pushes: dict[str, list[Timing]] = {name: [] for name in tools}

    def one_round(tool: Tool, _: int) -> Timing:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            repository, remote = Path(folder, "repository"), Path(folder, "remote")
            table = repository / DATA / "table.csv"
            table.parent.mkdir(parents=True)
            shutil.copyfile(first, table)
            sending = [tool.push] if tool.stores_before_it_pushes else []
            connecting = tool.connect if sending else ()
            tool.run(repository, *tool.create, *connecting, tool.add, *tool.commit, *sending, remote=str(remote))

            shutil.copyfile(second, table)
            before = data.tree_size(tool.store(repository))[1], data.tree_size(remote)[1]
            adding = tool.timed(repository, tool.add, flush=True)
            stored[tool.name] = data.tree_size(tool.store(repository))[1] - before[0]
            tool.run(repository, *tool.commit)
            for command in sending:
                pushes[tool.name].append(tool.timed(repository, command, remote=str(remote), flush=True))
                sent[tool.name] = data.tree_size(remote)[1] - before[1]
            return adding

    added = race(tools, options.rounds or 3, one_round)
    setting = (
        f"Second version of a table of {rows_in_all:,} rows and 7 columns; {EDITED} rows got another temperature. "
        "Until the disk has everything; the file is in the page cache."
    )
    yield Table(
        f"Add a CSV of {size / MiB:g} MiB after {EDITED} scattered edits",
        [_judged(row, stored, "MiB newly stored") for row in added.values()],
        baseline="cp",
        setting=setting,
    )
    pushed = [Row(name, pushes[name], note=row.note) for name, row in added.items() if name != "restic"]
    yield Table(
        "Push that version to a folder",
        [_judged(row, sent, "MiB newly in the remote") for row in pushed],
        baseline="cp",
        setting=setting,
    )


def _judged(row: Row, sizes: dict[str, int], heading: str) -> Row:
    if not row.timings:
        return row
    size = sizes[row.name]
    goals = [Goal("< 1 MiB", size < MiB)] if row.name == "xver" else []
    return row.with_facts({heading: f"{size / MiB:,.2f}"}, goals)


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
