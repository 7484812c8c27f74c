"""Push, fetch, pull and clone between folders: what is lacking is sent, nothing else, and what is lost is healed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, reopened, save
from xver.errors import (
    AlreadyExists,
    Conflict,
    ContentNotFound,
    CorruptData,
    Incomplete,
    InvalidInput,
    NotFound,
    RepositoryNotFound,
    StorageError,
)
from xver.model.refs import HEADS, TAGS
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.storage.memory import MemoryStorage
from xver.store.log import Change
from xver.store.store import Store, open_store
from xver.sync import remotes, transfer
from xver.sync.fetch import fetch, fetch_data
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.sync.remotes import choose_remote, open_or_create_remote, open_remote, probe
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.restoring import checkout

ORIGIN = Remote("origin", "../remote")
FILES = {"data/a": b"first", "data/sub/b": random.Random(1).randbytes(400_000), "note": b"1"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, str]]]:
    """Return the requests made to remotes since the last time."""
    calls: list[FaultyStorage] = []

    def located(url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
        calls.append(FaultyStorage(locate(url, base=base, endpoint_url=endpoint_url)))
        return calls[-1]

    monkeypatch.setattr(remotes, "locate", located)

    def since() -> list[tuple[str, str]]:
        found = [call for storage in calls for call in storage.calls]
        calls.clear()
        return found

    return since


def there(repo: Repo) -> Store:
    return open_store(LocalStorage(repo.root.parent / "remote"), client="test")


def remote_packs(repo: Repo) -> list[Path]:
    return sorted((repo.root.parent / "remote" / "packs").iterdir())


def cloned(repo: Repo, name: str = "copy") -> Repo:
    return clone(str(repo.root.parent / "remote"), repo.root.parent / name)


class TestPush:
    def test_it_sends_what_the_other_side_lacks_and_no_more(self, repo: Repo) -> None:
        first = push(repo, ORIGIN)
        assert (first.branch, first.commits, first.packs) == ("main", 1, 2)
        assert first.size > 400_000
        again = push(repo, ORIGIN)
        assert (again.branch, again.commits, again.size, again.packs) == (None, 0, 0, 0)
        save(repo, {"data/a": b"second"})
        second = push(repo, ORIGIN)
        assert (second.branch, second.commits) == ("main", 1)
        assert second.size < 3000

    def test_a_small_push_is_a_few_requests(self, repo: Repo, watch: Callable[[], list[tuple[str, str]]]) -> None:
        push(repo, ORIGIN)
        save(repo, {"data/a": b"second"})
        watch()
        push(repo, ORIGIN)
        assert len(watch()) <= 12

    def test_requests_do_not_grow_with_files(self, repo: Repo, watch: Callable[[], list[tuple[str, str]]]) -> None:
        push(repo, ORIGIN)
        save(repo, {f"data/many/{n}": f"file {n}".encode() for n in range(2000)})
        watch()
        push(repo, ORIGIN)
        assert len(watch()) <= 12
        copy = cloned(repo)
        assert len(watch()) <= 25
        assert len(read_tree(copy.root)) == 2003

    def test_tags_go_along_and_a_taken_one_is_never_moved(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        branches.create(repo, TAGS, "v1")
        push(repo, ORIGIN)
        taken = there(repo).log.refs[TAGS + "v1"]
        save(copy, {"data/a": b"other"})
        branches.create(copy, TAGS, "v1")
        with pytest.raises(Conflict, match="another version as tags/v1"):
            push(copy, ORIGIN)
        assert there(repo).log.refs[TAGS + "v1"] == taken
        assert there(repo).log.refs[HEADS + "main"] == copy.store.log.refs[HEADS + "main"]

    def test_a_branch_that_is_behind_is_refused_and_nothing_moves(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(copy, {"data/a": b"theirs"})
        push(copy, ORIGIN)
        save(repo, {"data/a": b"ours"})
        before = there(repo).log.refs
        with pytest.raises(Conflict, match="not here"):
            push(repo, ORIGIN)
        assert there(repo).log.refs == before

    def test_a_push_without_a_commit_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="no commit"):
            push(new_repo(tmp_path / "empty"), ORIGIN)

    def test_a_work_tree_s_own_store_is_not_believed_to_hold_all(self, repo: Repo, tmp_path: Path) -> None:
        """A clone's store knows listings whose content it never fetched."""
        push(repo, ORIGIN)
        sparse = clone(str(tmp_path / "remote"), tmp_path / "sparse", checks_out=False)
        push(repo, Remote("peer", str(sparse.root / ".xver" / "store")))
        assert check(reopened(sparse)).promised == 0
        checkout(reopened(sparse))

    def test_much_goes_in_parts_and_an_interrupted_push_goes_on(
        self, repo: Repo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transfer, "_PART_OBJECTS", 20)
        save(repo, {f"data/many/{n}": f"file {n}".encode() * 100 for n in range(200)})

        class Stops(Exception):
            pass

        def before(method: str, key: str) -> None:
            if method == "create" and key == "log/0000000005":
                raise Stops

        monkeypatch.setattr(remotes, "locate", lambda url, **how: FaultyStorage(locate(url, **how), before=before))
        with pytest.raises(Stops):
            push(repo, ORIGIN)
        assert there(repo).log.refs == {}
        assert len(there(repo).log.live_packs()) == 5
        monkeypatch.setattr(remotes, "locate", locate)
        sent = push(reopened(repo), ORIGIN)
        assert sent.packs <= 8
        assert there(repo).log.verify() == []
        assert read_tree(cloned(repo).root) == read_tree(repo.root)

    def test_a_damaged_frame_of_ours_is_not_passed_on(self, repo: Repo) -> None:
        (pack,) = (repo.root / ".xver" / "store" / "packs").glob("*.data")
        body = bytearray(pack.read_bytes())
        body[200_000] ^= 1
        pack.write_bytes(body)
        with pytest.raises(CorruptData, match="damaged"):
            push(reopened(repo), ORIGIN)
        assert there(repo).log.refs == {}


class TestLostPacks:
    @pytest.mark.parametrize("damage", ["deleted", "cut short"])
    def test_what_the_remote_lost_is_sent_again(self, repo: Repo, damage: str) -> None:
        push(repo, ORIGIN)
        for pack in remote_packs(repo):
            if damage == "deleted":
                pack.unlink()
            else:
                pack.write_bytes(pack.read_bytes()[:-30])
        sent = push(reopened(repo), ORIGIN)
        assert sent.size > 400_000
        assert push(reopened(repo), ORIGIN).size == 0
        assert read_tree(cloned(repo).root) == FILES

    def test_what_nobody_here_has_is_named(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        branches.switch(copy, "other", new=True)
        save(copy, {"theirs/x": b"only there" * 1000})
        push(copy, ORIGIN)
        lost = max(remote_packs(repo), key=lambda path: path.stat().st_mtime_ns)
        for pack in remote_packs(repo):
            if pack.name.split("-")[0] == lost.name.split("-")[0]:
                pack.unlink()
        with pytest.raises(Incomplete, match="lost packs") as caught:
            push(reopened(repo), ORIGIN)
        assert caught.value.failures
        push(reopened(copy), ORIGIN)
        push(reopened(repo), ORIGIN)
        assert clone(str(tmp_path / "remote"), tmp_path / "third", branch="other") is not None

    def test_a_collection_at_the_remote_is_noticed(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between our reading and our writing somebody collects what we rely on."""
        push(repo, ORIGIN)
        save(repo, {"data/a": b"second"})
        done: list[str] = []

        def before(method: str, key: str) -> None:
            if method == "create" and key.startswith("log/") and not done:
                done.append(key)
                other = there(repo)
                main = other.log.refs[HEADS + "main"]
                packs = tuple(other.log.live_packs())
                other.log.append(Change("forget", refs={HEADS + "main": (main, None)}))
                other.log.append(Change("collect", remove_packs=packs, fence=3))
                for pack in packs:
                    other.storage.delete(pack)

        monkeypatch.setattr(remotes, "locate", lambda url, **how: FaultyStorage(locate(url, **how), before=before))
        push(repo, ORIGIN)
        assert done
        assert there(repo).lost_packs() == {}
        assert read_tree(cloned(repo).root) == read_tree(repo.root)


class TestFetch:
    def test_it_brings_history_and_no_content(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(repo, {"data/new": random.Random(2).randbytes(900_000)})
        push(repo, ORIGIN)
        done = fetch(copy, ORIGIN)
        assert (done.moved, done.commits) == (("main",), 1)
        assert done.size < 10_000
        assert copy.store.log.refs["remotes/origin/main"] == there(repo).log.refs[HEADS + "main"]
        assert read_tree(copy.root) == FILES
        again = fetch(copy, ORIGIN)
        assert (again.moved, again.commits, again.size) == ((), 0, 0)

    def test_a_branch_that_is_gone_goes_here_too(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        branches.switch(repo, "topic", new=True)
        push(repo, ORIGIN)
        copy = cloned(repo)
        assert "remotes/origin/topic" in copy.store.log.refs
        there(repo).move("delete", {HEADS + "topic": None})
        fetch(copy, ORIGIN)
        assert "remotes/origin/topic" not in copy.store.log.refs

    def test_our_tag_stays_ours(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        branches.create(copy, TAGS, "v1")
        ours = copy.store.log.refs[TAGS + "v1"]
        save(repo, {"data/a": b"second"})
        branches.create(repo, TAGS, "v1")
        push(repo, ORIGIN)
        fetch(copy, ORIGIN)
        assert copy.store.log.refs[TAGS + "v1"] == ours

    def test_a_long_history_costs_requests_by_packs(
        self, repo: Repo, watch: Callable[[], list[tuple[str, str]]]
    ) -> None:
        push(repo, ORIGIN)
        for n in range(40):
            save(repo, {"data/a": str(n).encode()})
        push(repo, ORIGIN)
        watch()
        copy = cloned(repo)
        assert len([key for _, key in watch() if key.startswith("packs/")]) <= 12
        assert read_tree(copy.root) == read_tree(repo.root)


class TestPull:
    def test_a_part_brings_that_part_only(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        copy = clone(str(tmp_path / "remote"), tmp_path / "copy", checks_out=False)
        copy.write_lock(repo.lock)
        pull(copy, ORIGIN, ["data/a"])
        assert read_tree(copy.root) == {"data/a": b"first"}
        pull(copy, ORIGIN, ["data/sub"])
        assert read_tree(copy.root) == {name: data for name, data in FILES.items() if name != "note"}
        pull(copy, ORIGIN)
        assert read_tree(copy.root) == FILES

    def test_it_goes_forward_and_brings_the_disk_along(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(repo, {"data/a": b"second", "more/x": b"x"})
        push(repo, ORIGIN)
        done = pull(copy, ORIGIN)
        assert done.merged == "forward"
        assert read_tree(copy.root) == read_tree(repo.root)
        assert pull(copy, ORIGIN).merged == "up to date"

    def test_data_that_was_never_pushed_is_named(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(repo, {"data/a": b"not pushed"})
        with pytest.raises(ContentNotFound) as caught:
            fetch_data(copy, ORIGIN, repo.lock.entries, there=there(repo))
        assert "was not pushed" in str(caught.value.hint)


class TestClone:
    def test_it_is_a_whole_repository(self, repo: Repo) -> None:
        save(repo, {"data/a": b"second"})
        push(repo, ORIGIN)
        copy = cloned(repo)
        assert read_tree(copy.root) == read_tree(repo.root)
        assert check(copy).problems == ()
        assert copy.lock == repo.lock
        assert copy.store.repository == repo.store.repository
        assert copy.store.log.refs[HEADS + "main"] == repo.store.log.refs[HEADS + "main"]

    def test_an_existing_folder_with_files_is_left_alone(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "x").write_bytes(b"x")
        with pytest.raises(AlreadyExists):
            clone(str(tmp_path / "remote"), tmp_path / "mine")
        assert read_tree(tmp_path / "mine") == {"x": b"x"}

    @pytest.mark.parametrize("exists", [True, False])
    def test_what_failed_leaves_nothing(self, repo: Repo, tmp_path: Path, exists: bool) -> None:
        push(repo, ORIGIN)
        for pack in remote_packs(repo):
            pack.write_bytes(b"")
        if exists:
            (tmp_path / "copy").mkdir()
        with pytest.raises(StorageError):
            cloned(repo)
        assert (tmp_path / "copy").exists() is exists
        assert not exists or list((tmp_path / "copy").iterdir()) == []

    def test_where_nothing_was_pushed_there_is_nothing_to_clone(self, tmp_path: Path) -> None:
        with pytest.raises(RepositoryNotFound):
            clone(str(tmp_path / "nothing"), tmp_path / "copy")
        assert list(tmp_path.iterdir()) == []

    def test_a_branch_may_be_chosen(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        branches.switch(repo, "topic", new=True)
        save(repo, {"data/a": b"topic"})
        push(repo, ORIGIN)
        assert read_tree(cloned(repo).root)["data/a"] == b"first"
        assert read_tree(clone(str(tmp_path / "remote"), tmp_path / "t", branch="topic").root)["data/a"] == b"topic"
        with pytest.raises(NotFound, match="no branch none"):
            clone(str(tmp_path / "remote"), tmp_path / "n", branch="none")


class TestRemotes:
    def test_the_one_meant_is_chosen(self, repo: Repo, tmp_path: Path) -> None:
        assert choose_remote(repo, None) == ORIGIN
        with pytest.raises(NotFound, match="no remote lab"):
            choose_remote(repo, "lab")
        with pytest.raises(NotFound, match="no remote yet"):
            choose_remote(new_repo(tmp_path / "alone"), None)

    def test_another_repository_s_remote_is_refused(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        other = new_repo(tmp_path / "other", FILES, remote=ORIGIN.url)
        for share in (push, fetch):
            with pytest.raises(Conflict, match="another repository"):
                share(other, ORIGIN)

    def test_a_marker_without_entries_is_not_believed_from_memory(self, repo: Repo) -> None:
        open_or_create_remote(repo, ORIGIN)
        (repo.root.parent / "remote" / "xver.json").unlink()
        with pytest.raises(RepositoryNotFound):
            open_remote(repo, ORIGIN)
        push(repo, ORIGIN)
        assert read_tree(cloned(repo).root) == FILES

    def test_a_storage_without_atomic_create_is_refused(self) -> None:
        class Careless(MemoryStorage):
            def create(self, key: str, body: bytes) -> bool:
                self.put(key, body)
                return True

        careless = Careless()
        with pytest.raises(StorageError, match="several writers"):
            probe(careless)
        assert list(careless.list("")) == []
        good = MemoryStorage()
        probe(good)
        assert list(good.list("")) == []


def test_a_detached_head_is_kept_by_a_ref(repo: Repo) -> None:
    head = repo.store.log.refs[HEADS + "main"]
    save(repo, {"data/a": b"second"})
    branches.switch(repo, head.id.hex())
    assert head in {one for name, one in repo.store.log.refs.items() if name.startswith("snapshots/")}
    assert open_repo(repo.root).store.log.refs[repo.lock_ref] is not None
