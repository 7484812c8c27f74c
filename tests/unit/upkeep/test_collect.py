"""Collection: what nothing needs goes, what is needed stays, whatever happens between plan and deletion."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import collect_here, new_repo, read_tree, reopened, save, write_tree
from xver.errors import ContentNotFound, StorageError, TransientStorageError
from xver.model.ids import Kind, chunk_id
from xver.model.refs import HEADS
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.local import LocalStorage
from xver.store.kept import Kept
from xver.store.log import CHECKPOINT_EVERY, Change
from xver.store.store import Store, open_store
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep import collect as collect_module
from xver.upkeep.collect import plan
from xver.upkeep.fsck import check
from xver.upkeep.gc import LOCAL, NONE, REMOTE, Patience, collect, look, marks_here, marks_of
from xver.upkeep.sweep import sweepable
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.tracking import add

ORIGIN = Remote("origin", "../remote")


def noise(seed: int, size: int = 200_000) -> bytes:
    return random.Random(seed).randbytes(size)


def problems(repo: Repo) -> tuple[str, ...]:
    return tuple(str(one) for one in check(reopened(repo)).damage)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "one", {"data/a": noise(1), "data/b": noise(2)}, remote="../remote")


def replace_scratch(repo: Repo) -> None:
    """Add a file, then another in its place: nothing needs the first."""
    for seed in (8, 9):
        write_tree(repo.root, {"scratch/x": noise(seed)})
        add(repo, ["scratch"])


def test_what_nothing_needs_goes_and_the_rest_stays(repo: Repo) -> None:
    replace_scratch(repo)
    before = sum(stat.size for stat in repo.storage.list("packs/"))
    done = collect_here(repo, NONE)
    after = sum(stat.size for stat in repo.storage.list("packs/"))
    assert 200_000 < before - after == done.deleted
    assert problems(repo) == ()
    os.unlink(repo.root / "scratch/x")
    checkout(reopened(repo), [])
    assert (repo.root / "scratch/x").read_bytes() == noise(9)


def test_a_second_collection_finds_nothing_and_writes_nothing(repo: Repo) -> None:
    replace_scratch(repo)
    collect_here(repo, NONE)
    n = repo.store.log.n
    done = collect_here(repo, NONE)
    assert (done.deleted, done.done.entries, repo.store.log.n) == (0, 0, n)


def test_what_is_young_is_spared_unless_nobody_is_waited_for(repo: Repo) -> None:
    replace_scratch(repo)
    done = collect_here(repo, LOCAL)
    assert done.deleted == 0
    assert done.spared > 200_000
    assert collect_here(repo, NONE).deleted > 200_000


def test_what_a_killed_writer_left_goes(repo: Repo) -> None:
    with repo.store.packer() as packer:
        packer.put(Kind.CHUNK, noise(77))
        packer.finish()
    repo.storage.put("index/1.feedfeedfeedfeed", b"left")
    repo.storage.put("probe/1-0", b"left")
    repo.storage.put("packs/of-somebody-else", b"not ours")
    collect_here(repo, NONE)
    left = {stat.key for prefix in ("packs/", "index/", "probe/") for stat in repo.storage.list(prefix)}
    assert left - {"packs/of-somebody-else"} == set(repo.store.log.live_packs())


def test_a_pack_that_is_mostly_garbage_is_packed_again(repo: Repo) -> None:
    write_tree(repo.root, {"many/big": noise(20, 900_000), "many/small": noise(21, 1000)})
    add(repo, ["many"])
    os.unlink(repo.root / "many/big")
    add(repo, ["many"])
    done = collect_here(repo, NONE)
    assert done.done.moved > 0
    assert done.deleted > 890_000
    assert problems(repo) == ()
    assert repo.store.get(Kind.CHUNK, chunk_id(noise(21, 1000))) == noise(21, 1000)


def test_what_another_collection_takes_while_it_is_packed_again(repo: Repo) -> None:
    write_tree(repo.root, {"many/big": noise(20, 900_000), "many/small": noise(21, 1000)})
    add(repo, ["many"])
    os.unlink(repo.root / "many/big")
    add(repo, ["many"])
    taken: list[str] = []

    def before(method: str, key: str) -> None:
        if method == "get" and key.startswith("packs/") and key.endswith(".data") and not taken:
            taken.append(key)
            other = open_repo(repo.root)
            remove(other, ["many"])
            collect_here(other, NONE)

    slow = open_repo(repo.root)
    slow.storage = FaultyStorage(slow.storage, before=before)  # type: ignore[assignment]
    done = collect_here(slow, NONE)
    assert taken
    assert done.done.moved == 0
    assert chunk_id(noise(21, 1000)) not in reopened(repo).store
    assert problems(repo) == ()


def test_small_packs_are_not_packed_again_and_again(repo: Repo) -> None:
    for number in range(3):
        save(repo, {f"tiny/{number}": b"%d" % number})
    replace_scratch(repo)
    collect_here(repo, NONE)
    n = repo.store.log.n
    collect_here(repo, NONE)
    assert repo.store.log.n == n


def test_a_file_that_comes_back_after_a_collection_is_stored_again(repo: Repo) -> None:
    big = noise(30, 2_000_000)
    write_tree(repo.root, {"data/big": big})
    add(repo, ["data"])
    other = repo.root.parent / "big"
    os.rename(repo.root / "data/big", other)
    add(repo, ["data"])
    collect_here(repo, NONE)
    os.rename(other, repo.root / "data/big")
    again = reopened(repo)
    add(again, ["data"])
    assert problems(again) == ()
    os.unlink(repo.root / "data/big")
    checkout(reopened(repo), [])
    assert (repo.root / "data/big").read_bytes() == big


def test_what_a_ref_needs_and_is_missing_stops_it(repo: Repo) -> None:
    (repo.root / "xver.toml").write_text("")
    for live in list(repo.store.log.live_packs()):
        if live.endswith(".meta"):
            repo.storage.delete(live)
    with pytest.raises((ContentNotFound, StorageError, LookupError)):
        collect_here(reopened(repo), NONE)
    assert any(stat.key.endswith(".data") for stat in repo.storage.list("packs/"))


def unlist(repo: Repo, ending: str) -> None:
    """Take the packs of one kind out of the log, as if what listed them had been lost and made anew."""
    names = [live for live in repo.store.log.indexes.values() if any(name.endswith(ending) for name in live.packs)]
    assert names
    repo.store.log.append(Change("lose", remove_index=tuple(live.name for live in names)))


def test_what_a_ref_needs_and_is_missing_stops_it_also_where_a_remote_may_have_it(repo: Repo) -> None:
    push(repo, ORIGIN)
    unlist(repo, ".meta")
    n = repo.store.log.n
    with pytest.raises(ContentNotFound) as caught:
        collect_here(reopened(repo), NONE)
    assert "xver fsck" in (caught.value.hint or "")
    assert reopened(repo).store.log.n == n


def test_what_a_lock_names_and_never_came_here_stops_nobody(repo: Repo) -> None:
    push(repo, ORIGIN)
    other = clone(str(repo.root.parent / "remote"), repo.root.parent / "two")
    write_tree(other.root, {"more/x": noise(5)})
    add(other, ["more"])
    repo.write_lock(other.lock)  # as after a `git pull`
    write_tree(repo.root, {"scratch/x": noise(8)})
    add(repo, ["scratch"])
    replace_scratch(repo)
    assert collect_here(reopened(repo), NONE).deleted > 200_000


def test_a_thousand_steps_are_as_good_as_one(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        save(repo, {f"data/{number}": noise(number + 40, 3000), "data/a": noise(number + 50)})
    replace_scratch(repo)
    monkeypatch.setattr(collect_module, "_STEP_PACKS", 1)
    monkeypatch.setattr(collect_module, "_STEP_NAMES", 1)
    monkeypatch.setattr(collect_module, "_SMALL_PACKS", 2)
    done = collect_here(repo, NONE)
    assert done.done.entries > 5
    assert problems(repo) == ()


def test_who_loses_the_race_decides_anew(repo: Repo) -> None:
    replace_scratch(repo)
    wanted = repo.store.log.refs[repo.lock_ref]
    other = open_store(repo.storage, client="other")
    older = next(
        one.refs[repo.lock_ref][0]
        for one in reversed(other.log.entries())
        if one.refs.get(repo.lock_ref, (None, None))[1] == wanted
    )
    assert older is not None
    outlook = look(repo.store, marks_here(repo), NONE)
    assert outlook.plan.remove
    # What the plan would take is named by a ref before the entry is created.
    other.move("keep it", {HEADS + "kept": older})
    done = collect(repo.store, marks_here(repo), NONE, outlook=outlook)
    assert done.deleted < 200_000
    assert problems(repo) == ()


class TestRemote:
    def there(self, repo: Repo) -> Store:
        return open_store(LocalStorage(repo.root.parent / "remote"), client="test")

    def test_readers_get_a_day(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = self.there(repo)
        refs = dict.fromkeys(there.log.refs)
        there.move("drop all", refs)
        assert collect(there, marks_of(there), REMOTE).spared > 400_000
        done = collect(there, marks_of(there), Patience(idle=0, grace=REMOTE.grace))
        assert done.done.removed > 0
        assert done.waiting > 400_000
        assert done.deleted == 0
        later = self.there(repo)
        assert collect(later, marks_of(later), REMOTE, now=time.time() + 8 * 86_400).deleted > 400_000
        assert list(later.storage.list("packs/")) == []

    def test_a_push_after_a_collection_sends_what_it_took(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = self.there(repo)
        there.move("drop all", dict.fromkeys(there.log.refs))
        collect(there, marks_of(there), NONE)
        push(reopened(repo), ORIGIN)
        clone(str(repo.root.parent / "remote"), repo.root.parent / "copy")
        assert read_tree(repo.root.parent / "copy") == {"data/a": noise(1), "data/b": noise(2)}

    def test_checkpoints_but_the_last_two_go(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = self.there(repo)
        for number in range(4 * CHECKPOINT_EVERY):
            there.move("count", {HEADS + "n": there.log.refs[HEADS + "main"] if number % 2 else None})
        collect(there, marks_of(there), NONE)
        assert len(list(there.storage.list("checkpoints/"))) == 2
        assert self.there(repo).log.verify() == []

    def test_a_hostile_fence_and_removal_stop_nobody_from_reading(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = self.there(repo)
        there.log.append(Change("evil", fence=1 << 52, remove_packs=("packs/9.0-0.data",)))
        clone(str(repo.root.parent / "remote"), repo.root.parent / "copy")
        assert read_tree(repo.root.parent / "copy") == {"data/a": noise(1), "data/b": noise(2)}

    def test_no_right_to_delete_is_said(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        push(repo, ORIGIN)
        there = self.there(repo)
        there.move("drop all", dict.fromkeys(there.log.refs))

        def refuse(self: LocalStorage, key: str) -> None:
            raise StorageError("403 Access Denied")

        monkeypatch.setattr(LocalStorage, "delete", refuse)
        with pytest.raises(StorageError, match=r"cannot be deleted: 403") as caught:
            collect(there, marks_of(there), NONE)
        assert "gc may be repeated" in str(caught.value.hint)


@pytest.mark.parametrize("loses", [False, True])
def test_every_call_of_a_collection_may_fail(repo: Repo, monkeypatch: pytest.MonkeyPatch, loses: bool) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    write_tree(repo.root, {"many/big": noise(20, 300_000), "many/small": noise(21, 1000)})
    add(repo, ["many"])
    os.unlink(repo.root / "many/big")
    add(repo, ["many"])
    root, n, fired = repo.root, 0, True
    while fired:
        n += 1
        copy = root.parent / f"trial-{n}"
        shutil.copytree(root, copy)
        trial = open_repo(copy)
        trial.storage = faulty = FaultyStorage(trial.storage, fail_at=n, loses_answer=loses)  # type: ignore[assignment]
        try:
            collect_here(trial, NONE)
        except TransientStorageError:
            assert faulty.fired
        fired = faulty.fired
        assert problems(open_repo(copy)) == ()
        again = open_repo(copy)
        collect_here(again, NONE)
        assert problems(again) == ()
        assert chunk_id(noise(20, 300_000)) not in open_repo(copy).store
        assert {stat.key for stat in again.storage.list("packs/")} == set(open_repo(copy).store.log.live_packs())
        shutil.rmtree(copy)
    assert n > 8


def test_a_plan_counts_bytes_and_keeps_what_it_is_told(repo: Repo) -> None:
    store = repo.store
    kept = [id for id in store.index.ids() if id != chunk_id(noise(1))]
    made = plan(store, kept)
    assert made.freed >= 0
    assert len(made.kept) == len(kept)
    assert chunk_id(noise(1)) not in made.kept
    assert sweepable(store).now == ()
    assert sum(Kept(store).sizes().values()) == 0
