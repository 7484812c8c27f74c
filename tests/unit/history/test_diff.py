"""What changed between two versions: against dictionaries, with renames, and without reading what is equal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.faulty import FaultyStorage
from tests.unit.history.history import file_of, put_files
from xver.errors import CorruptData
from xver.format.listings import Child, Row, encode_block, encode_index
from xver.history.diff import Change, diff_entries, diff_listings
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.ids import Kind, ListingId, chunk_id
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.listings import put_listing
from xver.store.store import Store, create_store, open_store

FILES = st.dictionaries(
    st.sampled_from([f"{folder}{n}" for folder in ("", "x/", "x/y/") for n in range(4)]),
    st.sampled_from([b"", b"1", b"2", b"3"]),
)


def listing(store: Store, rows: dict[str, Entry]) -> Dataset:
    with store.packer() as packer:
        dataset = put_listing(packer, [Row(TrackedPath(path), rows[path]) for path in sorted(rows)])
        store.move("listing", {}, packer.finish())
    return dataset


@given(before=FILES, after=FILES)
@settings(max_examples=40)
def test_a_diff_of_listings_is_the_diff_of_dictionaries(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    store = create_store(MemoryStorage(), client="test")
    old, new = put_files(store, before).id, put_files(store, after).id
    expected = [
        Change(
            path,
            file_of(before[path]) if path in before else None,
            file_of(after[path]) if path in after else None,
        )
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    assert list(diff_listings(store, old, new)) == expected
    assert [change.path for change in diff_listings(store, None, new)] == sorted(after)
    assert [change.path for change in diff_listings(store, old, None)] == sorted(before)


@given(before=FILES, after=FILES)
@settings(max_examples=40)
def test_renames_join_what_was_deleted_and_what_was_added(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    store = create_store(MemoryStorage(), client="test")
    old, new = put_files(store, before), put_files(store, after)
    changes = diff_entries(store, {TrackedPath("d"): old}, {TrackedPath("d"): new})
    # Applying the changes to what was there gives what is there now.
    found = {f"d/{path}": data for path, data in before.items()}
    by_id = {file_of(data).id: data for data in after.values()}
    for change in changes:
        if change.source is not None:
            assert change.path not in found
            moved = found.pop(change.source)
            assert moved
            assert isinstance(change.after, File)
            assert file_of(moved).id == change.after.id
        elif change.after is None:
            del found[change.path]
    for change in changes:
        if isinstance(change.after, File):
            found[change.path] = by_id[change.after.id]
    assert found == {f"d/{path}": data for path, data in after.items()}


def test_a_moved_folder_is_renames_only() -> None:
    store = create_store(MemoryStorage(), client="test")
    old = put_files(store, {f"old/{n}": str(n).encode() for n in range(50)})
    new = put_files(store, {f"new/{n}": str(n).encode() for n in range(50)})
    changes = diff_entries(store, {TrackedPath("d"): old}, {TrackedPath("d"): new})
    assert [(change.source, change.path) for change in changes] == [
        (f"d/old/{n}", f"d/new/{n}") for n in sorted(range(50), key=str)
    ]


def test_empty_files_and_copies_are_no_renames(store: Store) -> None:
    before, after = {"a": b"", "b": b"same"}, {"c": b"", "b": b"same", "d": b"same"}
    old, new = put_files(store, before), put_files(store, after)
    changes = diff_entries(store, {TrackedPath("d"): old}, {TrackedPath("d"): new})
    assert [(change.path, change.source) for change in changes] == [("d/a", None), ("d/c", None), ("d/d", None)]


def test_a_file_that_became_a_folder_and_back(store: Store) -> None:
    file, folder = file_of(b"1"), put_files(store, {"a": b"1", "b": b"2"})
    there = diff_entries(store, {TrackedPath("x"): file}, {TrackedPath("x"): folder})
    assert [(change.path, change.source) for change in there] == [("x/a", "x"), ("x/b", None)]
    back = diff_entries(store, {TrackedPath("x"): folder}, {TrackedPath("x"): file})
    assert [(change.path, change.source) for change in back] == [("x", "x/a"), ("x/b", None)]


def test_what_is_of_another_kind_differs_and_what_is_equal_does_not(store: Store) -> None:
    plain, link = file_of(b"1"), Link(chunk_id(b"1"), 1)
    executable = File(plain.id, 1, plain.fingerprint, executable=True)
    distant = External("s3://b/k", "etag", 5)
    same: dict[str, Entry] = {"distant": distant, "file": plain}
    one = listing(store, same | {"a": plain, "b": plain, "z": distant})
    two = listing(store, same | {"a": executable, "b": link, "z": External("s3://b/k", "other", 5)})
    assert [change.path for change in diff_listings(store, one.id, two.id)] == ["a", "b", "z"]


def test_equal_parts_are_not_read() -> None:
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    rows: dict[str, Entry] = {f"{n:06d}": file_of(str(n).encode()) for n in range(30_000)}
    old = listing(store, rows)
    new = listing(store, rows | {"012345": file_of(b"changed")})
    faulty = FaultyStorage(storage)
    watched = open_store(faulty, client="test")
    faulty.calls.clear()
    assert [change.path for change in diff_listings(watched, ListingId(old.id), ListingId(new.id))] == ["012345"]
    assert len([key for _, key in faulty.calls if key.startswith("packs/")]) <= 6
    faulty.calls.clear()
    assert list(diff_listings(watched, old.id, old.id)) == []
    assert faulty.calls == []


def test_scattered_changes_are_read_together() -> None:
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    rows: dict[str, Entry] = {f"{n:06d}": file_of(str(n).encode()) for n in range(20_000)}
    scattered: dict[str, Entry] = {f"{n:06d}": file_of(b"changed") for n in range(0, 20_000, 100)}
    old, new = listing(store, rows), listing(store, rows | scattered)
    faulty = FaultyStorage(storage)
    watched = open_store(faulty, client="test")
    faulty.calls.clear()
    found = {change.path: change.after for change in diff_listings(watched, old.id, new.id)}
    assert found == scattered
    # Some 125 blocks a side.
    assert len([key for _, key in faulty.calls if key.startswith("packs/")]) <= 20


def test_rows_out_of_order_are_refused_though_both_sides_have_them(store: Store) -> None:
    sides = []
    with store.packer() as packer:
        for content in (b"1", b"2"):
            rows = [Row(TrackedPath(path), file_of(content)) for path in ("b", "a")]
            block = packer.put(Kind.BLOCK, encode_block(rows))
            index = encode_index(1, [Child(b"b", 2, 2, block)])
            sides.append(ListingId(packer.put(Kind.LISTING, index)))
        store.move("listings", {}, packer.finish())
    with pytest.raises(CorruptData, match="out of order"):
        list(diff_listings(store, *sides))
