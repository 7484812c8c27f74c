"""What a word means: branches, tags, abbreviations, and steps back from them."""

from __future__ import annotations

import time

import pytest

from tests.support.faulty import FaultyStorage
from tests.unit.history.history import put_snapshot
from xver.errors import RevisionNotFound
from xver.history.revisions import resolve_snapshot, snapshot_target
from xver.model.ids import SnapshotId
from xver.storage.memory import MemoryStorage
from xver.store.store import Store, create_store, open_store


@pytest.fixture
def chain(store: Store) -> list[SnapshotId]:
    """Return four snapshots, oldest first; the last merges a side branch into `main`."""
    one = put_snapshot(store, time=1, message="one", git="ab" * 20)
    two = put_snapshot(store, one, time=2, message="two")
    side = put_snapshot(store, one, time=3, message="side", ref="heads/topic/side")
    merge = put_snapshot(store, two, side, time=4, message="merge", ref="heads/main")
    store.move("tag", {"tags/v1": snapshot_target(one), "remotes/origin/main": snapshot_target(two)})
    return [one, two, side, merge]


@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("HEAD", 3), ("@", 3), ("main", 3), ("topic/side", 2), ("v1", 0), ("origin/main", 1), ("heads/main", 3),
        ("HEAD~", 1), ("HEAD~1", 1), ("HEAD^", 1), ("HEAD^1", 1), ("HEAD^2", 2), ("HEAD^2~1", 0), ("HEAD~2", 0),
        ("HEAD~0", 3), ("HEAD^0", 3), ("main^2^", 0), ("HEAD~1~1", 0), ("abab", 0), ("ab" * 20, 0),
    ],
)  # fmt: skip
def test_a_word_means_a_snapshot(store: Store, chain: list[SnapshotId], word: str, at: int) -> None:
    assert resolve_snapshot(store, word, head=chain[3]) == chain[at]


def test_digits_are_enough_when_they_fit_one(store: Store, chain: list[SnapshotId]) -> None:
    for id in chain:
        assert resolve_snapshot(store, id.hex(), head=None) == id
        assert resolve_snapshot(store, f"b3:{id.hex()[:12]}", head=None) == id


def test_digits_that_fit_several_list_them(store: Store) -> None:
    ids: dict[str, SnapshotId] = {}
    for n in range(3000):
        id = put_snapshot(store, message=str(n), ref=f"heads/{n}")
        other = ids.setdefault(id.hex()[:4], id)
        if other != id:
            break
    with pytest.raises(RevisionNotFound, match=f"{id.hex()[:12]}.*"):
        resolve_snapshot(store, id.hex()[:4], head=None)


@pytest.mark.parametrize(
    "word", ["nothing", "HEAD~9", "HEAD^3", "0000", "v1~1", "ma", "main~99999999", "main~" + "9" * 5000]
)
def test_what_means_nothing_is_refused(store: Store, chain: list[SnapshotId], word: str) -> None:
    with pytest.raises(RevisionNotFound):
        resolve_snapshot(store, word, head=chain[3])


def test_a_near_name_is_suggested(store: Store, chain: list[SnapshotId]) -> None:
    with pytest.raises(RevisionNotFound) as caught:
        resolve_snapshot(store, "mian", head=chain[3])
    assert caught.value.hint == "did you mean main?"


def test_before_the_first_commit_head_is_nothing(store: Store) -> None:
    with pytest.raises(RevisionNotFound, match="no commit yet"):
        resolve_snapshot(store, "HEAD", head=None)


def test_an_abbreviation_reads_each_snapshot_once(storage: MemoryStorage) -> None:
    store = create_store(storage, client="test")
    id = put_snapshot(store, ref="snapshots/0")
    first = id
    for n in range(1, 80):
        id = put_snapshot(store, id, time=n, ref=f"snapshots/{n}")
    faulty = FaultyStorage(storage)
    watched = open_store(faulty, client="test")
    faulty.calls.clear()
    assert resolve_snapshot(watched, first.hex()[:10], head=id) == first
    assert len([key for _, key in faulty.calls if key.startswith("packs/")]) <= 81


def test_what_a_branch_was_is_in_the_log(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for day in (10, 20, 30):
        monkeypatch.setattr(time, "time", lambda day=day: day * 86400.0)
        ids.append(put_snapshot(store, time=day, message=str(day), ref="heads/main"))
        store.move("another", {"tags/v": snapshot_target(ids[-1])})

    def at(word: str) -> SnapshotId:
        return resolve_snapshot(store, word, head=ids[2], on="heads/main")

    assert [at(f"main@{{{count}}}") for count in range(3)] == ids[::-1]
    assert at("@{1}") == at("HEAD@{1}") == at("@@{1}") == ids[1]
    assert [at(f"main@{{@{day * 86400}}}") for day in (10, 15, 20, 29, 30, 99)] == [
        ids[0],
        ids[0],
        *ids[1:2] * 2,
        *ids[2:] * 2,
    ]
    assert at("main@{1970-01-25 12:00}") == ids[1]
    for word in ("@{3}", "@{@1}", "@{rubbish}", "@{}", "nothing@{1}"):
        with pytest.raises(RevisionNotFound):
            at(word)
    with pytest.raises(RevisionNotFound, match="you are on none"):
        resolve_snapshot(store, "@{1}", head=ids[2])
