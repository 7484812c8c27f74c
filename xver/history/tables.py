"""Three-way merge of tables (CSV, TSV, JSON lines) by a key: row by row, and inside of a row cell by cell.

    base  id,label,by      ours  id,label,by      theirs  id,label,by      merged  id,label,by
          7,,                    7,cat,                   7,,eve                   7,cat,eve
          8,,                    8,,                      8,dog,                   8,dog,

Rows stand in the order of ours, each that only theirs has behind the one it follows there. What nobody changed keeps
its bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

_Key: TypeAlias = tuple[str, ...]
_DELIMITERS: Final = ",;\t|"
_BOM: Final = "\ufeff"


class NotATable(Exception):
    """A text is no table with this key, or has a key twice."""


class _Clash(Exception):
    """Both sides changed one thing."""


@dataclass(frozen=True, slots=True)
class _Row:
    """Cells by column, as text that is equal where the values are, and the line that they were read from."""

    cells: dict[str, str]
    raw: str


@dataclass(frozen=True, slots=True)
class _Table:
    """`columns` is None where every row names its own; `form` is what separates; `write` makes the line of a row."""

    columns: tuple[str, ...] | None
    rows: dict[_Key, _Row]
    head: str
    form: str
    write: Callable[[Sequence[str], dict[str, str]], str]


def merge_tables(base: bytes, ours: bytes, theirs: bytes, *, suffix: str, key: Sequence[str]) -> bytes | None:
    """Return the merged table; no bytes are a table without rows. `suffix` tells the form (`.csv`, `.tsv`, `.jsonl`).

    None where both sides changed one cell, one changed the row that the other deleted, or one dropped the key.

    Raises:
        NotATable: one of the three is none, or has a key twice.
    """
    read = _read_json if suffix in (".jsonl", ".ndjson") else _read_csv
    try:
        mine = read(ours.decode(), suffix, key)
        other = read(theirs.decode(), suffix, key)
        was = read(base.decode(), suffix, key) if base else _Table(None, {}, "", "", mine.write)
    except (UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
        raise NotATable from error
    columns = _merge_columns(was.columns, mine.columns, other.columns)
    if columns is not None and not set(key) <= set(columns):
        return None
    named = columns or ()
    lines = [mine.head if columns == mine.columns else mine.write(named, {one: one for one in named})]
    for one in _order(mine.rows, other.rows):
        try:
            row = _merge_rows(was.rows.get(one), mine.rows.get(one), other.rows.get(one))
        except _Clash:
            return None
        if row is not None:
            side = mine if row is mine.rows.get(one) else other
            as_it_is = row.raw and (columns, mine.form) == (side.columns, side.form)
            lines.append(row.raw if as_it_is else mine.write(named or tuple(row.cells), row.cells))
    return "".join(lines).encode()


def _merge_rows(was: _Row | None, mine: _Row | None, other: _Row | None) -> _Row | None:
    before, here, there = (None if row is None else row.cells for row in (was, mine, other))
    if here == there or there == before:
        return mine
    if here == before:
        return other
    if here is None or there is None:
        raise _Clash
    cells: dict[str, str] = {}
    for column in dict.fromkeys((*here, *there)):
        old, one, two = (row.get(column) for row in (before or {}, here, there))
        if one != two and old not in (one, two):
            raise _Clash
        value = two if one == old else one
        if value is not None:
            cells[column] = value
    return _Row(cells, "")


def _merge_columns(
    was: tuple[str, ...] | None, mine: tuple[str, ...] | None, other: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    if mine is None or other is None or mine == other or other == was:
        return mine
    if mine == was:
        return other
    old = was or ()
    kept = [one for one in mine if one in other or one not in old]
    return (*kept, *(one for one in other if one not in mine and one not in old))


def _order(mine: dict[_Key, _Row], other: dict[_Key, _Row]) -> list[_Key]:
    behind: dict[_Key | None, list[_Key]] = {}
    before: _Key | None = None
    for key in other:
        if key in mine:
            before = key
        else:
            behind.setdefault(before, []).append(key)
    found = list(behind.get(None, ()))
    for key in mine:
        found += [key, *behind.get(key, ())]
    return found


def _read_csv(text: str, suffix: str, key: Sequence[str]) -> _Table:
    mark = _BOM if text.startswith(_BOM) else ""
    lines = list(io.StringIO(text.removeprefix(_BOM), newline=""))
    if not lines:
        raise NotATable
    delimiters = "\t" if suffix == ".tsv" else _DELIMITERS
    for delimiter in delimiters:
        columns = next(csv.reader(lines, delimiter=delimiter))
        if set(key) <= set(columns) and len(set(columns)) == len(columns):
            break
    else:
        raise NotATable
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"

    def write(columns: Sequence[str], cells: dict[str, str]) -> str:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=delimiter, lineterminator=end).writerow([cells.get(one, "") for one in columns])
        return line.getvalue()

    rows: dict[_Key, _Row] = {}
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    next(reader)
    head_lines = reader.line_num
    done = head_lines
    for fields in reader:
        raw = "".join(lines[done : reader.line_num])
        done = reader.line_num
        if len(fields) != len(columns):
            raise NotATable
        _put(rows, key, dict(zip(columns, fields, strict=True)), raw if raw.endswith(end) else raw + end)
    head = "".join(lines[:head_lines])
    return _Table(tuple(columns), rows, mark + (head if head.endswith(end) else head + end), delimiter + end, write)


def _read_json(text: str, suffix: str, key: Sequence[str]) -> _Table:  # noqa: ARG001 - as for CSV
    def write(_: Sequence[str], cells: dict[str, str]) -> str:
        return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {cells[name]}" for name in cells) + "}\n"

    rows: dict[_Key, _Row] = {}
    for line in io.StringIO(text, newline=""):
        values = json.loads(line)
        if not isinstance(values, dict):
            raise NotATable
        cells = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
        _put(rows, key, cells, line if line.endswith("\n") else line + "\n")
    return _Table(None, rows, "", "", write)


def _put(rows: dict[_Key, _Row], key: Sequence[str], cells: dict[str, str], raw: str) -> None:
    if not set(key) <= cells.keys():
        raise NotATable
    name = tuple(cells[one] for one in key)
    if rows.setdefault(name, row := _Row(cells, raw)) is not row:
        raise NotATable
