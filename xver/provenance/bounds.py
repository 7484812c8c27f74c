"""Make a record one that can be stored and read again: text that UTF-8 has, and of everything no more than fits.

A record holds 16 MiB (docs/format.md). What is left out is counted in its notes; series, lists of members and code lie
beside it, and have no such limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from xver.model.runs import Run, Scalar

_TEXT_MAX: Final = 64 * 1024
"""Characters of one text."""
_PART_MAX: Final = 1024 * 1024
"""Bytes of one part, as JSON at its longest; a record has a dozen."""
_ROW: Final = 400
"""Bytes of a row besides its path."""

_Value = TypeVar("_Value")


def within_bounds(run: Run) -> Run:
    """Return the run as it can be stored."""
    notes: list[str] = []

    def few(what: str, items: Iterable[_Value], length: Callable[[_Value], int]) -> tuple[_Value, ...]:
        return _few(what, tuple(items), length, notes)

    def some(what: str, items: Mapping[str, _Value]) -> dict[str, _Value]:
        return dict(few(what, items.items(), lambda pair: _length(pair[0]) + _length(str(pair[1])) + _ROW))

    bounded = replace(
        run,
        command=few("words of the command", map(_text, run.command), _length),
        directory=_text(run.directory),
        user=_text(run.user),
        host=_text(run.host),
        title=_text(run.title),
        note=_text(run.note),
        tags=few("tags", map(_text, run.tags), _length),
        params=some("parameters", {_text(name): _scalar(value) for name, value in run.params.items()}),
        metrics=some("metrics", {_text(name): one for name, one in run.metrics.items()}),
        packages=some("packages", {_text(name): _text(one) for name, one in run.packages.items()}),
        inputs=few("inputs", run.inputs, lambda one: _length(one.path) + _ROW),
        outputs=few("outputs", run.outputs, lambda one: _length(one.path) + _ROW),
        sources=few("sources", run.sources, lambda one: _length(one.path) + _length(one.uri) + _ROW),
        code=replace(
            run.code,
            branch=None if run.code.branch is None else _text(run.code.branch),
            url=None if run.code.url is None else _text(run.code.url),
            files=some("code files", run.code.files),
        ),
    )
    return replace(bounded, notes=_few("notes", tuple(map(_text, (*run.notes, *notes))), _length, []))


def _few(what: str, items: tuple[_Value, ...], length: Callable[[_Value], int], notes: list[str]) -> tuple[_Value, ...]:
    room = _PART_MAX
    for at, item in enumerate(items):
        room -= length(item)
        if room < 0:
            notes.append(f"{len(items) - at:,} more {what} are not listed: a record holds no more")
            return items[:at]
    return items


def _length(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())


def _text(text: str) -> str:
    """Return a text that UTF-8 has, cut where it is very long; bytes of names that are no text as escapes."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return plain if len(plain) <= _TEXT_MAX else plain[:_TEXT_MAX] + "…"


def _scalar(value: Scalar) -> Scalar:
    return _text(value) if isinstance(value, str) else value
