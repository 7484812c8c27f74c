r"""The graph of versions, drawn in columns of text beside the log, as git draws it.

*      a merge: its second parent opens a column
|\
| *    each column waits for one version
* |
|/     columns that wait for the same one meet before it
*
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class Drawn(NamedTuple):
    """What stands left of one version: lines above it, its own, in front of each line about it, and lines below."""

    above: tuple[str, ...]
    line: str
    beside: str
    below: tuple[str, ...]


def draw(versions: Sequence[str], parents: Mapping[str, Sequence[str]]) -> Iterator[Drawn]:
    """Yield what stands left of each version; they come children first, and every parent is among them."""
    columns: list[str] = []
    for id in versions:
        if id not in columns:
            columns.append(id)
        above = tuple(_meet(columns, id))
        at, count = columns.index(id), len(columns)
        line = _bars(count, at, "*")
        beside = _bars(count, at, "|" if parents[id] else " ")
        yield Drawn(above, line, beside, tuple(_open(columns, at, parents[id])))


def _meet(columns: list[str], id: str) -> Iterator[str]:
    """Join all columns that wait for a version with the first of them, the rightmost first."""
    while columns.count(id) > 1:
        at, last = columns.index(id), len(columns) - 1 - columns[::-1].index(id)
        signs = ["|", " "] * len(columns)
        signs[2 * at + 1 : 2 * last - 1] = ["_" if one == " " else one for one in signs[2 * at + 1 : 2 * last - 1]]
        _lean(signs, range(last, len(columns)), -1, "/")
        del columns[last]
        yield "".join(signs).rstrip()


def _open(columns: list[str], at: int, parents: Sequence[str]) -> Iterator[str]:
    """Let a version's column wait for its parents: a column for each, none where it has none."""
    if not parents:
        del columns[at]
        if at < len(columns):
            signs = ["|", " "] * at + [" ", " "] * (len(columns) - at + 1)
            _lean(signs, range(at + 1, len(columns) + 1), -1, "/")
            yield "".join(signs).rstrip()
        return
    columns[at] = parents[0]
    for parent in reversed(parents[1:]):
        signs = ["|", " "] * (at + 1) + [" ", " "] * (len(columns) - at - 1)
        signs[2 * at + 1] = "\\"
        _lean(signs, range(at + 1, len(columns)), 1, "\\")
        columns.insert(at + 1, parent)
        yield "".join(signs).rstrip()


def _lean(signs: list[str], columns: range, step: int, sign: str) -> None:
    for one in columns:
        signs[2 * one] = " "
    for one in columns:
        signs[2 * one + step] = sign


def _bars(count: int, at: int, sign: str) -> str:
    return " ".join(sign if one == at else "|" for one in range(count))
