"""What a pull request changes in the data, as Markdown: totals of each tracked path, tables by rows, some images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from xver.cli.human import count, size
from xver.cli.views.entries import amount
from xver.history.diff import Change
from xver.model.entries import Entry, File
from xver.model.paths import is_below
from xver.versioning.state import Staged

_TABLES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather"})
_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg"})
_SHOWN_TABLES: Final = 20
_SHOWN_IMAGES: Final = 8
_TABLE_MOST: Final = 256 * 1024 * 1024
"""Larger tables are named without a look inside, which would fetch them."""
# What Markdown, or a hosting site, would take for a sign of its own.
_SIGNS: Final = re.compile(r"([\\`*_{}\[\]<>#|~@&!])")


def summary(totals: Sequence[Staged], changes: Sequence[Change], look: Callable[[Change], str]) -> Iterator[str]:
    """Yield the lines; `look` tells in a few words what changed inside a table."""
    if not totals:
        yield "No change in the data."
        return
    yield "| data | added | changed | deleted | now | size |"
    yield "|---|--:|--:|--:|---|--:|"
    for one in totals:
        below = [change for change in changes if is_below(change.path, one.path)]
        added = sum(change.before is None for change in below)
        deleted = sum(change.after is None for change in below)
        numbers = " | ".join(map(count, (added, len(below) - added - deleted, deleted)))
        now = "not tracked" if one.after is None else amount(one.after)
        yield f"| {_code(one.path)} | {numbers} | {now} | {_difference(one.before, one.after)} |"
    yield from _tables(changes, look)
    yield from _images(changes)


def _tables(changes: Sequence[Change], look: Callable[[Change], str]) -> Iterator[str]:
    found = [one for one in changes if _is_one_of(one, _TABLES)]
    for at, one in enumerate(found[:_SHOWN_TABLES]):
        if not at:
            yield from ("", "**Tables**", "")
        sides = [side.size for side in (one.before, one.after) if side is not None]
        words = look(one) if max(sides) <= _TABLE_MOST else f"{_difference(one.before, one.after)}, not compared"
        yield f"- {_code(one.path)} {_plain(words)}"
    if len(found) > _SHOWN_TABLES:
        yield f"- and {count(len(found) - _SHOWN_TABLES)} more"


def _images(changes: Sequence[Change]) -> Iterator[str]:
    found = [one for one in changes if _is_one_of(one, _IMAGES)]
    # Evenly over all of them: the first ones would all be of one kind.
    step = max(1, -(-len(found) // _SHOWN_IMAGES))
    for at, one in enumerate(found[::step]):
        if not at:
            yield from ("", f"**Images**, {count(len(found[::step]))} of {count(len(found))}", "")
        kind = "added" if one.before is None else "deleted" if one.after is None else "changed"
        kind = "moved" if one.source is not None else kind
        yield f"- {_code(one.path)} {kind}, {_difference(one.before, one.after)}"


def _is_one_of(change: Change, suffixes: frozenset[str]) -> bool:
    sides = [one for one in (change.before, change.after) if one is not None]
    return all(isinstance(one, File) for one in sides) and PurePosixPath(change.path).suffix.lower() in suffixes


def _difference(before: Entry | None, after: Entry | None) -> str:
    delta = (0 if after is None else after.size) - (0 if before is None else before.size)
    return f"{'-' if delta < 0 else '+'}{size(abs(delta))}"


def _code(path: str) -> str:
    # Inside of `code` nothing is a sign but the backtick and, in a table, the bar.
    return _plain(path) if "`" in path or "|" in path or not path.isprintable() else f"`{path}`"


def _plain(text: str) -> str:
    return _SIGNS.sub(r"\\\1", "".join(one if one.isprintable() else "?" for one in text))
