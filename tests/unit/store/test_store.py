"""A store: opened as what it is, indexes merged without losing a row, refs moved whole, damage met in the open."""

from __future__ import annotations

import pytest

from tests.support.faulty import FaultyStorage
from xver.errors import Collected, ContentNotFound, CorruptData, RefConflict, RepositoryNotFound, UnsupportedFormat
from xver.format.log_entries import ENTRY_MAX
from xver.model.ids import Kind, chunk_id
from xver.model.refs import Target, TargetKind
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage
from xver.store import index as index_module
from xver.store.log import Change
from xver.store.store import Store, Wanted, create_store, open_store


def target(n: int) -> Target:
    return Target(TargetKind.SNAPSHOT, n.to_bytes(32, "big"))


def put(store: Store, *objects: bytes, refs: dict[str, Target | None] | None = None) -> None:
    with store.packer() as packer:
        for data in objects:
            packer.put(Kind.CHUNK, data)
        index = packer.finish()
    store.move("put", refs or {}, index)


def test_one_store_a_place(storage: MemoryStorage) -> None:
    first = create_store(storage, client="one")
    second = create_store(storage, client="two", repository="another")
    assert first.repository == second.repository == open_store(storage, client="three").repository


def test_where_there_is_none_there_is_none(storage: MemoryStorage) -> None:
    with pytest.raises(RepositoryNotFound):
        open_store(storage, client="test")


@pytest.mark.parametrize(
    ("marker", "error"),
    [
        (b'{"algorithms":{},"format":1,"repository":"r"}', UnsupportedFormat),
        (b'{"format":2}', UnsupportedFormat),
        (b"{}", UnsupportedFormat),
        (b"", CorruptData),
        (b"[]", CorruptData),
    ],
)
def test_a_marker_that_is_not_understood_is_refused(
    storage: MemoryStorage, marker: bytes, error: type[Exception]
) -> None:
    storage.put("xver.json", marker)
    with pytest.raises(error):
        open_store(storage, client="test")


def test_objects_come_in_the_order_of_the_packs_and_neighbours_together(storage: MemoryStorage, store: Store) -> None:
    objects = [f"object {n}".encode() for n in range(200)]
    put(store, *objects)
    faulty = FaultyStorage(storage)
    again = open_store(faulty, client="test")
    faulty.calls.clear()
    found = dict(again.get_many(Wanted(Kind.CHUNK, chunk_id(data)) for data in reversed(objects)))
    assert [bytes(data) for data in found.values()] == objects
    assert len(faulty.calls) == 1


def test_what_is_not_here_or_of_another_kind_is_refused(store: Store) -> None:
    put(store, b"here")
    with pytest.raises(ContentNotFound):
        store.get(Kind.CHUNK, chunk_id(b"absent"))
    with pytest.raises(CorruptData, match="no node"):
        store.get(Kind.NODE, chunk_id(b"here"))


def test_what_comes_elsewhere_while_other_things_are_read_there_is_not_taken_for_read(
    storage: MemoryStorage, store: Store
) -> None:
    there = MemoryStorage()
    put(create_store(there, client="two"), b"first")

    def meanwhile(method: str, key: str) -> None:
        # What is asked for moves to another pack, so that the log is read again, and the rest comes.
        if method == "get" and key.startswith("packs/") and not moved:
            other = open_store(there, client="three")
            with other.packer(anew=True) as packer:
                moved.append(packer.put(Kind.CHUNK, b"first"))
                packer.put(Kind.CHUNK, b"second")
                index = packer.finish()
            assert index is not None
            (old,) = other.log.live_packs()
            other.log.append(Change("collect", add_index=(index,), remove_packs=(old,)))
            there.delete(old)

    moved: list[bytes] = []
    beside = open_store(FaultyStorage(there, before=meanwhile), client="test")
    store.elsewhere = lambda: [beside]
    wanted = [Wanted(Kind.CHUNK, chunk_id(data)) for data in (b"first", b"second")]
    with pytest.raises(ContentNotFound):
        list(store.get_many(wanted))
    assert moved
    assert [bytes(data) for _, data in store.get_many(wanted)] == [b"first", b"second"]


class TestMove:
    def test_it_points_whatever_they_were(self, storage: MemoryStorage, store: Store) -> None:
        store.move("one", {"heads/a": target(1), "heads/b": target(1)})
        other = open_store(storage, client="other")
        other.move("two", {"heads/a": target(2)})
        store.move("three", {"heads/a": target(3), "heads/b": None})
        other.refresh()
        assert other.log.refs == {"heads/a": target(3)}

    def test_nothing_to_do_makes_no_entry(self, store: Store) -> None:
        store.move("one", {"heads/a": target(1)})
        assert store.move("again", {"heads/a": target(1), "heads/none": None}) == 0
        assert store.log.n == 1

    def test_ten_thousand_refs_go_into_several_entries_branches_last(self, storage: MemoryStorage) -> None:
        store = create_store(storage, client="test")
        refs: dict[str, Target | None] = {f"snapshots/{n:040x}": target(n) for n in range(10_000)}
        refs |= {"heads/main": target(1), "heads/other": target(2)}
        store.move("many", refs)
        again = open_store(storage, client="test")
        assert again.log.refs == refs
        entries = again.log.entries()
        assert len(entries) > 1
        assert {name for name in entries[-1].refs if name.startswith("heads/")} == {"heads/main", "heads/other"}
        assert all(len(storage.get(stat.key)) <= ENTRY_MAX for stat in storage.list("log/"))


class TestMerging:
    def test_many_small_indexes_become_one_and_every_object_is_found(self, storage: MemoryStorage) -> None:
        store = create_store(storage, client="test")
        objects = [f"object {n}".encode() for n in range(100)]
        for data in objects:
            put(store, data)
        assert len(store.log.indexes) < 40
        again = open_store(storage, client="test")
        assert all(again.get(Kind.CHUNK, chunk_id(data)) == data for data in objects)
        assert again.index.rows() == 100
        assert len(again.log.live_packs()) == 100

    def test_of_two_mergers_at_once_one_wins_and_nothing_is_lost(self, storage: MemoryStorage) -> None:
        store = create_store(storage, client="one")
        for n in range(15):
            put(store, f"object {n}".encode())

        def meanwhile(method: str, key: str) -> None:
            # Another writer adds and merges just before our merged index is written.
            if method == "put" and key.startswith("index/") and not done:
                done.append(key)
                put(open_store(storage, client="two"), b"theirs")

        done: list[str] = []
        put(open_store(FaultyStorage(storage, before=meanwhile), client="three"), b"ours")
        again = open_store(storage, client="test")
        assert done
        assert again.log.verify() == []
        for data in [b"ours", b"theirs", *(f"object {n}".encode() for n in range(15))]:
            assert again.get(Kind.CHUNK, chunk_id(data)) == data

    def test_a_collection_meanwhile_ends_the_merge_and_not_what_was_appended(self, storage: MemoryStorage) -> None:
        store = create_store(storage, client="one")
        for n in range(15):
            put(store, f"object {n}".encode())

        def meanwhile(method: str, key: str) -> None:
            if method == "put" and key.startswith("index/") and not gone:
                other = open_store(storage, client="two")
                gone.append(next(iter(other.log.live_packs())))
                other.log.append(Change("collect", remove_packs=(gone[0],), fence=1))

        gone: list[str] = []
        put(open_store(FaultyStorage(storage, before=meanwhile), client="three"), b"ours", refs={"heads/a": target(1)})
        again = open_store(storage, client="test")
        assert gone
        assert again.log.refs == {"heads/a": target(1)}
        assert again.get(Kind.CHUNK, chunk_id(b"ours")) == b"ours"
        assert "merge indexes" not in [one.operation for one in again.log.entries()]

    def test_rows_of_removed_packs_do_not_hide_those_of_live_ones(self, storage: MemoryStorage) -> None:
        store = create_store(storage, client="test")
        late = open_store(storage, client="late")
        # The same object in two packs, by two writers that did not know of one another.
        with late.packer() as packer:
            packer.put(Kind.CHUNK, b"twice")
            index = packer.finish()
        put(store, b"twice")
        late.move("put", {}, index)
        store.refresh()
        first, second = sorted(store.log.live_packs(), key=lambda name: name == next(iter(index.packs)))  # type: ignore[union-attr]
        for gone in (first,):
            store.log.append(Change("collect", remove_packs=(gone,)))
            storage.delete(gone)
        store.refresh()
        for n in range(20):
            put(store, f"object {n}".encode())
        again = open_store(storage, client="test")
        assert again.get(Kind.CHUNK, chunk_id(b"twice")) == b"twice"
        assert again.locate(chunk_id(b"twice")).container.name == second


class TestAfterACollection:
    def test_what_was_decided_before_it_is_refused_until_it_is_decided_anew(
        self, storage: MemoryStorage, store: Store
    ) -> None:
        put(store, b"shared")
        ours = open_store(storage, client="ours")
        with ours.packer() as packer:
            assert chunk_id(b"shared") in packer
            packer.put(Kind.CHUNK, b"new")
            index = packer.finish()
        (pack,) = store.log.live_packs()
        store.log.append(Change("collect", remove_packs=(pack,), fence=2))
        storage.delete(pack)
        with pytest.raises(Collected):
            ours.move("relies on shared", {"heads/x": target(1)}, index)
        assert "heads/x" not in open_store(storage, client="test").log.refs
        ours.refresh()
        put(ours, b"shared", b"new", refs={"heads/x": target(1)})
        assert open_store(storage, client="test").get(Kind.CHUNK, chunk_id(b"shared")) == b"shared"

    def test_removed_objects_are_not_known_anymore(self, storage: MemoryStorage, store: Store) -> None:
        put(store, b"gone")
        (pack,) = store.log.live_packs()
        store.log.append(Change("collect", remove_packs=(pack,)))
        assert chunk_id(b"gone") not in store
        with pytest.raises(ContentNotFound):
            store.get(Kind.CHUNK, chunk_id(b"gone"))


class TestIndex:
    def test_asking_often_answers_the_same(self, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        monkeypatch.setattr(index_module, "_SET_AFTER", 5)
        put(store, b"one")
        for _ in range(3):
            assert all(chunk_id(b"one") in store.index for _ in range(10))
            assert chunk_id(b"two") not in store.index
        put(store, b"two")
        assert chunk_id(b"two") in store.index

    def test_lost_packs_are_named_and_avoided(self, storage: MemoryStorage, store: Store) -> None:
        put(store, b"one")
        (pack,) = store.log.live_packs()
        assert store.lost_packs() == {}
        storage.put(pack, storage.get(pack)[:-1])
        assert store.lost_packs() == {pack: len(storage.get(pack))}
        storage.delete(pack)
        assert store.lost_packs() == {pack: None}
        store.index.avoid(frozenset([pack]))
        assert chunk_id(b"one") not in store
        assert store.index.only_in(frozenset([pack])) == {pack}
        put(store, b"one")
        assert store.get(Kind.CHUNK, chunk_id(b"one")) == b"one"
        assert store.index.only_in(frozenset([pack])) == set()

    def test_a_damaged_index_is_refused_and_a_damaged_copy_of_it_fetched_anew(
        self, tmp_path_factory: pytest.TempPathFactory, storage: MemoryStorage
    ) -> None:
        from xver.storage.cached import CachedStorage

        store = create_store(storage, client="test")
        put(store, *(str(n).encode() for n in range(6000)))
        (name,) = store.log.indexes
        cache = LocalStorage(tmp_path_factory.mktemp("cache"))
        remote = CachedStorage(storage, cache)
        assert chunk_id(b"7") in open_store(remote, client="test")
        body = cache.get(name)
        cache.put(name, body[:50] + bytes([body[50] ^ 1]) + body[51:])
        assert chunk_id(b"7") in open_store(remote, client="test")
        assert cache.get(name) == body
        storage.put(name, body[:-1])
        cache.delete(name)
        with pytest.raises(CorruptData, match="damaged"):
            open_store(remote, client="test").locate(chunk_id(b"7"))


def test_a_conflict_keeps_what_was_there(storage: MemoryStorage, store: Store) -> None:
    store.move("one", {"heads/a": target(1)})
    with pytest.raises(RefConflict):
        store.commit(Change("two", refs={"heads/a": (None, target(2))}))
    assert open_store(storage, client="test").log.refs == {"heads/a": target(1)}
