"""A listing edited is the listing built anew, and only what changes is read and written."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xver.errors import ContentNotFound, CorruptData
from xver.format.listing_builder import ListingBuilder
from xver.format.listings import Child, Row
from xver.model.entries import Dataset, Entry, File
from xver.model.ids import EMPTY_ID, BlockId, Kind, ListingId, chunk_id
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.listing_edits import edit_listing
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.store import Store, create_store


def a_file(n: int) -> File:
    return File(chunk_id(str(n).encode()), n % 1000 + 1, n.to_bytes(16, "big"))


MANY: dict[TrackedPath, Entry] = {TrackedPath(f"{n // 1000:02d}/{n:05d}.txt"): a_file(n) for n in range(6_000)}
Changes = Mapping[TrackedPath, Entry | None]


class Filled:
    """A store that holds listings."""

    def __init__(self) -> None:
        self.store: Store = create_store(MemoryStorage(), client="test")
        self.read: list[tuple[Kind, bytes]] = []

    def put(self, rows: Mapping[TrackedPath, Entry]) -> Dataset:
        with self.store.packer() as packer:
            dataset = put_listing(packer, [Row(path, rows[path]) for path in sorted(rows)])
            index = packer.finish()
        if index is not None:
            self.store.commit(Change("listing", add_index=(index,)))
        return dataset

    def edit(self, before: Dataset, changes: Changes) -> Dataset:
        def read(kind: Kind, id: bytes) -> bytes:
            self.read.append((kind, id))
            return self.store.get(kind, id)

        with self.store.packer() as packer:
            dataset = edit_listing(packer, read, before, changes)
            index = packer.finish()
        if index is not None:
            self.store.commit(Change("edit", add_index=(index,)))
        return dataset


@pytest.fixture(scope="module")
def filled() -> Filled:
    return Filled()


def edited(rows: Mapping[TrackedPath, Entry], changes: Changes) -> dict[TrackedPath, Entry]:
    merged = {**rows, **changes}
    return {path: entry for path, entry in merged.items() if entry is not None}


old_paths = st.sampled_from(sorted(MANY))
new_paths = st.integers(0, 80_000).map(lambda n: TrackedPath(f"{n // 1000:02d}/{n:05d}.txt.new"))
entries = st.none() | st.integers(0, 10_000).map(a_file)
some = st.dictionaries(old_paths | new_paths, entries, max_size=30)


@st.composite
def holes(draw: st.DrawFn) -> Changes:
    """Whole stretches that go, with the boundaries in them."""
    low = draw(st.integers(0, len(MANY)))
    high = draw(st.integers(low, len(MANY)))
    return dict.fromkeys(sorted(MANY)[low:high])


@given(changes=st.one_of(some, holes(), st.builds(lambda one, two: {**two, **one}, some, holes())))
@settings(max_examples=60, deadline=None)
def test_an_edited_listing_is_the_one_built_anew(filled: Filled, changes: Changes) -> None:
    before = filled.put(MANY)
    assert filled.edit(before, changes) == filled.put(edited(MANY, changes))


@pytest.mark.parametrize("count", [0, 1, 31, 40])
def test_small_listings(filled: Filled, count: int) -> None:
    rows = dict(list(MANY.items())[:count])
    before = filled.put(rows)
    for path in (TrackedPath("0"), TrackedPath("00/00007.txt"), TrackedPath("zz")):
        changes: Changes = {path: a_file(77)}
        assert filled.edit(before, changes) == filled.put(edited(rows, changes))
    assert filled.edit(before, dict.fromkeys(rows)) == filled.put({})


def test_only_what_changes_is_read(filled: Filled) -> None:
    before = filled.put(MANY)
    filled.read.clear()
    filled.edit(before, {TrackedPath("03/03500.txt"): a_file(1), TrackedPath("03/03501.txt"): a_file(2)})
    assert [kind for kind, _ in filled.read].count(Kind.BLOCK) <= 2


def test_nothing_changed_reads_nothing(filled: Filled) -> None:
    before = filled.put(MANY)
    filled.read.clear()
    assert filled.edit(before, {}) == before
    assert filled.read == []


def test_a_part_that_is_not_here_is_told(filled: Filled) -> None:
    with pytest.raises(ContentNotFound):
        filled.edit(Dataset(ListingId(chunk_id(b"gone")), 1, 1), {TrackedPath("a"): a_file(1)})


def a_builder() -> ListingBuilder:
    return ListingBuilder(lambda *_: BlockId(EMPTY_ID), lambda _: ListingId(EMPTY_ID))


def test_no_block_comes_into_an_open_one() -> None:
    builder = a_builder()
    builder.add(TrackedPath("b"), a_file(1))
    assert not builder.add_block(Child(b"c", 40, 40, EMPTY_ID))


def test_blocks_come_in_order() -> None:
    builder = a_builder()
    assert builder.add_block(Child(b"c", 40, 40, EMPTY_ID))
    with pytest.raises(CorruptData, match="out of order"):
        builder.add_block(Child(b"c", 40, 40, EMPTY_ID))
