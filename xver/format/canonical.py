"""Canonical JSON: RFC 8785, narrowed to objects, arrays, strings, booleans, null and integers up to 2^53.

One value has one encoding, so that the id of a record is the hash of its bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

from xver.errors import CorruptData, InvalidInput

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"

INTEGER_MAX: Final = 1 << 53
DEPTH_MAX: Final = 32
# A half of a pair can be written as an escape only; as text it could be neither printed nor stored again.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def encode_json(value: Json) -> bytes:
    """Return the one encoding of `value`; raises `InvalidInput` for what has none (floats, lone surrogates)."""
    try:
        return json.dumps(_ordered(value, 0), ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"text is not UTF-8: {error.object[error.start : error.end]!r}") from error


def decode_json(data: bytes, what: str) -> dict[str, Any]:
    """Return the object in `data`.

    Raises `CorruptData` for what is no JSON object, repeats a key, nests too deep, or holds other numbers or half of
    a surrogate pair.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_float=_no_number,
            parse_constant=_no_number,
            parse_int=_integer,
        )
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{what} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise CorruptData(f"{what} is damaged: it is no object")
    return value


def _ordered(value: Json, depth: int) -> Json:
    if depth > DEPTH_MAX:
        raise InvalidInput("record nested too deep")
    match value:
        case dict():
            # RFC 8785 orders keys by UTF-16 code units, which differs from code points above U+FFFF.
            keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
            return {key: _ordered(value[key], depth + 1) for key in keys}
        case list():
            return [_ordered(one, depth + 1) for one in value]
        case str() | None | bool():
            return value
        case int() if abs(value) <= INTEGER_MAX:
            return value
        case _:
            raise InvalidInput(f"records hold no such value: {value!r}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no integer")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > INTEGER_MAX:
        raise ValueError("an integer beyond 2^53")
    return int(text)
