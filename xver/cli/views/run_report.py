"""Runs in words: the lines after `xver run`, and the parts that `xver runs` and `xver lineage` show of one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from xver.cli.human import count, duration, plural, size
from xver.cli.output import Output, Styled, Text
from xver.git.state import is_tracked
from xver.model.ids import short_id
from xver.model.paths import typed
from xver.model.runs import Evidence, Input, Metric, Run, Scalar, State, Status
from xver.model.runs import Output as Made
from xver.provenance.members import decode_members
from xver.provenance.metrics import FILE as METRICS
from xver.repo import Repo
from xver.versioning.runs import read_attachment

_NAMED = 3
_DIGITS = 4


def report_run(out: Output, repo: Repo, run: Run) -> None:
    """Tell on stderr what a run was: the program's own output has stdout for itself."""
    if out.quiet:
        return
    out.complain("run ", Styled(run.name, "id"), f"  {title(run)}  {duration(run.duration / 1000)}  ", ending(run),
                 *(f"  {text}" for text in values(run)))  # fmt: skip
    read = [input_words(one) for one in run.inputs] + _code(run)
    for line in _wrapped(read):
        out.complain("  read    ", line)
    for made in run.outputs:
        out.complain("  wrote   ", output_words(repo, made))
    for note in run.notes:
        out.complain("  note    ", note)


def title(run: Run) -> str:
    """Return what its author calls a run, else its command as a person would type it."""
    if run.title or not run.command:
        return run.title or "(notebook)"
    return shlex.join([os.path.basename(run.command[0]), *run.command[1:]])


def ending(run: Run) -> Text:
    """Return how a run ended, in its colour."""
    if run.status is Status.OK:
        return Styled("ok", "good")
    if run.signal is not None:
        return Styled(f"{run.status} by signal {run.signal}", "bad")
    code = f" with exit code {run.exit_code}" if run.exit_code else ""
    return Styled(f"{run.status}{code}", "bad")


def values(run: Run, *, most: int = 12) -> list[str]:
    """Return parameters and last metrics as `lr=0.01`, by name; of more than `most` the first."""
    found = [f"{name}={shown(value)}" for name, value in sorted(run.params.items())]
    found += [f"{name}={number(metric)}" for name, metric in sorted(run.metrics.items())]
    return found if len(found) <= most else [*found[:most], "…"]


def results(run: Run, *, most: int) -> list[str]:
    """Return last metrics, and the parameters that do not stand in the command; of more than `most` the first."""
    options = {word.partition("=")[0] for word in run.command}
    found = [f"{name}={shown(value)}" for name, value in sorted(run.params.items()) if f"--{name}" not in options]
    found += [f"{name}={number(metric)}" for name, metric in sorted(run.metrics.items())]
    return found if len(found) <= most else [*found[:most], "…"]


def shown(value: Scalar) -> str:
    """Return a parameter's value as it is typed."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
    return str(value)


def number(metric: Metric) -> str:
    """Return a metric's last value with four digits, whole numbers whole."""
    return f"{metric.last:,.0f}" if metric.last == _whole(metric.last) else f"{metric.last:.{_DIGITS}g}"


def _whole(value: float) -> int | None:
    """Return the whole number that a value is, None if it is none."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else None


def input_words(used: Input) -> str:
    """Return an input with how much of it was read and what is odd about it."""
    words = used.path
    if used.files is not None:
        if used.read is None:
            words += f" (which of {count(used.files)} files is not known)"
        elif used.read == used.files:
            words += f" (all {count(used.files)} files)" if used.files != 1 else " (1 file)"
        else:
            words += f" ({count(used.read)} of {plural(used.files, 'file')})"
    match used.state:
        case State.CHANGED:
            return words + " changed while it was read"
        case State.UNVERSIONED:
            return words + " not tracked"
        case State.BEFORE_UNKNOWN:
            return words + " rewritten or moved: what was read is not known"
    return words


def output_words(repo: Repo, made: Made) -> str:
    """Return an output with its size and whether it is kept."""
    if made.members is not None and (made.written or 0) <= _NAMED:
        members = decode_members(read_attachment(repo, made.members))
        named = ", ".join(f"{made.path}/{one.path}" for one in members)
        what = f"{named}  {size(sum(one.size for one in members))}"
    elif made.files is not None:
        part = "" if made.written in (made.files, None) else f"{count(made.written or 0)} of "
        what = f"{made.path}  {part}{plural(made.files, 'file')}  {size(made.size)}"
    else:
        what = f"{made.path}  {size(made.size)}"
    if made.kept:
        return f"{what}  (kept)"
    if made.evidence is Evidence.IMPORTED:
        return f"{what}  (by reference)"
    if made.path.rpartition("/")[2] == METRICS:
        return f"{what}  (recorded)"
    if repo.git is not None and is_tracked(repo.git, made.path):
        return f"{what}  (in git)"
    return f"{what}  not kept: xver add {typed(made.path)}"


def code_words(run: Run) -> str:
    """Return the commit that a run's code was at, and whether there was more than that."""
    code = run.code
    if code.commit is None:
        return f"{plural(len(code.files), 'code file')} kept" if code.files else ""
    state = "clean" if not code.dirty else f"with changes {short_id(code.patch.id)}" if code.patch else "with changes"
    return f"code {code.commit[:7]} ({state})"


def names(found: Iterable[str], most: int = 6) -> str:
    """Return names on one line, the rest counted."""
    known = list(found)
    more = f" and {count(len(known) - most)} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def _code(run: Run) -> list[str]:
    return [names(sorted(run.code.files))] if run.code.files else []


def _wrapped(words: list[str], columns: int = 100) -> list[str]:
    lines: list[str] = []
    for word in words[:_LINES]:
        if lines and len(lines[-1]) + len(word) < columns:
            lines[-1] += f"   {word}"
        else:
            lines.append(word)
    if len(words) > _LINES:
        lines.append(f"and {count(len(words) - _LINES)} more")
    return lines


_LINES = 12
