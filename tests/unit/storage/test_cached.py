"""A remote with a memory: what never changes is fetched once, what changed all the same is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from xver.errors import CorruptData, NotFound
from xver.storage.base import Part
from xver.storage.cached import CachedStorage
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage

KEYS = ["log/0000000000", "log/0000000001", "index/0.f", "packs/0.f-0.meta", "packs/0.f-0.data", "xver.json"]


@pytest.fixture
def inner() -> FaultyStorage:
    memory = MemoryStorage()
    for key in KEYS:
        memory.put(key, f"the bytes of {key}".encode())
    return FaultyStorage(memory)


@pytest.fixture
def cache(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "cache")


@pytest.fixture
def cached(inner: FaultyStorage, cache: LocalStorage) -> CachedStorage:
    return CachedStorage(inner, cache)


@pytest.mark.parametrize(("key", "requests"), [(key, 2 if key.endswith(".data") else 1) for key in KEYS])
def test_what_never_changes_is_fetched_once_and_whole(
    cached: CachedStorage, inner: FaultyStorage, key: str, requests: int
) -> None:
    whole = f"the bytes of {key}".encode()
    assert cached.get(key, Part(4, 5)) == b"bytes"
    assert list(cached.get_many([(key, Part(-3, 3))])) == [whole[-3:]]
    assert len(inner.calls) == requests
    assert cached.get(key) == whole
    assert bytes(cached.view(key)) == whole


def test_a_second_process_remembers(cached: CachedStorage, inner: FaultyStorage, cache: LocalStorage) -> None:
    cached.catch_up()
    inner.calls.clear()
    again = CachedStorage(inner, cache)
    assert again.get("log/0000000001") == b"the bytes of log/0000000001"
    assert inner.calls == []


def test_parts_come_in_the_order_asked_for_kept_or_not(cached: CachedStorage) -> None:
    order = ["packs/0.f-0.data", "packs/0.f-0.meta", "packs/0.f-0.data", "index/0.f"]
    assert list(cached.get_many([(key, Part(13, len(key))) for key in order])) == [key.encode() for key in order]


def test_a_prefetch_leaves_out_what_is_gone_and_the_reader_is_told(cached: CachedStorage, inner: FaultyStorage) -> None:
    cached.prefetch(["packs/0.f-0.meta", "packs/9.gone-0.meta", "index/0.f", "packs/0.f-0.data"])
    assert sorted(key for _, key in inner.calls) == ["index/0.f", "packs/0.f-0.meta", "packs/9.gone-0.meta"]
    with pytest.raises(NotFound):
        cached.get("packs/9.gone-0.meta")


def test_packs_are_forgotten_and_the_log_is_not(cached: CachedStorage, cache: LocalStorage) -> None:
    cached.prefetch(KEYS)
    cached.drop_packs()
    assert sorted(stat.key for stat in cache.list("")) == sorted(key for key in KEYS if not key.startswith("packs/"))


def test_a_copy_that_is_forgotten_is_fetched_anew(cached: CachedStorage, cache: LocalStorage) -> None:
    cached.get("index/0.f")
    cache.put("index/0.f", b"rotten")
    assert cached.forget("index/0.f")
    assert cached.get("index/0.f") == b"the bytes of index/0.f"
    assert cached.forget("index/0.f")
    assert not cached.forget("index/0.f")


def test_a_remote_that_is_gone_whole_is_told_as_such(cached: CachedStorage, inner: FaultyStorage) -> None:
    cached.catch_up()
    for stat in list(inner.list("")):
        inner.delete(stat.key)
    with pytest.raises(CorruptData, match="held a store, and holds none now"):
        cached.catch_up()


@pytest.mark.parametrize("change", ["rewritten", "gone"])
def test_a_log_that_changed_behind_what_we_remember_is_refused(
    cached: CachedStorage, inner: FaultyStorage, change: str
) -> None:
    cached.catch_up()
    if change == "gone":
        inner.delete("log/0000000001")
    else:
        inner.put("log/0000000001", b"other")
    with pytest.raises(CorruptData, match="log entry 1 has changed or is gone"):
        cached.catch_up()


def test_without_a_remembered_entry_the_marker_is_asked_for_again(cached: CachedStorage, inner: FaultyStorage) -> None:
    assert cached.get("xver.json")
    inner.delete("xver.json")
    cached.catch_up()
    with pytest.raises(NotFound):
        cached.get("xver.json")


def test_writes_go_to_the_remote_and_what_is_kept_is_remembered(
    cached: CachedStorage, inner: FaultyStorage, cache: LocalStorage
) -> None:
    cached.put("index/1.f", b"index")
    with cached.writer("packs/1.f-0.data") as file:
        file.write(b"pack")
    assert cached.create("log/0000000002", b"entry")
    assert not cached.create("log/0000000002", b"other")
    assert {stat.key for stat in inner.list("")} >= {"index/1.f", "packs/1.f-0.data", "log/0000000002"}
    assert {stat.key for stat in cache.list("")} == {"index/1.f", "log/0000000002"}
    assert cache.get("log/0000000002") == b"entry"


def test_a_catch_up_of_nothing_new_is_one_round_trip(cached: CachedStorage, inner: FaultyStorage) -> None:
    cached.catch_up()
    inner.calls.clear()
    cached.catch_up("packs/")
    assert sorted(inner.calls) == [
        ("get", "log/0000000001"),
        ("get", "log/0000000002"),
        ("list", "checkpoints/"),
        ("list", "packs/"),
    ]
    inner.calls.clear()
    with pytest.raises(NotFound):
        cached.get("log/0000000002")
    assert len(list(cached.list("packs/"))) == 2
    assert inner.calls == []


def test_what_a_catch_up_heard_is_answered_once_only(cached: CachedStorage, inner: FaultyStorage) -> None:
    cached.catch_up("packs/")
    for _ in range(2):
        with pytest.raises(NotFound):
            cached.get("log/0000000002")
        list(cached.list("packs/"))
    assert inner.calls[-2:] == [("get", "log/0000000002"), ("list", "packs/")]


def test_a_first_catch_up_takes_the_log_from_the_newest_checkpoint_on(
    cached: CachedStorage, inner: FaultyStorage, cache: LocalStorage
) -> None:
    for n in range(2, 9):
        inner.put(f"log/{n:010d}", b"entry %d" % n)
    for key in ("checkpoints/0000000003.aa", "checkpoints/0000000006.bb", "checkpoints/0000000099.cc", "log/nonsense"):
        inner.put(key, b"state")
    cached.catch_up()
    assert sorted(stat.key for stat in cache.list("log/")) == [f"log/{n:010d}" for n in range(6, 9)]
