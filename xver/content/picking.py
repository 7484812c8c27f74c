"""Rows by number: marks for any number of them, the first few of what comes in no order, and their values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from xver.content.changes import Row
from xver.content.hashing import Hashes
from xver.content.summaries import shown
from xver.content.tables import Table


class Marks:
    """Marks on rows, a bit each."""

    def __init__(self, rows: int) -> None:
        self._bits = np.zeros((rows + 7) // 8, np.uint8)

    def add(self, numbers: Hashes) -> None:
        """Mark rows."""
        bits = np.left_shift(np.uint8(1), (numbers & np.uint64(7)).astype(np.uint8))
        np.bitwise_or.at(self._bits, (numbers >> np.uint64(3)).astype(np.int64), bits)

    def among(self, start: int, count: int) -> Any:
        """Return for each of `count` rows from `start` on whether it is marked."""
        bits = np.unpackbits(self._bits[start // 8 : (start + count + 7) // 8], bitorder="little")
        return bits[start % 8 : start % 8 + count].astype(bool)


class Smallest:
    """The few smallest of many row numbers, each with one of the other table where they come in pairs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found = np.empty((0, 2), np.uint64)

    def add(self, numbers: Hashes, partners: Hashes | None = None) -> None:
        """Look at more."""
        more = np.stack([numbers, numbers if partners is None else partners], axis=1)
        if len(more) > self._most:
            more = more[np.argpartition(more[:, 0], self._most)[: self._most]]
        found = np.concatenate([self._found, more])
        self._found = found[np.argsort(found[:, 0], kind="stable")[: self._most]]

    def numbers(self) -> list[int]:
        """Return them in order."""
        return [one for one, _ in self.pairs()]

    def pairs(self) -> list[tuple[int, int]]:
        """Return them in order, each with its partner."""
        return [(int(one), int(two)) for one, two in self._found]


def pick_rows(table: Table, numbers: Iterable[int]) -> dict[int, Row]:
    """Return the values of rows, by their numbers from 0; the table is read up to the last of them."""
    wanted = sorted(set(numbers))
    found: dict[int, Row] = {}
    start = 0
    batches = table.batches() if wanted else iter(())
    for batch in batches:
        while wanted and wanted[0] < start + batch.num_rows:
            number = wanted.pop(0)
            columns = zip(batch.schema.names, batch.columns, strict=True)
            values = {name: shown(array[number - start]) for name, array in columns}
            found[number] = Row(number + 1, values)
        if not wanted:
            break
        start += batch.num_rows
    return found
