"""Build a listing: rows in order become blocks, blocks an index, and where they are many indexes one above them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from xver.errors import CorruptData, InvalidInput
from xver.format.listings import (
    MAX_CHILDREN,
    MAX_ROWS,
    MAX_TEXT,
    MIN_ROWS,
    Child,
    Row,
    climb,
    encode_block,
    encode_index,
)
from xver.model.entries import Dataset, Entry, External
from xver.model.ids import BlockId, ListingId, path_hash
from xver.model.paths import TrackedPath

_CLOSES: Final = (1 << 7) - 1
"""Parts are small, so that finding one row of millions costs kilobytes: docs/decisions/022."""


class ListingBuilder:
    """Builds the listing of rows added in the order of their path bytes.

    `emit_block` and `emit_index` store the bytes of a part and return its id; of a block they are told its first and
    its last path. Keeps one open part a level.
    """

    def __init__(
        self, emit_block: Callable[[bytes, bytes, bytes], BlockId], emit_index: Callable[[bytes], ListingId]
    ) -> None:
        self._emit_block = emit_block
        self._emit_index = emit_index
        self._rows: list[Row] = []
        self._text = 0
        self._last = b""
        self._above: list[bytes] = []
        self._open: list[list[Child]] = [[]]
        self._texts = [0]

    def add(self, path: TrackedPath, entry: Entry) -> None:
        """Append a row; raises `InvalidInput` unless its path comes after the last one and lies below none."""
        encoded = path.encode()
        if encoded <= self._last:
            raise InvalidInput(f"listing rows are sorted by path: {path!r}")
        self._last = encoded
        climb(self._above, encoded, b"/")
        self._rows.append(Row(path, entry))
        self._text += len(encoded)
        if isinstance(entry, External):
            self._text += len(entry.uri.encode()) + len(entry.etag.encode())
        if _is_full(len(self._rows), MAX_ROWS, self._text, encoded, 0):
            self._close_block()

    def add_all(self, rows: Iterable[Row]) -> None:
        """Append rows in order."""
        for row in rows:
            self.add(row.path, row.entry)

    def add_block(self, block: Child) -> bool:
        """Append a whole block of another listing, unless one is open; tell whether it was.

        After the last block of that listing, which need not be full, nothing may follow. Raises `CorruptData` for one
        that does not come after what was added.
        """
        if self._rows:
            return False
        if block.first <= self._last:
            raise CorruptData("listing block out of order")
        self._last = block.first
        self._above.clear()
        self._append(0, block)
        return True

    def finish(self) -> Dataset:
        """Close what is open; return the listing's id with its bytes and rows."""
        if self._rows:
            self._close_block()
        level = 0
        while True:
            pending = self._open[level]
            is_top = level + 1 == len(self._open)
            if is_top and level > 0 and len(pending) == 1:
                root = pending[0]
                return Dataset(ListingId(root.id), root.size, root.rows)
            if pending or is_top:
                self._close_index(level)
            level += 1

    def _close_block(self) -> None:
        rows, self._rows, self._text = self._rows, [], 0
        size = sum(row.entry.size for row in rows)
        first = rows[0].path.encode()
        id = self._emit_block(encode_block(rows), first, rows[-1].path.encode())
        self._append(0, Child(first, len(rows), size, id))

    def _append(self, level: int, child: Child) -> None:
        pending = self._open[level]
        pending.append(child)
        self._texts[level] += len(child.first)
        if _is_full(len(pending), MAX_CHILDREN, self._texts[level], child.first, level + 1):
            self._close_index(level)

    def _close_index(self, level: int) -> None:
        children = self._open[level]
        id = self._emit_index(encode_index(level + 1, children))
        first = children[0].first if children else b""
        parent = Child(first, sum(child.rows for child in children), sum(child.size for child in children), id)
        self._open[level], self._texts[level] = [], 0
        if level + 1 == len(self._open):
            self._open.append([])
            self._texts.append(0)
        self._append(level + 1, parent)


def _is_full(count: int, maximum: int, text: int, path: bytes, seed: int) -> bool:
    if text >= MAX_TEXT or count == maximum:
        return True
    return count >= MIN_ROWS and not path_hash(path, seed) & _CLOSES
