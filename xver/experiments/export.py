"""Runs as a table that any spreadsheet reads: a row a run, a column for everything that any of them has."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from xver.model.runs import Run, Scalar

_FACTS = ("id", "name", "title", "status", "started", "duration", "user", "host", "command", "commit", "dirty", "tags")

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a spreadsheet begins a formula with, full-width signs as well."""


def table_of(runs: Sequence[Run]) -> tuple[list[str], list[list[Scalar]]]:
    """Return the names of the columns, and the rows.

    Parameters stand in `params.NAME`, last metrics in `metrics.NAME`, the ids of used data in `data.PATH`.
    """
    rows = [_row(run) for run in runs]
    more = sorted({name for row in rows for name in row} - set(_FACTS), key=lambda name: (_family(name), name))
    columns = [*_FACTS, *more]
    return columns, [[row.get(name) for name in columns] for row in rows]


def to_csv(runs: Iterable[Run]) -> str:
    """Return the table as CSV (RFC 4180): UTF-8, lines that end in CR LF, nothing where a run has no value."""
    columns, rows = table_of(list(runs))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _row(run: Run) -> dict[str, Scalar]:
    row: dict[str, Scalar] = {
        "id": run.ulid,
        "name": run.name,
        "title": run.title,
        "status": str(run.status),
        "started": datetime.fromtimestamp(run.started / 1000, UTC).isoformat(timespec="milliseconds"),
        "duration": run.duration / 1000,
        "user": run.user,
        "host": run.host,
        "command": " ".join(run.command),
        "commit": run.code.commit,
        "dirty": run.code.dirty,
        "tags": " ".join(run.tags),
    }
    row |= {f"params.{name}": value for name, value in run.params.items()}
    row |= {f"metrics.{name}": metric.last for name, metric in run.metrics.items()}
    row |= {f"data.{used.path}": used.id.hex() for used in run.inputs if used.id is not None}
    return row


def _family(name: str) -> int:
    return ("params", "metrics", "data").index(name.partition(".")[0])


def _cell(value: Scalar) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str() if value.lstrip()[:1] in _FORMULA or value[:1] in ("\t", "\r", "\n"):
            # A spreadsheet would take it for a formula and run it: titles and names come from other people.
            return "'" + value
    return str(value)
