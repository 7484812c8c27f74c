"""The commands that record and ask where things come from: run, lineage."""

from __future__ import annotations

import os
from pathlib import Path

import click

from xver.cli.command import Command
from xver.cli.output import Output, pass_output
from xver.errors import InvalidInput, NotFound, RunNotFound
from xver.repo import open_repo


@click.command(
    cls=Command,
    exits=(InvalidInput, NotFound),
    no="The command itself ended so; any other code may be its, too.",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM [ARG...]")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; {NAME} stands for it.")
@click.option("-t", "--tag", "tags", multiple=True, metavar="TAG", help="A word to find the run by.")
@click.option("-m", "--note", default="", metavar="TEXT", help="A line on why.")
@click.option("--no-add", is_flag=True, help="Leave xver.lock alone: outputs are kept with the run only.")
@pass_output
def run(
    out: Output, command: tuple[str, ...], params: tuple[str, ...], tags: tuple[str, ...], note: str, no_add: bool
) -> int:
    """Run a command and record what it read and wrote.

    Nothing has to be declared: the files it opens are watched from outside, and what it wrote is found by comparing
    the work tree before and after. Outputs under tracked paths are added. The code it started from, its parameters,
    its metrics (metrics.json, or `xver.run` in Python) and its environment are recorded. Ends as the command ends.

    Examples:
      xver run -- python prepare.py
      xver run -p lr=0.01 -- python train.py --lr {lr}
    """
    from xver.cli.views.run_report import report_run
    from xver.provenance.executing import exit_status
    from xver.provenance.recording import RunOptions, record_command

    repo = open_repo()
    options = RunOptions(params, tags, note, parent=os.environ.get("XVER_RUN"), adds=not no_add)
    done = record_command(repo, command, directory=os.getcwd(), environment=os.environ, options=options)
    report_run(out, repo, done)
    return exit_status(done.exit_code, done.signal)


@click.command(cls=Command, exits=(NotFound, RunNotFound))
@click.argument("what", metavar="PATH|RUN|ID")
@click.option("--depth", default=64, metavar="N", help="How many runs to go up at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def lineage(out: Output, what: str, depth: int, as_json: bool) -> None:
    """Show where a file comes from.

    From the bytes of a file, dataset or run up to the exact data versions, code, parameters and runs that made it.
    It is found by content: a renamed file, or a copy outside of the repository, has the same answer.

    Examples:
      xver lineage models/model.pkl
      xver lineage ~/Downloads/model-final.pkl
      xver lineage brisk-heron-17 --json
    """
    from xver.cli.views.lineage import lineage_json, print_lineage
    from xver.provenance.lineage import lineage as ask

    repo = open_repo()
    answer = ask(repo, what, start=Path.cwd(), depth=depth)
    if as_json:
        out.json(lineage_json(answer))
    else:
        print_lineage(out, answer)
