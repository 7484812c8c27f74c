"""Listings in a store: read whole, from a path on, one row, and no more of it than that needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.counting import CountingStorage
from tests.support.values import trees
from xver.errors import CorruptData
from xver.format.listings import Row, encode_block
from xver.model.entries import Dataset, Entry, File
from xver.model.ids import Kind, ListingId, chunk_id
from xver.model.paths import TrackedPath, is_below
from xver.storage.memory import MemoryStorage
from xver.store.listings import (
    find_row,
    find_rows,
    put_listing,
    read_columns,
    read_index,
    read_listing,
    rows_below,
    rows_from,
)
from xver.store.log import Change
from xver.store.store import Store, create_store, open_store


def a_file(n: int) -> File:
    return File(chunk_id(str(n).encode()), n % 1000 + 1, n.to_bytes(16, "big"))


def rows_of(tree: dict[TrackedPath, Entry]) -> list[Row]:
    return [Row(path, tree[path]) for path in sorted(tree, key=str.encode)]


def stored(store: Store, rows: list[Row]) -> Dataset:
    with store.packer() as packer:
        dataset = put_listing(packer, rows)
        index = packer.finish()
    if index is not None:
        store.commit(Change("listing", add_index=(index,)))
    return dataset


MANY = [Row(TrackedPath(f"{n // 1000:02d}/{n:05d}.txt"), a_file(n)) for n in range(20_000)]


@pytest.fixture(scope="module")
def many() -> tuple[MemoryStorage, Dataset]:
    storage = MemoryStorage()
    return storage, stored(create_store(storage, client="test"), MANY)


@given(tree=trees)
@settings(max_examples=40)
def test_rows_come_back_in_order(tree: dict[TrackedPath, Entry]) -> None:
    store = create_store(MemoryStorage(), client="test")
    rows = rows_of(tree)
    dataset = stored(store, rows)
    assert list(read_listing(store, dataset.id)) == rows
    assert (dataset.size, dataset.files) == (sum(row.entry.size for row in rows), len(rows))
    assert put_listing(None, rows) == dataset
    for path, entry in tree.items():
        assert find_row(store, dataset.id, path) == entry
        folder = path.split("/")[0]
        assert list(rows_below(store, dataset.id, folder)) == [row for row in rows if is_below(row.path, folder)]


def counted(storage: MemoryStorage) -> tuple[Store, CountingStorage]:
    """Open the store anew with its index read, and count from there on."""
    counting = CountingStorage(storage)
    store = open_store(counting, client="test")
    next(iter(store.index.ids()))
    counting.reset()
    return store, counting


@pytest.mark.parametrize("at", [0, 1, 7_777, 19_999])
def test_one_row_is_one_part_of_each_level(many: tuple[MemoryStorage, Dataset], at: int) -> None:
    storage, dataset = many
    store, counting = counted(storage)
    assert find_row(store, dataset.id, MANY[at].path) == MANY[at].entry
    assert counting.requests == read_index(store, dataset.id).level + 1
    assert counting.bytes < 60_000


@given(st.lists(st.integers(0, 20_100), max_size=30))
@settings(max_examples=20)
def test_many_rows_are_found_in_as_few_round_trips_as_one(
    many: tuple[MemoryStorage, Dataset], numbers: list[int]
) -> None:
    storage, dataset = many
    store, counting = counted(storage)
    paths = [MANY[n].path if n < 20_000 else TrackedPath(f"absent/{n}") for n in numbers]
    expected = {MANY[n].path: MANY[n].entry for n in numbers if n < 20_000}
    assert find_rows(store, dataset.id, paths) == expected
    # Neighbours in the pack are read together: no request a path.
    assert counting.requests <= 2 * (read_index(store, dataset.id).level + 1)


@pytest.mark.parametrize("path", ["", "00", "05/05000", "05/05000.txt/x", "zz", "05/05000.txz"])
def test_what_is_not_there_is_not_found(many: tuple[MemoryStorage, Dataset], path: str) -> None:
    storage, dataset = many
    assert find_row(open_store(storage, client="test"), dataset.id, TrackedPath(path)) is None


def test_a_folder_reads_its_blocks_only(many: tuple[MemoryStorage, Dataset]) -> None:
    storage, dataset = many
    store, part = counted(storage)
    assert list(rows_below(store, dataset.id, "07")) == MANY[7000:8000]
    store, whole = counted(storage)
    assert list(read_listing(store, dataset.id)) == MANY
    assert part.bytes <= whole.bytes // 4
    assert whole.requests < 20


@given(start=st.sampled_from(["", "0", "03/03500.txt", "03/03500.txu", "19/19999.txt", "~"]))
def test_rows_from_a_path_on(many: tuple[MemoryStorage, Dataset], start: str) -> None:
    storage, dataset = many
    store = open_store(storage, client="test")
    assert list(rows_from(store, dataset.id, start)) == [row for row in MANY if row.path >= start]


def test_a_folder_and_names_that_begin_like_it_are_told_apart() -> None:
    store = create_store(MemoryStorage(), client="test")
    paths = ["a", "a b/x", "a!", "a-b/x", "a.b", "a0", "b/a/x"]
    rows = [Row(TrackedPath(path), a_file(n)) for n, path in enumerate(paths)]
    dataset = stored(store, rows)
    assert [row.path for row in rows_below(store, dataset.id, "a")] == ["a"]
    folder = [Row(TrackedPath(path), a_file(1)) for path in sorted(["a!", "a-b/x", "a.b", "a/x", "a/y/z", "a0"])]
    dataset = stored(store, folder)
    assert [row.path for row in rows_below(store, dataset.id, "a")] == ["a/x", "a/y/z"]


def test_an_edit_writes_one_part_of_each_level(many: tuple[MemoryStorage, Dataset]) -> None:
    storage, dataset = many
    store = open_store(storage, client="test")
    changed = list(MANY)
    changed[7_777] = Row(MANY[7_777].path, a_file(1))
    rows = store.index.rows()
    other = stored(store, changed)
    assert other.id != dataset.id
    assert store.index.rows() - rows == read_index(store, dataset.id).level + 1


def test_a_block_that_is_not_what_its_index_says_is_refused(store: Store) -> None:
    dataset = stored(store, [Row(TrackedPath("a"), a_file(1)), Row(TrackedPath("b"), a_file(2))])
    (child,) = read_index(store, dataset.id).children
    with store.packer() as packer:
        other = packer.put(Kind.BLOCK, encode_block([Row(TrackedPath("a"), a_file(1))]))
        index = packer.finish()
    assert index is not None
    store.commit(Change("block", add_index=(index,)))
    for wrong in (
        {"first": b"b"}, {"rows": 3}, {"size": 1}, {"id": other},
    ):  # fmt: skip
        with pytest.raises(CorruptData, match="not what its index says"):
            next(read_columns(store, [replace(child, **wrong)]))


def test_no_listing_is_read_for_nothing(store: Store) -> None:
    dataset = stored(store, [])
    assert list(read_listing(store, ListingId(dataset.id))) == []
    assert (dataset.size, dataset.files) == (0, 0)


def test_who_reads_on_waits_ever_more_seldom(many: tuple[MemoryStorage, Dataset]) -> None:
    storage, dataset = many
    store, counting = counted(storage)
    assert sum(1 for _ in read_listing(store, dataset.id)) == len(MANY)
    # 125 blocks under two indexes: both of these, the one above, and 1, 2, 4, … blocks, cut off where an index ends.
    assert counting.rounds < 13


def test_of_a_folder_nothing_behind_it_is_read(many: tuple[MemoryStorage, Dataset]) -> None:
    storage, dataset = many
    whole = sum(stat.size for stat in storage.list("packs/"))
    for folder in (f"{n:02d}" for n in range(20)):
        store, counting = counted(storage)
        assert sum(1 for _ in rows_below(store, dataset.id, folder)) == 1_000
        assert counting.bytes < whole // 10
