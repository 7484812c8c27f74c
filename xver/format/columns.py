"""The rows of an index as arrays over its own bytes: for questions about all objects of a store at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xver.errors import CorruptData
from xver.format.codecs import MAX_BASES
from xver.format.indexes import PackIndex

# The layouts of format/indexes.py: `V32` is an id.
_ROW: Final = np.dtype(
    [
        ("id", "V32"),
        ("offset", "<u8"),
        ("container", "<u4"),
        ("stored", "<u4"),
        ("raw", "<u4"),
        ("kind", "u1"),
        ("codec", "u1"),
    ]
)
_BASES: Final = np.dtype([("id", "V32"), ("count", "u1"), ("bases", "V32", (MAX_BASES,))])


def read_columns(index: PackIndex) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all rows of an index, and of each delta its id, the number of its bases and their ids; both by id.

    Raises `CorruptData` for a row in no container; nothing else is checked.
    """
    rows = np.frombuffer(index.row_bytes, dtype=_ROW)
    if len(rows) and int(rows["container"].max()) >= len(index.containers):
        raise CorruptData("index with a row in no container")
    return rows, np.frombuffer(index.base_bytes, dtype=_BASES)
