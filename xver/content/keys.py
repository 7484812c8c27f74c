"""Which columns tell one row from another: those that the user names, or one that looks like it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa

from xver.content.hashing import hash_array
from xver.content.tables import Table
from xver.errors import InvalidInput

_NAME: Final = re.compile(
    r"(?:.*[_\-. ])?(?:id|ids|key|uuid|guid|uid|pk|index|filename|file|path)|.*[a-z](?:Id|ID|Key)", re.DOTALL
)
"""Names of columns that are keys."""


def check_key(key: Sequence[str], names: Sequence[str], path: str) -> None:
    """Raise `InvalidInput` unless a table has all the columns of a key."""
    for name in key:
        if name not in names:
            shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            raise InvalidInput(
                f"{path} has no column {name} in both versions", hint=f"columns: {shown}" if names else None
            )


def detect_key(before: Table, after: Table) -> tuple[str, ...]:
    """Return the column that identifies rows, by its name and the first rows of both; none where none does.

    It is a column called like a key, or else the first, without nulls, fractions and what stands twice. That this holds
    for all rows is yet to be seen.
    """
    one, two = _first(before), _first(after)
    if one is None or two is None or not one.num_rows or not two.num_rows:
        return ()
    names = [name for name in one.schema.names if name in two.schema.names]
    for name in _candidates(names):
        if _is_unique(one.column(name)) and _is_unique(two.column(name)):
            return (name,)
    return ()


def _first(table: Table) -> Any:
    batches = table.batches()
    try:
        return next(iter(islice((batch for batch in batches if batch.num_rows), 1)), None)
    finally:
        batches.close()  # type: ignore[attr-defined]


def _candidates(names: Sequence[str]) -> Iterator[str]:
    named = [name for name in names if _NAME.fullmatch(name) or _NAME.fullmatch(name.lower())]
    yield from named
    yield from (name for name in names[:1] if name not in named)


def _is_unique(array: Any) -> bool:
    if array.null_count or pa.types.is_floating(array.type) or pa.types.is_nested(array.type):
        return False
    return len(np.unique(hash_array(array))) == len(array)
