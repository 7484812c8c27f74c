"""A shallow clone: the last versions and nothing behind them, said truthfully; it works, deepens and becomes whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import collect_here, new_repo, read_tree, reopened, save
from tests.unit.sync.sides import ORIGIN
from xver.errors import InvalidInput, NotFound, RevisionNotFound
from xver.format.runs import encode_run
from xver.history.bounds import bounds_of
from xver.model.ids import Kind, chunk_id
from xver.model.refs import HEADS, RUNS, TAGS, Target, TargetKind
from xver.model.runs import Run, Status
from xver.model.ulids import run_name
from xver.repo import Repo
from xver.sync.fetch import fetch
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE
from xver.versioning import branches
from xver.versioning.logs import log
from xver.versioning.merging import merge_snapshot
from xver.versioning.versions import entries_at, resolve

VERSIONS = 6


@pytest.fixture
def whole(tmp_path: Path) -> Repo:
    """Six versions, each with a file that changes and one of its own; a tag on the first, a branch from the second."""
    repo = new_repo(tmp_path / "work", remote=ORIGIN.url)
    for n in range(VERSIONS):
        save(repo, {"data/same": f"version {n}".encode(), f"data/only{n}": b"only in %d" % n, "note": b"n"})
        if n == 0:
            branches.create(repo, TAGS, "v0")
        if n == 1:
            branches.create(repo, HEADS, "side")
    for branch in ("side", "main"):
        branches.switch(repo, branch)
        push(repo, ORIGIN)
    return repo


def shallow(whole: Repo, depth: int, *paths: str, name: str = "copy") -> Repo:
    folder = whole.root.parent
    return clone(str(folder / "remote"), folder / name, depth=depth, paths=list(paths))


def messages(repo: Repo) -> int:
    return len(log(repo))


def count(repo: Repo, kind: Kind) -> int:
    return sum(repo.store.locate(id).kind is kind for id in set(repo.store.index.ids()))


class TestClone:
    @pytest.mark.parametrize("depth", [1, 2, 5])
    def test_brings_that_many_versions_and_the_record_of_the_one_before(self, whole: Repo, depth: int) -> None:
        copy = shallow(whole, depth)
        assert read_tree(copy.root) == read_tree(whole.root)
        assert count(copy, Kind.SNAPSHOT) == depth + 1
        assert len(bounds_of(copy.store).shallow) == 1
        assert [one.id for one in log(copy)] == [one.id for one in log(whole)][: depth + 1]
        assert check(copy).problems == ()

    @pytest.mark.parametrize("depth", [VERSIONS, 1000])
    def test_of_the_whole_depth_is_whole(self, whole: Repo, depth: int) -> None:
        copy = shallow(whole, depth)
        assert not bounds_of(copy.store).shallow
        assert messages(copy) == VERSIONS
        assert check(copy).problems == ()

    def test_brings_no_listing_of_what_lies_behind(self, whole: Repo) -> None:
        assert count(shallow(whole, 1), Kind.LISTING) < count(clone_whole(whole), Kind.LISTING)

    def test_brings_no_tag_or_branch_that_leads_behind(self, whole: Repo) -> None:
        copy = shallow(whole, 2)
        assert list(copy.store.log.refs_under(TAGS)) == []
        assert list(copy.store.log.refs_under("remotes/origin/")) == ["main"]

    def test_may_be_of_another_branch(self, whole: Repo) -> None:
        folder = whole.root.parent
        copy = clone(str(folder / "remote"), folder / "copy", depth=1, branch="side")
        assert sorted(read_tree(copy.root)) == ["data/only0", "data/only1", "data/same", "note"]
        assert list(copy.store.log.refs_under("remotes/origin/")) == ["side"]

    def test_of_a_path_brings_the_content_of_that_alone(self, whole: Repo) -> None:
        copy = shallow(whole, 1, "note")
        assert read_tree(copy.root) == {"note": b"n"}
        assert chunk_id(b"version 5") not in copy.store


class TestWork:
    def test_what_lies_behind_is_named_as_such(self, whole: Repo) -> None:
        copy = shallow(whole, 2)
        assert resolve(copy, "HEAD~1").id == log(whole)[1].id
        assert entries_at(copy, "HEAD~1")
        with pytest.raises(RevisionNotFound, match="oldest version that is here"):
            resolve(copy, "HEAD~3")

    def test_commits_go_there_and_back(self, whole: Repo) -> None:
        copy = shallow(whole, 1)
        save(copy, {"data/new": b"from the shallow one"})
        push(copy, ORIGIN)
        pull(whole, ORIGIN)
        assert read_tree(whole.root) == read_tree(copy.root)
        save(whole, {"data/newer": b"from the whole one"})
        push(whole, ORIGIN)
        pull(copy, ORIGIN)
        assert read_tree(whole.root) == read_tree(copy.root)
        assert len(bounds_of(copy.store).shallow) == 1
        assert count(copy, Kind.SNAPSHOT) == 4
        assert check(copy).problems == check(whole).problems == ()

    def test_a_fetch_brings_nothing_from_behind(self, whole: Repo) -> None:
        copy = shallow(whole, 1)
        branches.create(whole, TAGS, "old", log(whole)[3].id)
        save(whole, {"data/new": b"new"})
        branches.create(whole, TAGS, "new", "HEAD")
        push(whole, ORIGIN)
        assert fetch(copy, ORIGIN).moved == ("main",)
        assert list(copy.store.log.refs_under(TAGS)) == ["new"]
        assert count(copy, Kind.SNAPSHOT) == 3

    def test_a_tag_on_a_version_that_is_here_comes(self, whole: Repo) -> None:
        copy = shallow(whole, 2)
        branches.create(whole, TAGS, "here", "HEAD~1")
        push(whole, ORIGIN)
        fetch(copy, ORIGIN)
        assert list(copy.store.log.refs_under(TAGS)) == ["here"]

    def test_it_merges_what_meets_in_what_is_here(self, whole: Repo) -> None:
        copy = shallow(whole, 2)
        save(whole, {"data/theirs": b"theirs"})
        push(whole, ORIGIN)
        save(copy, {"data/ours": b"ours"})
        pull(copy, ORIGIN)
        assert {"data/ours", "data/theirs"} <= read_tree(copy.root).keys()

    def test_it_does_not_merge_what_meets_behind(self, whole: Repo) -> None:
        copy = shallow(whole, 1)
        folder = whole.root.parent
        other = clone(str(folder / "remote"), folder / "other", branch="side")
        save(other, {"data/side": b"side"})
        push(other, ORIGIN)
        fetch(copy, ORIGIN, branches=["main", "side"], depth=1)
        with pytest.raises(InvalidInput, match="meet before what is here") as caught:
            merge_snapshot(copy, "remotes/origin/side")
        assert caught.value.hint == "xver fetch --unshallow"
        fetch(copy, ORIGIN, unshallow=True)
        with pytest.raises(NotFound, match="not local"):  # by now it knows what to write
            merge_snapshot(reopened(copy), "remotes/origin/side")

    def test_a_collection_keeps_what_is_here(self, whole: Repo) -> None:
        copy = shallow(whole, 2)
        before = set(copy.store.index.ids())
        collect_here(copy, NONE)
        assert set(reopened(copy).store.index.ids()) == before
        assert check(reopened(copy)).problems == ()


class TestDeepening:
    def test_step_by_step_it_becomes_whole(self, whole: Repo) -> None:
        copy = shallow(whole, 1)
        for depth in range(2, VERSIONS):
            fetch(copy, ORIGIN, depth=depth)
            copy = reopened(copy)
            assert messages(copy) == depth + 1
            assert len(bounds_of(copy.store).shallow) == 1
            assert entries_at(copy, f"HEAD~{depth - 1}")
            assert check(copy).problems == ()
        fetch(copy, ORIGIN, depth=VERSIONS)
        copy = reopened(copy)
        assert (messages(copy), bounds_of(copy.store).shallow) == (VERSIONS, frozenset())
        assert check(copy).problems == ()

    def test_a_smaller_depth_gives_nothing_up(self, whole: Repo) -> None:
        copy = shallow(whole, 3)
        fetch(copy, ORIGIN, depth=1)
        assert messages(reopened(copy)) == 4
        assert len(bounds_of(reopened(copy).store).shallow) == 1

    def test_unshallow_brings_everything(self, whole: Repo) -> None:
        copy = shallow(whole, 1)
        fetch(copy, ORIGIN, unshallow=True)
        copy = reopened(copy)
        assert messages(copy) == VERSIONS
        assert list(copy.store.log.refs_under(TAGS)) == ["v0"]
        assert sorted(copy.store.log.refs_under("remotes/origin/")) == ["main", "side"]
        assert not bounds_of(copy.store).shallow
        assert check(copy).problems == ()
        assert set(copy.store.index.ids()) == set(clone_whole(whole).store.index.ids())

    def test_a_depth_for_a_whole_clone_is_refused(self, whole: Repo) -> None:
        copy = clone_whole(whole)
        with pytest.raises(InvalidInput, match="whole history"):
            fetch(copy, ORIGIN, depth=1)
        assert fetch(copy, ORIGIN, unshallow=True).size == 0

    def test_a_merge_is_as_deep_on_each_side(self, whole: Repo) -> None:
        branches.switch(whole, "side")
        save(whole, {"data/side": b"side"})
        branches.switch(whole, "main")
        merge_snapshot(whole, "side")
        push(whole, ORIGIN)
        copy = shallow(whole, 2)
        assert read_tree(copy.root) == read_tree(whole.root)
        assert count(copy, Kind.SNAPSHOT) == 5  # the merge, both parents, and the records of theirs
        assert len(bounds_of(copy.store).shallow) == 2
        assert check(copy).problems == ()


def clone_whole(whole: Repo) -> Repo:
    folder = whole.root.parent
    return clone(str(folder / "remote"), folder / "everything")


@pytest.mark.parametrize(("ulid", "comes"), [("00" + "0" * 24, False), ("7Z" + "Z" * 24, True)])
def test_of_runs_those_since_the_edge_come_and_all_others_with_the_rest(whole: Repo, ulid: str, comes: bool) -> None:
    there = open_remote(whole, ORIGIN)
    run = Run(ulid, run_name(ulid), Status.OK, ("c",), "", 1, 2, "u", "h")
    with there.packer() as packer:
        target = Target(TargetKind.RUN, packer.put(Kind.RUN, encode_run(run)))
        there.move("a run", {RUNS + ulid: target}, packer.finish())
    copy = shallow(whole, 1)
    assert (RUNS + ulid in copy.store.log.refs) is comes
    fetch(copy, ORIGIN, unshallow=True)
    assert RUNS + ulid in reopened(copy).store.log.refs
