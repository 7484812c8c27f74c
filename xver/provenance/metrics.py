"""Metrics of a run: points as they were logged become a series in Parquet and a line of the record each."""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xver.errors import CorruptData
from xver.model.runs import Metric
from xver.provenance.events import Point, Points
from xver.provenance.parameters import flatten

FILE: Final = "metrics.json"
"""A file of this name that a run writes, at the root or where the run was started, holds metrics."""

_FILE_MAX: Final = 1_000_000
_COLUMNS: Final = {"key": "string", "value": "float64", "step": "float64", "time": "int64"}


def summarize(points: Points) -> dict[str, Metric]:
    """Return each metric in short: its last value and step, the extremes, the number of points.

    NaN is never an extreme while there is a number.
    """
    found: dict[str, Metric] = {}
    for key, value, step, _ in points:
        known = found.get(key)
        if known is None:
            found[key] = Metric(value, step, value, value, 1)
            continue
        least, most = known.minimum, known.maximum
        if not least <= value:
            least = value if value == value or least != least else least
        if not most >= value:
            most = value if value == value or most != most else most
        found[key] = Metric(value, step, least, most, known.count + 1)
    return found


def encode_series(points: Points) -> bytes:
    """Return the points as a Parquet table: `key`, `step` (null where none was given), `value`, `time`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    def column(values: array[Any], kind: Any) -> Any:
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])

    steps = column(points.steps, pa.float64())

    table = pa.table(
        {
            "key": pa.array(points.keys, pa.string()),
            "step": pc.if_else(pc.is_nan(steps), pa.scalar(None, pa.float64()), steps),
            "value": column(points.values, pa.float64()),
            "time": column(points.times, pa.timestamp("ms", tz="UTC")),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def decode_series(data: bytes) -> list[Point]:
    """Return the points that `encode_series` wrote, in their order; raises `CorruptData` for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Neither threads nor a file of Python's: a thread of pyarrow that lets go of one while Python ends aborts
        # the process (https://github.com/apache/arrow/issues/34314).
        table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
        columns = [table.column(name).cast(kind).to_pylist() for name, kind in _COLUMNS.items()]
    except (pa.ArrowException, KeyError, OSError) as error:
        raise CorruptData(f"a run's series is damaged: {str(error)[:200]}") from error
    return [Point(key, value, step, t) for key, value, step, t in zip(*columns, strict=True)]


def in_file(path: Path) -> dict[str, Metric]:
    """Return the numbers in a file of metrics, nested ones by dotted names; nothing for what cannot be read."""
    try:
        if path.stat().st_size > _FILE_MAX:
            return {}
        record = json.loads(path.read_bytes())
        return _single(flatten(record)) if isinstance(record, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _single(values: Mapping[str, Any]) -> dict[str, Metric]:
    numbers = {
        name: float(str(value))  # an integer too large for a float is infinite then, where float(value) would raise
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {name: Metric(value, None, value, value, 1) for name, value in numbers.items()}
