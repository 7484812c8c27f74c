"""What changed inside of files as one page of HTML that needs nothing else: no script, no font, no other file.

Every text of the data goes through `escape`, and the page's policy forbids the browser to load or run anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from xver.cli.human import count, safe, size
from xver.cli.views.content import (
    COLUMN_HEADERS,
    TENSOR_HEADERS,
    bytes_words,
    changed_columns,
    column_cells,
    key_words,
    rows_words,
    same_value,
    same_words,
    schema_lines,
    sign_of,
    tensor_cells,
    tensors_words,
    value_word,
    warnings,
)
from xver.content.changes import BytesChanges, ChangedRow, Changes, Row, TableChanges, TensorChanges
from xver.history.diff import Change

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2328; --faint: #59636e; --paper: #fff; --line: #d1d9e0; --band: #f6f8fa;
  --new: #dafbe1; --gone: #ffebe9; --newink: #116329; --goneink: #a40e26; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9198a1; --paper: #0d1117; --line: #3d444d;
  --band: #151b23; --new: #12361f; --gone: #4a1a1d; --newink: #7ee2a0; --goneink: #ffa198; } }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; } p { margin: .2rem 0; } .faint { color: var(--faint); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-top: 1px solid var(--line); vertical-align: top;
  max-width: 24rem; overflow-wrap: anywhere; }
thead th { border-top: 0; background: var(--band); white-space: nowrap; font-weight: 600; }
ins, .new { background: var(--new); color: var(--newink); text-decoration: none; border-radius: 3px; padding: 0 .2em; }
del, .gone { background: var(--gone); color: var(--goneink); border-radius: 3px; padding: 0 .2em; }
td.sign { width: 1rem; font-weight: 700; } .bar { display: flex; height: .6rem; border-radius: 3px; overflow: hidden;
  background: var(--line); margin: .4rem 0; max-width: 30rem; }
.bar i { min-width: 2px; } .bar .a { background: #2da44e; } .bar .r { background: #cf222e; }
.bar .c { background: #bf8700; }
"""
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What changed in the data</title><style>{style}</style></head><body>
<h1>What changed in the data</h1>
"""
_COLUMNS: Final = 500


def content_page(found: Iterable[tuple[Change, Changes]]) -> str:
    """Return the page on some files."""
    parts = [_HEAD.format(style=_STYLE)]
    for change, content in found:
        parts += [f"<section><h2>{_text(change.path)}</h2>", f'<p class="faint">{_text(_sizes(change))}</p>']
        match content:
            case TableChanges():
                parts += _table_section(content)
            case TensorChanges():
                parts += _tensor_section(content)
            case BytesChanges():
                parts.append(f"<p>{_text(bytes_words(content))}</p>")
        parts.append("</section>")
    if len(parts) == 1:
        parts.append("<p>No difference in these files.</p>")
    return "\n".join([*parts, "</body></html>\n"])


def _sizes(change: Change) -> str:
    sides = [None if one is None else size(one.size) for one in (change.before, change.after)]
    moved = "" if change.source is None else f", was {change.source}"
    if sides[0] is None:
        return f"added, {sides[1]}"
    return f"deleted, {sides[0]}" if sides[1] is None else f"{sides[0]} → {sides[1]}{moved}"


def _table_section(changes: TableChanges) -> list[str]:
    rows = changes.rows
    words = f"{changes.format}, {count(rows.before)} → {count(rows.after)} rows, {key_words(changes)}"
    parts = [f"<p>{_text(words)}</p>", *(f"<p><b>!</b> {_text(one)}</p>" for one in warnings(changes))]
    if changes.is_same:
        return [*parts, f"<p>{_text(same_words(changes))}</p>"]
    parts.append(f"<p><b>{_text(', '.join(rows_words(changes)) or 'no row differs')}</b></p>")
    parts.append(_bar(changes))
    schema = [
        f"<tr><td class=sign>{_sign(sign)}</td><td>{_text(name)}</td><td>{_arrow(kind)}</td></tr>"
        for sign, name, kind in schema_lines(changes)
    ]
    if schema:
        parts += ["<h3>Schema</h3>", _table(("", "column", "type"), schema[:_COLUMNS])]
    if rows.some_changed:
        parts += [_heading("Changed rows", len(rows.some_changed), rows.changed), _changed(changes)]
    for title, some, total in (("Added", rows.some_added, rows.added), ("Removed", rows.some_removed, rows.removed)):
        if some:
            parts += [_heading(f"{title} rows", len(some), total), _rows(some)]
    columns = [
        f"<tr><td>{_text(one.name)}</td>" + "".join(f"<td>{_both(cell)}</td>" for cell in column_cells(one)) + "</tr>"
        for one in changed_columns(changes)[:_COLUMNS]
    ]
    if columns:
        parts += ["<h3>Columns that changed</h3>", _table(("column", *COLUMN_HEADERS), columns)]
    return parts


def _tensor_section(changes: TensorChanges) -> list[str]:
    rows = [
        f"<tr><td class=sign>{_sign(sign_of(one))}</td><td>{_text(one.name)}</td>"
        + "".join(f"<td>{_arrow(cell)}</td>" for cell in tensor_cells(one))
        + "</tr>"
        for one in changes.tensors
    ]
    parts = [f"<p>{_text(changes.format)}, {_text(tensors_words(changes))}</p>"]
    return [*parts, _table(TENSOR_HEADERS, rows)] if rows else parts


def _bar(changes: TableChanges) -> str:
    rows = changes.rows
    total = max(1, rows.before + rows.added)
    pieces = ((rows.added, "a", "added"), (rows.changed, "c", "changed"), (rows.removed, "r", "removed"))
    inner = "".join(
        f'<i class="{kind}" style="width:{100 * number / total:.2f}%" title="{count(number)} {word}"></i>'
        for number, kind, word in pieces
        if number
    )
    return f'<div class="bar">{inner}</div>'


def _changed(changes: TableChanges) -> str:
    some = changes.rows.some_changed
    names = [name for name in some[0].after.values if name in some[0].before.values]
    # The key first, then what differs in any row shown: the rest says nothing.
    shown = [*changes.key, *(name for name in names if name not in changes.key and _differs(some, name))][:_COLUMNS]
    lines = []
    for one in some:
        cells = "".join(f"<td>{_cell(one, name)}</td>" for name in shown)
        lines.append(f"<tr><td>{count(one.after.number)}</td>{cells}</tr>")
    return _table(("row", *shown), lines)


def _differs(some: Iterable[ChangedRow], name: str) -> bool:
    return not all(same_value(one.before.values.get(name), one.after.values.get(name)) for one in some)


def _cell(one: ChangedRow, name: str) -> str:
    before, after = one.before.values.get(name), one.after.values.get(name)
    if same_value(before, after):
        return _text(value_word(after))
    return f"<del>{_text(value_word(before))}</del> <ins>{_text(value_word(after))}</ins>"


def _rows(some: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in some for name in row.values))[:_COLUMNS]
    lines = [
        f"<tr><td>{count(row.number)}</td>"
        + "".join(f"<td>{_text(value_word(row.values.get(name)))}</td>" for name in names)
        + "</tr>"
        for row in some
    ]
    return _table(("row", *names), lines)


def _heading(title: str, some: int, total: int) -> str:
    return f"<h3>{title}" + (f", the first {some} of {count(total)}" if some < total else "") + "</h3>"


def _table(headers: Sequence[str], lines: Iterable[str]) -> str:
    head = "".join(f"<th>{_text(header)}</th>" for header in headers)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def _sign(sign: str) -> str:
    return f'<span class="{ {"+": "new", "-": "gone"}.get(sign, "faint") }">{sign}</span>'


def _arrow(words: str) -> str:
    return _both(tuple(words.split(" -> ", 1)))


def _both(words: tuple[str, ...]) -> str:
    if len(words) == 1:
        return _text(words[0])
    return f"<del>{_text(words[0])}</del> <ins>{_text(words[1])}</ins>"


def _text(text: str) -> str:
    return escape(safe(text))
