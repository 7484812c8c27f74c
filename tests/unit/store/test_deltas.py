"""Deltas: made where they gain, against what is live, whole and of their kind; read with their bases in one go."""

from __future__ import annotations

import random

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.histories import assert_sound, deltas, table
from xver.errors import ContentNotFound, CorruptData
from xver.format.codecs import Codec
from xver.format.indexes import Container, PackIndex, Place, encode_index, merge_indexes
from xver.format.log_entries import LiveIndex
from xver.model.ids import Kind, chunk_id, object_id
from xver.storage.memory import MemoryStorage
from xver.store.bases import Tally
from xver.store.frames import in_order
from xver.store.log import Change
from xver.store.store import Store, Wanted, create_store, open_store

OLD = table(60_000, 1)
NEW = OLD[:20_000] + b"another line\n" + OLD[20_000:]
NEWER = NEW.replace(b"oak", b"fir", 3)


def live(store: Store, *objects: tuple[bytes, list[bytes]], kind: Kind = Kind.CHUNK) -> LiveIndex:
    """Make (data, what stood there) live in one transfer."""
    with store.packer() as packer:
        for data, near in objects:
            packer.put(kind, data, near=[object_id(kind, one) for one in near])
        index = packer.finish()
    assert index is not None
    store.commit(Change("test", add_index=(index,)))
    return index


def codec(store: Store, data: bytes, kind: Kind = Kind.CHUNK) -> Codec:
    return store.locate(object_id(kind, data)).codec


def bases(store: Store, data: bytes) -> list[bytes]:
    return list(store.index.bases(store.locate(chunk_id(data))))


@pytest.mark.parametrize("kind", list(Kind))
def test_what_changed_a_little_is_stored_as_the_difference(store: Store, kind: Kind) -> None:
    live(store, (OLD, []), kind=kind)
    live(store, (NEW, [OLD]), kind=kind)
    assert codec(store, NEW, kind) is Codec.DELTA
    assert store.locate(object_id(kind, NEW)).stored < 200
    assert open_store(store.storage, client="another").get(kind, object_id(kind, NEW)) == NEW


def test_a_base_that_is_a_delta_gives_its_own_bases(store: Store) -> None:
    live(store, (OLD, []))
    live(store, (NEW, [OLD]))
    live(store, (NEWER, [NEW]))
    assert bases(store, NEWER) == [chunk_id(OLD)]
    assert_sound(store)


def test_there_are_three_bases_at_most_in_the_order_given(store: Store) -> None:
    parts = [table(20_000, seed) for seed in range(5)]
    live(store, *((part, []) for part in parts))
    data = b"".join(part[5_000:15_000] for part in parts)
    live(store, (data, parts))
    assert bases(store, data) == [chunk_id(part) for part in parts[:3]]
    assert store.get(Kind.CHUNK, chunk_id(data)) == data


def test_what_was_whole_and_is_a_delta_now_is_read(storage: MemoryStorage, store: Store) -> None:
    live(store, (OLD, []))
    first = live(store, (NEW, []))
    place = store.locate(chunk_id(NEW))
    reader = open_store(storage, client="reader")
    with store.packer(anew=True) as packer:
        packer.put(Kind.CHUNK, NEW, near=[chunk_id(OLD)])
        second = packer.finish()
    assert second is not None
    store.commit(Change("move", add_index=(second,), remove_index=(first.name,), remove_packs=(place.container.name,)))
    storage.delete(place.container.name)
    assert codec(store, NEW) is Codec.DELTA
    assert [bytes(data) for _, data in reader.frames.decoded([place])] == [NEW]


def test_what_was_a_delta_of_what_is_gone_is_read_where_it_is_now(storage: MemoryStorage, store: Store) -> None:
    old = live(store, (OLD, []))
    delta = live(store, (NEW, [OLD]))
    other = b"another"
    live(store, (other, []))
    reader = open_store(storage, client="reader")
    places = in_order(reader.locate(chunk_id(one)) for one in (NEW, other))
    with store.packer(anew=True) as packer:
        packer.put(Kind.CHUNK, NEW)
        whole = packer.finish()
    assert whole is not None
    gone = {*old.packs, *delta.packs}
    names = (old.name, delta.name)
    store.commit(Change("move", add_index=(whole,), remove_index=names, remove_packs=tuple(sorted(gone))))
    # The pack with the delta is deleted later: its frame is still read.
    for name in old.packs:
        storage.delete(name)
    assert {bytes(data) for _, data in reader.frames.decoded(places)} == {NEW, other}
    assert reader.locate(chunk_id(NEW)).codec is not Codec.DELTA


def test_what_is_asked_for_twice_is_given_twice(storage: MemoryStorage, store: Store) -> None:
    old = live(store, (OLD, []), (b"another", []))
    delta = live(store, (NEW, [OLD]))
    reader = open_store(storage, client="reader")
    places = in_order(reader.locate(chunk_id(one)) for one in (OLD, OLD, NEW, NEW, b"another"))
    expected = sorted([OLD, OLD, NEW, NEW, b"another"])
    assert sorted(bytes(data) for _, data in reader.frames.decoded(places)) == expected
    with store.packer(anew=True) as packer:
        for one in (OLD, NEW, b"another"):
            packer.put(Kind.CHUNK, one)
        whole = packer.finish()
    assert whole is not None
    gone = tuple(sorted({*old.packs, *delta.packs}))
    store.commit(Change("move", add_index=(whole,), remove_index=(old.name, delta.name), remove_packs=gone))
    # The packs go in the middle of it.
    given = reader.frames.decoded(places)
    first = bytes(next(given)[1])
    for name in gone:
        storage.delete(name)
    assert sorted([first, *(bytes(data) for _, data in given)]) == expected


@pytest.mark.parametrize("near", [[b"never stored"], [OLD], []], ids=["unknown", "of another kind", "none"])
def test_what_is_no_base_is_not_used(store: Store, near: list[bytes]) -> None:
    live(store, (OLD, []), kind=Kind.BLOCK)
    live(store, (NEW, near))
    assert codec(store, NEW) is Codec.ZSTD


def test_what_travels_in_the_same_transfer_is_no_base(store: Store) -> None:
    live(store, (OLD, []), (NEW, [OLD]))
    assert deltas(store) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (random.Random(1).randbytes(60_000), random.Random(2).randbytes(60_000)),
        (OLD, table(60_000, 2)),
        (b"short", b"shorter"),
    ],
    ids=["noise", "other text", "short"],
)
def test_a_delta_that_gains_little_is_not_worth_its_dependence(store: Store, old: bytes, new: bytes) -> None:
    live(store, (old, []))
    live(store, (new, [old]))
    assert codec(store, new) is not Codec.DELTA


def test_a_damaged_base_is_no_base_and_what_is_new_is_stored_whole(storage: MemoryStorage, store: Store) -> None:
    live(store, (OLD, []))
    damage(storage, store.locate(chunk_id(OLD)))
    live(store, (NEW, [OLD]))
    assert codec(store, NEW) is Codec.ZSTD
    assert store.get(Kind.CHUNK, chunk_id(NEW)) == NEW


def test_damage_to_a_base_is_damage_to_the_delta_and_never_other_bytes(storage: MemoryStorage, store: Store) -> None:
    live(store, (OLD, []))
    live(store, (NEW, [OLD]))
    damage(storage, store.locate(chunk_id(OLD)))
    for data in (OLD, NEW):
        with pytest.raises(CorruptData):
            store.get(Kind.CHUNK, chunk_id(data))


def damage(storage: MemoryStorage, place: Place) -> None:
    pack = bytearray(storage.get(place.container.name))
    pack[place.offset + place.stored // 2] ^= 1
    storage.delete(place.container.name)
    storage.put(place.container.name, bytes(pack))


def test_a_batch_reads_each_base_once_and_with_its_neighbours() -> None:
    inner = MemoryStorage()
    store = create_store(inner, client="test")
    parts = [table(60_000, seed) for seed in range(20)]
    changed = [part.replace(b"elm", b"fir", 1) for part in parts]
    live(store, *((part, []) for part in parts))
    live(store, *((new, [old]) for new, old in zip(changed, parts, strict=True)))
    assert len(deltas(store)) == 20
    storage = FaultyStorage(inner)
    again = open_store(storage, client="test")
    again.index.rows()
    storage.calls.clear()
    wanted = [Wanted(Kind.CHUNK, chunk_id(data)) for data in changed]
    assert dict(again.get_many(wanted)) == {chunk_id(data): data for data in changed}
    assert len(storage.calls) == 2


def test_bases_that_were_asked_for_too_are_given_as_well(store: Store) -> None:
    live(store, (OLD, []))
    live(store, (NEW, [OLD]))
    wanted = [Wanted(Kind.CHUNK, chunk_id(data)) for data in (NEW, OLD, NEW)]
    assert [id for id, _ in store.get_many(wanted)] == [chunk_id(OLD), chunk_id(NEW), chunk_id(NEW)]


@pytest.mark.parametrize("whole_first", [True, False])
@pytest.mark.parametrize("merged", [True, False])
def test_what_lies_whole_anywhere_can_be_a_base(whole_first: bool, merged: bool) -> None:
    # Two writers at once: one stored NEW as a delta of OLD, the other NEW whole, and NEWER as a delta of that.
    store = create_store(MemoryStorage(), client="test")
    live(store, (OLD, []))
    late, other = open_store(store.storage, client="late"), open_store(store.storage, client="other")
    with late.packer() as one, other.packer() as two:
        one.put(Kind.CHUNK, NEW, near=[chunk_id(OLD)])
        two.put(Kind.CHUNK, NEW)
        difference, whole = one.finish(), two.finish()
    assert difference is not None
    assert whole is not None
    if not whole_first:
        late.commit(Change("a difference", add_index=(difference,)))
    other.commit(Change("whole", add_index=(whole,)))
    live(other, (NEWER, [NEW]))
    assert bases(other, NEWER) == [chunk_id(NEW)]
    if whole_first:
        late.commit(Change("a difference", add_index=(difference,)))
    store.refresh()
    assert codec(store, NEW) is (Codec.DELTA if whole_first else Codec.ZSTD)
    if merged:
        opened = [store.index.open(one) for one in store.log.indexes.values()]
        both = PackIndex(merge_indexes(opened))
        place = both.find(chunk_id(NEW))
        assert place is not None
        assert place.codec is Codec.ZSTD
        assert both.find(chunk_id(NEWER)) is not None
        both.verify()
    assert_sound(store)


def test_of_places_of_one_id_the_whole_one_is_kept_with_no_bases() -> None:
    pack = Container("packs/0.aa-0.data", 5_000, 0)
    id, base = chunk_id(b"x"), chunk_id(b"base")
    delta = Place(id, pack, 12, 100, 400, Kind.CHUNK, Codec.DELTA)
    whole = Place(id, pack, 200, 300, 400, Kind.CHUNK, Codec.ZSTD)
    for places in ([delta, whole], [whole, delta]):
        index = PackIndex(encode_index(places, {id: (base,)}))
        assert index.find(id) == whole
        with pytest.raises(CorruptData):
            index.bases(id)
    assert PackIndex(encode_index([delta], {id: (base,)})).bases(id) == (base,)


def test_a_delta_of_a_delta_is_refused(store: Store) -> None:
    live(store, (OLD, []))
    live(store, (NEW, [OLD]))
    frame = store.locate(chunk_id(NEW))
    stored = bytes(next(store.read_frames([frame]))[1]).replace(chunk_id(OLD), chunk_id(NEW))
    forged = Place(chunk_id(NEWER), frame.container, 0, len(stored), len(NEWER), Kind.CHUNK, Codec.DELTA)
    with store.packer() as packer:
        packer.put_frame(forged, stored)
        index = packer.finish()
    assert index is not None
    store.commit(Change("test", add_index=(index,)))
    for _ in range(2):
        with pytest.raises(CorruptData, match="is a delta"):
            store.get(Kind.CHUNK, chunk_id(NEWER))
        with pytest.raises(CorruptData, match="is a delta"):
            dict(store.get_many(Wanted(Kind.CHUNK, chunk_id(data)) for data in (NEWER, NEW, OLD)))


def test_a_delta_whose_base_is_gone_is_not_found(store: Store) -> None:
    live(store, (OLD, []))
    live(store, (NEW, [OLD]))
    store.index.avoid(frozenset({store.locate(chunk_id(OLD)).container.name}))
    with pytest.raises(ContentNotFound):
        store.get(Kind.CHUNK, chunk_id(NEW))


def test_what_gains_nothing_is_tried_seldom_until_it_gains_again() -> None:
    tally = Tally()
    for _ in range(8):
        assert tally.is_due()
        tally.note(gained=False)
    assert sum(tally.is_due() for _ in range(160)) == 10
    tally.note(gained=True)
    assert all(tally.is_due() for _ in range(10))
