"""Merkle nodes: they survive being written, are split by content, and cannot lie about sizes."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.values import ids
from xver.errors import CorruptData
from xver.format.nodes import (
    MAX_CHILDREN,
    MAX_LEVEL,
    MIN_CHILDREN,
    Node,
    NodeBuilder,
    closes,
    decode_node,
    encode_node,
)
from xver.model.entries import CHUNK_MAX
from xver.model.ids import ID_SIZE, Kind, NodeId, object_id

Leaf = tuple[bytes, int]


class Tree:
    """The nodes of one file, by id."""

    def __init__(self, leaves: list[Leaf]) -> None:
        self.nodes: dict[bytes, Node] = {}
        builder = NodeBuilder(self._emit)
        for id, size in leaves:
            builder.add(id, size)
        self.root, self.size = builder.finish()

    def _emit(self, data: bytes) -> NodeId:
        id = NodeId(object_id(Kind.NODE, data))
        self.nodes[id] = decode_node(data)
        return id

    def leaves(self, id: bytes) -> list[Leaf]:
        node = self.nodes[id]
        if node.level == 1:
            return list(node.children)
        return [leaf for child, _ in node.children for leaf in self.leaves(child)]


def leaves_of(count: int, seed: int = 1) -> list[Leaf]:
    source = random.Random(seed)
    return [(source.randbytes(ID_SIZE), source.randint(1, CHUNK_MAX)) for _ in range(count)]


@given(st.lists(st.tuples(ids, st.integers(1, CHUNK_MAX)), min_size=1, max_size=20), st.integers(1, MAX_LEVEL))
def test_a_node_survives_being_written(children: list[Leaf], level: int) -> None:
    node = decode_node(encode_node(level, children))
    assert node == Node(level, tuple(children))  # type: ignore[arg-type]
    assert node.size == sum(size for _, size in children)


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 5_000])
def test_a_tree_holds_all_leaves_in_order(count: int) -> None:
    leaves = leaves_of(count)
    tree = Tree(leaves)
    assert tree.leaves(tree.root) == leaves
    assert tree.size == tree.nodes[tree.root].size == sum(size for _, size in leaves)


def test_nodes_close_where_the_format_says() -> None:
    tree = Tree(leaves_of(20_000))
    lowest = [node for node in tree.nodes.values() if node.level == 1]
    for node in lowest[:-1]:
        ends = [at for at, (id, _) in enumerate(node.children) if closes(id) and at + 1 >= MIN_CHILDREN]
        assert ends == [len(node.children) - 1]


def test_a_node_is_full_at_its_maximum() -> None:
    tree = Tree([(b"\xff" * ID_SIZE, 1)] * (MAX_CHILDREN + 1))
    assert [len(tree.nodes[id].children) for id, _ in tree.nodes[tree.root].children] == [MAX_CHILDREN, 1]


@given(st.integers(0, 19_999), st.sampled_from(["change", "insert", "remove"]))
@settings(max_examples=25)
def test_an_edit_changes_a_path_of_nodes(at: int, edit: str) -> None:
    new = leaves_of(1, seed=2)
    after = LEAVES[:at] + (new if edit != "remove" else []) + LEAVES[at + (edit != "insert") :]
    assert len(set(Tree(after).nodes) - set(BEFORE.nodes)) <= 4


LEAVES = leaves_of(20_000)
BEFORE = Tree(LEAVES)


def broken(level: int = 1, count: int | None = None, total: int | None = None, sizes: tuple[int, ...] = (5,)) -> bytes:
    header = struct.pack(
        "<BIQ", level, len(sizes) if count is None else count, sum(sizes) % 2**64 if total is None else total
    )
    return header + b"".join(struct.pack("<32sQ", bytes(32), size) for size in sizes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        broken()[:-1],
        broken() + b"\0",
        broken(level=0),
        broken(level=MAX_LEVEL + 1),
        broken(count=0, sizes=()),
        broken(count=MAX_CHILDREN + 1),
        broken(count=(1 << 32) - 1),
        broken(sizes=(1,) * (MAX_CHILDREN + 1)),
        broken(sizes=(0, 5)),
        broken(sizes=(CHUNK_MAX + 1,)),
        broken(level=2, sizes=(CHUNK_MAX * MAX_CHILDREN + 1,)),
        broken(total=6),
        broken(level=8, sizes=((1 << 63),) * 2),
        broken(total=(1 << 64) - 1),
    ],
)
def test_a_node_that_cannot_be_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_node(data)
