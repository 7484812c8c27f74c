"""The commands about runs: list, show, diff, export, recover."""

from __future__ import annotations

import time

import click

from xver.cli.command import Group
from xver.cli.output import Output, pass_output
from xver.errors import InvalidInput, RunNotFound
from xver.model.refs import RUNS
from xver.repo import open_repo

_SHOWN = 30
_MOST = click.option(
    "-n", "most", default=_SHOWN, type=click.IntRange(min=0), metavar="N", help="How many, newest first; 0 is all."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(cls=Group, invoke_without_command=True)
@_MOST
@_JSON
@click.pass_context
def runs(context: click.Context, most: int, as_json: bool) -> None:
    """List, query and compare runs.

    Without a command it lists them. Runs come from `xver run`, from `xver.run` in Python, and from everybody who
    pushed theirs to the remote.

    Examples:
      xver runs --json
      xver runs diff brisk-heron-17 mossy-lynx-02
      xver runs export --csv > runs.csv
    """
    if context.invoked_subcommand is None:
        context.invoke(list_runs, most=most, as_json=as_json)
    elif as_json or most != _SHOWN:
        raise click.UsageError(f"options stand behind the command, as in xver runs {context.invoked_subcommand} --json")


@runs.command("list")
@_MOST
@_JSON
@pass_output
def list_runs(out: Output, most: int, as_json: bool) -> None:
    """List runs, newest first: parameters, last metrics, and the versions of the data they used.

    Examples:
      xver runs list -n 10
    """
    from xver.cli.human import plural
    from xver.cli.views.run_json import run_json
    from xver.cli.views.run_table import print_runs
    from xver.provenance.sealing import begun, flights
    from xver.versioning.runs import read_runs

    repo = open_repo()
    known = sorted(repo.store.log.refs_under(RUNS), reverse=True)
    asked = known[:most] if most else known
    shown = read_runs(repo, asked)
    going = [(begun(flight), flight.is_alive()) for flight in flights(repo)]
    if as_json:
        states = {run.ulid: "running" if alive else "lost" for run, alive in going}
        out.json([{**run_json(run), "status": states.get(run.ulid, str(run.status))} for run, _ in going]
                 + [run_json(run) for run in shown])  # fmt: skip
        return
    print_runs(out, repo, shown, going)
    if unread := len(asked) - len(shown):
        out.warn(f"{plural(unread, 'record')} of {'a run' if unread == 1 else 'runs'} cannot be read: xver fsck")
    if earlier := len(known) - len(asked):
        out.note(f"and {earlier:,} earlier ones: xver runs list -n 0")
    if any(not alive for _, alive in going):
        out.note("Some ended unseen: xver runs recover")


@runs.command("show", exits=(RunNotFound,))
@click.argument("name", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with packages and metric series.")
@pass_output
def show(out: Output, name: str, as_json: bool) -> None:
    """Show everything that is known of one run.

    Examples:
      xver runs show brisk-heron-17
    """
    from xver.cli.views.run_json import run_json
    from xver.cli.views.run_table import print_run
    from xver.provenance.metrics import decode_series
    from xver.versioning.runs import find_run, read_attachment

    repo = open_repo()
    run = find_run(repo, name)
    if not as_json:
        print_run(out, repo, run, now=time.time())
        return
    points = [] if run.series is None else decode_series(read_attachment(repo, run.series))
    series = [{"key": one.key, "step": one.step, "value": one.value, "time": one.t / 1000} for one in points]
    out.json({**run_json(run), "packages": dict(run.packages), "series": series})


@runs.command("diff", exits=(RunNotFound,))
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@_JSON
@pass_output
def diff(out: Output, before: str, after: str, as_json: bool) -> None:
    """Show what differs between two runs: parameters, metrics, data, code, environment.

    When the data differ, that is said before any figure: the better number may be the easier data.

    Examples:
      xver runs diff brisk-heron-17 mossy-lynx-02
    """
    from xver.cli.views.run_table import comparison_json, print_comparison
    from xver.experiments.comparison import compare
    from xver.versioning.runs import find_run

    repo = open_repo()
    one, other = find_run(repo, before), find_run(repo, after)
    found = compare(one, other)
    if as_json:
        out.json({"before": one.ulid, "after": other.ulid, **comparison_json(found)})
    else:
        print_comparison(out, one, other, found)


@runs.command("export", exits=(InvalidInput,))
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@pass_output
def export(out: Output, as_csv: bool, as_json: bool) -> None:
    """Print all runs as a table: a column for every parameter, metric and data version.

    Examples:
      xver runs export --csv > runs.csv
    """
    from xver.experiments.export import table_of, to_csv
    from xver.versioning.runs import read_runs

    if as_csv == as_json:
        raise InvalidInput("one form is needed", hint="xver runs export --csv > runs.csv")
    found = read_runs(open_repo())
    if as_csv:
        out.raw(to_csv(found).encode())
        return
    columns, rows = table_of(found)
    out.json([dict(zip(columns, row, strict=True)) for row in rows])


@runs.command("recover")
@pass_output
def recover(out: Output) -> None:
    """Seal the runs whose end nobody saw: a machine that died, a program that was killed.

    What they logged is kept. A run that still goes on is left alone.

    Examples:
      xver runs recover
    """
    from xver.provenance.programs import recover as seal_lost

    sealed, problems = seal_lost(open_repo())
    for run in sealed:
        out.note(f"Recovered {run.name}: {run.status}")
    for problem in problems:
        out.warn(problem)
    if not sealed and not problems:
        out.note("No run is lost")
