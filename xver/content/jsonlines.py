"""JSON Lines: one object a line, its keys as columns, values as JSON text.

Which columns there are only the rows tell, so a row that has a key more, or less, is another row. The order of keys
and the way in which texts are written do not count. A line that is no object is a row with one column, "value".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import pyarrow as pa

from xver.content.changes import EMPTY
from xver.content.compression import opened
from xver.content.sources import Source
from xver.content.tables import NotReadable, Table, translated

NULL: Final = b"null"
_BLOCK: Final = 4 * 1024 * 1024
_LINE: Final = 64 * 1024 * 1024
"""Bytes of a line from which on it is none."""
_COLUMNS: Final = 10_000
_WORDS: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
}


class JsonLines(Table):
    """A file of one JSON value a line."""

    format = "JSONL"
    is_text: ClassVar[bool] = True
    columns: dict[str, Any] | None = None

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self._types: dict[str, set[type]] = {}

    def type_of(self, name: str) -> str | None:
        """Return the JSON types that a column's values have."""
        found = self._types.get(name, set()) - {type(None)}
        if found == {int, float}:
            return "number"
        return " or ".join(sorted(_WORDS[one] for one in found)) or EMPTY

    def batches(self) -> Iterator[Any]:
        """Yield all rows; a batch has the columns that its rows have."""
        with opened(self._name, self._source) as file:
            lines: list[bytes] = []
            number = 0
            for part in _blocks(file):
                lines = part.split(b"\n")
                yield self._parse(lines, number)
                number += len(lines)

    def _parse(self, lines: list[bytes], number: int) -> Any:
        columns: dict[str, list[bytes | None]] = {}
        rows = 0
        for at, line in enumerate(lines, number + 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise NotReadable(f"its line {at} is no JSON") from error
            record = found if isinstance(found, dict) else {"value": found}
            for key, value in record.items():
                column = columns.get(key)
                if column is None:
                    column = columns[key] = []
                if len(column) < rows:
                    column.extend([None] * (rows - len(column)))
                column.append(_text(value))
                self._types.setdefault(key, set()).add(type(value))
            if len(self._types) > _COLUMNS:
                raise NotReadable(f"its rows have more than {_COLUMNS:,} different keys")
            rows += 1
        for column in columns.values():
            column.extend([None] * (rows - len(column)))
        arrays = [pa.array(column, pa.binary()) for column in columns.values()]
        if not arrays:
            # Rows without any key are rows nevertheless.
            return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def open_tables(name: str, before: Source | None, after: Source | None) -> tuple[Table | None, Table | None]:
    """Open both versions of a file."""
    return None if before is None else JsonLines(name, before), None if after is None else JsonLines(name, after)


def _blocks(file: Any) -> Iterator[bytes]:
    """Yield the file's bytes in pieces of whole lines."""
    rest = b""
    while True:
        with translated():
            data = bytes(file.read(_BLOCK))
        if not data:
            break
        end = data.rfind(b"\n")
        if end < 0:
            rest += data
            if len(rest) > _LINE:
                raise NotReadable(f"one of its lines is longer than {_LINE:,} bytes")
            continue
        yield rest + data[:end]
        rest = data[end + 1 :]
    if rest:
        yield rest


def _text(value: object) -> bytes:
    """Return a value as JSON, the same for equal values."""
    match value:
        case str():
            # What stands between the first and the last quote is the text itself, so nothing needs an escape.
            return b'"' + value.encode(errors="surrogatepass") + b'"'
        case None:
            return NULL
        case bool():
            return b"true" if value else b"false"
        case int() | float():
            return repr(value).encode()
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
