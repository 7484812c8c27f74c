"""Content by ranges: any part is the bytes of that part, little is read for little, and much in few requests."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.counting import CountingStorage
from xver.errors import ContentNotFound, CorruptData
from xver.format.nodes import encode_node
from xver.model.entries import CHUNK_MAX
from xver.model.ids import Kind, NodeId, chunk_id
from xver.storage.memory import MemoryStorage
from xver.store.content import Content, put_bytes
from xver.store.log import Change
from xver.store.ranges import Range, open_content, read_ranges
from xver.store.reading import open_reading
from xver.store.remembered import Remembered
from xver.store.store import Store, create_store, open_store

BIG = random.Random(1).randbytes(3_000_000)
SMALL = [random.Random(at).randbytes(at * 1_000) for at in range(20)]


def stored(store: Store, *contents: bytes) -> list[Content]:
    with store.packer() as packer:
        found = [put_bytes(packer, data) for data in contents]
        index = packer.finish()
    assert index is not None
    store.commit(Change("put", add_index=(index,)))
    return found


@pytest.fixture(scope="module")
def big() -> tuple[Store, Content]:
    store = create_store(MemoryStorage(), client="test")
    return store, stored(store, BIG)[0]


@pytest.fixture(scope="module")
def long() -> tuple[MemoryStorage, bytes, Content]:
    data = random.Random(2).randbytes(30_000_000)
    storage = MemoryStorage()
    return storage, data, stored(create_store(storage, client="test"), data)[0]


def watched(storage: MemoryStorage) -> tuple[Store, CountingStorage]:
    counting = CountingStorage(storage)
    store = open_reading(counting, client="test", remembered=Remembered())
    counting.reset()
    return store, counting


@given(moves=st.lists(st.tuples(st.integers(0, 3_100_000), st.integers(0, 700_000)), min_size=1, max_size=6))
@settings(max_examples=40)
def test_any_part_is_the_bytes_of_that_part(big: tuple[Store, Content], moves: list[tuple[int, int]]) -> None:
    store, content = big
    with open_content(store, content.id, content.size) as file:
        for offset, length in moves:
            assert file.seek(offset) == offset
            assert file.read(length) == BIG[offset : offset + length]
            assert file.tell() == max(offset, min(offset + length, content.size))


def test_a_small_part_reads_the_chunk_it_is_in_and_the_nodes_above(long: tuple[MemoryStorage, bytes, Content]) -> None:
    storage, data, content = long
    store, counting = watched(storage)
    with open_content(store, content.id, content.size) as file:
        for at in (29_000_000, 1_000_000, 15_000_000):
            file.seek(at)
            assert file.read(100) == data[at : at + 100]
    assert counting.requests <= 5
    assert counting.bytes < 3 * 2 * CHUNK_MAX + 30_000


def test_a_part_of_known_length_is_fetched_without_what_follows(long: tuple[MemoryStorage, bytes, Content]) -> None:
    storage, data, content = long
    store, counting = watched(storage)
    with open_content(store, content.id, content.size) as file:
        file.seek(10_000_000)
        assert file.read(5_000_000) == data[10_000_000:15_000_000]
    assert counting.bytes < 5_000_000 + 4 * CHUNK_MAX


def test_who_reads_on_has_ever_more_fetched_ahead(long: tuple[MemoryStorage, bytes, Content]) -> None:
    storage, data, content = long
    store, counting = watched(storage)
    with open_content(store, content.id, content.size) as file:
        parts = iter(lambda: file.read(10_000), b"")
        assert b"".join(parts) == data
    assert counting.requests < 20
    assert counting.bytes < 1.05 * len(data)


def test_a_file_reads_and_seeks_as_python_expects(big: tuple[Store, Content]) -> None:
    store, content = big
    with open_content(store, content.id, content.size) as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.seek(-10, 2) == 2_999_990
        assert file.read() == BIG[-10:]
        assert file.read(5) == b""
        with pytest.raises(ValueError, match="negative"):
            file.seek(-1)
        assert file.size == content.size
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")


@given(st.lists(st.tuples(st.integers(-1, 19), st.integers(0, 3_100_000), st.integers(0, 300_000)), max_size=8))
@settings(max_examples=30)
def test_many_ranges_at_once_are_what_each_alone_is(wanted: list[tuple[int, int, int]]) -> None:
    store, contents = EVERYTHING
    ranges = [Range(contents[at].id, contents[at].size, start, start + length) for at, start, length in wanted]
    expected = [([*SMALL, BIG][at])[start : start + length] for at, start, length in wanted]
    assert read_ranges(store, ranges) == expected


_STORE = create_store(MemoryStorage(), client="test")
EVERYTHING = (_STORE, stored(_STORE, *SMALL, BIG))


def test_many_small_files_are_a_few_requests() -> None:
    store, contents = EVERYTHING
    assert isinstance(store.storage, MemoryStorage)
    reading, counting = watched(store.storage)
    ranges = [Range(one.id, one.size, 0, one.size) for one in contents[:20]]
    assert read_ranges(reading, ranges) == SMALL
    assert counting.requests <= 2


def test_content_that_is_not_what_it_says_is_refused(store: Store) -> None:
    [content] = stored(store, BIG)
    with pytest.raises(CorruptData):
        open_content(store, content.id, content.size + 1).read()
    with pytest.raises(CorruptData):
        open_content(store, content.id, 7).read()
    with pytest.raises(ContentNotFound):
        read_ranges(store, [Range(chunk_id(b"absent"), 6, 0, 6)])
    with store.packer() as packer:
        part = packer.put(Kind.CHUNK, b"seven..")
        node = packer.put(Kind.NODE, encode_node(1, [(part, CHUNK_MAX), (part, 7)]))
        index = packer.finish()
    assert index is not None
    store.commit(Change("lie", add_index=(index,)))
    with pytest.raises(CorruptData, match="size"):
        open_content(store, NodeId(node), CHUNK_MAX + 7).read()


def test_what_was_read_is_remembered_and_metadata_by_the_next_process_too(
    long: tuple[MemoryStorage, bytes, Content], tmp_path: Path
) -> None:
    storage, data, content = long
    counting = CountingStorage(storage)
    first = open_reading(counting, client="test", remembered=Remembered(tmp_path))
    for _ in range(2):
        assert open_content(first, content.id, content.size).read(100) == data[:100]
    assert len([key for key in counting.keys if key.endswith(".data")]) == 1
    counting.reset()
    second = open_reading(counting, client="test", remembered=Remembered(tmp_path))
    assert open_content(second, content.id, content.size).read(100) == data[:100]
    assert not [key for key in counting.keys if key.endswith(".meta")]
    for path in tmp_path.rglob("objects/*/*"):
        path.write_bytes(b"rotten")
    third = open_reading(counting, client="test", remembered=Remembered(tmp_path))
    assert open_content(third, content.id, content.size).read(100) == data[:100]


def test_the_folder_of_what_is_remembered_stays_within_its_limit(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path, limit=1_000_000)
    for at in range(300):
        remembered.put(Kind.NODE, chunk_id(b"%d" % at), random.Random(at).randbytes(10_000))
    total = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 500_000 < total < 1_100_000


def test_a_folder_that_cannot_be_written_costs_reading_again_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remembered = Remembered(tmp_path / "file")
    remembered.put(Kind.NODE, chunk_id(b"x"), b"x")
    assert remembered.get(Kind.NODE, chunk_id(b"x")) == b"x"
    assert Remembered(tmp_path / "file").get(Kind.NODE, chunk_id(b"x")) is None


def test_a_twin_reads_the_same_without_asking_for_the_state_again(big: tuple[Store, Content]) -> None:
    store, content = big
    assert isinstance(store.storage, MemoryStorage)
    counting = CountingStorage(store.storage)
    first = open_reading(counting, client="test", remembered=Remembered())
    first.locate(content.id)
    counting.reset()
    twin = first.twin()
    assert open_content(twin, content.id, content.size).read(10) == BIG[:10]
    assert all(key.startswith("packs/") for key in counting.keys)
    open_store(store.storage, client="test").move("elsewhere", {})
    assert twin.log.refs is not first.log.refs
