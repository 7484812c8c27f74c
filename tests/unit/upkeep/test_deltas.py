"""Collection among deltas: a base stays as long as its deltas, and stays whole."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.histories import assert_sound, deltas, table
from tests.support.repos import new_repo, reopened, save
from xver.format.codecs import Codec
from xver.format.nodes import encode_node
from xver.model.ids import Kind, chunk_id, object_id
from xver.model.refs import KEPT, Target, TargetKind
from xver.storage.memory import MemoryStorage
from xver.store.log import Change
from xver.store.store import Store, create_store, open_store
from xver.upkeep import collect as collect_module
from xver.upkeep import repair as repair_module
from xver.upkeep.collect import execute, plan
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, look, marks_of
from xver.upkeep.repair import repair
from xver.versioning.tracking import add

OLD = table(60_000, 1)
NEW = OLD[:20_000] + b"another line\n" + OLD[20_000:]
NOISE = random.Random(1).randbytes(200_000)
NEWER = NEW.replace(b"oak", b"fir", 3)


def put(store: Store, *data: bytes, near: bytes = b"") -> None:
    with store.packer() as packer:
        for one in data:
            packer.put(Kind.CHUNK, one, near=[chunk_id(near)])
        store.move("test", {}, packer.finish())


def test_a_base_that_nothing_reaches_stays_with_its_delta() -> None:
    store = create_store(MemoryStorage(), client="test")
    put(store, OLD, NOISE)
    put(store, NEW, near=OLD)
    execute(store, plan(store, [chunk_id(NEW)]))
    assert store.get(Kind.CHUNK, chunk_id(NEW)) == NEW
    assert set(store.index.ids()) == {chunk_id(OLD), chunk_id(NEW)}
    assert_sound(store)


@pytest.mark.parametrize("whole_first", [True, False])
def test_of_an_object_stored_twice_the_whole_one_stays_where_it_is_a_base(whole_first: bool) -> None:
    store = create_store(MemoryStorage(), client="test")
    put(store, OLD)
    late, other = open_store(store.storage, client="late"), open_store(store.storage, client="other")
    with late.packer() as packer:
        packer.put(Kind.CHUNK, NEW, near=[chunk_id(OLD)])
        difference = packer.finish()
    assert difference is not None
    if not whole_first:
        late.commit(Change("a difference", add_index=(difference,)))
    put_whole(other, NEW, NOISE)
    other.refresh()
    put(other, NEWER, near=NEW)
    if whole_first:
        late.commit(Change("a difference", add_index=(difference,)))
    store.refresh()
    execute(store, plan(store, [chunk_id(NEW), chunk_id(NEWER)]))
    assert store.get(Kind.CHUNK, chunk_id(NEWER)) == NEWER
    assert store.get(Kind.CHUNK, chunk_id(NEW)) == NEW
    assert [place.id for place in deltas(store)] == [chunk_id(NEWER)]
    assert store.index.find_whole([chunk_id(NEW)])[chunk_id(NEW)].codec is Codec.ZSTD
    assert_sound(store)


def put_whole(store: Store, *data: bytes) -> None:
    with store.packer(anew=True) as packer:
        for one in data:
            packer.put(Kind.CHUNK, one)
        store.move("test", {}, packer.finish())


def test_what_only_a_delta_kept_and_a_ref_names_meanwhile_stays_with_all_below_it() -> None:
    store = create_store(MemoryStorage(), client="test")
    chunks = [random.Random(seed).randbytes(4_000) for seed in range(40)]
    ids = [(chunk_id(data), len(data)) for data in chunks]
    old, new = encode_node(1, ids[:30]), encode_node(1, ids[3:33])
    put(store, *chunks[:3])
    put(store, *chunks[3:])
    for data, near in ((old, b""), (new, object_id(Kind.NODE, old))):
        with store.packer() as packer:
            packer.put(Kind.NODE, data, near=[near])
            store.move("test", {}, packer.finish())
    assert [place.id for place in deltas(store)] == [object_id(Kind.NODE, new)]
    store.move("keep", {KEPT + "new": Target(TargetKind.CONTENT, object_id(Kind.NODE, new))})
    outlook = look(store, marks_of(store), NONE)
    assert outlook.plan.remove
    # Its children are garbage still; the next entry names it.
    other = open_store(store.storage, client="other")
    other.move("keep", {KEPT + "old": Target(TargetKind.CONTENT, object_id(Kind.NODE, old))})
    collect(store, marks_of(store), NONE, outlook=outlook)
    assert [id for id, _ in ids[:33] if id not in store] == []


@pytest.mark.parametrize("comes", ["a tombstone", "a collection"])
def test_what_was_packed_again_goes_live_only_as_rule_r1_allows(monkeypatch: pytest.MonkeyPatch, comes: str) -> None:
    store = create_store(MemoryStorage(), client="test")
    rest = random.Random(2).randbytes(1_000)
    put(store, OLD)
    with store.packer() as packer:
        for data in (NEW, NOISE, rest):
            packer.put(Kind.CHUNK, data, near=[chunk_id(OLD)] if data is NEW else [])
        store.move("test", {}, packer.finish())
    ids = {"new": chunk_id(NEW), "rest": chunk_id(rest)}
    store.move("keep", {KEPT + name: Target(TargetKind.CONTENT, id) for name, id in ids.items()})
    other = open_store(store.storage, client="other")
    move, n = collect_module._move, store.log.n

    def moved(*words: Any) -> Any:
        done = move(*words)
        if other.log.n == n:
            if comes == "a tombstone":
                other.log.append(Change("purge", tombstones=(ids["new"].hex(),)))
            else:
                other.move("forget", {KEPT + "new": None})
                execute(other, replace(plan(other, [ids["rest"]]), repack=()))
        return done

    monkeypatch.setattr(collect_module, "_move", moved)
    collect(store, marks_of(store), NONE)
    assert ids["rest"] in store
    assert ids["new"] not in store


def test_no_entry_of_a_repair_leaves_a_difference_listed_whose_base_it_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = new_repo(tmp_path / "work", {"d/a": OLD})
    put(repo.store, NEW, near=OLD)
    save(repo, {"d/b": NEW})
    base, delta = (repo.store.locate(chunk_id(one)) for one in (OLD, NEW))
    assert delta.codec is Codec.DELTA
    pack = Path(repo.storage.path(base.container.name))
    body = bytearray(pack.read_bytes())
    body[base.offset] ^= 1
    pack.write_bytes(body)
    # One pack an entry: the base's first, which is all that would have been done had the repair been killed then.
    monkeypatch.setattr(repair_module, "_STEP_PACKS", 1)
    states: list[tuple[bool, bool]] = []

    def look_at(method: str, key: str) -> None:
        if method == "create" and key.startswith("log/"):
            now = reopened(repo).store
            states.append((chunk_id(OLD) in now, chunk_id(NEW) in now))

    again = reopened(repo)
    again.storage = FaultyStorage(again.storage, before=look_at)  # type: ignore[assignment]
    done, left = repair(again.store, partial(check, again), [])
    look_at("create", "log/")
    assert (True, True) in states
    assert (False, True) not in states
    assert done.stranded == 1
    assert done.lost.keys() == {chunk_id(OLD), chunk_id(NEW)}
    assert {one.path for one in left.damage} == {"d/a", "d/b"}
    # Nothing passes for present that is not: what is on the disk is stored again.
    add(reopened(repo), ["d"], rehash=True)
    assert check(reopened(repo)).damage == ()
    assert reopened(repo).store.get(Kind.CHUNK, chunk_id(NEW)) == NEW
