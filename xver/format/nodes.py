"""Merkle nodes: an ordered list of children and their sizes, split by content, so that an edit changes a path of nodes.

    file > 256 KiB      chunks  c c c c c c c c c …          cut by content
    level 1             nodes   [c c c c] [c c] [c c c] …    closed after a child whose id starts with ten zero bits
    level 2             node    [n n n]                      … until one node is left: its id is the file's

A node holds 128 to 4,096 children (the last of a level may hold fewer).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from xver.errors import CorruptData
from xver.format.cursor import Cursor
from xver.model.entries import CHUNK_MAX
from xver.model.ids import ID_SIZE, ContentId, NodeId

MIN_CHILDREN: Final = 128
MAX_CHILDREN: Final = 4096
MAX_LEVEL: Final = 8

_HEADER: Final = struct.Struct("<BIQ")
_CHILD: Final = struct.Struct("<32sQ")


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its level (children of level 1 are chunks), and its children with their sizes in bytes."""

    level: int
    children: tuple[tuple[ContentId, int], ...]

    @property
    def size(self) -> int:
        """Bytes of content below this node."""
        return sum(size for _, size in self.children)


def encode_node(level: int, children: Sequence[tuple[bytes, int]]) -> bytes:
    """Return the bytes of a node."""
    total = sum(size for _, size in children)
    return _HEADER.pack(level, len(children), total) + b"".join(_CHILD.pack(id, size) for id, size in children)


def decode_node(data: bytes | memoryview) -> Node:
    """Return the node in `data`.

    Raises `CorruptData` for a level or number of children beyond the maxima, a child that is empty or larger than
    its level allows, and sizes that do not add up.
    """
    cursor = Cursor(data, "node")
    level, count, total = cursor.unpack(_HEADER)
    if not 1 <= level <= MAX_LEVEL or not 1 <= count <= MAX_CHILDREN:
        raise CorruptData(f"node of level {level} with {count} children")
    children = tuple(_CHILD.iter_unpack(cursor.take(count * _CHILD.size)))
    cursor.finish()
    largest = CHUNK_MAX * MAX_CHILDREN ** (level - 1)
    if any(not 0 < size <= largest for _, size in children) or sum(size for _, size in children) != total:
        raise CorruptData("node whose children's sizes are not right")
    return Node(level, children)


def closes(id: bytes) -> bool:
    """Tell whether an id starts with ten zero bits: the content-defined end of a node."""
    return id[0] == 0 and id[1] < 64


class NodeBuilder:
    """Builds the tree over chunks added in order; `emit` stores a node's bytes and returns its id.

    Keeps at most one open node a level: memory does not depend on the size of the file.
    """

    def __init__(self, emit: Callable[[bytes], NodeId]) -> None:
        self._emit = emit
        self._open: list[list[tuple[bytes, int]]] = [[]]

    def add(self, id: bytes, size: int) -> None:
        """Append a chunk."""
        self._append(0, id, size)

    def finish(self) -> tuple[NodeId, int]:
        """Close what is open and return the root, the one node of the lowest level that has one, and its size.

        There must be a chunk: no bytes have no tree.
        """
        level = 0
        while True:
            pending = self._open[level]
            is_top = level + 1 == len(self._open)
            if is_top and level > 0 and len(pending) == 1:
                id, size = pending[0]
                return NodeId(id), size
            if pending:
                self._close(level)
            level += 1

    def _append(self, level: int, id: bytes, size: int) -> None:
        pending = self._open[level]
        pending.append((id, size))
        if len(pending) == MAX_CHILDREN or (len(pending) >= MIN_CHILDREN and closes(id)):
            self._close(level)

    def _close(self, level: int) -> None:
        pending = self._open[level]
        data = encode_node(level + 1, pending)
        size = sum(size for _, size in pending)
        pending.clear()
        if level + 1 == len(self._open):
            self._open.append([])
        self._append(level + 1, self._emit(data), size)


assert _CHILD.size == ID_SIZE + 8
