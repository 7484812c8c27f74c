"""A listing with some of its rows changed, without reading or writing what stays.

    before   [a b c] [d e f] [g h i]       changes: e anew, k added
    now      [a b c] [d E f] [g h i k]     the first block is taken as it is

Boundaries depend on paths alone: a block that begins where one began before, with the same rows up to its end, is the
same block. So the result is that of building the listing from all its rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from xver.errors import CorruptData
from xver.format.listings import Child, Row, decode_index
from xver.model.entries import Dataset, Entry
from xver.model.ids import Kind
from xver.model.paths import TrackedPath
from xver.store.listings import decode_child, listing_builder
from xver.store.packing import Packer

_Read: TypeAlias = Callable[[Kind, bytes], bytes]


def edit_listing(packer: Packer, read: _Read, before: Dataset, changes: Mapping[TrackedPath, Entry | None]) -> Dataset:
    """Store the listing `before` with these rows put in or replaced, or taken out where they are None.

    The caller sees to it that no path then lies below another one's.

    Raises:
        ContentNotFound: a part of the listing that changes is not here.
        CorruptData: it is damaged.
    """
    if not changes:
        return before
    builder = listing_builder(packer, before)
    ordered = sorted((path.encode(), path) for path in changes)
    blocks = list(_blocks(read, before.id, None))
    done = 0
    for number, block in enumerate(blocks):
        is_last = number + 1 == len(blocks)
        end = len(ordered) if is_last else bisect_left(ordered, (blocks[number + 1].first, ""), done)
        if end == done and builder.add_block(block):
            continue
        rows = decode_child(block, read(Kind.BLOCK, block.id))
        builder.add_all(_merged(rows, [path for _, path in ordered[done:end]], changes))
        done = end
    if not blocks:
        builder.add_all(_merged([], [path for _, path in ordered], changes))
    return builder.finish()


def _merged(
    rows: Sequence[Row], paths: Sequence[TrackedPath], changes: Mapping[TrackedPath, Entry | None]
) -> Iterator[Row]:
    if not paths:
        yield from rows
        return
    merged: dict[TrackedPath, Entry | None] = {row.path: row.entry for row in rows}
    merged.update((path, changes[path]) for path in paths)
    for path in sorted(merged):  # code points and the bytes of UTF-8 sort alike
        entry = merged[path]
        if entry is not None:
            yield Row(path, entry)


def _blocks(read: _Read, id: bytes, level: int | None) -> Iterator[Child]:
    node = decode_index(read(Kind.LISTING, id))
    if level is not None and node.level != level:
        raise CorruptData(f"listing index b3:{id.hex()[:16]} is not what its parent says")
    if node.level == 1:
        yield from node.children
    else:
        for child in node.children:
            yield from _blocks(read, child.id, node.level - 1)
