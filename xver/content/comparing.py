"""Compare two versions of a file as what its name says it is, and as bytes where it is nothing of that."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa

from xver.content import columnar, delimited, jsonlines
from xver.content.blobs import compare_bytes
from xver.content.changes import Changes, TensorChanges
from xver.content.compression import inner_name
from xver.content.rows import compare_tables
from xver.content.sources import Counted, Source
from xver.content.tables import NotReadable
from xver.content.tensor_files import read_npy, read_npz, read_safetensors
from xver.content.tensors import compare_tensors
from xver.errors import InvalidInput
from xver.progress import SILENT, Meter

_TEXTS: Final = {
    ".csv": delimited.open_tables,
    ".tsv": delimited.open_tables,
    ".jsonl": jsonlines.open_tables,
    ".ndjson": jsonlines.open_tables,
}
_COLUMNS: Final = {
    ".parquet": columnar.open_parquet,
    ".pq": columnar.open_parquet,
    ".arrow": columnar.open_arrow,
    ".arrows": columnar.open_arrow,
    ".feather": columnar.open_arrow,
    ".ipc": columnar.open_arrow,
}
_TENSORS: Final = {".safetensors": read_safetensors, ".npy": read_npy, ".npz": read_npz}


def compare(
    name: str,
    before: Source | None,
    after: Source | None,
    *,
    folder: Path,
    key: Sequence[str] = (),
    meter: Meter = SILENT,
) -> Changes:
    """Return what changed between two versions of a file (None: there was none); one of the two there must be.

    `name` tells the format, `folder` is for temporary files, which need about 32 bytes a row of both versions. `key`
    names the columns that identify a row of a table.

    Raises:
        InvalidInput: the key has a column that the table lacks, or the file is no table.
        Conflict: a file on the disk changed meanwhile.
        ContentNotFound: a version's content is not within reach.
    """
    meter.start("Comparing", None, "B")
    try:
        old, new = (None if one is None else Counted(one, meter) for one in (before, after))
        changes = _compare(name, old, new, folder=folder, key=key)
    finally:
        meter.finish()
    for one in (before, after):
        if one is not None:
            one.check()
    return changes


def _compare(name: str, before: Source | None, after: Source | None, *, folder: Path, key: Sequence[str]) -> Changes:
    suffix, inner = Path(name.lower()).suffix, Path(inner_name(name)).suffix
    opener = _TEXTS.get(inner) or _COLUMNS.get(suffix)
    reason = None
    try:
        if opener is not None:
            return compare_tables(*opener(name, before, after), key=key, folder=folder, name=name)
        if suffix in _TENSORS and not key:
            return _compare_tensors(suffix, before, after)
    except pa.ArrowNotImplementedError as error:
        reason = f"a column has a type that is not compared: {error}"
    except NotReadable as error:
        reason = f"no {(inner if inner in _TEXTS else suffix)[1:]} to be read: {error.reason}"
    if key:
        raise InvalidInput(f"{name} has no columns" + (f" ({reason})" if reason else ""), hint="leave --key out")
    return compare_bytes(before, after, reason)


def _compare_tensors(suffix: str, before: Source | None, after: Source | None) -> TensorChanges:
    read = _TENSORS[suffix]
    with ExitStack() as stack:
        return compare_tensors(*(None if one is None else read(one, stack) for one in (before, after)))
