"""Rule R1 after a collection: what is relied on is looked at again, and what was uploaded stays good where it may."""

from __future__ import annotations

from functools import partial

import pytest

from xver.errors import Collected
from xver.format.codecs import Codec, compress_delta, encode_delta
from xver.format.indexes import Container, Place
from xver.history.reach import reached
from xver.model.ids import Kind, chunk_id
from xver.model.refs import HEADS, Target, TargetKind
from xver.storage.memory import MemoryStorage
from xver.store.kept import Kept
from xver.store.log import Change
from xver.store.store import Store, create_store, open_store
from xver.upkeep.collect import execute, plan

BASE = b"a base of some length " * 20
DELTA = BASE + b"and more"


def opened(storage: MemoryStorage) -> Store:
    store = open_store(storage, client="test")
    store.reaches = partial(reached, store)
    return store


@pytest.fixture
def storage() -> MemoryStorage:
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    for data in (BASE, b"other"):
        with store.packer() as packer:
            packer.put(Kind.CHUNK, data)
            store.move("put", {}, packer.finish())
    return storage


def collect_all_but(storage: MemoryStorage, *kept: bytes, fence: int | None = None) -> None:
    store = opened(storage)
    execute(store, plan(store, [chunk_id(data) for data in kept], fence=fence))


def put_delta(store: Store) -> Change:
    stored = encode_delta([chunk_id(BASE)], compress_delta(DELTA, BASE))
    home = Container("packs/0.0-0.data", 1 << 20, 0)
    with store.packer() as packer:
        packer.put_frame(Place(chunk_id(DELTA), home, 12, len(stored), len(DELTA), Kind.CHUNK, Codec.DELTA), stored)
        index = packer.finish()
    assert index is not None
    return Change("put", add_index=(index,))


def test_a_delta_whose_base_was_collected_does_not_become_live(storage: MemoryStorage) -> None:
    store = opened(storage)
    change = put_delta(store)
    collect_all_but(storage, b"other")
    with pytest.raises(Collected):
        store.commit(change)
    store.refresh()
    assert store.still_good(change.add_index) == []


def test_a_collection_of_something_else_does_not_disturb(storage: MemoryStorage) -> None:
    store = opened(storage)
    change = put_delta(store)
    collect_all_but(storage, BASE)
    store.commit(change)
    assert opened(storage).get(Kind.CHUNK, chunk_id(DELTA)) == DELTA


def test_an_upload_that_the_fence_passed_is_not_good_any_more(storage: MemoryStorage) -> None:
    store = opened(storage)
    change = put_delta(store)
    collect_all_but(storage, BASE, fence=1 << 40)
    with pytest.raises(Collected):
        store.commit(change)
    store.refresh()
    assert store.still_good(change.add_index) == []


def test_a_delta_that_nothing_needs_leaves_the_index_with_its_base(storage: MemoryStorage) -> None:
    store = opened(storage)
    with store.packer() as packer:
        packer.put(Kind.CHUNK, b"needed, in the pack of the delta " * 60)
        stored = encode_delta([chunk_id(BASE)], compress_delta(DELTA, BASE))
        home = Container("packs/0.0-0.data", 1 << 20, 0)
        packer.put_frame(Place(chunk_id(DELTA), home, 12, len(stored), len(DELTA), Kind.CHUNK, Codec.DELTA), stored)
        store.move("put", {}, packer.finish())
    collect_all_but(storage, b"needed, in the pack of the delta " * 60)
    after = opened(storage)
    assert chunk_id(BASE) not in after
    assert chunk_id(DELTA) not in after
    assert chunk_id(b"needed, in the pack of the delta " * 60) in after


def test_what_was_found_and_is_gone_is_refused(storage: MemoryStorage) -> None:
    store = opened(storage)
    assert chunk_id(BASE) in store
    collect_all_but(storage, b"other")
    with pytest.raises(Collected):
        store.move("keep", {HEADS + "x": Target(TargetKind.CONTENT, chunk_id(BASE))})


def test_the_base_of_a_delta_is_kept_with_it(storage: MemoryStorage) -> None:
    store = opened(storage)
    store.commit(put_delta(store))
    kept = Kept(opened(storage))
    kept.mark([chunk_id(DELTA)])
    kept.mark_bases()
    assert chunk_id(BASE) in kept
    collect_all_but(storage, DELTA)
    assert opened(storage).get(Kind.CHUNK, chunk_id(DELTA)) == DELTA
