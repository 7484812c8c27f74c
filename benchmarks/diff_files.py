"""What changed inside a CSV and a Parquet file of 2 GiB: seconds, memory, and whether duckdb counts the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from script import run_benchmark
from support import GiB, MiB, Options, flush_disk
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants

LIMIT: Final = GiB
_ROWS: Final = 250_000
"""Rows made at a time."""
_WIDTHS: Final = {"csv": 178, "parquet": 135}
"""Bytes of a row in a file, roughly."""
_COLUMNS: Final = ("user", "amount", "score", "items", "paid", "moment", "note")


class _Counts(NamedTuple):
    """Rows and cells that differ, and (nulls, least, greatest) of each column of the later version."""

    rows: tuple[int, int, int]
    cells: dict[str, int]
    summaries: dict[str, tuple[int, str, str]]


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield the one table."""
    size = 2 * GiB if options.size == "full" else 64 * MiB
    tool = contestants(options, work / "home")["xver"]
    rows = [_measure(tool, work, suffix, size) for suffix in ("csv", "parquet")]
    setting = (
        "Of an ordered key 0.1 % of the rows are gone, 0.1 % new, 0.5 % changed in a number, 0.2 % in a text. "
        "Read from the store, nothing checked out."
    )
    yield Table("Rows of two versions", rows, baseline="", setting=setting)


def _measure(tool: Tool, work: Path, suffix: str, size: int) -> Row:
    repository = work / suffix
    (repository / DATA).mkdir(parents=True)
    path = repository / DATA / f"table.{suffix}"
    beside = work / f"before.{suffix}"
    count = size // _WIDTHS[suffix]
    write_table(path, count, is_edited=False)
    tool.run(repository, *tool.create, tool.add, *tool.commit)
    path.rename(beside)
    write_table(path, count, is_edited=True)
    tool.run(repository, tool.add, *tool.commit)
    expected = _count(beside, path, suffix)
    sizes = f"{beside.stat().st_size / MiB:,.0f} and {path.stat().st_size / MiB:,.0f}"
    for one in (beside, path):
        one.unlink()
    flush_disk(work)
    name = f"{DATA}/table.{suffix}"
    answer = work / f"{suffix}.json"
    command = (*tool.version[:-1], "diff", "HEAD~1", "HEAD", "--json", "--", name)
    # The shell gives its place to the command, so that memory is the command's.
    timing = tool.timed(repository, ("sh", "-c", f'exec "$@" > {shlex.quote(str(answer))}', "sh", *command))
    found = _counted(json.loads(answer.read_bytes())[0]["content"])
    is_equal = found == expected
    facts = {
        "MiB": sizes,
        "rows": f"{count:,}",
        "added, removed, changed": ", ".join(f"{one:,}" for one in found.rows),
        "peak memory, MiB": f"{timing.peak / MiB:,.0f}",
        "as duckdb counts": "equal" if is_equal else f"**no**: {expected}",
    }
    return Row(f"diff of {suffix}", [timing], facts, [Goal("< 1 GiB, equal", timing.peak < LIMIT and is_equal)])


def write_table(path: Path, count: int, *, is_edited: bool) -> None:
    """Write `count` rows, or the edited version of them, in the format of the file's name."""
    writer: Any = None
    for start in range(0, count, _ROWS):
        rows = _rows(start, min(_ROWS, count - start))
        if is_edited:
            rows = _edited(rows, start, count)
        if writer is None:
            make: Callable[..., Any] = parquet.ParquetWriter if path.suffix == ".parquet" else csv.CSVWriter
            writer = make(path, rows.schema)
        writer.write_table(rows)
    writer.close()


def _rows(start: int, count: int) -> Any:
    random = np.random.default_rng(start)
    moments = np.datetime64("2026-01-01T00:00:00", "us") + random.integers(0, 10**13, count).astype("timedelta64[us]")
    return pa.table(
        {
            "id": np.arange(start, start + count) * 2,
            "user": _texts(random, count, 4, 8),
            "amount": pa.array(random.integers(0, 10**9, count), mask=random.random(count) < 0.05),
            "score": random.random(count),
            "items": random.integers(0, 100, count).astype(np.int32),
            "paid": random.random(count) < 0.5,
            "moment": moments,
            "note": _texts(random, count, 0, 200),
        }
    )


def _texts(random: np.random.Generator, count: int, least: int, most: int) -> Any:
    ends = np.concatenate([[0], np.cumsum(random.integers(least, most + 1, count))]).astype(np.int32)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz ,0123", np.uint8)[random.integers(0, 32, ends[-1])]
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(letters))


def _edited(rows: Any, start: int, count: int) -> Any:
    random = np.random.default_rng([start, 1])
    number = len(rows)
    scores = rows["score"].to_numpy().copy()
    scores[random.integers(0, number, number // 200)] += 1
    notes = pc.if_else(pa.array(random.random(number) < 0.002), "edited", rows["note"])
    rows = rows.set_column(3, "score", pa.array(scores)).set_column(7, "note", notes)
    rows = rows.filter(pa.array(random.random(number) >= 0.001))
    new = _rows(count + start // 1000, number // 1000)
    # An odd id is nobody else's.
    new = new.set_column(0, "id", pa.array(np.arange(start, start + len(new)) * 2 + 1))
    return pa.concat_tables([rows, new])


def _count(before: Path, after: Path, suffix: str) -> _Counts:
    """Count by duckdb, from the files as they were written."""
    import duckdb

    read = "read_parquet" if suffix == "parquet" else "read_csv"
    # Cells of a CSV are compared as text, and empty ones are none.
    more = "" if suffix == "parquet" else ", all_varchar = true, header = true, nullstr = ''"
    differs = {name: f"(a.{name} is distinct from b.{name})" for name in _COLUMNS}
    here = "a.id is not null and b.id is not null"
    counts = [
        "count(*) filter (a.id is null)",
        "count(*) filter (b.id is null)",
        f"count(*) filter ({here} and ({' or '.join(differs.values())}))",
        *(f"count(*) filter ({here} and {one})" for one in differs.values()),
    ]
    with duckdb.connect() as base:
        base.execute(f"set memory_limit = '6GB'; set temp_directory = '{after.parent.parent / 'duckdb'}'")
        base.execute(f"create view a as from {read}('{before}'{more}); create view b as from {read}('{after}'{more})")
        found = base.execute(f"select {', '.join(counts)} from a full join b on a.id = b.id").fetchone()
        assert found is not None
        kinds = {"amount": "bigint", "items": "bigint", "score": "double"}
        wanted = []
        for name in _COLUMNS:
            value = f"{name}::{kinds[name]}" if name in kinds else name
            wanted += [f"count(*) - count({name})", f"min({value})", f"max({value})"]
        facts = iter(base.execute(f"select {', '.join(wanted)} from b").fetchone() or ())
        summaries = {name: (next(facts), _word(next(facts)), _word(next(facts))) for name in _COLUMNS}
    return _Counts(found[:3], dict(zip(_COLUMNS, found[3:], strict=True)), summaries)


def _counted(content: dict[str, Any]) -> _Counts:
    rows = content["rows"]
    columns = {one["name"]: one for one in content["columns"] if one["name"] in _COLUMNS}
    return _Counts(
        (rows["added"], rows["removed"], rows["changed"]),
        {name: columns[name]["cells"] for name in _COLUMNS},
        {
            name: (
                columns[name]["after"]["nulls"],
                *(_word(columns[name]["after"][one]) for one in ("minimum", "maximum")),
            )
            for name in _COLUMNS
        },
    )


def _word(value: object) -> str:
    """Return a value as text, the same for a moment of Python and one of JSON, and for what is true in either."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
