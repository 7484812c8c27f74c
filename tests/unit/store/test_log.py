"""The log: one winner an entry, a chain that cannot be rewritten unseen, a state that is the fold of all entries."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.faulty import FaultyStorage
from xver.errors import (
    Collected,
    CorruptData,
    InvalidInput,
    NotFound,
    RefConflict,
    TransientStorageError,
    UnsupportedFormat,
)
from xver.format.canonical import encode_json
from xver.format.log_entries import LiveIndex
from xver.model.refs import Target, TargetKind
from xver.storage.base import Part
from xver.storage.memory import MemoryStorage
from xver.store.log import CHECKPOINT_EVERY, Change, Log, entry_key, pack_base


def target(n: int) -> Target:
    return Target(TargetKind.CONTENT, n.to_bytes(32, "big"))


def log_on(storage: MemoryStorage | FaultyStorage) -> Log:
    log = Log(storage, client="test")
    log.refresh()
    return log


def moved(name: str, old: int | None, new: int | None) -> Change:
    return Change("move", refs={name: (None if old is None else target(old), None if new is None else target(new))})


def index_of(*packs: str, name: str = "index/0.f") -> LiveIndex:
    return LiveIndex(name, 1, 0, dict.fromkeys(packs, 1))


def filled(storage: MemoryStorage, count: int) -> Log:
    log = log_on(storage)
    for n in range(count):
        log.append(moved("heads/main", n - 1 if n else None, n))
    return log


class _Meeting(MemoryStorage):
    """A storage where two threads that read an entry at once meet, if they can."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting: threading.Barrier | None = None

    def get(self, key: str, part: Part | None = None) -> bytes:
        data = super().get(key, part)
        if self.meeting is not None:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.meeting.wait(0.5)
        return data


def test_threads_that_refresh_at_once_take_each_entry_once() -> None:
    storage = _Meeting()
    log = log_on(storage)
    filled(storage, 3)
    storage.meeting = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(log.refresh) for _ in range(2)]:
            one.result()
    assert (log.n, log.refs) == (3, {"heads/main": target(2)})


def test_refs_are_the_fold_of_the_entries(storage: MemoryStorage) -> None:
    log = log_on(storage)
    assert log.append(moved("heads/main", None, 1)) == 0
    assert log.append(moved("heads/main", 1, 2)) == 1
    assert log.append(moved("tags/v1", None, 1)) == 2
    assert log.append(moved("heads/main", 2, None)) == 3
    assert log_on(storage).refs == log.refs == {"tags/v1": target(1)}
    assert [entry.n for entry in log.entries()] == [0, 1, 2, 3]


@pytest.mark.parametrize(("old", "new"), [(None, 5), (2, 5), (2, None)])
def test_a_ref_that_is_not_as_expected_is_not_moved(storage: MemoryStorage, old: int | None, new: int | None) -> None:
    log = filled(storage, 2)
    with pytest.raises(RefConflict) as caught:
        log.append(moved("heads/main", old, new))
    assert caught.value.name == "heads/main"
    assert log_on(storage).n == 2


@pytest.mark.parametrize("name", ["", "heads/..", "heads/a b", "@", "heads/x.lock", "a" * 600])
def test_a_name_that_git_would_refuse_is_refused(storage: MemoryStorage, name: str) -> None:
    with pytest.raises(InvalidInput):
        log_on(storage).append(moved(name, None, 1))


def test_all_refs_of_an_entry_move_or_none(storage: MemoryStorage) -> None:
    log = filled(storage, 1)
    change = Change("two", refs={"heads/a": (None, target(1)), "heads/main": (target(9), target(2))})
    with pytest.raises(RefConflict):
        log.append(change)
    assert log_on(storage).refs == {"heads/main": target(0)}


def test_of_writers_at_once_each_wins_one_entry(storage: MemoryStorage) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: log_on(storage).append(moved(f"heads/{n}", None, n)), range(40)))
    assert sorted(numbers) == list(range(40))
    assert log_on(storage).refs == {f"heads/{n}": target(n) for n in range(40)}
    assert log_on(storage).verify() == []


def test_a_counter_moved_by_many_loses_no_step(storage: MemoryStorage) -> None:
    def count(_: int) -> None:
        log = log_on(storage)
        while True:
            now = log.refs.get("heads/n")
            value = 0 if now is None else int.from_bytes(now.id, "big")
            try:
                log.append(Change("count", refs={"heads/n": (now, target(value + 1))}))
                return
            except RefConflict:
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(40)))
    assert log_on(storage).refs["heads/n"] == target(40)


def test_the_check_sees_what_the_entry_would_follow(storage: MemoryStorage) -> None:
    ours, theirs = log_on(storage), log_on(storage)
    seen: list[int] = []

    def check(log: Log) -> None:
        seen.append(log.n)
        if len(seen) == 1:
            theirs.append(moved("heads/theirs", None, 1))

    assert ours.append(moved("heads/ours", None, 2), check=check) == 1
    assert seen == [0, 1]
    assert set(ours.refs) == {"heads/ours", "heads/theirs"}


def test_a_check_that_reads_on_in_the_log_is_judged_by_what_it_read(storage: MemoryStorage) -> None:
    ours, theirs = log_on(storage), log_on(storage)

    def check(log: Log) -> None:
        if not log.n:
            theirs.append(moved("heads/x", None, 1))
            log.refresh()

    with pytest.raises(RefConflict):
        ours.append(moved("heads/x", None, 2), check=check)
    assert log_on(storage).refs == theirs.refs


def test_what_the_check_does_not_find_is_judged_anew_if_there_are_news(storage: MemoryStorage) -> None:
    ours, theirs = log_on(storage), log_on(storage)

    def check(log: Log) -> None:
        if not log.n:
            theirs.append(moved("heads/theirs", None, 1))
            raise NotFound("a pack that somebody took")

    assert ours.append(moved("heads/ours", None, 2), check=check) == 1

    def fails(_: Log) -> None:
        raise NotFound("a pack that nobody took")

    with pytest.raises(NotFound, match="nobody"):
        ours.append(moved("heads/more", None, 2), check=fails)


def test_what_the_check_raises_changes_nothing(storage: MemoryStorage) -> None:
    def check(_: Log) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        log_on(storage).append(moved("heads/x", None, 1), check=check)
    assert log_on(storage).n == 0


def test_a_lost_answer_leaves_an_entry_that_is_read_and_not_made_twice(storage: MemoryStorage) -> None:
    faulty = FaultyStorage(storage)
    log = log_on(faulty)
    faulty.lose_next_answer()
    with pytest.raises(TransientStorageError):
        log.append(moved("heads/x", None, 1))
    with pytest.raises(RefConflict):
        log.append(moved("heads/x", None, 1))
    again = log_on(storage)
    assert again.refs == {"heads/x": target(1)}
    with pytest.raises(RefConflict):
        again.append(moved("heads/x", None, 1))
    assert log_on(storage).n == 1


@pytest.mark.parametrize("key", ["nonce", "operation", "client", "time", "refs"])
def test_a_rewritten_entry_breaks_the_chain(storage: MemoryStorage, key: str) -> None:
    filled(storage, 5)
    record = json.loads(storage.get(entry_key(2)))
    record[key] = {"refs": {"heads/main": [str(target(1)), str(target(77))]}, "time": 1}.get(key, "forged")
    storage.put(entry_key(2), encode_json(record))
    with pytest.raises(CorruptData, match="rewritten"):
        log_on(storage)


def test_an_entry_from_the_future_stops_every_reader(storage: MemoryStorage) -> None:
    filled(storage, 1)
    record = json.loads(storage.get(entry_key(0)))
    storage.put(entry_key(1), encode_json(record | {"n": 1, "require": ["x"]}))
    with pytest.raises(UnsupportedFormat, match="requires x"):
        log_on(storage)


class TestCheckpoints:
    def test_a_reader_starts_from_one(self, storage: MemoryStorage) -> None:
        log = filled(storage, CHECKPOINT_EVERY + 5)
        faulty = FaultyStorage(storage)
        again = log_on(faulty)
        assert (again.n, again.refs, again.digest) == (log.n, log.refs, log.digest)
        assert len(faulty.calls) < 12

    def test_state_is_the_same_with_and_without(self, storage: MemoryStorage) -> None:
        filled(storage, 3 * CHECKPOINT_EVERY + 3)
        log = log_on(storage)
        assert log.verify() == []
        for stat in list(storage.list("checkpoints/")):
            storage.delete(stat.key)
        assert log_on(storage).refs == log.refs

    def test_one_that_no_entry_names_proves_nothing(self, storage: MemoryStorage) -> None:
        log = filled(storage, 5)
        storage.put(f"checkpoints/{4:010d}.{'0' * 64}", b"lie")
        storage.put("checkpoints/²³.x", b"lie")
        assert log_on(storage).refs == log.refs

    def test_a_damaged_one_is_passed_over_named_and_made_anew(self, storage: MemoryStorage) -> None:
        log = filled(storage, 3 * CHECKPOINT_EVERY + 5)
        keys = sorted(stat.key for stat in storage.list("checkpoints/"))
        bodies = {key: storage.get(key) for key in keys}
        storage.put(keys[0], b"")
        storage.put(keys[1], bodies[keys[1]].replace(b"heads/main", b"heads/evil"))
        storage.delete(keys[2])
        again = log_on(storage)
        assert (again.n, again.refs) == (log.n, log.refs)
        assert len(again.verify()) == 3
        assert again.mend_checkpoints() == keys
        assert {key: storage.get(key) for key in keys} == bodies
        assert again.verify() == []
        assert again.mend_checkpoints() == []

    def test_an_older_one_that_is_damaged_is_found_by_verify(self, storage: MemoryStorage) -> None:
        filled(storage, 2 * CHECKPOINT_EVERY + 5)
        first = min(stat.key for stat in storage.list("checkpoints/"))
        storage.put(first, b"{}")
        assert log_on(storage).verify() == [f"{first} is damaged"]
        storage.delete(first)
        assert first in log_on(storage).verify()[0]

    def test_those_that_two_newer_ones_replace_may_be_gone(self, storage: MemoryStorage) -> None:
        log = filled(storage, 3 * CHECKPOINT_EVERY + 5)
        keys = sorted(stat.key for stat in storage.list("checkpoints/"))
        storage.delete(keys[0])
        assert log_on(storage).verify() == []
        storage.delete(keys[2])
        assert log_on(storage).refs == log.refs
        assert keys[2] in log_on(storage).verify()[0]

    def test_an_early_entry_that_is_damaged_is_found_by_verify(self, storage: MemoryStorage) -> None:
        filled(storage, CHECKPOINT_EVERY + 5)
        storage.put(entry_key(3), storage.get(entry_key(3)).replace(b'"test"', b'"evil"'))
        log = log_on(storage)
        assert "log/0000000004 is damaged" in log.verify()[0]


def test_a_gap_is_found_by_verify(storage: MemoryStorage) -> None:
    filled(storage, 6)
    storage.delete(entry_key(3))
    assert log_on(storage).verify() == ["log/0000000003 is missing: 2 later entries are not read"]


class TestCollections:
    @pytest.mark.parametrize(("fence", "name", "fits"), [(3, "2.f", False), (3, "3.f", True), (0, "0.f", True)])
    def test_a_pack_from_before_the_fence_never_becomes_live(
        self, storage: MemoryStorage, fence: int, name: str, fits: bool
    ) -> None:
        log = filled(storage, 3)
        log.append(Change("collect", fence=fence))
        change = Change("add", add_index=(index_of(f"packs/{name}-0.data", name=f"index/{name}"),))
        if fits:
            log.append(change)
            assert log.live_packs() == {f"packs/{name}-0.data": 1}
        else:
            with pytest.raises(Collected):
                log.append(change)

    def test_a_removed_pack_is_not_live_and_never_again(self, storage: MemoryStorage) -> None:
        log = log_on(storage)
        log.append(Change("add", add_index=(index_of("packs/0.a-0.data", "packs/0.a-1.data"),)))
        log.append(Change("collect", remove_packs=("packs/0.a-0.data",)))
        assert log.live_packs() == {"packs/0.a-1.data": 1}
        with pytest.raises(Collected):
            log.append(Change("add", add_index=(index_of("packs/0.a-0.data", name="index/1.b"),)))

    def test_a_removed_name_is_forgotten_when_nothing_could_bring_it_back(self, storage: MemoryStorage) -> None:
        log = log_on(storage)
        log.append(Change("add", add_index=(index_of("packs/0.a-0.data"),)))
        log.append(Change("collect", remove_packs=("packs/0.a-0.data",)))
        log.append(Change("raise", fence=2))
        assert log.removed == {"packs/0.a-0.data"}
        log.append(Change("drop", remove_index=("index/0.f",)))
        assert log.removed == set()
        with pytest.raises(Collected):
            log.append(Change("add", add_index=(index_of("packs/0.a-0.data", name="index/9.b"),)))

    def test_the_fence_never_sinks(self, storage: MemoryStorage) -> None:
        log = filled(storage, 4)
        log.append(Change("raise", fence=3))
        log.append(Change("sink", fence=1))
        assert log.fence == log_on(storage).fence == 3


@pytest.mark.parametrize("name", ["packs/x.f-0.data", "packs/²", "packs/", f"packs/{'9' * 40}.f"])
def test_a_name_without_a_number_is_no_pack(name: str) -> None:
    with pytest.raises(CorruptData):
        pack_base(name)
