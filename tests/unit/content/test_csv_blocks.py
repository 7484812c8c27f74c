"""Rows in blocks: whatever the cuts, the rows are those of the whole text, and one thread alone reads the file."""

from __future__ import annotations

import gzip
import io
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv

from xver.content import csv_blocks
from xver.content.csv_blocks import row_blocks
from xver.content.delimited import open_tables
from xver.content.sources import DiskFile
from xver.content.tables import NotReadable


def _rows(data: bytes, names: list[str]) -> tuple[list[Any], list[str]]:
    odd: list[str] = []

    def set_aside(row: Any) -> str:
        odd.append(row.text)
        return "skip"

    found = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
        parse_options=csv.ParseOptions(
            newlines_in_values=True,
            ignore_empty_lines=len(names) > 1,
            invalid_row_handler=set_aside,
        ),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary())),
    )
    return found.to_pylist(), odd


@given(st.text('aa",\n\r', max_size=40), st.integers(1, 2), st.integers(1, 7))
def test_cuts_do_not_count(text: str, columns: int, size: int) -> None:
    names = ["one", "two"][:columns]
    data = text.encode().lstrip(b"\r\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK", size)
        try:
            blocks = list(row_blocks(io.BytesIO(text.encode()), ",", "utf-8"))
        except NotReadable:
            # Only of a row, or a quotation, that is longer than two blocks.
            assert len(data) > 2 * size
            return
    assert b"".join(blocks) == data
    if data:
        parts = [_rows(block, names) for block in blocks]
        assert ([row for rows, _ in parts for row in rows], [one for _, odd in parts for one in odd]) == _rows(
            data, names
        )


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_characters_may_be_cut_in_two(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", 3)
    text = "é,1\n" * 5
    found = list(row_blocks(io.BytesIO(text.encode(encoding)), ",", encoding))
    assert (b"".join(found).decode(), len(found) > 1) == (text, True)


def test_text_that_ends_in_half_a_character_is_no_table() -> None:
    with pytest.raises(NotReadable, match="utf-16"):
        list(row_blocks(io.BytesIO("a,b\n".encode("utf-16") + b"x"), ",", "utf-16"))


class _Watched(DiskFile):
    """A file that notes who reads it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.readers: set[int] = set()

    def open(self) -> BinaryIO:
        readers = self.readers

        class File(io.FileIO):
            def read(self, size: int | None = -1) -> bytes:
                readers.add(threading.get_ident())
                return super().read(-1 if size is None else size) or b""

        return File(self._path)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_no_other_thread_reads_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", 4096)
    text = ("id,v\n" + "".join(f"{number},{number * number}\n" for number in range(5_000))).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    source = _Watched(tmp_path / name)
    table, _ = open_tables(name, source, None)
    assert table is not None
    batches = table.batches()
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert sum(batch.num_rows for batch in table.batches()) == 5_000
    assert source.readers == {threading.get_ident()}
