"""Parquet, and Arrow's file and stream formats (Feather is the first): columns with declared types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from xver.content.sources import Source
from xver.content.tables import NotReadable, Table, translated, unique_names

_ROWS: Final = 64 * 1024
_BATCH: Final = 16 * 1024 * 1024
"""Bytes of a batch, roughly, where rows are wide."""
_BUFFER: Final = 512 * 1024
"""Bytes read ahead of each column of Parquet."""
_PLAINER: Final = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}
_OLD_FEATHER: Final = b"FEA1"
_ARROW: Final = b"ARROW1"


class Parquet(Table):
    """A Parquet file, read a few pages of each column at a time, whatever the size of its row groups."""

    format = "Parquet"

    def __init__(self, source: Source) -> None:
        self._source = source
        with source.open() as file, translated():
            found = self._opened(file)
            schema, facts = found.schema_arrow, found.metadata
            size = sum(facts.row_group(at).total_byte_size for at in range(facts.num_row_groups))
        self.columns: dict[str, Any] = dict(zip(unique_names(schema.names), schema.types, strict=True))
        wide = max(1, size // max(1, facts.num_rows))
        self._rows = max(256, min(_ROWS, _BATCH // wide))

    def batches(self) -> Iterator[Any]:
        """Yield all rows."""
        with self._source.open() as file, translated():
            # Without threads: the store below serves one at a time.
            for batch in self._opened(file).iter_batches(self._rows, use_threads=False):
                yield _renamed(batch, self.columns)

    def _opened(self, file: Any) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)


class Arrow(Table):
    """A file or stream of Arrow's record batches, each read whole."""

    format = "Arrow"

    def __init__(self, source: Source) -> None:
        self._source = source
        with source.open() as file:
            head = file.read(len(_ARROW))
        if head.startswith(_OLD_FEATHER):
            raise NotReadable("it is of the first version of Feather")
        self._is_stream = head != _ARROW
        with source.open() as file, translated():
            schema = (pa.ipc.open_stream if self._is_stream else pa.ipc.open_file)(file).schema
        self.columns: dict[str, Any] = dict(zip(unique_names(schema.names), schema.types, strict=True))

    def batches(self) -> Iterator[Any]:
        """Yield all rows."""
        with self._source.open() as file, translated():
            if self._is_stream:
                found = iter(pa.ipc.open_stream(file))
            else:
                reader = pa.ipc.open_file(file)
                found = map(reader.get_batch, range(reader.num_record_batches))
            for batch in found:
                # What a file says of offsets and codes is believed by all that follows.
                batch.validate(full=True)
                whole = _renamed(batch, self.columns)
                for start in range(0, whole.num_rows, _ROWS):
                    yield whole.slice(start, _ROWS)


def open_parquet(name: str, before: Source | None, after: Source | None) -> tuple[Table | None, Table | None]:
    """Open both versions of a file; raises `NotReadable` where one is no Parquet."""
    del name
    return None if before is None else Parquet(before), None if after is None else Parquet(after)


def open_arrow(name: str, before: Source | None, after: Source | None) -> tuple[Table | None, Table | None]:
    """Open both versions of a file; raises `NotReadable` where one is no Arrow."""
    del name
    return None if before is None else Arrow(before), None if after is None else Arrow(after)


def _renamed(batch: Any, columns: dict[str, Any]) -> Any:
    return pa.RecordBatch.from_arrays([_plain(array) for array in batch.columns], names=list(columns))


def _plain(array: Any) -> Any:
    """Return an array in a layout that pyarrow can filter and compare, the values the same."""
    plainer = _PLAINER.get(str(array.type))
    return array if plainer is None else array.cast(plainer)
