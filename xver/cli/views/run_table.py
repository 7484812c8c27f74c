"""What `xver runs` shows: the list, one run in full, two side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from xver.cli.human import count, duration, safe, shorten, when
from xver.cli.output import Output, Styled, Text
from xver.cli.views.lineage import source_line
from xver.cli.views.run_report import code_words, ending, input_words, names, output_words, shown, title
from xver.experiments.comparison import Comparison, Differs
from xver.model.ids import short_id
from xver.model.runs import Input, Run
from xver.provenance.holders import Holders
from xver.repo import Repo

_FAMILIES = ("params", "metrics", "data", "outputs", "code", "environment", "packages")
_COLUMNS_OF_VALUES = 6
_TITLE = 40
_CODE_FILES = 20


def print_runs(out: Output, repo: Repo, runs: Sequence[Run], going: Sequence[tuple[Run, bool]]) -> None:
    """Print a table of runs: a column for each parameter and metric that most of them have."""
    if not runs and not going:
        out.note("No runs yet: xver run -- python train.py")
        return
    params, metrics = _commonest([run.params for run in runs]), _commonest([run.metrics for run in runs])
    holders = Holders(repo)
    rows: list[Sequence[Text]] = []
    for run, alive in reversed(going):
        state = Styled("running", "strong") if alive else Styled("lost", "bad")
        rows.append((Styled(run.name, "id"), _ago(run), state, _brief(run)))
    for run in runs:
        values = [shown(run.params[name]) if name in run.params else "" for name in params]
        values += [f"{run.metrics[name].last:.5g}" if name in run.metrics else "" for name in metrics]
        data = names(
            [f"{used.path}@{data_version(used, holders)}" for used in run.inputs if used.role == "data"], most=2
        )
        rows.append((Styled(run.name, "id"), _ago(run), ending(run), title(run), *values, data))
    out.table(rows, ("run", "when", "status", "what", *params, *metrics, "data"))


def data_version(used: Input, holders: Holders) -> str:
    """Return the version of an input: the commit that first held it, else its id."""
    if used.id is None:
        return "?"
    commit = holders.first(used.id, used.path)
    return short_id(used.id) if commit is None else commit.id[:7]


def print_run(out: Output, repo: Repo, run: Run, *, now: float) -> None:
    """Print everything that is known of one run."""
    out.line("run ", Styled(run.name, "id"), f"  {run.ulid}")
    if run.title:
        out.line(f"title       {run.title}")
    if run.command:
        out.line(f"command     {' '.join(run.command)}  (in {run.directory})")
    offset = datetime.fromtimestamp(now).astimezone().utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds() // 60)
    out.line(f"started     {when(run.started // 1000, minutes)}  for {duration(run.duration / 1000)}")
    out.line("ended       ", ending(run))
    out.line(f"by          {run.user}@{run.host}" + (f", within run {run.parent}" if run.parent else ""))
    if code := code_words(run):
        out.line(f"code        {code}")
    for name in sorted(run.code.files)[:_CODE_FILES]:
        out.line(f"            {name}")
    if len(run.code.files) > _CODE_FILES:
        out.line(f"            and {count(len(run.code.files) - _CODE_FILES)} more")
    _print_values(out, "params", [(name, shown(value)) for name, value in sorted(run.params.items())])
    _print_values(
        out,
        "metrics",
        [
            (name, f"{one.last:.6g}" + (f"  ({count(one.count)} points, {one.minimum:.6g} to {one.maximum:.6g})"
                                        if one.count > 1 else ""))
            for name, one in sorted(run.metrics.items())
        ],
    )  # fmt: skip
    holders = Holders(repo)
    for used in run.inputs:
        out.line("read        ", input_words(used), "  ", Styled(data_version(used, holders), "id"))
    for made in run.outputs:
        out.line("wrote       ", output_words(repo, made), "  ", Styled(short_id(made.id), "id"))
    for source in run.sources:
        out.line("from        ", *source_line(source))
    if run.tags:
        out.line(f"tags        {', '.join(run.tags)}")
    for line in run.note.splitlines():
        out.line("note        ", line)
    for note in run.notes:
        out.line("seen        ", note)
    facts = ", ".join(f"{name} {value}" for name, value in sorted(run.environment.items()))
    out.line(f"on          {facts}" + (f", {count(len(run.packages))} packages" if run.packages else ""))


def print_comparison(out: Output, one: Run, other: Run, found: Comparison) -> None:
    """Print what differs between two runs, the data first where they make the figures incomparable."""
    out.line(Styled(one.name, "id"), f"  {title(one)}  →  ", Styled(other.name, "id"), f"  {title(other)}")
    if found.is_equal:
        out.note("Nothing differs")
        return
    if not found.comparable:
        out.line(Styled("The data differ:", "bad"), " the metrics below were not measured on the same")
    order = _FAMILIES if found.comparable else ("data", *(name for name in _FAMILIES if name != "data"))
    for family in order:
        differences: tuple[Differs, ...] = getattr(found, family)
        if not differences:
            continue
        out.line(Styled(family, "strong"))
        rows: list[Sequence[Text]] = [
            ("", one.name, _side(family, one.before), "→", _side(family, one.after), _delta(family, one))
            for one in differences
        ]
        out.table(rows)


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    families = {family: [asdict(one) for one in getattr(found, family)] for family in _FAMILIES}
    return {"comparable": found.comparable, **families}


def _print_values(out: Output, what: str, values: Sequence[tuple[str, str]]) -> None:
    for at, (name, value) in enumerate(values):
        out.line(f"{what if at == 0 else '':12}{name} = {value}")


def _side(family: str, value: Any) -> str:
    if value is None:
        return "-"
    if family in ("data", "outputs", "code") and len(str(value)) == 64:
        return f"b3:{str(value)[:8]}"
    return str(value)[:12] if family == "code" else shown(value)


def _delta(family: str, one: Differs) -> str:
    if family != "metrics" or not isinstance(one.before, float) or not isinstance(one.after, float):
        return ""
    return f"{one.after - one.before:+.4g}"


def _commonest(maps: Sequence[Any]) -> list[str]:
    """Return the names that most of the maps have, the commonest first, at most a few."""
    counts: dict[str, int] = {}
    for one in maps:
        for name in one:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))[:_COLUMNS_OF_VALUES]


def _brief(run: Run) -> str:
    text = shorten(safe(title(run)), _TITLE)
    return text if text == safe(title(run)) else text + "…"


def _ago(run: Run) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started / 1000))
