"""Objects become packs: what is known is not stored again, limits are kept, failures surface, nothing half is live."""

from __future__ import annotations

import gc
import random
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

import pytest

from xver.errors import StorageError
from xver.format.codecs import Codec
from xver.format.packs import DATA_PACK_SIZE, META_PACK_SIZE, decode_footer
from xver.model.ids import Kind, chunk_id, object_id
from xver.storage.base import Part
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage
from xver.store import pack_writer, packing
from xver.store.log import Change
from xver.store.store import Store, create_store

NOISE = random.Random(1).randbytes(200_000)


def noise(n: int, size: int = 200_000) -> bytes:
    return n.to_bytes(8, "big") + NOISE[: size - 8]


def live(store: Store, objects: list[tuple[Kind, bytes]]) -> list[str]:
    """Put objects and make them live; return the packs."""
    with store.packer() as packer:
        for kind, data in objects:
            packer.put(kind, data)
        index = packer.finish()
    assert index is not None
    store.commit(Change("test", add_index=(index,)))
    return sorted(index.packs)


def test_each_object_is_read_back_by_its_id(store: Store) -> None:
    objects = [(Kind.CHUNK, noise(1)), (Kind.CHUNK, b"text " * 500), (Kind.NODE, b"node"), (Kind.SNAPSHOT, b"snapshot")]
    live(store, objects)
    for kind, data in objects:
        assert store.get(kind, object_id(kind, data)) == data


def test_data_and_metadata_go_to_packs_of_their_own(store: Store) -> None:
    packs = live(store, [(Kind.CHUNK, b"data"), (Kind.BLOCK, b"meta")])
    assert [name.rpartition(".")[2] for name in packs] == ["data", "meta"]


@pytest.mark.parametrize(
    ("data", "codec"),
    [(b"text " * 1000, Codec.ZSTD), (noise(1), Codec.RAW), (b"short", Codec.RAW), (b"a" * 63, Codec.RAW)],
    ids=["text", "noise", "short", "below the least"],
)
def test_the_codec_is_chosen_by_what_shrinks(store: Store, data: bytes, codec: Codec) -> None:
    live(store, [(Kind.CHUNK, data)])
    assert store.locate(chunk_id(data)).codec is codec


def test_what_is_known_is_not_stored_again(store: Store) -> None:
    live(store, [(Kind.CHUNK, b"one")])
    with store.packer() as packer:
        assert packer.put(Kind.CHUNK, b"one") == chunk_id(b"one")
        assert chunk_id(b"one") in packer
        assert chunk_id(b"two") not in packer
        packer.put(Kind.CHUNK, b"two")
        packer.put(Kind.CHUNK, b"two")
        assert chunk_id(b"two") in packer
        packer.put(Kind.RUN, b"metadata")
        assert packer.added == 3
        index = packer.finish()
    assert index is not None
    assert store.index.open(index).count == 2


def test_nothing_new_makes_no_pack(store: Store, storage: MemoryStorage) -> None:
    before = list(storage.list(""))
    with store.packer() as packer:
        assert packer.finish() is None
    assert list(storage.list("")) == before


@pytest.mark.parametrize(
    ("kind", "size", "count", "limit"),
    [(Kind.CHUNK, 200_000, 200, DATA_PACK_SIZE), (Kind.NODE, 200_000, 100, META_PACK_SIZE)],
    ids=["data", "metadata"],
)
def test_packs_keep_to_their_size(
    store: Store, storage: MemoryStorage, kind: Kind, size: int, count: int, limit: int
) -> None:
    packs = live(store, [(kind, noise(n, size)) for n in range(count)])
    assert len(packs) == 2
    for name in packs:
        body = storage.get(name)
        footer = len(body) - limit
        assert footer < 60 * count + 20
    for n in range(count):
        assert store.get(kind, object_id(kind, noise(n, size))) == noise(n, size)


def test_a_pack_of_very_small_objects_is_closed_early(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(pack_writer, "_FRAMES_MAX", 10)
    assert len(live(store, [(Kind.CHUNK, str(n).encode()) for n in range(25)])) == 3


def test_the_footer_tells_what_the_index_tells(store: Store, storage: MemoryStorage) -> None:
    (name,) = live(store, [(Kind.CHUNK, noise(n, 1000)) for n in range(5)])
    body = storage.get(name)
    frames = decode_footer(body[-(5 * 60 + 20) :], len(body))
    for frame in frames:
        place = store.locate(frame.id)
        assert (place.offset, place.stored, place.raw) == (frame.offset, frame.stored, frame.raw)


def test_many_small_packs_travel_beside_the_entry_and_few_inside(store: Store, storage: MemoryStorage) -> None:
    live(store, [(Kind.CHUNK, b"few")])
    assert not list(storage.list("index/"))
    live(store, [(Kind.CHUNK, str(n).encode()) for n in range(6000)])
    assert len(list(storage.list("index/"))) == 1
    assert store.get(Kind.CHUNK, chunk_id(b"5999")) == b"5999"


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "folder"])
def test_an_abandoned_transfer_leaves_nothing_live(tmp_path_factory: pytest.TempPathFactory, memory: bool) -> None:
    storage = MemoryStorage() if memory else LocalStorage(tmp_path_factory.mktemp("store"))
    store = create_store(storage, client="test")
    before = set(threading.enumerate())
    packer = store.packer()
    for n in range(60):
        packer.put(Kind.CHUNK, noise(n))
    packer.__exit__(RuntimeError, RuntimeError("enough"), None)
    assert [stat.key for stat in storage.list("packs/")] == []
    assert not list(storage.list("log/"))
    assert not set(threading.enumerate()) - before
    live(store, [(Kind.CHUNK, noise(0))])
    assert store.get(Kind.CHUNK, chunk_id(noise(0))) == noise(0)


class Full(MemoryStorage):
    """A disk that takes so many packs; `late`: it fails when one is made durable, not when it is opened."""

    def __init__(self, packs: int, *, late: bool) -> None:
        super().__init__()
        self.left = packs
        self.late = late

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        self.left -= 1
        if self.left < 0 and not self.late:
            raise StorageError("the disk is full")
        with super().writer(key) as file:
            yield file
        if self.left < 0:
            raise StorageError("the disk is full")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("packs", [0, 1])
def test_what_fails_in_the_background_is_raised_before_anything_is_live(packs: int, late: bool) -> None:
    storage = Full(packs, late=late)
    store = create_store(storage, client="test")

    def transfer() -> None:
        with store.packer() as packer:
            for n in range(330):
                packer.put(Kind.CHUNK, noise(n))
            packer.finish()

    with pytest.raises(StorageError, match="full"):
        transfer()
    assert not list(storage.list("log/"))


def test_a_failure_stops_the_transfer_long_before_its_end() -> None:
    storage = Full(1, late=True)
    store = create_store(storage, client="test")
    put = []

    def transfer() -> None:
        with store.packer() as packer:
            for n in range(3000):
                packer.put(Kind.CHUNK, noise(n))
                put.append(n)

    with pytest.raises(StorageError, match="full"):
        transfer()
    assert len(put) < 1500


def test_memory_does_not_grow_with_what_is_put(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = create_store(LocalStorage(tmp_path_factory.mktemp("store")), client="test")
    tracemalloc.start()
    with store.packer() as packer:
        for n in range(1500):
            packer.put(Kind.CHUNK, noise(n))
        _, peak = tracemalloc.get_traced_memory()
        packer.finish()
    tracemalloc.stop()
    assert peak < 64 << 20


class Crowded(MemoryStorage):
    """Finishes an object when a third one is being finished as well, or none comes; `most` were at it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = self.most = 0
        self.changed = threading.Condition()

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with super().writer(key) as file:
            yield file
            with self.changed:
                self.at_once += 1
                self.most = max(self.most, self.at_once)
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.most > packing.CLOSING, timeout=0.05)
                self.at_once -= 1


def test_packers_that_work_at_once_share_a_bound_on_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "DATA_PACK_SIZE", 1 << 20)
    storage = Crowded()
    store = create_store(storage, client="test")

    def transfer(start: int) -> int:
        with store.packer() as packer:
            for n in range(start, start + 20):
                packer.put(Kind.CHUNK, noise(n))
            index = packer.finish()
        return 0 if index is None else len(index.packs)

    with ThreadPoolExecutor(3) as pool:
        assert min(pool.map(transfer, (0, 100, 200))) >= 4
    assert storage.most == packing.CLOSING


def test_a_transfer_that_is_given_up_leaves_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "DATA_PACK_SIZE", 1 << 20)
    store = create_store(Full(1, late=True), client="test")

    def transfer() -> None:
        with store.packer() as packer:
            for n in range(60):
                packer.put(Kind.CHUNK, noise(n))
            packer.finish()

    for _ in range(packing.CLOSING + 1):
        with pytest.raises(StorageError, match="full"):
            transfer()


def test_a_view_that_waits_keeps_nothing_of_its_block_in_memory(store: Store) -> None:
    block = bytearray(NOISE)
    with store.packer() as packer:
        packer.put(Kind.CHUNK, memoryview(block)[:1000])
        block.clear()  # refused while anybody looks into it


def test_names_are_never_used_again(store: Store) -> None:
    names = [live(store, [(Kind.CHUNK, str(n).encode())])[0] for n in range(3)]
    assert len(set(names)) == 3
    assert [name.split("/")[1].split(".")[0] for name in names] == ["0", "1", "2"]


def test_a_copied_frame_is_as_it_was(store: Store) -> None:
    live(store, [(Kind.CHUNK, b"text " * 1000)])
    place = store.locate(chunk_id(b"text " * 1000))
    stored = store.storage.get(place.container.name, Part(place.offset, place.stored))
    other = create_store(MemoryStorage(), client="test")
    with other.packer() as packer:
        packer.put_frame(place, stored)
        index = packer.finish()
    assert index is not None
    other.commit(Change("copy", add_index=(index,)))
    assert other.get(Kind.CHUNK, place.id) == b"text " * 1000
    assert other.locate(place.id).codec is Codec.ZSTD


def test_a_packer_that_is_done_with_is_gone_at_once(store: Store) -> None:
    gc.collect()
    gc.disable()
    try:
        with store.packer() as packer:
            packer.put(Kind.CHUNK, b"what a packer remembers of each object")
            packer.finish()
        seen = weakref.ref(packer)
        del packer
        # Not when rings are sought next: a transfer in many parts has many packers, one after the other.
        assert seen() is None
    finally:
        gc.enable()
