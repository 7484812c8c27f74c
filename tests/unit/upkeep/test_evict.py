"""Evict: only what the remote provably holds goes, the remote keeps it, and every command stays right without it."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, reopened, save, write_tree
from tests.unit.sync.sides import ORIGIN
from xver.errors import Collected, ContentNotFound, CorruptData, DirtyWorktree, NotFound
from xver.history.bounds import forgotten_ref
from xver.model.entries import File
from xver.model.ids import Kind
from xver.model.paths import parse_path
from xver.model.refs import EVICTED, HEADS
from xver.repo import Repo
from xver.settings import Remote
from xver.store.content import read_content
from xver.store.log import Change
from xver.store.promises import Promises
from xver.store.store import Store, open_store
from xver.sync.elsewhere import read_through
from xver.sync.fetch import fetch_data
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep.evict import Eviction, evict, plan_eviction
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_of
from xver.versioning.branches import create, switch
from xver.versioning.restoring import checkout, restore
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import entries_at, entry_at

DRAW = random.Random(3)
OLD = {"data/a": DRAW.randbytes(400_000), "data/b": b"small", "other": DRAW.randbytes(100_000)}
NEW = OLD | {"data/a": DRAW.randbytes(300_000)}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = new_repo(tmp_path / "work", OLD, remote=ORIGIN.url)
    save(repo, NEW)
    return repo


def gone(repo: Repo, **options: object) -> int:
    """Evict, as a process of its own would, and return what was freed."""
    there = open_remote(repo, ORIGIN)
    planned = plan_eviction(repo, there, **options)  # type: ignore[arg-type]
    return evict(repo, there, "origin", planned)


def chunks(store: Store) -> set[bytes]:
    return {id for id in set(store.index.ids()) if (place := store.index.find(id)) and place.kind is Kind.CHUNK}


def read(repo: Repo, rev: str, path: str) -> bytes:
    entry = entry_at(repo, rev, path)
    assert isinstance(entry, File)
    return b"".join(read_content(repo.store, entry.id, entry.size))


class TestWhatGoes:
    def test_everything_that_was_pushed_and_no_metadata(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        before = set(repo.store.index.ids())
        content = chunks(repo.store)
        assert gone(repo) > 700_000
        repo = reopened(repo)
        assert set(repo.store.index.ids()) == before - content
        assert sum(path.stat().st_size for path in (repo.places.shared / "store" / "packs").iterdir()) < 10_000
        found = check(repo)
        assert (found.problems, found.promised) == ((), len(content))

    def test_nothing_that_was_not_pushed(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        save(repo, {"data/c": b"committed"})
        write_tree(repo.root, {"data/d": b"added"})
        add(repo, ["data"])
        gone(repo)
        repo = reopened(repo)
        assert {bytes(repo.store.get(Kind.CHUNK, id)) for id in chunks(repo.store)} == {b"committed", b"added"}

    def test_nothing_before_anything_was_pushed(self, repo: Repo) -> None:
        push(new_repo(repo.root.parent / "another", {"x": b"1"}, remote=ORIGIN.url, like=repo), ORIGIN)
        assert gone(repo) == 0
        assert len(chunks(reopened(repo).store)) > 3

    def test_what_the_newest_version_has_goes_last(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        size = sum(repo.store.log.live_packs().values())
        gone(repo, most=size - 100_000)
        repo = reopened(repo)
        read_now = {path: read(repo, "HEAD", path) for path in NEW}
        assert read_now == NEW
        with pytest.raises(ContentNotFound):
            read(repo, "HEAD~1", "data/a")

    def test_nothing_where_the_store_is_small_enough(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        before = chunks(repo.store)
        assert gone(repo, most=10_000_000) == 0
        assert chunks(reopened(repo).store) == before

    def test_of_paths_their_content_in_every_version(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo, paths=["data/a"])
        repo = reopened(repo)
        for rev in ("HEAD", "HEAD~1"):
            assert read(repo, rev, "data/b") == b"small"
            assert read(repo, rev, "other") == OLD["other"]
            with pytest.raises(ContentNotFound):
                read(repo, rev, "data/a")

    def test_nothing_of_a_pack_that_the_remote_lost_or_that_was_cut_short(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = repo.root.parent / "remote"
        for pack in (there / "packs").glob("*.data"):
            pack.write_bytes(pack.read_bytes()[:-1])
        before = chunks(repo.store)
        assert gone(repo) == 0
        assert chunks(reopened(repo).store) == before

    def test_the_plan_changes_nothing(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = open_remote(repo, ORIGIN)
        here_n, there_n = repo.store.log.n, there.log.n
        found = plan_eviction(repo, there)
        assert isinstance(found, Eviction)
        assert found.freed > 700_000
        assert (repo.store.log.n, there.log.n) == (here_n, there_n)
        assert repo.store.promises.remotes() == []


class TestTheRemote:
    def test_keeps_what_was_evicted_also_when_all_else_there_forgets_it(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        there = open_remote(repo, ORIGIN)
        assert [name for name in there.log.refs if name.startswith(f"{EVICTED}{repo.clone}/")] != []
        others = {name: (one, None) for name, one in there.log.refs.items() if not name.startswith(EVICTED)}
        there.commit(Change("forget", refs=others))
        collect(there, marks_of(there), NONE)
        repo = reopened(repo)
        read_through(repo)
        assert {path: read(repo, "HEAD~1", path) for path in OLD} == OLD
        assert {path: read(repo, "HEAD", path) for path in NEW} == NEW

    def test_is_not_written_to_where_only_others_refs_count(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        there = open_remote(repo, ORIGIN)
        before = there.log.n
        assert evict(repo, there, "origin", plan_eviction(repo, there, pins=False), pins=False) > 700_000
        there.refresh()
        assert there.log.n == before

    def test_has_one_ref_of_a_clone_for_a_history_and_moves_it_along(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        save(repo, {"data/c": b"third"})
        push(repo, ORIGIN)
        gone(repo)
        there = open_remote(repo, ORIGIN)
        mine = {one.id for name, one in there.log.refs.items() if name.startswith(EVICTED)}
        assert mine == {there.log.refs[HEADS + "main"].id}

    def test_drops_the_ref_when_everything_is_back(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        for rev in ("HEAD~1", "HEAD"):
            pull_version(repo, rev)
        gone(repo, most=10_000_000)
        there = open_remote(repo, ORIGIN)
        assert not any(name.startswith(EVICTED) for name in there.log.refs)
        assert reopened(repo).store.promises.remotes() == []


class TestAfterwards:
    def test_status_and_add_read_no_file_and_store_nothing(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        assert status(repo).is_clean
        added = add(repo, ["data", "other"])
        assert [one.new for one in added.added] == [0, 0]
        assert chunks(reopened(repo).store) == set()

    def test_clean_files_may_be_overwritten_and_changed_ones_not(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        create(repo, HEADS, "old", "HEAD~1")
        gone(repo)
        repo = reopened(repo)
        with pytest.raises(NotFound, match="not local"):
            switch(repo, "old")
        assert read_tree(repo.root) == NEW
        pull_version(repo, "HEAD~1")
        write_tree(repo.root, {"data/a": b"precious"})
        with pytest.raises(DirtyWorktree):
            switch(repo, "old")
        write_tree(repo.root, {"data/a": NEW["data/a"]})
        switch(repo, "old")
        assert read_tree(repo.root) == OLD

    def test_a_pull_brings_back_what_the_disk_lacks_and_nothing_else(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        assert pull(repo, ORIGIN).size == 0
        (repo.root / "other").unlink()
        (repo.root / "data" / "b").unlink()
        with pytest.raises(NotFound, match="not local"):
            checkout(repo)
        assert 100_000 < pull(repo, ORIGIN).size < 102_000
        assert read_tree(repo.root) == NEW
        assert check(repo).problems == ()

    def test_a_pull_that_checks_nothing_out_brings_everything(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        assert pull(repo, ORIGIN, checks_out=False).size > 400_000
        assert pull(reopened(repo), ORIGIN, checks_out=False).size == 0

    def test_a_pull_of_paths_looks_at_these_alone(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        (repo.root / "other").unlink()
        (repo.root / "data" / "b").unlink()
        assert pull(repo, ORIGIN, ["data"]).size < 1000
        assert read_tree(repo.root) == {name: data for name, data in NEW.items() if name != "other"}

    def test_commit_and_push_go_on(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        save(repo, {"data/c": b"third"})
        assert push(repo, ORIGIN).size < 3000
        other = new_repo(repo.root.parent / "other", remote=ORIGIN.url, like=repo)
        pull(other, ORIGIN)
        assert read_tree(other.root) == NEW | {"data/c": b"third"}

    def test_restore_of_what_is_not_here_says_what_to_type(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        with pytest.raises(NotFound, match="not local") as caught:
            restore(repo, ["data/a"], rev="HEAD~1")
        assert caught.value.hint == "xver pull"
        assert read_tree(repo.root) == NEW
        assert status(reopened(repo)).is_clean

    def test_a_second_time_nothing_is_left_to_go(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        before = len(reopened(repo).store.promises.of("origin"))
        assert gone(reopened(repo)) == 0
        assert len(reopened(repo).store.promises.of("origin")) == before


def pull_version(repo: Repo, rev: str, remote: Remote = ORIGIN) -> None:
    """Bring the content of another version."""
    fetch_data(repo, remote, entries_at(repo, rev), there=open_remote(repo, remote))


class TestMeanwhile:
    """A reader who looked content up before it was evicted, and reads it after."""

    @pytest.fixture
    def reader(self, repo: Repo) -> Iterator[tuple[Repo, FaultyStorage]]:
        """Return a process that has read the log, in whose first read of a pack everything is evicted."""
        push(repo, ORIGIN)
        reader = reopened(repo)
        acted: list[str] = []

        def act(method: str, key: str) -> None:
            if key.endswith(".data") and not acted:
                acted.append(key)
                gone(reopened(repo))

        storage = FaultyStorage(reader.storage, before=act)
        reader.store = open_store(storage, client="a reader")
        yield reader, storage
        assert acted

    def test_reads_on_from_the_remote(self, reader: tuple[Repo, FaultyStorage]) -> None:
        repo, _ = reader
        read_through(repo)
        assert {path: read(repo, "HEAD", path) for path in NEW} == NEW

    def test_is_told_what_to_type_where_it_reads_here_alone(self, reader: tuple[Repo, FaultyStorage]) -> None:
        repo, _ = reader
        with pytest.raises(ContentNotFound):
            read(repo, "HEAD", "data/a")
        pull(reopened(repo), ORIGIN)
        assert read_tree(repo.root) == NEW

    def test_an_add_that_relies_on_what_goes_is_right_all_the_same(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        adder = reopened(repo)
        write_tree(repo.root, {"copy": NEW["data/a"]})
        assert len(adder.store.log.refs) > 0
        gone(reopened(repo))
        add(adder, ["copy"])
        assert status(reopened(repo)).unknown == ()
        read_through(adder)
        entry = adder.lock.entries[parse_path("copy")]
        assert isinstance(entry, File)
        assert b"".join(read_content(adder.store, entry.id, entry.size)) == NEW["data/a"]
        assert check(reopened(repo)).problems == ()


class TestAnotherRemote:
    BACKUP = Remote("backup", "../backup")

    def test_gets_what_was_evicted_from_the_one_that_has_it(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        repo = reopened(repo)
        save(repo, {"data/c": b"third"})
        push(repo, self.BACKUP)
        shutil.rmtree(repo.root.parent / "remote")
        copy = clone(str(repo.root.parent / "backup"), repo.root.parent / "copy")
        assert read_tree(copy.root) == NEW | {"data/c": b"third"}
        pull_version(copy, "HEAD~2", self.BACKUP)
        assert read(copy, "HEAD~2", "data/a") == OLD["data/a"]
        assert check(copy).problems == ()
        assert chunks(reopened(repo).store) != chunks(copy.store)  # nothing was brought here on the way

    def test_is_left_as_it_was_where_none_has_it(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        gone(repo)
        (repo.root.parent / "remote").rename(repo.root.parent / "away")
        repo = reopened(repo)
        with pytest.raises((ContentNotFound, CorruptData)):
            push(repo, self.BACKUP)
        assert not open_remote(repo, self.BACKUP).log.refs


def test_two_at_once_in_linked_work_trees_lose_no_promise(repo: Repo) -> None:
    push(repo, ORIGIN)
    evict(repo, first := open_remote(repo, ORIGIN), "origin", plan_eviction(repo, first, paths=["data/b"]))
    # Work trees of one clone share the store and its name.
    one, two = reopened(repo), reopened(repo)
    there_one, there_two = open_remote(one, ORIGIN), open_remote(two, ORIGIN)
    planned_one = plan_eviction(one, there_one, paths=["data/a"])
    planned_two = plan_eviction(two, there_two, paths=["other"])
    met = threading.Event()
    two.on_wait = lambda _: met.set()

    def other() -> None:
        evict(two, there_two, "origin", planned_two)
        met.set()

    thread = threading.Thread(target=other)

    def act(method: str, key: str) -> None:
        if method == "put" and key.startswith("elsewhere/"):
            thread.start()
            assert met.wait(60)  # it waits for us, or has done it all

    one.store.promises = Promises(FaultyStorage(one.storage, before=act))
    evict(one, there_one, "origin", planned_one)
    thread.join()
    store = reopened(repo).store
    assert planned_one.ids
    assert planned_two.ids
    assert [id for id in planned_one.ids | planned_two.ids if id in store] == []
    assert [id for id in planned_one.ids | planned_two.ids if id not in store.promises] == []


@pytest.mark.parametrize("is_pinned", [False, True])
def test_what_is_forgotten_there_after_the_plan_is_not_given_up(tmp_path: Path, is_pinned: bool) -> None:
    repo = new_repo(tmp_path / "work", OLD, remote=ORIGIN.url)
    push(repo, ORIGIN)
    old = open_remote(repo, ORIGIN).log.refs[HEADS + "main"]
    save(repo, NEW)
    push(repo, ORIGIN)
    there = open_remote(repo, ORIGIN)
    if is_pinned:
        evict(repo, there, "origin", plan_eviction(repo, there, paths=["other"]))
    planned = plan_eviction(repo, there)
    other = open_remote(repo, ORIGIN)
    other.move("forget", {forgotten_ref(old): old})
    with pytest.raises(Collected):
        evict(repo, there, "origin", planned)
    assert planned.ids <= chunks(reopened(repo).store)
