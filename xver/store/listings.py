"""Listings in a store: written from sorted rows, read whole, from a path on, or one row; equal parts skipped."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, TypeVar

from xver.errors import CorruptData
from xver.format.listing_builder import ListingBuilder
from xver.format.listings import (
    BlockColumns,
    Child,
    ListingNode,
    Row,
    check_prefix_free,
    decode_index,
)
from xver.model.entries import Dataset, Entry
from xver.model.ids import BlockId, Kind, ListingId, object_id
from xver.model.paths import TrackedPath
from xver.store.former import FormerListing
from xver.store.packing import Packer
from xver.store.store import Store, Wanted

_T = TypeVar("_T")
_MOST: Final = 256
"""Parts read ahead at most: about 4 MiB of a listing."""
_TOGETHER: Final = 1024
"""Parts read at a time where all of them are needed."""

_BLOCKS_KEPT: Final = 8


def put_listing(packer: Packer | None, rows: Iterable[Row], *, before: Entry | None = None) -> Dataset:
    """Store the listing of rows that are sorted by path bytes; without a packer only identify it.

    `before` is what stood in its place: of a part that changed only the difference is stored.
    """
    builder = listing_builder(packer, before)
    builder.add_all(rows)
    return builder.finish()


def listing_builder(packer: Packer | None, before: Entry | None) -> ListingBuilder:
    """Return what builds a listing into a store; arguments as for `put_listing`."""
    former = None
    if packer is not None and packer.bases is not None and isinstance(before, Dataset):
        former = FormerListing(packer.bases.read, before.id)

    def emit_block(data: bytes, first: bytes, last: bytes) -> BlockId:
        near = () if former is None else former.near_block(first, last)
        return BlockId(object_id(Kind.BLOCK, data) if packer is None else packer.put(Kind.BLOCK, data, near=near))

    def emit_index(data: bytes) -> ListingId:
        near = () if former is None else former.near_index(data[0])
        return ListingId(object_id(Kind.LISTING, data) if packer is None else packer.put(Kind.LISTING, data, near=near))

    return ListingBuilder(emit_block, emit_index)


def read_listing(store: Store, id: ListingId) -> Iterator[Row]:
    """Yield the rows of a listing in order.

    Raises:
        CorruptData: rows out of order, below one another, or not as many or as large as the index says.
    """
    yield from check_prefix_free(_rows(store, id))


def find_row(store: Store, id: ListingId, path: TrackedPath) -> Entry | None:
    """Return what a listing has at a path, None if nothing; reads one block."""
    return find_rows(store, id, [path]).get(path)


def find_rows(store: Store, id: ListingId, paths: Iterable[str]) -> dict[str, Entry]:
    """Return what a listing has at each of several paths; reads each part that may hold one of them, once.

    Goes down level by level, so the number of round trips is that of levels, not of paths.
    """
    found: dict[str, Entry] = {}
    level: list[tuple[ListingNode, list[bytes]]] = [(read_index(store, id), sorted({path.encode() for path in paths}))]
    while level:
        wanted = [part for node, some in level for part in _parts_of(node, some)]
        below: list[tuple[ListingNode, list[bytes]]] = []
        for batch in _batches(wanted):
            if level[0][0].level == 1:
                blocks = read_columns(store, [child for child, _ in batch])
                for (_, some), columns in zip(batch, blocks, strict=True):
                    found.update((str(row.path), row.entry) for row in columns.rows_at(set(some)))
            else:
                nodes = _read_indexes(store, level[0][0].level - 1, [child for child, _ in batch])
                below += [(node, some) for (_, some), node in zip(batch, nodes, strict=True)]
        level = below
    return found


def rows_below(store: Store, id: ListingId, folder: str) -> Iterator[Row]:
    """Yield the rows whose path is `folder` or lies below it; reads only the blocks that may hold some."""
    if not folder:
        yield from read_listing(store, id)
        return
    prefix = folder + "/"
    # "0" follows "/": what begins with it, or comes after it, lies behind all that is below the folder.
    for row in _rows_from(store, read_index(store, id), folder.encode(), f"{folder}0".encode(), {}):
        if row.path == folder or row.path.startswith(prefix):
            yield row


def rows_from(store: Store, id: ListingId, start: str) -> Iterator[Row]:
    """Yield the rows whose path is `start` or sorts after it."""
    first = start.encode()
    for row in _rows_from(store, read_index(store, id), first, None, {}):
        if row.path.encode() >= first:
            yield row


def read_index(store: Store, id: ListingId) -> ListingNode:
    """Return one index of a listing."""
    return decode_index(store.get(Kind.LISTING, id))


def read_columns(store: Store, children: Sequence[Child]) -> Iterator[BlockColumns]:
    """Yield blocks whose rows are not made yet; raises `CorruptData` unless each is what the index says of it."""
    found = dict(store.get_many(Wanted(Kind.BLOCK, child.id) for child in children))
    for child in children:
        yield _checked(child, BlockColumns(found[child.id]))


def _read_blocks(store: Store, children: Sequence[Child]) -> Iterator[list[Row]]:
    found = dict(store.get_many(Wanted(Kind.BLOCK, child.id) for child in children))
    for child in children:
        yield decode_child(child, found[child.id])


def decode_child(child: Child, data: bytes | memoryview) -> list[Row]:
    """Return the rows of a block; raises `CorruptData` unless it is what the index says of it."""
    return _checked(child, BlockColumns(data)).rows()


def _checked(child: Child, columns: BlockColumns) -> BlockColumns:
    if Child(columns.first, len(columns.sizes), sum(columns.sizes), child.id) != child:
        raise CorruptData(f"listing block b3:{child.id.hex()[:16]} is not what its index says")
    return columns


def _read_indexes(store: Store, level: int, children: Sequence[Child]) -> Iterator[ListingNode]:
    found = dict(store.get_many(Wanted(Kind.LISTING, child.id) for child in children))
    for child in children:
        node = decode_index(found[child.id])
        if node.level != level or Child(node.first, node.rows, node.size, child.id) != child:
            raise CorruptData(f"listing index b3:{child.id.hex()[:16]} is not what its parent says")
        yield node


class RowFinder:
    """Finds single rows of one listing; quick where the paths come roughly in order."""

    def __init__(self, read: Callable[[Kind, bytes], bytes], id: ListingId) -> None:
        self._read = read
        self._id = id
        self._indexes: dict[bytes, tuple[ListingNode, list[bytes]]] = {}
        self._blocks: OrderedDict[bytes, dict[str, Entry]] = OrderedDict()

    def find(self, path: str) -> Entry | None:
        """Return what the listing has at a path, None if nothing.

        Raises:
            ContentNotFound: a part of the listing is not here.
            CorruptData: it is damaged.
        """
        wanted, id, level = path.encode(), bytes(self._id), None
        while True:
            node, starts = self._index(id)
            if level is not None and node.level != level:
                raise CorruptData(f"listing index b3:{id.hex()[:16]} is not what its parent says")
            at = bisect_right(starts, wanted) - 1
            if at < 0:
                return None
            id, level = node.children[at].id, node.level - 1
            if not level:
                return self._block(id).get(path)

    def _index(self, id: bytes) -> tuple[ListingNode, list[bytes]]:
        if id not in self._indexes:
            node = decode_index(self._read(Kind.LISTING, id))
            self._indexes[id] = node, [child.first for child in node.children]
        return self._indexes[id]

    def _block(self, id: bytes) -> dict[str, Entry]:
        if id not in self._blocks:
            rows = BlockColumns(self._read(Kind.BLOCK, id)).rows()
            self._blocks[id] = {row.path: row.entry for row in rows}
            if len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return self._blocks[id]


def _rows(store: Store, id: ListingId) -> Iterator[Row]:
    yield from _rows_from(store, read_index(store, id), b"", None, {})


def _rows_from(
    store: Store, node: ListingNode, first: bytes, end: bytes | None, ahead: dict[int, int]
) -> Iterator[Row]:
    """Yield the rows of the parts that may have some from `first` on and before `end`.

    `ahead` keeps how many parts of each level are read next: one for who wants one row, ever more for who goes on.
    """
    starts = [child.first for child in node.children]
    at = max(0, bisect_right(starts, first) - 1)
    stop = len(starts) if end is None else bisect_left(starts, end)
    while at < stop:
        size = ahead.get(node.level, 1)
        ahead[node.level] = min(2 * size, _MOST)
        batch = node.children[at : min(at + size, stop)]
        at += size
        if node.level == 1:
            for rows in _read_blocks(store, batch):
                yield from rows
        else:
            for below in _read_indexes(store, node.level - 1, batch):
                yield from _rows_from(store, below, first, end, ahead)


def _parts_of(node: ListingNode, paths: list[bytes]) -> Iterator[tuple[Child, list[bytes]]]:
    """Yield each child that may hold some of the paths, with those."""
    starts = [child.first for child in node.children]
    for at, some in groupby(paths, key=lambda path: bisect_right(starts, path) - 1):
        if at >= 0:
            yield node.children[at], list(some)


def _batches(parts: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (parts[at : at + _TOGETHER] for at in range(0, len(parts), _TOGETHER))
