"""What one side forgot or purged: the other does not send it again, and everybody is told where data ends."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.repos import collect_here, new_repo, read_tree, reopened, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned, there
from xver.errors import ContentNotFound
from xver.history.bounds import bounds_of, forgotten_ref, shallow_ref
from xver.history.reach import Edge
from xver.history.revisions import snapshot_target
from xver.model.ids import SnapshotId, chunk_id
from xver.model.refs import Target
from xver.repo import Repo
from xver.settings import Remote
from xver.store.log import Change
from xver.store.store import Store
from xver.sync.arranging import remove, rename
from xver.sync.fetch import fetch, fetch_data
from xver.sync.pull import pull
from xver.sync.push import push
from xver.sync.transfer import Copied, Transfer, copy_objects
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_of
from xver.versioning import branches
from xver.versioning.logs import log
from xver.versioning.versions import entries_at


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Repo, list[Target]]:
    """Return a repository of three versions, each with a file of its own content."""
    repo = new_repo(tmp_path / "work", remote=ORIGIN.url)
    ids = [save(repo, {"data/a": f"version {n}".encode()}) for n in range(3)]
    return repo, [snapshot_target(SnapshotId(bytes.fromhex(id))) for id in ids]


def forget(store: Store, *targets: Target) -> None:
    store.move("forget", {forgotten_ref(one): one for one in targets})


def holds(store: Store, text: str) -> bool:
    return chunk_id(text.encode()) in store


def test_what_was_forgotten_here_is_pushed_as_a_record(versions: tuple[Repo, list[Target]]) -> None:
    repo, targets = versions
    forget(repo.store, targets[1])
    push(repo, ORIGIN)
    assert bounds_of(there(repo)).forgotten == {targets[1].id}
    assert not holds(there(repo), "version 1")
    assert holds(there(repo), "version 0")
    copy = cloned(repo)
    assert read_tree(copy.root) == {"data/a": b"version 2"}
    assert len(log(copy)) == 3
    assert bounds_of(copy.store).forgotten == {targets[1].id}
    assert check(copy).problems == ()


def test_what_was_forgotten_there_is_not_sent_again(versions: tuple[Repo, list[Target]]) -> None:
    repo, targets = versions
    push(repo, ORIGIN)
    forget(there(repo), targets[0])
    save(repo, {"data/a": b"version 3"})
    push(repo, ORIGIN)
    assert bounds_of(there(repo)).forgotten == {targets[0].id}
    assert holds(there(repo), "version 3")


def test_a_tag_on_a_forgotten_version_brings_its_data_back(versions: tuple[Repo, list[Target]]) -> None:
    repo, targets = versions
    whole = reopened(repo)
    forget(repo.store, targets[1])
    push(repo, ORIGIN)
    whole.store.refresh()
    whole.store.move("remember", {forgotten_ref(targets[1]): None})
    branches.create(whole, "tags/", "v1", targets[1].id.hex())
    push(whole, ORIGIN)
    assert bounds_of(there(repo)).forgotten == set()
    assert holds(there(repo), "version 1")


class TestHeldAgain:
    """A version that a remote had forgotten, and that somebody pushed again."""

    @pytest.fixture
    def copy(self, versions: tuple[Repo, list[Target]]) -> Repo:
        """Return a clone made when the remote had forgotten it."""
        repo, targets = versions
        push(repo, ORIGIN)
        forget(there(repo), targets[1])
        collect(there(repo), marks_of(there(repo)), NONE)
        return cloned(repo)

    def push_again(self, versions: tuple[Repo, list[Target]]) -> None:
        repo, targets = versions
        branches.create(repo, "tags/", "v1", targets[1].id.hex())
        push(repo, ORIGIN)
        assert holds(there(repo), "version 1")

    @pytest.mark.parametrize("is_collected", [False, True])
    def test_a_fetch_takes_the_mark_away_and_brings_what_it_names(
        self, versions: tuple[Repo, list[Target]], copy: Repo, is_collected: bool
    ) -> None:
        _, targets = versions
        if is_collected:
            save(copy, {"data/a": b"of the clone"})
            collect_here(copy, NONE)
        fetch(copy, ORIGIN)
        assert bounds_of(copy.store).forgotten == {targets[1].id}
        self.push_again(versions)
        fetch(copy, ORIGIN)
        assert bounds_of(copy.store).forgotten == set()
        fetch_data(copy, ORIGIN, entries_at(copy, "v1"), there=there(copy))
        assert holds(copy.store, "version 1")
        assert check(copy).problems == ()

    def test_what_a_clone_forgot_by_itself_stays_forgotten(
        self, versions: tuple[Repo, list[Target]], copy: Repo
    ) -> None:
        _, targets = versions
        forget(copy.store, *targets[:2])
        self.push_again(versions)
        fetch(copy, ORIGIN)
        assert bounds_of(copy.store).forgotten == {one.id for one in targets[:2]}

    def test_the_mark_goes_with_the_name_of_its_remote(self, versions: tuple[Repo, list[Target]], copy: Repo) -> None:
        _, targets = versions
        rename(copy, "origin", "away")
        self.push_again(versions)
        fetch(copy, Remote("away", ORIGIN.url))
        assert bounds_of(copy.store).forgotten == set()
        forget(there(copy), targets[0])
        other = cloned(copy, "other")
        remove(other, "origin")
        assert bounds_of(other.store).forgotten == {targets[0].id}
        assert forgotten_ref(targets[0]) in other.store.log.refs


@pytest.mark.parametrize("is_forgotten_late", [False, True])
def test_what_is_brought_back_and_collected_meanwhile_is_sent(tmp_path: Path, is_forgotten_late: bool) -> None:
    repo = new_repo(tmp_path / "work", remote=ORIGIN.url)
    targets = []
    for n in range(3):
        targets.append(snapshot_target(SnapshotId(bytes.fromhex(save(repo, {"data/a": f"version {n}".encode()})))))
        push(repo, ORIGIN)
    branches.create(repo, "tags/", "v1", targets[1].id.hex())
    if not is_forgotten_late:
        forget(there(repo), targets[1])
    seen: list[int] = []

    def copy(source: Store, target: Store, edges: Iterable[Edge], transfer: Transfer) -> Copied:
        copied = copy_objects(source, target, edges, transfer)
        if not seen:
            # All that the tag needs is there still, now.
            seen.append(target.log.n)
            if is_forgotten_late:
                forget(there(repo), targets[1])
            collect(there(repo), marks_of(there(repo)), NONE)
            assert not holds(there(repo), "version 1")
        return copied

    push(repo, ORIGIN, copy=copy)
    assert bounds_of(there(repo)).forgotten == set()
    assert holds(there(repo), "version 1")


def test_what_was_purged_here_is_not_sent_and_the_remote_learns_of_it(versions: tuple[Repo, list[Target]]) -> None:
    repo, _ = versions
    gone = chunk_id(b"version 0")
    repo.store.commit(Change("purge", tombstones=(gone.hex(),)))
    push(repo, ORIGIN)
    assert bounds_of(there(repo)).purged == {gone}
    assert not holds(there(repo), "version 0")


def test_what_was_purged_there_is_told_and_not_sent_again(versions: tuple[Repo, list[Target]]) -> None:
    repo, _ = versions
    gone = chunk_id(b"version 0")
    push(repo, Remote("origin", ORIGIN.url))
    there(repo).commit(Change("purge", tombstones=(gone.hex(), "ab" * 32)))
    fetched = fetch(repo, ORIGIN)
    assert fetched.purged == 1
    assert repo.store.log.tombstones == {"ab" * 32}
    assert fetch(repo, ORIGIN).purged == 1


def test_a_shallow_clone_pushes_back_and_not_elsewhere(versions: tuple[Repo, list[Target]]) -> None:
    repo, targets = versions
    push(repo, ORIGIN)
    copy = cloned(repo)
    copy.store.move("shallow", {shallow_ref(targets[1]): targets[1]})
    save(copy, {"data/a": b"version 3"})
    push(copy, Remote("origin", str(repo.root.parent / "remote")))
    pull(repo, ORIGIN)
    assert read_tree(repo.root) == {"data/a": b"version 3"}
    with pytest.raises(ContentNotFound) as caught:
        push(copy, Remote("other", "../new"))
    assert "shallow" in (caught.value.hint or "")


def test_nothing_ends_where_nobody_forgot(repo: Repo) -> None:
    push(repo, ORIGIN)
    assert read_tree(cloned(repo).root) == FILES
    assert not [name for name in there(repo).log.refs if name.startswith(("forgotten/", "shallow/"))]
