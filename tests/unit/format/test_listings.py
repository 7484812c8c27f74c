"""Listings: rows survive, boundaries depend on paths alone, and nothing unsafe is read."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.values import rows
from xver.errors import CorruptData, InvalidInput
from xver.format.listing_builder import ListingBuilder
from xver.format.listings import (
    MAX_CHILDREN,
    MAX_ROWS,
    MAX_TEXT,
    MIN_ROWS,
    BlockColumns,
    Child,
    ListingNode,
    Row,
    check_prefix_free,
    decode_block,
    decode_index,
    encode_block,
    encode_index,
)
from xver.format.packs import RECORD_MAX
from xver.model.entries import SIZE_MAX, Dataset, Entry, External, File, Link
from xver.model.ids import BlockId, Kind, ListingId, chunk_id, fingerprint, object_id, path_hash
from xver.model.paths import MAX_PATH, TrackedPath


class Listing:
    """A listing and its parts by id."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.parts: dict[bytes, bytes] = {}
        self.blocks: list[bytes] = []
        builder = ListingBuilder(self._block, lambda data: ListingId(self._put(Kind.LISTING, data)))
        builder.add_all(rows)
        self.dataset = builder.finish()

    def _put(self, kind: Kind, data: bytes) -> bytes:
        id = object_id(kind, data)
        self.parts[id] = data
        return id

    def _block(self, data: bytes, first: bytes, last: bytes) -> BlockId:
        rows = decode_block(data)
        assert (first, last) == (rows[0].path.encode(), rows[-1].path.encode())
        self.blocks.append(self._put(Kind.BLOCK, data))
        return BlockId(self.blocks[-1])

    def node(self, id: bytes) -> ListingNode:
        return decode_index(self.parts[id])

    def rows(self) -> list[Row]:
        return [row for block in self.blocks for row in decode_block(self.parts[block])]

    def boundaries(self) -> list[TrackedPath]:
        return [decode_block(self.parts[block])[-1].path for block in self.blocks]


def file(content: str) -> File:
    data = content.encode()
    return File(chunk_id(data), len(data), fingerprint(data))


def row(path: str, entry: Entry | None = None) -> Row:
    return Row(TrackedPath(path), entry or file(path))


ROWS = [row(f"{at // 100:03}/img_{at:06}.jpg") for at in range(12_000)]
BEFORE = Listing(ROWS)


@given(rows.filter(bool))
def test_a_block_survives_being_written(rows: list[Row]) -> None:
    assert decode_block(encode_block(rows)) == rows


@given(rows.filter(bool), st.data())
def test_some_rows_of_a_block_are_those_that_all_of_it_has(rows: list[Row], data: st.DataObject) -> None:
    asked = data.draw(st.sets(st.sampled_from([*(row.path.encode() for row in rows), b"none"])))
    found = BlockColumns(encode_block(rows)).rows_at(asked)
    assert found == [row for row in rows if row.path.encode() in asked]


def test_some_rows_of_a_block_that_is_no_block_are_corrupt() -> None:
    for wrong in (encode_block([row("b"), row("a")]), encode_block([row("a")]) + b"0"):
        with pytest.raises(CorruptData):
            BlockColumns(wrong).rows_at({b"a"})


@given(rows.filter(bool), rows.filter(bool), st.data())
def test_where_two_blocks_differ_is_where_their_rows_do(
    rows: list[Row], others: list[Row], data: st.DataObject
) -> None:
    plain = [row for row in rows if isinstance(row.entry, File | Link)] or [row("a")]
    entries = [other.entry for other in others if isinstance(other.entry, File | Link)] or [file("b")]
    changed = data.draw(st.dictionaries(st.integers(0, len(plain) - 1), st.sampled_from(entries)))
    edited = [Row(one.path, changed.get(at, one.entry)) for at, one in enumerate(plain)]
    columns, after = BlockColumns(encode_block(plain)), BlockColumns(encode_block(edited))
    assert columns.unlike(after) == [at for at, one in enumerate(plain) if one != edited[at]]
    assert columns.unlike(BlockColumns(encode_block([*plain, row("~~~")]))) is None


@given(rows)
def test_a_listing_gives_back_its_rows_and_its_sums(rows: list[Row]) -> None:
    listing = Listing(rows)
    assert listing.rows() == rows == list(check_prefix_free(rows))
    top = listing.node(listing.dataset.id)
    assert (top.size, top.rows) == (listing.dataset.size, listing.dataset.files)
    assert (top.size, top.rows) == (sum(row.entry.size for row in rows), len(rows))


def test_an_empty_listing_is_an_index_without_children() -> None:
    listing = Listing([])
    assert listing.node(listing.dataset.id) == ListingNode(1, ())
    assert (listing.dataset.size, listing.dataset.files) == (0, 0)


def test_blocks_end_where_the_format_says() -> None:
    for block in BEFORE.blocks[:-1]:
        ends = [
            at
            for at, row in enumerate(decode_block(BEFORE.parts[block]))
            if path_hash(row.path.encode(), 0) % 128 == 0 and at + 1 >= MIN_ROWS
        ]
        assert ends == [len(decode_block(BEFORE.parts[block])) - 1]


@given(st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=50))
@settings(max_examples=10)
def test_a_change_of_content_moves_no_boundary(changed: list[int]) -> None:
    rows = list(ROWS)
    for at in changed:
        rows[at] = row(ROWS[at].path, file(f"changed {at}"))
    after = Listing(rows)
    assert after.boundaries() == BEFORE.boundaries()
    assert len(set(after.blocks) - set(BEFORE.blocks)) <= len(set(changed))


@given(st.integers(0, len(ROWS) - 1), st.sampled_from(["insert", "remove"]))
@settings(max_examples=20)
def test_an_insertion_or_removal_changes_at_most_three_blocks(at: int, edit: str) -> None:
    new = [row(f"{ROWS[at].path}.txt")] if edit == "insert" else []
    after = Listing(ROWS[: at + (edit == "insert")] + new + ROWS[at + 1 :])
    assert len(set(after.blocks) - set(BEFORE.blocks)) <= 3


def test_the_id_depends_on_the_rows_alone() -> None:
    again = [Row(TrackedPath(str(path)), entry) for path, entry in ROWS]
    assert Listing(again).dataset == BEFORE.dataset
    assert Listing(again[:-1]).dataset.id != BEFORE.dataset.id


def test_a_block_is_full_at_its_maximum() -> None:
    # Names whose hash closes no block.
    names = [name for name in map("{:08}".format, range(25_000)) if path_hash(name.encode(), 0) % 128]
    listing = Listing(row(name, file("")) for name in names[: 2 * MAX_ROWS + 1])
    assert [child.rows for child in listing.node(listing.dataset.id).children] == [MAX_ROWS, MAX_ROWS, 1]


def name_that_closes(prefix: str, level: int) -> str:
    return next(name for at in range(1 << 20) if path_hash((name := f"{prefix}{at}").encode(), level) % 128 == 0)


def test_an_index_closes_after_a_child_whose_first_path_says_so() -> None:
    names = []
    for block in range(MIN_ROWS + 1):
        first = f"{block:04}/000-"
        names.append(name_that_closes(first, 1) if block == MIN_ROWS - 1 else first)
        names += [f"{block:04}/{at:03}" for at in range(1, MIN_ROWS - 1)]
        names.append(name_that_closes(f"{block:04}/{MIN_ROWS - 1}-", 0))
    listing = Listing(row(name, file("")) for name in names)
    top = listing.node(listing.dataset.id)
    assert (top.level, [child.rows for child in top.children]) == (2, [MIN_ROWS * MIN_ROWS, MIN_ROWS])
    below = [listing.node(child.id) for child in top.children]
    assert [(node.level, len(node.children)) for node in below] == [(1, MIN_ROWS), (1, 1)]
    assert [child.first.decode() for child in top.children] == [names[0], names[-MIN_ROWS]]


def test_the_longest_names_make_no_object_beyond_the_maximum() -> None:
    source = random.Random(3)
    names = sorted(source.randbytes(MAX_PATH // 2).hex() for _ in range(MAX_TEXT // MAX_PATH + 300))
    for entry in (file(""), External("é" * (MAX_PATH // 2), "x" * MAX_PATH, 1)):
        rows = [row(name, entry) for name in names]
        listing = Listing(rows)
        assert len(listing.blocks) > 1
        assert max(map(len, listing.parts.values())) <= RECORD_MAX
        assert listing.rows() == rows
    # The most rows, the longest text: what is reached before a block closes, and the row that closes it.
    assert MAX_TEXT + 3 * MAX_PATH + MAX_ROWS * (4 + 1 + 8 + 32 + 16 + 32 + 8) + 8 < RECORD_MAX
    assert MAX_TEXT + MAX_PATH + MAX_CHILDREN * (4 + 48) + 5 < RECORD_MAX


def test_rows_out_of_order_are_not_written() -> None:
    for wrong in ([row("b"), row("a")], [row("a"), row("a")], [row("a"), row("a-b"), row("a/c")]):
        with pytest.raises(InvalidInput):
            Listing(wrong)


@pytest.mark.parametrize(
    "names", [["a", "a/b"], ["a", "a-b", "a/c"], ["a", "a b", "a!", "a/b/c"], ["a/b", "a/b-c", "a/b/c"]]
)
def test_a_path_below_another_is_corrupt_wherever_it_stands(names: list[str]) -> None:
    with pytest.raises(CorruptData):
        list(check_prefix_free(map(row, names)))


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"], ["a", "b", "a/c"], ["\U0001f600", "\uffff"]])
def test_rows_out_of_order_are_corrupt(names: list[str]) -> None:
    with pytest.raises(CorruptData, match="out of order"):
        list(check_prefix_free(map(row, names)))


def test_paths_that_only_begin_alike_are_no_folders_of_each_other() -> None:
    names = ["a", "a-b", "a-b.c", "a.b/c", "a.b/d", "aa", "ab/c"]
    assert [row.path for row in check_prefix_free(map(row, names))] == names


@pytest.mark.timeout(20)
def test_checking_names_that_begin_alike_takes_linear_time() -> None:
    names = ["a" * length for length in range(1, 4000)]
    names += ["a" * 4000 + f"{at:05}" for at in range(50_000)]
    assert sum(1 for _ in check_prefix_free(row(name, file("")) for name in names)) == len(names)


@pytest.mark.parametrize(
    "entry",
    [
        File(chunk_id(b"x"), 1, fingerprint(b"x"), sha256=bytes(32)),
        File(chunk_id(b"x"), 1 << 20, fingerprint(b"x")),
        File(chunk_id(b"x"), SIZE_MAX + 1, fingerprint(b"x"), sha256=bytes(32)),
        External("x" * (MAX_PATH + 1), "", 1),
    ],
)
def test_a_row_that_no_reader_would_take_is_not_written(entry: Entry) -> None:
    with pytest.raises(InvalidInput):
        encode_block([Row(TrackedPath("a"), entry)])


@given(
    st.lists(
        st.tuples(st.binary(min_size=32, max_size=32), st.integers(1, MAX_ROWS), st.integers(0, 1 << 50)), max_size=5
    )
)
def test_an_index_survives_being_written(parts: list[tuple[bytes, int, int]]) -> None:
    children = tuple(Child(b"%04d" % at, rows, size, id) for at, (id, rows, size) in enumerate(parts))
    assert decode_index(encode_index(1, children)) == ListingNode(1, children)


def child(first: bytes = b"a", rows: int = 1, size: int = 1) -> Child:
    return Child(first, rows, size, bytes(32))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode_index(0, [child()]),
        encode_index(9, [child()]),
        encode_index(2, []),
        encode_index(1, [child()])[:-1],
        encode_index(1, [child()]) + b"\0",
        encode_index(1, [child(b"b"), child(b"a")]),
        encode_index(1, [child(), child()]),
        encode_index(1, [child(rows=0)]),
        encode_index(1, [child(rows=MAX_ROWS + 1)]),
        encode_index(1, [child(size=SIZE_MAX), child(b"b")]),
        encode_index(8, [child(rows=SIZE_MAX), child(b"b", rows=SIZE_MAX)]),
        encode_index(1, [child(b"../a")]),
        encode_index(1, [child(b"\xff")]),
        encode_index(1, [child(b"")]),
        b"\x01\xff\xff\xff\xff",
        b"\x01\x01\x00\x00\x00\xff\xff\xff\xff",
    ],
)
def test_an_index_that_cannot_be_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_index(data)


def test_the_sums_of_a_dataset_are_those_of_its_rows() -> None:
    listing = Listing([row("a", Dataset(ListingId(bytes(32)), 10, 3)), row("b", file("12345"))])
    assert (listing.dataset.size, listing.dataset.files) == (15, 2)
