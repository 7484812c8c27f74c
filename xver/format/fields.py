"""Read the fields of a record that may be hostile: each function returns its value if it is what it has to be.

All raise `InvalidInput` for anything else, which the record's decoder turns into `CorruptData`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.model.ids import parse_hex

_Value = TypeVar("_Value")
_Word = TypeVar("_Word", bound=enum.StrEnum)


def check_version(record: dict[str, Any], newest: int, what: str) -> None:
    """Raise `UnsupportedFormat` for a record of a later format, `CorruptData` for one without a format."""
    version = record.get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CorruptData(f"{what} is damaged: it names no format")
    if version > newest:
        raise UnsupportedFormat(f"{what} of format {version}", hint=UPGRADE)


def optional(read: Callable[[Any], _Value], value: Any) -> _Value | None:
    """Return what `read` makes of the value, None for none."""
    return None if value is None else read(value)


def text(value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise InvalidInput(f"{str(value)[:80]!r} is no text")
    return value


def integer(value: Any) -> int:
    """Return an integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"{str(value)[:80]!r} is no integer")
    return value


def natural(value: Any) -> int:
    """Return an integer from 0."""
    if integer(value) < 0:
        raise InvalidInput(f"{value} is below 0")
    return integer(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise InvalidInput(f"{str(value)[:80]!r} is neither true nor false")
    return value


def array(value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        raise InvalidInput(f"{str(value)[:80]!r} is no list")
    return value


def table(value: Any) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{str(value)[:80]!r} is no object")
    return value


def id_bytes(value: Any) -> bytes:
    """Return an id: 64 hex digits."""
    return parse_hex(text(value))


def word(words: type[_Word], value: Any) -> _Word:
    """Return one of a closed set of words; raises `UnsupportedFormat` for another: a later version knows more."""
    if text(value) not in words.__members__.values():
        raise UnsupportedFormat(f"unknown {words.__name__.lower()} {value[:80]!r}", hint=UPGRADE)
    return words(value)
