"""Content by byte ranges: which chunks hold them, read together; and a seekable file that reads ahead only in a row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from xver.errors import CorruptData
from xver.format.nodes import Node, decode_node
from xver.model.entries import CHUNK_MAX
from xver.model.ids import EMPTY_ID, ContentId, Kind, NodeId
from xver.store.batches import batches
from xver.store.seeking import Seekable, SharedReader
from xver.store.store import Store, Wanted

_AHEAD: Final = 8 * 1024 * 1024
"""Bytes read ahead at most, of who reads on and on; also the most that one call reads."""
_FIRST: Final = 128 * 1024
_BUFFER: Final = 16 * 1024
_NODES: Final = 64
_BATCH: Final = 32 * 1024 * 1024


class Range(NamedTuple):
    """Bytes `start` to `end` of content."""

    id: ContentId
    size: int
    start: int
    end: int


class _Leaf(NamedTuple):
    """A chunk: where it begins in the content, its id, its bytes."""

    offset: int
    id: bytes
    size: int


class _Tree:
    """The chunks of one content; nodes are decoded when first needed, and a few are kept."""

    def __init__(self, store: Store, id: ContentId, size: int, nodes: Mapping[bytes, Node] | None = None) -> None:
        self._store = store
        self._id = id
        self._size = size
        self._nodes: dict[bytes, Node] = dict(nodes or {})

    def leaves(self, start: int, end: int) -> list[_Leaf]:
        """Return the chunks that hold bytes from `start` to `end`; raises `CorruptData` where sizes do not add up."""
        if not self._size and self._id != EMPTY_ID:
            raise CorruptData("content of no bytes has another id")
        if start >= end:
            return []
        if self._size <= CHUNK_MAX:
            return [_Leaf(0, self._id, self._size)]
        return list(self._below(self._id, self._size, 0, start, end, None))

    def _below(self, id: bytes, size: int, offset: int, start: int, end: int, level: int | None) -> Iterator[_Leaf]:
        node = self._node(id)
        if node.size != size or (level is not None and node.level != level):
            raise CorruptData(f"node b3:{id.hex()[:16]} is not what its parent says")
        ends = list(accumulate(length for _, length in node.children))
        for at in range(bisect_right(ends, start - offset), len(ends)):
            child, length = node.children[at]
            begin = offset + ends[at] - length
            if begin >= end:
                return
            if node.level == 1:
                yield _Leaf(begin, child, length)
            else:
                yield from self._below(child, length, begin, start, end, node.level - 1)

    def _node(self, id: bytes) -> Node:
        node = self._nodes.get(id)
        if node is None:
            node = decode_node(self._store.get(Kind.NODE, NodeId(id)))
            if len(self._nodes) >= _NODES:
                self._nodes.pop(next(iter(self._nodes)))
            self._nodes[id] = node
        return node


def read_ranges(store: Store, ranges: Sequence[Range]) -> list[bytes]:
    """Return the bytes of each range, cut off at the content's end; all are fetched together, in few round trips.

    The caller bounds memory by what it asks for.

    Raises:
        ContentNotFound: the store does not hold all of it.
        CorruptData: an object's bytes are not its id's, or sizes do not add up.
    """
    tops = {one.id for one in ranges if one.size > CHUNK_MAX and one.start < min(one.end, one.size)}
    nodes = {id: decode_node(data) for id, data in store.get_many(Wanted(Kind.NODE, id) for id in tops)}
    wanted = []
    for one in ranges:
        tree = _Tree(store, one.id, one.size, {one.id: nodes[one.id]} if one.id in nodes else None)
        wanted.append(tree.leaves(one.start, min(one.end, one.size)))
    parts: list[list[bytes]] = [[] for _ in ranges]
    for batch in batches(((at, leaf) for at, leaves in enumerate(wanted) for leaf in leaves), _size, _BATCH):
        chunks = _read_chunks(store, [leaf for _, leaf in batch])
        for at, leaf in batch:
            low, high = max(0, ranges[at].start - leaf.offset), ranges[at].end - leaf.offset
            parts[at].append(bytes(chunks[leaf.id][low:high]))
    return [some[0] if len(some) == 1 else b"".join(some) for some in parts]


def open_content(store: Store, id: ContentId, size: int) -> ContentFile:
    """Return the content as a seekable binary file, read as needed."""
    return ContentFile(store, id, size)


class ContentFile(SharedReader):
    """A seekable binary file over content; `size` is its size in bytes.

    Who jumps about reads the chunks that hold what was asked for and no more; who reads on from where the last read
    ended gets twice as much fetched each time, from 128 KiB to 8 MiB.
    """

    def __init__(self, store: Store, id: ContentId, size: int) -> None:
        self.size = size
        super().__init__(_RawContent(store, id, size), _BUFFER)


class _RawContent(Seekable):
    def __init__(self, store: Store, id: ContentId, size: int) -> None:
        super().__init__(size)
        self._store = store
        self._tree = _Tree(store, id, size)
        self._expected = -1
        self._window = 0
        self._held: list[tuple[int, bytes | memoryview]] = []

    def _read_at(self, position: int, length: int) -> memoryview:
        found = self._find(position)
        if found is None:
            self._fetch(position, length)
            found = self._find(position)
        if found is None:
            raise CorruptData("content whose chunks do not cover it")
        found = found[:length]
        self._expected = position + len(found)
        return found

    def _find(self, position: int) -> memoryview | None:
        """Return what is held from a position on, None if nothing is."""
        for offset, data in self._held:
            if offset <= position < offset + len(data):
                return memoryview(data)[position - offset :]
        return None

    def _fetch(self, position: int, length: int) -> None:
        self._window = min(max(2 * self._window, _FIRST), _AHEAD) if position == self._expected else 0
        end = position + max(min(length, _AHEAD), self._window)
        leaves = self._tree.leaves(position, min(end, self._size))
        chunks = _read_chunks(self._store, leaves)
        self._held = [(leaf.offset, chunks[leaf.id]) for leaf in leaves]


def _read_chunks(store: Store, leaves: Iterable[_Leaf]) -> dict[bytes, bytes | memoryview]:
    sizes = {leaf.id: leaf.size for leaf in leaves}
    found = dict(store.get_many(Wanted(Kind.CHUNK, id) for id in sizes))
    for id, size in sizes.items():
        if len(found[id]) != size:
            raise CorruptData(f"chunk b3:{id.hex()[:16]} has not the size that its node says")
    return found


def _size(one: tuple[int, _Leaf]) -> int:
    return one[1].size
