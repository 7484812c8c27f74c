"""CSV and TSV: text by columns. Delimiter, encoding and header are found from the beginning of the file.

Cells are compared as they are written, so 1 and 1.0 differ; quoting does not count. A line that has not as many cells
as the header is no row: it is counted, and compared as a whole.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from xver.content.compression import inner_name, opened
from xver.content.csv_blocks import row_blocks
from xver.content.sources import Source
from xver.content.tables import NotReadable, Table, translated, unique_names
from xver.model.ids import fingerprint

_HEAD: Final = 256 * 1024
_RAGGED: Final = 100_000
"""Lines that are no rows, from which on the file is no table; 16 bytes of each are held."""
_NUMBER: Final = re.compile(r"[+-]?(\d[\d_, ]*\.?\d*|\.\d+)([eE][+-]?\d+)?%?")
_DELIMITERS: Final = (",", ";", "\t", "|")
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class _Head(NamedTuple):
    """What the beginning of a file tells."""

    delimiter: str
    encoding: str
    first: tuple[str, ...]


def open_tables(name: str, before: Source | None, after: Source | None) -> tuple[Table | None, Table | None]:
    """Open both versions of a file; that the first line is a header is decided for both together.

    Raises:
        NotReadable: one of them is no such table.
    """
    heads = [None if one is None else _look(name, one) for one in (before, after)]
    firsts = [head.first for head in heads if head is not None and head.first]
    has_header = all(map(_is_header, firsts))
    if len(firsts) == 2 and not set(firsts[0]) & set(firsts[1]):
        has_header = False
    tables = [
        None if source is None or head is None else Delimited(name, source, head, has_header=has_header)
        for source, head in zip((before, after), heads, strict=True)
    ]
    return tables[0], tables[1]


class Delimited(Table):
    """A file of lines whose cells stand between delimiters."""

    is_text: ClassVar[bool] = True

    def __init__(self, name: str, source: Source, head: _Head, *, has_header: bool) -> None:
        self._name = name
        self._source = source
        self._head = head
        self.format = "TSV" if head.delimiter == "\t" else "CSV"
        self._has_header = has_header
        count = len(head.first)
        names = unique_names(head.first) if has_header else [f"column {at + 1}" for at in range(count)]
        self.columns: dict[str, Any] = dict.fromkeys(names, pa.binary())
        self._ragged: list[bytes] = []

    def type_of(self, name: str) -> str | None:  # noqa: ARG002 - as every table
        """Return None: the values tell."""
        return None

    def ragged(self) -> Sequence[bytes]:
        """Return the fingerprints of the lines that have not as many cells as the others."""
        return self._ragged

    def batches(self) -> Iterator[Any]:
        """Yield all rows."""
        self._ragged = []
        names = list(self.columns)
        if not names:
            return
        rows, above = 0, int(self._has_header)
        with opened(self._name, self._source) as file:
            for block in row_blocks(file, self._head.delimiter, self._head.encoding):
                for batch in self._parsed(block, names, above):
                    rows += batch.num_rows
                    yield batch
                above = 0
        if len(self._ragged) > max(rows, 1):
            raise NotReadable(f"most of its lines do not have the {len(names)} cells of the first")

    def _parsed(self, block: bytes, names: list[str], above: int) -> list[Any]:
        """Return the rows of a block, but for so many lines at its beginning."""
        with translated():
            found: list[Any] = arrow_csv.read_csv(
                pa.BufferReader(block),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, column_names=names, skip_rows_after_names=above, block_size=len(block) + 1
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._head.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=self._set_aside,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=self.columns, strings_can_be_null=True, null_values=[""]
                ),
            ).to_batches()
        return found

    def _set_aside(self, row: Any) -> str:
        if len(self._ragged) >= _RAGGED:
            return "error"
        self._ragged.append(fingerprint(row.text.encode(errors="surrogatepass")))
        return "skip"


def _look(name: str, source: Source) -> _Head:
    with opened(name, source) as file, translated():
        data = bytes(file.read(_HEAD))
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data:
        raise NotReadable("it holds zero bytes")
    if encoding == "utf-8" and not _is_utf8(data):
        # Text of one byte a character, most likely; every byte has its character there.
        encoding = "latin-1"
    # A piece of the last line would be a line that is too short.
    text = data[: len(data) // 2 * 2 if encoding == "utf-16" else None].decode(
        "utf-8-sig" if encoding == "utf-8" else encoding, errors="replace"
    )
    # The ends of lines that the reader of rows knows: a form feed or a NEL is a character like others.
    lines = list(io.StringIO(text, newline=""))
    if len(data) == _HEAD and len(lines) > 1:
        lines.pop()
    try:
        choices = {one: [row for row in csv.reader(lines, delimiter=one) if row] for one in _DELIMITERS}
    except csv.Error as error:
        raise NotReadable(f"its first lines cannot be cut into cells: {error}") from error
    preferred = "\t" if inner_name(name).endswith(".tsv") else ","
    delimiter = max(_DELIMITERS, key=lambda one: (_agreement(choices[one]), one == preferred))
    rows = choices[delimiter]
    return _Head(delimiter, encoding, tuple(rows[0]) if rows else ())


def _is_utf8(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=len(data) < _HEAD)
    except UnicodeDecodeError:
        return False
    return True


def _agreement(rows: list[list[str]]) -> float:
    """Return how well a delimiter fits: the share of lines that it cuts into as many cells, if more than one."""
    if not rows:
        return 0
    cells, lines = Counter(map(len, rows)).most_common(1)[0]
    return lines / len(rows) if cells > 1 else 0


def _is_header(cells: Sequence[str]) -> bool:
    """Tell whether a first line may name columns: nothing twice, no number, at most one cell empty (an index)."""
    is_named = len(set(cells)) == len(cells) or all(cells)
    return is_named and cells.count("") <= 1 and not any(_NUMBER.fullmatch(cell.strip()) for cell in cells)
