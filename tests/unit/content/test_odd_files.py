"""Files as people have them: empty, without a header, with marks, in other encodings, ragged, damaged, no tables."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from xver.content import csv_blocks
from xver.content.changes import BytesChanges, Ragged, TableChanges
from xver.errors import InvalidInput

from .tables import compare_texts, counts, table

PLAIN = "id,v\n1,é\n3,4\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN, "\ufeff" + PLAIN),
        (PLAIN, PLAIN.encode("utf-16")),
        (PLAIN, PLAIN.encode("latin-1")),
        (PLAIN, PLAIN.replace("\n", "\r\n")),
        (PLAIN, PLAIN.rstrip()),
        (PLAIN, '"id","v"\n"1","é"\n3,"4"\n'),
        (PLAIN, PLAIN.replace(",", ";")),
        (PLAIN, PLAIN.replace(",", "\t")),
        (PLAIN, PLAIN.replace(",", "|")),
        (PLAIN, "\n\nid,v\n\n1,é\n3,4\n\n"),
        (PLAIN, "v,id\n4,3\né,1\n"),
        ("", ""),
    ],
    ids=["mark", "utf-16", "latin-1", "crlf", "no end", "quotes", ";", "tab", "|", "blank lines", "order", "empty"],
)
def test_how_a_table_is_written_does_not_count(tmp_path: Path, before: str, after: str | bytes) -> None:
    assert table(compare_texts(tmp_path, "t.csv", before, after)).is_same


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", PLAIN, (2, 0, 0)),
        ("id,v\n", PLAIN, (2, 0, 0)),
        ("1,2\n3,4\n", "1,2\n3,5\n", (0, 0, 1)),
        ("ada\ngrace\n", "grace\nalan\n", (1, 1, 0)),
        (PLAIN, "1,é\n3,4\n", (0, 1, 0)),
        ('id,v\n1,"a\nb"\n', 'id,v\n1,"a\nB"\n', (0, 0, 1)),
        ("id,v\n1,\n", 'id,v\n1,""\n', (0, 0, 0)),
        ("a,a\n1,2\n", "a,a\n1,3\n", (0, 0, 1)),
        ("name\nx\n\ny\n", "name\nx\ny\n", (0, 1, 0)),
        (PLAIN.encode("latin-1"), PLAIN.replace("é", "ö").encode("latin-1"), (0, 0, 1)),
        ("id,v\n1," + "x" * 3_000_000 + "\n", "id,v\n1," + "x" * 2_999_999 + "y\n", (0, 0, 1)),
    ],
    ids=[
        *("from nothing", "from a header", "no header", "no header, words", "header gone", "line in a cell"),
        *("empty cell", "names twice", "blank cell", "latin-1", "long cell"),
    ],
)
def test_odd_tables(tmp_path: Path, before: str | bytes, after: str | bytes, expected: tuple[int, int, int]) -> None:
    assert counts(compare_texts(tmp_path, "t.csv", before, after)) == expected


def test_lines_with_other_numbers_of_cells_are_compared_as_lines(tmp_path: Path) -> None:
    before, after = "id,v\n1,2\n3\n4,5,6\n7,8\n9,9\n", "id,v\n1,2\n3\n4,5,7\n7,8\n9,9\n"
    found = table(compare_texts(tmp_path, "t.csv", before, after))
    assert found.ragged == Ragged(2, 2, 1, 1)
    assert counts(found) == (0, 0, 0)
    assert not found.is_same


def test_lines_that_are_no_rows_are_counted_to_the_end_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", 64)
    body = "".join(f"{number},value {number}\n" for number in range(100)) + "1,2,3\n"
    found = table(compare_texts(tmp_path, "t.csv", "id,v\n" + body, "id,v\n777,first\n" + body))
    assert (counts(found), found.ragged) == ((1, 0, 0), Ragged(1, 1, 0, 0))


@pytest.mark.parametrize("sign", ["\x85", "\x0c", "\u2028"])
def test_what_only_other_programs_take_for_the_end_of_a_line_is_a_character(tmp_path: Path, sign: str) -> None:
    text = f"id,a{sign}b,v\n1,x,2\n3,y,4\n"
    found = table(compare_texts(tmp_path, "t.csv", text, text.replace("y", "z")))
    assert (counts(found), [one.name for one in found.columns]) == ((0, 0, 1), ["id", f"a{sign}b", "v"])


def test_a_column_without_values_changes_no_schema(tmp_path: Path) -> None:
    found = table(compare_texts(tmp_path, "t.csv", "id,v\n1,\n", "id,v\n1,7\n"))
    assert not found.has_other_schema
    found = table(compare_texts(tmp_path, "t.csv", "id,v\n1,7\n", "id,v,w\n1,x,1\n"))
    assert [one.schema_change for one in found.columns] == [None, ("integer", "text"), (None, "integer")]


@pytest.mark.parametrize("pack", [(".gz", gzip.compress), (".bz2", bz2.compress)], ids=["gz", "bz2"])
def test_compressed_text_is_read_as_what_is_inside(tmp_path: Path, pack: Any) -> None:
    suffix, compress = pack
    before, after = (compress(text.encode()) for text in (PLAIN, PLAIN.replace("4", "5")))
    assert counts(compare_texts(tmp_path, f"t.csv{suffix}", before, after)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('{"id":1,"x":{"b":1,"a":[1,2]}}\n', '{"x":{"a":[1,2],"b":1},"id":1}\n\n', (0, 0, 0)),
        ('{"id":1,"x":"\\u00e9"}\n', '{"id":1,"x":"é"}\r\n', (0, 0, 0)),
        ('{"id":1,"x":null}\n', '{"id":1}\n', (0, 0, 1)),
        ('{"id":1,"x":"1"}\n', '{"id":1,"x":1}\n', (0, 0, 1)),
        ('{"id":1,"x":[1,2]}\n', '{"id":1,"x":[2,1]}\n', (0, 0, 1)),
        ("1\n2\n", "1\n3\n", (1, 1, 0)),
        ("{}\n{}\n", "{}\n", (0, 1, 0)),
        ("", '{"id":1}\n', (1, 0, 0)),
    ],
    ids=["order of keys", "escapes", "null", "type", "list", "no objects", "no keys", "from nothing"],
)
def test_json_lines(tmp_path: Path, before: str, after: str, expected: tuple[int, int, int]) -> None:
    assert counts(compare_texts(tmp_path, "t.jsonl", before, after)) == expected


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"a,b\n1,x\0y\n", "no csv to be read: it holds zero bytes"),
        ("t.csv", b"a,b\n1\n2\n3\n", "no csv to be read: most of its lines do not have the 2 cells of the first"),
        ("t.csv.gz", PLAIN.encode(), "no csv to be read: "),
        ("t.csv.gz", gzip.compress(PLAIN.encode() * 1000)[:-20], "no csv to be read: "),
        ("t.jsonl", b'{"a":1}\nnope\n', "no jsonl to be read: its line 2 is no JSON"),
        (
            "t.jsonl",
            b"\n".join(b'{"%d":1}' % number for number in range(10_001)),
            "no jsonl to be read: its rows have more than 10,000 different keys",
        ),
        ("t.jsonl", b"[" * 100_000, "no jsonl to be read: its line 1 is no JSON"),
        ("t.parquet", b"PAR1 and no more PAR1", "no parquet to be read: "),
        ("t.feather", b"", "no feather to be read: "),
        ("t.feather", b"FEA1....", "no feather to be read: it is of the first version of Feather"),
        ("t.arrow", b"ARROW1\0\0nothing", "no arrow to be read: "),
        ("t.npy", b"\x93NUMPY", "no npy to be read: "),
        ("t.npz", b"PK", "no npz to be read: "),
        ("t.safetensors", b"\xff" * 20, "no safetensors to be read: its header has no possible length"),
    ],
    ids=[
        *("zero bytes", "too few cells", "not packed", "pack cut off", "no line of JSON", "keys"),
        "nested too deep",
        *("no parquet", "empty feather", "old feather", "no arrow", "no npy", "no npz", "no safetensors"),
    ],
)
def test_what_is_not_what_its_name_says_is_compared_as_bytes(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    found = compare_texts(tmp_path, name, content, content + b"!")
    assert isinstance(found, BytesChanges)
    assert found.reason is not None
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.bin", "t.npy"])
def test_a_key_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="no column"):
        compare_texts(tmp_path, name, '{"id":1}\n{"id":2}\n', '{"id":1}\n{"id":3}\n', ("nope",))


def rich(edited: bool) -> Any:
    """Return a table with a column of each type, each of which differs in one row when edited."""
    at = int(edited)
    columns = {
        "list": pa.array([[1, 2], [at], None], pa.list_(pa.int64())),
        "lists": pa.array([[["a"], []], [["a", "b"[at:]]], None]),
        "struct": pa.array([{"a": 1, "b": "x"}, {"a": at, "b": None}, None]),
        "map": pa.array([[("k", 1)], [("k", at)], None], pa.map_(pa.string(), pa.int32())),
        "pair": pa.array([[1, 2], [3, at], None], pa.list_(pa.int32(), 2)),
        "decimal": pa.array([Decimal("1.10"), Decimal(at), None], pa.decimal128(38, 2)),
        "wide": pa.array([Decimal(1), Decimal(at), None], pa.decimal256(50, 0)),
        "moment": pa.array([1, at, None], pa.timestamp("ns", "Europe/Prague")),
        "date": pa.array([dt.date(9999, 12, 31), dt.date(2026, 1, 1 + at), None]),
        "time": pa.array([1, at, None], pa.time64("ns")),
        "length": pa.array([1, at, None], pa.duration("s")),
        "bytes": pa.array([b"\xff", bytes(at), None]),
        "four": pa.array([b"abcd", b"abc" + bytes([at]), None], pa.binary(4)),
        "code": pa.array(["a", "bc"[at], None]).dictionary_encode(),
        "yes": pa.array([True, edited, None]),
        "float": pa.array([float("nan"), float(at), None]),
        "half": pa.array(np.array([1, at, 3], np.float16)),
        "large": pa.array(["x", "yz"[at], None], pa.large_string()),
        "unsigned": pa.array([2**64 - 1, at, None], pa.uint64()),
        "nothing": pa.nulls(3),
    }
    return pa.table({"id": [1, 2, 3], **columns})


def written(rows: Any, suffix: str) -> bytes:
    """Return a table in a file's bytes."""
    sink = io.BytesIO()
    if suffix == "parquet":
        parquet.write_table(rows, sink)
    else:
        with pa.ipc.new_file(sink, rows.schema) as writer:
            writer.write_table(rows)
    return sink.getvalue()


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_values_of_every_type(tmp_path: Path, suffix: str) -> None:
    before, after = rich(edited=False), rich(edited=True)
    if suffix == "parquet":
        before, after = before.drop_columns(["wide"]), after.drop_columns(["wide"])
    found = table(compare_texts(tmp_path, f"t.{suffix}", written(before, suffix), written(after, suffix)))
    assert counts(found) == (0, 0, 1)
    same = {"id", "nothing"}
    assert {one.name: one.cells for one in found.columns} == {
        name: int(name not in same) for name in before.column_names
    }
    values = found.rows.some_changed[0].after.values
    assert values["moment"] == "1970-01-01 00:00:00.000000001Z"
    assert values["struct"] == "{a: 1, b: None}"
    assert counts(compare_texts(tmp_path, f"t.{suffix}", written(after, suffix), written(after.slice(1), suffix))) == (
        *(0, 1, 0),
    )


def test_numbers_are_the_same_in_another_width(tmp_path: Path) -> None:
    before = pa.table({"id": pa.array([1, 2], pa.int32()), "v": [1, 2], "at": pa.array([1, 2], pa.timestamp("ms"))})
    after = pa.table({"id": [1, 2], "v": [1.0, 2.5], "at": pa.array([1000, 2000], pa.timestamp("us"))})
    found = table(compare_texts(tmp_path, "t.parquet", written(before, "parquet"), written(after, "parquet")))
    assert {one.name: one.cells for one in found.columns} == {"id": 0, "v": 1, "at": 0}
    assert found.key == ("id",)
    assert found.has_other_schema


def test_one_version_alone(tmp_path: Path) -> None:
    from .tables import compare_files

    path = tmp_path / "t.csv"
    path.write_text(PLAIN)
    found = compare_files(None, path)
    assert isinstance(found, TableChanges)
    assert counts(found) == (2, 0, 0)
    assert [row.values for row in found.rows.some_added] == [{"id": "1", "v": "é"}, {"id": "3", "v": "4"}]
    assert counts(compare_files(path, None)) == (0, 2, 0)
