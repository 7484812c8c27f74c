"""Listings whose every part is valid and has its id, and which lie about each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.samples import CHUNK_ID
from xver.errors import CorruptData
from xver.format.listings import Child, Row, encode_block, encode_index
from xver.model.entries import File
from xver.model.ids import Kind, ListingId
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.listings import read_listing
from xver.store.packing import Packer
from xver.store.store import create_store

ENTRY = File(CHUNK_ID, 5, bytes(16))
Lie = Callable[[Child], Child]


def honest(child: Child) -> Child:
    return child


def block(packer: Packer, *names: str) -> Child:
    rows = [Row(TrackedPath(name), ENTRY) for name in names]
    return Child(names[0].encode(), len(rows), 5 * len(rows), packer.put(Kind.BLOCK, encode_block(rows)))


def index(packer: Packer, level: int, *children: Child) -> Child:
    id = packer.put(Kind.LISTING, encode_index(level, children))
    first = children[0].first if children else b""
    return Child(first, sum(one.rows for one in children), sum(one.size for one in children), id)


def names_in(*folders: tuple[str, ...], level: int = 2, lie: Lie = honest) -> list[str]:
    """Read a listing of two levels, with an index and a block of its own for each folder of names."""
    store = create_store(MemoryStorage(), client="test")
    with store.packer() as packer:
        parts = [lie(index(packer, 1, block(packer, *names))) for names in folders]
        top = index(packer, level, *parts)
        store.move("test", {}, packer.finish())
    return [row.path for row in read_listing(store, ListingId(top.id))]


def test_a_listing_of_two_levels_is_read_in_order() -> None:
    assert names_in(("a", "b"), ("c", "d")) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "folders",
    [(("a", "z"), ("b",)), (("a", "b"), ("b ", "b/c")), (("a",), ("a-b", "a/b")), (("a", "c"), ("b", "c"))],
    ids=["out of order", "below a file", "below a file of another part", "twice"],
)
def test_rows_that_do_not_fit_those_of_another_part_are_corrupt(folders: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(CorruptData):
        names_in(*folders)


@pytest.mark.parametrize(
    "lie",
    [
        lambda child: replace(child, rows=child.rows + 1),
        lambda child: replace(child, size=child.size + 1),
        lambda child: replace(child, first=child.first + b"-"),
    ],
    ids=["rows", "size", "first"],
)
def test_a_part_that_is_not_what_its_index_says_is_corrupt(lie: Lie) -> None:
    with pytest.raises(CorruptData, match="not what its parent says"):
        names_in(("a", "b"), ("c",), lie=lie)


def test_a_level_that_leaves_one_out_is_corrupt() -> None:
    with pytest.raises(CorruptData, match="not what its parent says"):
        names_in(("a",), level=3)


def test_an_empty_part_below_another_is_corrupt() -> None:
    store = create_store(MemoryStorage(), client="test")
    with store.packer() as packer:
        empty = index(packer, 1)
        top = index(packer, 2, replace(empty, first=b"a", rows=1))
        store.move("test", {}, packer.finish())
    with pytest.raises(CorruptData):
        list(read_listing(store, ListingId(top.id)))
