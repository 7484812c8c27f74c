"""Metrics of a run: points as they were logged become a series in Parquet and a line of the record each."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from xver.model.runs import Metric
from xver.provenance.events import Point
from xver.provenance.parameters import flatten

FILE: Final = "metrics.json"
"""A file of this name that a run writes, at the root or where the run was started, holds metrics."""

_FILE_MAX: Final = 1_000_000


def summarize(points: Sequence[Point]) -> dict[str, Metric]:
    """Return each metric in short: its last value and step, the extremes, the number of points.

    NaN is never an extreme while there is a number.
    """
    series: dict[str, list[Point]] = {}
    for point in points:
        series.setdefault(point.key, []).append(point)
    found = {}
    for key, own in series.items():
        numbers = [point.value for point in own if point.value == point.value] or [own[-1].value]
        found[key] = Metric(own[-1].value, own[-1].step, min(numbers), max(numbers), len(own))
    return found


def encode_series(points: Sequence[Point]) -> bytes:
    """Return the points as a Parquet table: `key`, `step` (null where none was given), `value`, `time`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "key": pa.array([point.key for point in points], pa.string()),
            "step": pa.array([point.step for point in points], pa.float64()),
            "value": pa.array([point.value for point in points], pa.float64()),
            "time": pa.array([point.t for point in points], pa.timestamp("ms", tz="UTC")),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def decode_series(data: bytes) -> list[Point]:
    """Return the points that `encode_series` wrote, in their order."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    times = table.column("time").cast("int64")
    rows = zip(*(table.column(name).to_pylist() for name in ("key", "value", "step")), times.to_pylist(), strict=True)
    return [Point(key, value, step, t) for key, value, step, t in rows]


def in_file(path: Path) -> dict[str, Metric]:
    """Return the numbers in a file of metrics, nested ones by dotted names; nothing for what cannot be read."""
    try:
        if path.stat().st_size > _FILE_MAX:
            return {}
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return _single(flatten(record)) if isinstance(record, dict) else {}


def _single(values: Mapping[str, Any]) -> dict[str, Metric]:
    numbers = {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {name: Metric(value, None, value, value, 1) for name, value in numbers.items()}
