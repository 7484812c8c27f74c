"""Two versions of a table written as files, compared, and counted once more in plain Python."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import feather, parquet

from xver.content.changes import Changes, TableChanges
from xver.content.comparing import compare
from xver.content.sources import DiskFile

Record = dict[str, Any]


def compare_files(before: Path | None, after: Path | None, key: Sequence[str] = ()) -> Changes:
    """Compare two files on the disk by the name of the newer one."""
    name = (after or before or Path()).name
    one, two = (None if path is None else DiskFile(str(path)) for path in (before, after))
    folder = (after or before or Path()).parent / "temporary"
    return compare(name, one, two, folder=folder, key=key)


def compare_texts(folder: Path, name: str, before: str | bytes, after: str | bytes, key: Sequence[str] = ()) -> Changes:
    """Compare two contents of a file of that name."""
    paths = []
    for side, content in (("one", before), ("two", after)):
        path = folder / side / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return compare_files(paths[0], paths[1], key)


def table(changes: Changes) -> TableChanges:
    """Return changes that must be a table's."""
    assert isinstance(changes, TableChanges), changes
    return changes


def counts(changes: Changes) -> tuple[int, int, int]:
    """Return how many rows were added, removed and changed."""
    rows = table(changes).rows
    return rows.added, rows.removed, rows.changed


def expected(before: Sequence[Record], after: Sequence[Record], key: Sequence[str]) -> tuple[int, int, int]:
    """Count the same in plain Python, row by row."""
    groups: dict[Any, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((before, after)):
        for row in rows:
            content = tuple(sorted((name, repr(value)) for name, value in row.items()))
            groups[tuple(row[name] for name in key) if key else content][side].append(content)
    added = removed = changed = 0
    for old, new in groups.values():
        same = (Counter(old) & Counter(new)).total()
        left, right = len(old) - same, len(new) - same
        pairs = min(left, right) if key else 0
        changed += pairs
        removed += left - pairs
        added += right - pairs
    return added, removed, changed


def write(path: Path, rows: Sequence[Record], names: Sequence[str]) -> Path:
    """Write rows in the format of the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".csv" | ".tsv":
            text = io.StringIO(newline="")
            writer = csv.writer(text, delimiter="," if path.suffix == ".csv" else "\t")
            writer.writerows([names, *([row[name] for name in names] for row in rows)])
            path.write_bytes(text.getvalue().encode())
        case ".jsonl":
            path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
        case ".parquet":
            parquet.write_table(_arrow(rows, names), path, row_group_size=100)
        case ".feather":
            feather.write_feather(_arrow(rows, names), str(path))
        case ".arrows":
            found = _arrow(rows, names)
            with pa.ipc.new_stream(str(path), found.schema) as stream:
                stream.write_table(found, max_chunksize=64)
    return path


def _arrow(rows: Sequence[Record], names: Sequence[str]) -> Any:
    return pa.table({name: [row[name] for row in rows] for name in names})
