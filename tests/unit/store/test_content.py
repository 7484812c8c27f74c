"""Bytes into objects and back: in any blocks, of any size, from anywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xver.errors import ContentNotFound, CorruptData
from xver.format.chunks import CHUNK_MIN
from xver.format.listings import Row
from xver.model.entries import CHUNK_MAX, File
from xver.model.ids import EMPTY_ID, Kind, NodeId, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.content import (
    Content,
    content_kind,
    put_bytes,
    put_stream,
    read_all,
    read_content,
    read_rows,
)
from xver.store.log import Change
from xver.store.store import Store, create_store

BIG = random.Random(1).randbytes(3_000_000)
SIZES = [0, 1, CHUNK_MIN, CHUNK_MAX - 1, CHUNK_MAX, CHUNK_MAX + 1, 1_000_000, 3_000_000]


def stored(store: Store, data: bytes) -> Content:
    with store.packer() as packer:
        content = put_bytes(packer, data)
        index = packer.finish()
    if index is not None:
        store.commit(Change("put", add_index=(index,)))
    return content


def in_blocks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    start = 0
    for size in cuts:
        yield data[start : start + size]
        start += size
    yield data[start:]


@pytest.fixture(scope="module")
def big() -> tuple[Store, Content]:
    store = create_store(MemoryStorage(), client="test")
    return store, stored(store, BIG)


@pytest.mark.parametrize("size", SIZES)
def test_content_is_read_back(store: Store, size: int) -> None:
    data = BIG[:size]
    content = stored(store, data)
    assert (content.size, content.fingerprint) == (size, fingerprint(data))
    assert (content.sha256 is None) == (size <= CHUNK_MAX)
    assert read_all(store, content.id, size) == data
    if size <= CHUNK_MAX:
        assert content.id == chunk_id(data)


@given(size=st.sampled_from(SIZES), cuts=st.lists(st.integers(0, 400_000), max_size=8))
@settings(max_examples=40)
def test_blocks_do_not_matter(size: int, cuts: list[int]) -> None:
    data = BIG[:size]
    assert put_stream(None, in_blocks(data, cuts)) == put_stream(None, [data])


@pytest.mark.parametrize("size", SIZES)
def test_identifying_gives_what_storing_gives(store: Store, size: int) -> None:
    assert put_stream(None, [BIG[:size]]) == stored(store, BIG[:size])


def test_nothing_is_stored_of_an_empty_file(store: Store) -> None:
    assert stored(store, b"").id == EMPTY_ID
    assert store.log.n == 0


def test_an_edit_shares_all_chunks_but_a_few(store: Store) -> None:
    stored(store, BIG)
    before = store.index.rows()
    stored(store, BIG[:1_500_000] + b"edit" + BIG[1_500_000:])
    assert store.index.rows() - before <= 5


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_wrong_size_is_refused(store: Store, size: int) -> None:
    content = stored(store, BIG[:size])
    with pytest.raises(CorruptData):
        read_all(store, content.id, size + 1)


def test_content_that_is_not_here_is_said_to_be(store: Store) -> None:
    with pytest.raises(ContentNotFound):
        read_all(store, chunk_id(b"absent"), 6)
    with pytest.raises(ContentNotFound):
        read_all(store, NodeId(bytes(32)), CHUNK_MAX + 1)
    with pytest.raises(CorruptData):
        read_all(store, chunk_id(b"not empty"), 0)


def test_a_flipped_byte_is_never_read(storage: MemoryStorage, store: Store) -> None:
    content = stored(store, BIG)
    (pack,) = [stat.key for stat in storage.list("packs/") if stat.key.endswith(".data")]
    body = bytearray(storage.get(pack))
    body[1_500_000] ^= 1
    storage.put(pack, bytes(body))
    with pytest.raises(CorruptData, match="damaged"):
        read_all(store, content.id, content.size)
    with pytest.raises(CorruptData, match="damaged"):
        list(read_content(store, content.id, content.size))


@given(sizes=st.lists(st.sampled_from([0, 1, 500, CHUNK_MAX, CHUNK_MAX + 1, 600_000]), max_size=12))
@settings(max_examples=15)
def test_rows_come_with_their_content_in_order(sizes: list[int]) -> None:
    store = create_store(MemoryStorage(), client="test")
    rows, files = [], []
    for n, size in enumerate(sizes):
        data = BIG[n : n + size]
        content = stored(store, data)
        rows.append(Row(TrackedPath(f"{n:03d}"), File(content.id, size, content.fingerprint, content.sha256)))
        files.append(data)
    found = [(row, b"".join(parts)) for row, parts in read_rows(store, rows)]
    assert [row for row, _ in found] == rows
    assert [data for _, data in found] == files


@pytest.mark.parametrize(("size", "kind"), [(1, Kind.CHUNK), (CHUNK_MAX, Kind.CHUNK), (CHUNK_MAX + 1, Kind.NODE)])
def test_the_kind_follows_from_the_size(size: int, kind: Kind) -> None:
    assert content_kind(size) is kind
