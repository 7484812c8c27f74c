"""The commands that look after a repository: fsck."""

from __future__ import annotations

import click

from xver.cli.command import Command
from xver.cli.human import count, size
from xver.cli.output import Output, pass_output
from xver.errors import CorruptData
from xver.repo import open_repo


@click.command(cls=Command, exits=(CorruptData,))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def fsck(out: Output, as_json: bool) -> int:
    """Check that everything stored is whole.

    Reads every object that a ref reaches and compares its bytes with its id; checks the log's chain, every index and
    every pack's size. Names the paths that a damaged object belongs to. Ends with 1 when anything is wrong.

    Examples:
      xver fsck
    """
    from xver.upkeep.fsck import check

    repo = open_repo()
    found = check(repo, meter=out.meter())
    if as_json:
        out.json(
            {
                "objects": found.objects,
                "bytes": found.size,
                "promised": found.promised,
                "problems": list(found.problems),
            }
        )
    else:
        for problem in found.problems:
            out.line(problem)
        promised = f", {count(found.promised)} not fetched yet" if found.promised else ""
        verdict = "all whole" if not found.problems else f"{count(len(found.problems))} problems"
        out.note(f"{count(found.objects)} objects, {size(found.size)}{promised}: {verdict}")
    return 1 if found.problems else 0
