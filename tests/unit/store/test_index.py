"""Where objects lie: by ranges the same is found as in whole indexes, and little is read for it."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest

from tests.support.counting import CountingStorage
from xver.errors import CorruptData
from xver.model.ids import Kind
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage
from xver.storage.reading import ReadingStorage
from xver.store import footers
from xver.store.index import StoreIndex
from xver.store.log import Change
from xver.store.store import Store, create_store

COUNT = 12_000


@pytest.fixture(scope="module")
def filled() -> tuple[MemoryStorage, list[bytes]]:
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    ids: list[bytes] = []
    for part in range(2):
        with store.packer() as packer:
            ids += [packer.put(Kind.CHUNK, b"%d" % n) for n in range(part * COUNT // 2, (part + 1) * COUNT // 2)]
            index = packer.finish()
        assert index is not None
        store.commit(Change("fill", add_index=(index,)))
    return storage, ids


def ranged(storage: CountingStorage | ReadingStorage) -> StoreIndex:
    return StoreIndex(storage, Store(storage, repository="r", client="test").log, whole=0)


def test_few_objects_cost_a_head_and_a_bucket_each(filled: tuple[MemoryStorage, list[bytes]]) -> None:
    storage, ids = filled
    counting = CountingStorage(storage)
    index = ranged(counting)
    counting.reset()
    place = index.find(ids[17])
    assert place is not None
    assert place.id == ids[17]
    assert counting.bytes < 20_000
    assert index.find(b"\0" * 32) is None
    counting.reset()
    assert index.find(ids[17]) == place
    assert counting.requests == 0


def test_all_objects_are_found_and_none_beside_them(filled: tuple[MemoryStorage, list[bytes]]) -> None:
    storage, ids = filled
    index, whole = ranged(CountingStorage(storage)), create_store(storage, client="test").index
    asked = [*ids, *(bytes([n]) * 32 for n in range(256))]
    assert index.find_many(asked) == whole.find_many(asked) == {id: whole.find(id) for id in ids}
    assert b"\0" * 32 not in index
    assert all(id in index for id in ids[:2_500])
    assert (index.rows(), set(index.ids())) == (COUNT, set(ids))


def test_a_second_process_remembers_the_head(filled: tuple[MemoryStorage, list[bytes]], tmp_path: Path) -> None:
    storage, ids = filled
    cache = LocalStorage(tmp_path)
    ranged(ReadingStorage(storage, cache)).find(ids[0])
    counting = CountingStorage(storage)
    index = ranged(ReadingStorage(counting, cache))
    counting.reset()
    assert index.find(ids[0]) is not None
    assert counting.requests <= 2
    assert counting.bytes < 10_000


def test_a_remembered_head_that_rotted_is_read_anew(filled: tuple[MemoryStorage, list[bytes]], tmp_path: Path) -> None:
    storage, ids = filled
    cache = LocalStorage(tmp_path)
    ranged(ReadingStorage(storage, cache)).find_many(ids)
    fronts = [stat.key for stat in cache.list("fronts/")]
    assert len(fronts) == 2
    for front in fronts:
        cache.put(front, b"rotten")
    assert len(ranged(ReadingStorage(storage, cache)).find_many(ids)) == COUNT


def test_a_head_that_is_damaged_at_its_source_is_told(filled: tuple[MemoryStorage, list[bytes]]) -> None:
    storage = MemoryStorage()
    for stat in filled[0].list(""):
        data = filled[0].get(stat.key)
        storage.put(stat.key, data[:28] + b"\x09" + data[29:] if stat.key.startswith("index/") else data)
    with pytest.raises(CorruptData):
        ranged(CountingStorage(storage)).find(filled[1][0])


@pytest.fixture(scope="module")
def folders() -> tuple[MemoryStorage, list[bytes]]:
    """Objects of 2 KiB in several packs."""
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    source = random.Random(4)
    ids: list[bytes] = []
    for _ in range(4):
        with store.packer() as packer:
            ids += [packer.put(Kind.CHUNK, source.randbytes(2_000)) for _ in range(6_000)]
            index = packer.finish()
        assert index is not None
        store.commit(Change("fill", add_index=(index,)))
    return storage, ids


def test_neighbours_are_found_by_the_footer_of_their_pack(folders: tuple[MemoryStorage, list[bytes]]) -> None:
    storage, ids = folders
    counting = CountingStorage(storage)
    index = ranged(counting)
    index.find(ids[0])
    counting.reset()
    wanted = ids[7_000:9_000]
    assert set(index.find_many(wanted)) == set(wanted)
    by_pack = [key for key in counting.keys if key.startswith("packs/")]
    assert len(by_pack) == 1
    assert counting.requests < 250
    counting.reset()
    assert set(index.find_many(ids[6_000:12_000])) == set(ids[6_000:12_000])
    assert counting.requests == 0


def test_what_is_scattered_is_not_looked_for_in_footers(folders: tuple[MemoryStorage, list[bytes]]) -> None:
    storage, ids = folders
    counting = CountingStorage(storage)
    index = ranged(counting)
    wanted = random.Random(5).sample(ids, 80)
    assert set(index.find_many(wanted)) == set(wanted)
    assert not any(key.startswith("packs/") for key in counting.keys)


@pytest.mark.parametrize("count", [1, 63, 64, 500, 24_000])
def test_with_footers_the_same_is_found_as_without(folders: tuple[MemoryStorage, list[bytes]], count: int) -> None:
    storage, ids = folders
    wanted = [*random.Random(count).sample(ids, count), bytes(32)]
    whole = create_store(storage, client="test").index
    assert ranged(CountingStorage(storage)).find_many(wanted) == whole.find_many(wanted)


def test_what_a_collection_took_is_not_found_by_a_footer(folders: tuple[MemoryStorage, list[bytes]]) -> None:
    storage, ids = folders
    index = ranged(CountingStorage(storage))
    found = index.find_many(ids[:6_000])
    pack = found[ids[0]].container.name
    index.avoid(frozenset([pack]))
    assert not any(place.container.name == pack for place in index.find_many(ids[:6_000]).values())


@pytest.fixture(scope="module")
def tiny() -> tuple[MemoryStorage, list[bytes]]:
    """Objects of a few bytes in one pack, whose footer is longer than they are."""
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    with store.packer() as packer:
        ids = [packer.put(Kind.CHUNK, b"%d" % n) for n in range(24_000)]
        index = packer.finish()
    assert index is not None
    store.commit(Change("fill", add_index=(index,)))
    return storage, ids


@pytest.mark.parametrize("start", [0, 11_000, 23_000])
def test_neighbours_are_found_by_a_part_of_a_long_footer(tiny: tuple[MemoryStorage, list[bytes]], start: int) -> None:
    storage, ids = tiny
    counting = CountingStorage(storage)
    index = ranged(counting)
    index.find(ids[0])
    counting.reset()
    wanted = ids[start : start + 1_000]
    places = index.find_many(wanted)
    assert counting.requests < 60
    assert counting.bytes < 200_000
    assert counting.rounds <= 5
    assert places == create_store(storage, client="test").index.find_many(wanted)
    counting.reset()
    assert index.find_many(wanted) == places
    assert counting.requests < 10


@pytest.mark.parametrize("count", [80, 400, 24_000])
def test_by_parts_of_footers_the_same_is_found(tiny: tuple[MemoryStorage, list[bytes]], count: int) -> None:
    storage, ids = tiny
    wanted = [*random.Random(count).sample(ids, count), bytes(32)]
    whole = create_store(storage, client="test").index
    assert ranged(CountingStorage(storage)).find_many(wanted) == whole.find_many(wanted)


def test_no_more_than_a_bound_is_remembered_of_footers(
    tiny: tuple[MemoryStorage, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, ids = tiny
    monkeypatch.setattr(footers, "_MOST", 4_000)
    index, whole = ranged(CountingStorage(storage)), create_store(storage, client="test").index
    for start in (*range(0, 24_000, 1_000), 0):
        wanted = ids[start : start + 1_000]
        assert index.find_many(wanted) == whole.find_many(wanted)


def test_a_footer_longer_than_expected_is_read_once(folders: tuple[MemoryStorage, list[bytes]]) -> None:
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    source = random.Random(6)
    with store.packer() as packer:
        large = [packer.put(Kind.CHUNK, source.randbytes(9_000)) for _ in range(400)]
        small = [packer.put(Kind.CHUNK, source.randbytes(20)) for _ in range(8_000)]
        index = packer.finish()
    assert index is not None
    store.commit(Change("fill", add_index=(index,)))
    counting = CountingStorage(storage)
    reading = ranged(counting)
    reading.find(large[0])
    counting.reset()
    assert set(reading.find_many(large)) == set(large)
    assert counting.bytes < 60 * 8_400 + 20 + 60_000
    counting.reset()
    assert set(reading.find_many(small)) == set(small)
    assert counting.requests == 0


def test_metadata_looked_up_one_by_one_is_soon_found_by_the_footer() -> None:
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    source = random.Random(7)
    with store.packer() as packer:
        blocks = [packer.put(Kind.BLOCK, source.randbytes(2_000)) for _ in range(500)]
        chunks = [packer.put(Kind.CHUNK, source.randbytes(200)) for _ in range(5_000)]
        index = packer.finish()
    assert index is not None
    store.commit(Change("fill", add_index=(index,)))
    counting = CountingStorage(storage)
    reading, whole = ranged(counting), create_store(storage, client="test").index
    for id in blocks:
        assert reading.find_many([id]) == whole.find_many([id])
    assert counting.requests < 30
    counting.reset()
    for id in chunks[:100]:
        assert reading.find_many([id]) == whole.find_many([id])
    assert not any(key.startswith("packs/") for key in counting.keys)


def test_a_damaged_footer_is_told(folders: tuple[MemoryStorage, list[bytes]]) -> None:
    storage = MemoryStorage()
    for stat in folders[0].list(""):
        data = folders[0].get(stat.key)
        storage.put(stat.key, data[:-40] + b"x" + data[-39:] if stat.key.startswith("packs/") else data)
    with pytest.raises(CorruptData):
        ranged(CountingStorage(storage)).find_many(folders[1][:6_000])


def test_what_makes_many_questions_quick_takes_memory_until_it_is_told_to_relax(
    filled: tuple[MemoryStorage, list[bytes]],
) -> None:
    storage, ids = filled
    index = create_store(storage, client="test").index
    tracemalloc.start()
    try:
        assert all(id in index for id in ids)
        full, _ = tracemalloc.get_traced_memory()
        index.relax()
        assert tracemalloc.get_traced_memory()[0] < full - 80 * COUNT
        assert all(id in index for id in ids[:1000])
        assert bytes(32) not in index
    finally:
        tracemalloc.stop()
