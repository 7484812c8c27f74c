"""Three-way merge of tables (CSV, TSV, JSON lines) by a key: row by row, and inside of a row cell by cell.

    base  id,label,by      ours  id,label,by      theirs  id,label,by      merged  id,label,by
          7,,                    7,cat,                   7,,eve                   7,cat,eve
          8,,                    8,,                      8,dog,                   8,dog,

Rows stand in the order of ours, each that only theirs has behind the one it follows there. What nobody changed keeps
its bytes: also in a row that is joined, or gets other columns, a cell is spelled as it was. Delimiter, line ends, the
byte-order mark and whether the last line has an end are ours, where only theirs changed them theirs.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

_Key: TypeAlias = tuple[str, ...]
_Value = TypeVar("_Value")
_DELIMITERS: Final = ",;\t|"
_BOM: Final = "\ufeff"
_CELL: Final = r'("(?:[^"]|"")*"|[^{0}\r\n]*)(?:{0}|\r?\n|\r|$)'
_BETWEEN: Final = re.compile(r"[\s{,:]*")
"""What stands before a name or a value of a JSON object."""


class NotATable(Exception):
    """A text is no table with this key, or has a key twice."""


class _Clash(Exception):
    """Both sides changed one thing."""


@dataclass(frozen=True, slots=True)
class _Row:
    """Cells by column, as text that is equal where the values are, and the line that they were read from, if one."""

    cells: dict[str, str]
    raw: str = ""


@dataclass(frozen=True, slots=True)
class _Table:
    """`columns` is None where every row names its own, and `head` is the row of their names.

    Cells are separated by `delimiter`, lines ended by `end` (the last one, where `is_ended`), and `mark` is before all.
    `spell` takes a line to its cells as they are written there, by column.
    """

    columns: tuple[str, ...] | None
    rows: dict[_Key, _Row]
    head: _Row
    delimiter: str
    end: str
    mark: str
    is_ended: bool
    spell: Callable[[str], dict[str, str]]


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
        was = read(base.decode(), suffix, key) if base else replace(other, columns=None, rows={})
    except (UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
        raise NotATable from error
    columns = _merge_columns(was.columns, mine.columns, other.columns)
    if columns is not None and not set(key) <= set(columns):
        return None
    form = replace(
        mine,
        columns=columns,
        delimiter=_changed(was.delimiter, mine.delimiter, other.delimiter),
        end=_changed(was.end, mine.end, other.end),
    )
    lines = [_changed(was.mark, mine.mark, other.mark)]
    if columns is not None:
        head = mine.head if columns == mine.columns else other.head if columns == other.columns else None
        head = head or _Row({name: name for name in columns})
        lines.append(_written(head, form, (mine, mine.head), (other, other.head)))
    for one in _order(mine.rows, other.rows):
        here, there = mine.rows.get(one), other.rows.get(one)
        try:
            row = _merge_rows(was.rows.get(one), here, there)
        except _Clash:
            return None
        if row is not None:
            lines.append(_written(row, form, (mine, here), (other, there)))
    text = "".join(lines)
    is_ended = _changed(was.is_ended, mine.is_ended, other.is_ended)
    return (text if is_ended else text.removesuffix(form.end)).encode()


def _changed(was: _Value, mine: _Value, other: _Value) -> _Value:
    return other if mine == was else mine


def _written(row: _Row, form: _Table, *sides: tuple[_Table, _Row | None]) -> str:
    """Return the line of a row in a table like `form`, made of what is written on the sides that it comes from."""
    texts: dict[str, str] = {}
    for side, one in sides:
        if one is None or side.delimiter != form.delimiter:
            continue
        if row is one and side.columns == form.columns:
            return row.raw if side.end == form.end else row.raw.rstrip("\r\n") + form.end
        spelled = side.spell(one.raw)
        texts = {name: spelled[name] for name, cell in one.cells.items() if row.cells.get(name) == cell} | texts
    if form.columns is None:
        pairs = (f"{json.dumps(name, ensure_ascii=False)}: {texts[name]}" for name in row.cells)
        return "{" + ", ".join(pairs) + "}" + form.end
    cells = (texts[name] if name in texts else _quoted(row.cells.get(name, ""), form) for name in form.columns)
    return (form.delimiter.join(cells) or '""') + form.end


def _quoted(cell: str, form: _Table) -> str:
    return '"' + cell.replace('"', '""') + '"' if {*cell} & {*form.delimiter, *'"\r\n'} else cell


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
    return _Row(cells)


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
    end = _end(lines[0]) or "\n"
    if not (is_ended := bool(_end(lines[-1]))):
        lines[-1] += end
    cell = re.compile(_CELL.format(re.escape(delimiter)))

    def spell(raw: str) -> dict[str, str]:
        return dict(zip(columns, cell.findall(raw), strict=False))

    rows: dict[_Key, _Row] = {}
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    next(reader)
    head_lines = done = reader.line_num
    for fields in reader:
        raw = "".join(lines[done : reader.line_num])
        done = reader.line_num
        if len(fields) != len(columns):
            raise NotATable
        _put(rows, key, _Row(dict(zip(columns, fields, strict=True)), raw))
    head = _Row({name: name for name in columns}, "".join(lines[:head_lines]))
    return _Table(tuple(columns), rows, head, delimiter, end, mark, is_ended, spell)


def _end(line: str) -> str:
    """Return how a line ends: as Unix, Windows or an old Mac has it, or not at all."""
    return line[len(line.rstrip("\r\n")) :]


def _read_json(text: str, suffix: str, key: Sequence[str]) -> _Table:  # noqa: ARG001 - as for CSV
    lines = list(io.StringIO(text, newline=""))
    end = (_end(lines[0]) if lines else "") or "\n"
    if not (is_ended := not lines or bool(_end(lines[-1]))):
        lines[-1] += end
    rows: dict[_Key, _Row] = {}
    for line in lines:
        # A float is told by its digits: more of them may be written than a float of ours has.
        values = json.loads(line, parse_float=lambda digits: ["", digits])
        if not isinstance(values, dict):
            raise NotATable
        _put(rows, key, _Row({name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}, line))
    return _Table(None, rows, _Row({}), "", end, "", is_ended, _spell_json)


def _spell_json(line: str) -> dict[str, str]:
    decode, found, at = json.JSONDecoder().raw_decode, dict[str, str](), _after(line, 0)
    while line[at] != "}":
        name, at = decode(line, at)
        at = _after(line, at)
        _, end = decode(line, at)
        found[name] = line[at:end]
        at = _after(line, end)
    return found


def _after(line: str, at: int) -> int:
    between = _BETWEEN.match(line, at)
    return at if between is None else between.end()


def _put(rows: dict[_Key, _Row], key: Sequence[str], row: _Row) -> None:
    if not set(key) <= row.cells.keys():
        raise NotATable
    if rows.setdefault(tuple(row.cells[one] for one in key), row) is not row:
        raise NotATable
