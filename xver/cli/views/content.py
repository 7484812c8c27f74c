"""What changed inside of a file, in words: schema, rows, columns; tensors; bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from xver.cli.human import count, plural, shorten, size
from xver.cli.output import Output, Styled, Text
from xver.content.changes import (
    BytesChanges,
    ChangedRow,
    Changes,
    Column,
    Row,
    Summary,
    TableChanges,
    TensorChange,
    TensorChanges,
    TensorForm,
    Value,
)

_CELL: Final = 40
_ROW: Final = 110
_COLUMNS: Final = 40
_TENSORS: Final = 40


def print_content(out: Output, changes: Changes) -> None:
    """Print what changed inside of a file, below the line of the file."""
    match changes:
        case TableChanges():
            _print_table(out, changes)
        case TensorChanges():
            _print_tensors(out, changes)
        case BytesChanges():
            out.line("  ", bytes_words(changes))


def content_totals(changes: Changes) -> list[Text]:
    """Return what changed inside of a file in a few words."""
    match changes:
        case TableChanges():
            return [", ".join([*rows_words(changes), *_schema_totals(changes)]) or same_words(changes)]
        case TensorChanges():
            return [tensors_words(changes)]
        case BytesChanges():
            return [bytes_words(changes)]


def same_words(changes: TableChanges) -> str:
    """Return what to say of a table whose bytes differ and nothing else."""
    return f"the same columns and rows, in another order or written otherwise ({changes.format})"


def rows_words(changes: TableChanges) -> list[str]:
    """Return how many rows were added, removed and changed, as far as there are any."""
    rows = changes.rows
    facts = ((rows.added, "added"), (rows.removed, "removed"), (rows.changed, "changed"))
    found = [f"{plural(number, 'row')} {word}" for number, word in facts if number]
    if changes.ragged is not None and (changes.ragged.added or changes.ragged.removed):
        found.append(f"ragged lines +{count(changes.ragged.added)} -{count(changes.ragged.removed)}")
    return found


def key_words(changes: TableChanges) -> str:
    """Return how rows were found."""
    if not changes.key:
        return "rows compared by all they hold"
    return f"key {', '.join(changes.key)}" + (" (detected)" if changes.is_key_detected else "")


def warnings(changes: TableChanges) -> Iterator[str]:
    """Yield what makes the figures less than they seem."""
    if any(changes.rows.repeated):
        one, two = changes.rows.repeated
        yield f"the key is not unique: {count(one)} rows before and {count(two)} after repeat one"
    if changes.ragged is not None:
        one, two = changes.ragged.before, changes.ragged.after
        yield f"lines with more or fewer cells than the first: {count(one)} -> {count(two)}, compared as lines"


def schema_lines(changes: TableChanges) -> Iterator[tuple[str, str, str]]:
    """Yield (sign, name, type) of each column that was added, removed, or has another type."""
    for one in changes.columns:
        match one.schema_change:
            case (None, str(after)):
                yield "+", one.name, after
            case (str(before), None):
                yield "-", one.name, before
            case (before, after):
                yield "~", one.name, f"{before} -> {after}"


def column_cells(column: Column) -> list[tuple[str, ...]]:
    """Return a column's summary: nulls, least, greatest, mean, different values, changed cells; before and after."""
    return [
        _both(column, lambda one: count(one.nulls)),
        _both(column, lambda one: value_word(one.minimum)),
        _both(column, lambda one: value_word(one.maximum)),
        _both(column, lambda one: value_word(one.mean)),
        _both(column, lambda one: ("" if one.is_exact else "~") + count(one.distinct)),
        ("" if column.cells is None else count(column.cells),),
    ]


COLUMN_HEADERS: Final = ("nulls", "min", "max", "mean", "distinct", "cells changed")


def changed_columns(changes: TableChanges) -> list[Column]:
    """Return the columns of which anything differs."""
    return [one for one in changes.columns if one.before != one.after or one.cells]


def value_word(value: Value) -> str:
    """Return a value in one word."""
    match value:
        case None:
            return "–"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:.6g}"
    return shorten(value, _CELL - 1) + "…" if len(value) > _CELL else value


def same_value(one: Value, other: Value) -> bool:
    """Tell whether a cell has not changed: NaN is NaN."""
    return one == other or (one != one and other != other)


def bytes_words(changes: BytesChanges) -> str:
    """Return what is known of any two files."""
    kinds = [kind for kind in (changes.before, changes.after) if kind is not None]
    what = kinds[0] if len(set(kinds)) == 1 else " -> ".join(kinds)
    if changes.before is not None and changes.after is not None:
        share = changes.shared / changes.size_after if changes.size_after else 0
        what += f"; {size(changes.shared)} of {size(changes.size_after)} ({share:.0%}) as before"
    return what + (f"; {changes.reason}" if changes.reason else "")


def tensors_words(changes: TensorChanges) -> str:
    """Return how many tensors there are of each sort."""
    added = sum(one.before is None for one in changes.tensors)
    removed = sum(one.after is None for one in changes.tensors)
    changed = len(changes.tensors) - added - removed
    facts = ((added, "added"), (removed, "removed"), (changed, "changed"), (changes.unchanged, "unchanged"))
    found = [f"{count(number)} {word}" for number, word in facts if number]
    return ("tensors: " + ", ".join(found) if found else "no tensors") + (
        "; metadata differ" if changes.metadata else ""
    )


def form_word(form: TensorForm | None) -> str:
    """Return a tensor's type and shape."""
    return "" if form is None else f"{form.dtype} [{', '.join(map(str, form.shape))}]"


def tensor_cells(one: TensorChange) -> list[str]:
    """Return form, norm, relative norm, largest change and share of elements of a tensor that differs."""
    before, after = form_word(one.before), form_word(one.after)
    form = after if before == after or not before else before if not after else f"{before} -> {after}"
    numbers = ("" if one.norm is None else f"{one.norm:.4g}", "" if one.relative is None else f"{one.relative:.2%}")
    largest = "" if one.largest is None else f"{one.largest:.4g}"
    return [form, *numbers, largest, "" if one.elements is None else count(one.elements)]


TENSOR_HEADERS: Final = ("", "tensor", "type [shape]", "norm of change", "relative", "largest", "elements")


def sign_of(one: TensorChange) -> str:
    """Return +, - or ~."""
    return "+" if one.before is None else "-" if one.after is None else "~"


def _schema_totals(changes: TableChanges) -> list[str]:
    signs = [sign for sign, _, _ in schema_lines(changes)]
    words = (("+", "added"), ("-", "removed"), ("~", "of another type"))
    return [f"{plural(signs.count(sign), 'column')} {word}" for sign, word in words if sign in signs]


def _print_table(out: Output, changes: TableChanges) -> None:
    rows = changes.rows
    out.line("  ", f"{changes.format}, {count(rows.before)} -> {count(rows.after)} rows, {key_words(changes)}")
    for warning in warnings(changes):
        out.line("  ", Styled("!", "strong"), " ", warning)
    if changes.is_same:
        out.line("  ", same_words(changes))
        return
    schema = list(schema_lines(changes))
    if schema:
        out.line("  ", Styled("Schema", "strong"))
        out.table([("   ", _signed(sign), name, kind) for sign, name, kind in schema[:_COLUMNS]])
        _tell_more(out, len(schema) - _COLUMNS, "column")
    if rows_words(changes):
        out.line("  ", Styled("Rows", "strong"), "  ", ", ".join(rows_words(changes)))
    for changed in rows.some_changed:
        out.line("    ", Styled("~", "strong"), " ", _changed_words(changed, changes))
    _tell_more(out, rows.changed - len(rows.some_changed), "row")
    for sign, some, total in (("+", rows.some_added, rows.added), ("-", rows.some_removed, rows.removed)):
        for row in some:
            out.line("    ", _signed(sign), " ", _row_words(row))
        _tell_more(out, total - len(some), "row")
    columns = changed_columns(changes)
    if columns:
        out.line("  ", Styled("Columns", "strong"))
        table = [("   ", one.name, *map(" -> ".join, column_cells(one))) for one in columns[:_COLUMNS]]
        out.table(table, ("", "", *COLUMN_HEADERS))
        _tell_more(out, len(columns) - _COLUMNS, "column")


def _print_tensors(out: Output, changes: TensorChanges) -> None:
    out.line("  ", f"{changes.format}, {tensors_words(changes)}")
    if changes.tensors:
        table = [("   ", _signed(sign_of(one)), one.name, *tensor_cells(one)) for one in changes.tensors[:_TENSORS]]
        out.table(table, ("", *TENSOR_HEADERS))
    _tell_more(out, len(changes.tensors) - _TENSORS, "tensor")


def _signed(sign: str) -> Text:
    return Styled(sign, {"+": "good", "-": "bad"}.get(sign, "strong"))  # type: ignore[arg-type]


def _tell_more(out: Output, number: int, word: str) -> None:
    if number > 0:
        out.line("    ", f"and {plural(number, f'more {word}')}")


def _changed_words(changed: ChangedRow, changes: TableChanges) -> str:
    before, after = changed.before, changed.after
    where = [f"{name}={value_word(after.values.get(name))}" for name in changes.key]
    cells = [
        f"{name}: {value_word(before.values.get(name))} -> {value_word(value)}"
        for name, value in after.values.items()
        if name in before.values and not same_value(before.values[name], value)
    ]
    return shorten(f"row {count(after.number)}  {' '.join(where)}  {', '.join(cells)}", _ROW)


def _row_words(row: Row) -> str:
    cells = (f"{name}={value_word(value)}" for name, value in row.values.items() if value is not None)
    return shorten(f"row {count(row.number)}  {' '.join(cells)}", _ROW)


def _both(column: Column, word: Callable[[Summary], str]) -> tuple[str, ...]:
    sides = [word(one) for one in (column.before, column.after) if one is not None]
    return tuple(dict.fromkeys(sides))
