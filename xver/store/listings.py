"""Listings in a store: written from sorted rows, read whole, from a path on, or one row; equal parts skipped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from xver.errors import CorruptData
from xver.format.listings import (
    Child,
    ListingBuilder,
    ListingNode,
    Row,
    check_prefix_free,
    decode_block,
    decode_index,
)
from xver.model.entries import Dataset, Entry
from xver.model.ids import BlockId, Kind, ListingId, object_id
from xver.model.paths import TrackedPath
from xver.store.packing import Packer
from xver.store.store import Store


def put_listing(packer: Packer | None, rows: Iterable[Row]) -> Dataset:
    """Store the listing of rows that are sorted by path bytes; without a packer only identify it."""

    def put(kind: Kind, data: bytes) -> bytes:
        return object_id(kind, data) if packer is None else packer.put(kind, data)

    builder = ListingBuilder(
        lambda data: BlockId(put(Kind.BLOCK, data)), lambda data: ListingId(put(Kind.LISTING, data))
    )
    builder.add_all(rows)
    return builder.finish()


def read_listing(store: Store, id: ListingId) -> Iterator[Row]:
    """Yield the rows of a listing in order.

    Raises:
        CorruptData: rows out of order, below one another, or not as many or as large as the index says.
    """
    yield from check_prefix_free(_rows(store, id))


def find_row(store: Store, id: ListingId, path: TrackedPath) -> Entry | None:
    """Return what a listing has at a path, None if nothing; reads one block."""
    for row in rows_from(store, id, path):
        return row.entry if row.path == path else None
    return None


def rows_below(store: Store, id: ListingId, folder: str) -> Iterator[Row]:
    """Yield the rows whose path is `folder` or lies below it; reads only the blocks that may hold some."""
    if not folder:
        yield from read_listing(store, id)
        return
    prefix = folder + "/"
    for row in rows_from(store, id, folder):
        if row.path == folder or row.path.startswith(prefix):
            yield row
        elif row.path > prefix and not row.path.startswith(folder):
            return


def rows_from(store: Store, id: ListingId, start: str) -> Iterator[Row]:
    """Yield the rows whose path is `start` or sorts after it."""
    first = start.encode()
    for row in _rows_from(store, id, first):
        if row.path.encode() >= first:
            yield row


def read_index(store: Store, id: ListingId) -> ListingNode:
    """Return one index of a listing."""
    return decode_index(store.get(Kind.LISTING, id))


def read_block(store: Store, child: Child) -> list[Row]:
    """Return a block's rows; raises `CorruptData` unless it is what the index says of it."""
    rows = decode_block(store.get(Kind.BLOCK, child.id))
    if (
        rows[0].path.encode() != child.first
        or len(rows) != child.rows
        or sum(row.entry.size for row in rows) != child.size
    ):
        raise CorruptData(f"listing block b3:{child.id.hex()[:16]} is not what its index says")
    return rows


def _rows(store: Store, id: ListingId) -> Iterator[Row]:
    yield from _rows_from(store, id, b"")


def _rows_from(store: Store, id: ListingId, first: bytes) -> Iterator[Row]:
    node = read_index(store, id)
    starts = [child.first for child in node.children]
    for child in node.children[max(0, bisect_right(starts, first) - 1) :]:
        if node.level == 1:
            yield from read_block(store, child)
        else:
            below = read_index(store, ListingId(child.id))
            found = Child(below.first, below.rows, below.size, child.id)
            if below.level != node.level - 1 or found != child:
                raise CorruptData(f"listing index b3:{child.id.hex()[:16]} is not what its parent says")
            yield from _rows_from(store, ListingId(child.id), first)
