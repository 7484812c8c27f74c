"""What rules leave out, and what is tracked all the same: as in git, it stays tracked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import SOMEBODY, new_repo, read_tree, reopened, write_tree
from tests.support.trees import later
from xver.errors import DirtyWorktree, InvalidInput
from xver.model.entries import Dataset
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.upkeep.fsck import check
from xver.versioning.branches import switch
from xver.versioning.commits import commit
from xver.versioning.pathspecs import expand
from xver.versioning.previewing import preview
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.sparse import drop_profile, set_profile
from xver.versioning.state import status
from xver.versioning.tracking import add

TREE = {"d/a": b"1", "d/x.log": b"2", "d/cache/deep/y": b"3", "d/cache/z": b"4"}


def rows(repo: Repo) -> list[str]:
    entry = repo.lock.entries[TrackedPath("d")]
    assert isinstance(entry, Dataset)
    return [row.path for row in read_listing(reopened(repo).store, entry.id)]


def seen(repo: Repo) -> list[tuple[str, str]]:
    found = status(reopened(repo)).changed
    return [(one.path, str(one.differs)) for one in found[TrackedPath("d")].differences] if found else []


@pytest.fixture
def ruled(repo: Repo) -> Repo:
    """A dataset of which all but one file matches a rule; that one alone is committed."""
    write_tree(repo.root, {".xverignore": b"*.log\ncache/\n", **TREE})
    add(repo, ["d"])
    assert rows(repo) == ["a"]
    commit(repo, "one", author=SOMEBODY)
    return repo


@pytest.fixture
def forced(ruled: Repo) -> Repo:
    """The same, with two of them added by force and committed."""
    add(ruled, ["d/x.log", "d/cache/deep"], force=True)
    commit(ruled, "two", author=SOMEBODY)
    return ruled


@pytest.mark.parametrize("path", ["d/x.log", "d/cache", "d/cache/z", "free.log"])
def test_an_ignored_path_is_refused_with_the_way_to_add_it(ruled: Repo, path: str) -> None:
    write_tree(ruled.root, {"free.log": b"5"})
    with pytest.raises(InvalidInput, match=r"a rule of \.xverignore leaves .* out") as caught:
        add(ruled, [path])
    assert caught.value.hint == f"xver add -f {path} adds it all the same"
    add(ruled, [path], force=True)
    assert check(ruled).problems == ()


def test_force_takes_in_all_of_a_folder_but_what_is_git_s(ruled: Repo) -> None:
    write_tree(ruled.root, {"d/cache/.git/HEAD": b"ref: x"})
    add(ruled, ["d"], force=True)
    assert rows(ruled) == ["a", "cache/deep/y", "cache/z", "x.log"]
    assert status(reopened(ruled)).changed == {}


@pytest.mark.parametrize("indexed", [True, False], ids=["stat index", "listing"])
def test_what_is_tracked_stays_tracked(forced: Repo, monkeypatch: pytest.MonkeyPatch, indexed: bool) -> None:
    with later(monkeypatch):
        assert seen(forced) == []
        write_tree(forced.root, {"d/a": b"11", "d/x.log": b"22", "d/new.log": b"!", "d/cache/deep/new": b"!"})
        if not indexed:
            (forced.places.own / "stat-index").unlink()
        assert seen(forced) == [("a", "modified"), ("x.log", "modified")]
        assert [one.path for one in preview(reopened(forced), ["d"])[0].differences] == ["a", "x.log"]
        add(reopened(forced), ["d"])
        assert rows(forced) == ["a", "cache/deep/y", "x.log"]
        (forced.root / "d/cache/deep/y").unlink()
        assert seen(forced) == [("cache/deep/y", "deleted")]
        add(reopened(forced), ["d"])
        assert rows(forced) == ["a", "x.log"]
        assert seen(forced) == []


def test_what_is_tracked_may_be_named(forced: Repo) -> None:
    write_tree(forced.root, {"d/x.log": b"22", "d/cache/deep/y": b"33"})
    add(forced, expand(forced, ["d/*.log", "d/cache"], start=forced.root))
    assert rows(forced) == ["a", "cache/deep/y", "x.log"]
    assert seen(forced) == []


def test_a_tracked_path_of_its_own_may_be_ignored(repo: Repo) -> None:
    write_tree(repo.root, {".xverignore": b"cache/\n*.bin\n", "cache/d/a": b"1", "model.bin": b"2"})
    add(repo, ["cache/d", "model.bin"], force=True)
    write_tree(repo.root, {"cache/d/a": b"11", "model.bin": b"22", "cache/d/new": b"!"})
    assert sorted(status(repo).changed) == ["cache/d", "model.bin"]
    add(repo, ["cache/d", "model.bin"])
    assert [one.path for one in read_listing(repo.store, repo.lock.entries[TrackedPath("cache/d")].id)] == ["a"]  # type: ignore[union-attr, arg-type]
    assert status(reopened(repo)).changed == {}


def test_other_versions_take_it_off_the_disk_and_bring_it_back(forced: Repo) -> None:
    before = read_tree(forced.root)
    switch(forced, "HEAD~1")
    assert read_tree(forced.root) == {
        path: data for path, data in before.items() if path not in ("d/x.log", "d/cache/deep/y")
    }
    switch(reopened(forced), "main")
    assert read_tree(forced.root) == before
    (forced.root / "d/x.log").unlink()
    checkout(reopened(forced))
    assert read_tree(forced.root) == before


def test_changes_in_it_are_not_lost(forced: Repo) -> None:
    write_tree(forced.root, {"d/x.log": b"mine"})
    with pytest.raises(DirtyWorktree) as caught:
        switch(reopened(forced), "HEAD~1")
    assert caught.value.paths == ("d/x.log",)
    with pytest.raises(DirtyWorktree):
        remove(reopened(forced), ["d"])


def test_removing_takes_it_away_and_what_was_never_tracked_stays(forced: Repo) -> None:
    remove(forced, ["d/x.log"], cached=True)
    assert rows(forced) == ["a", "cache/deep/y"]
    assert seen(forced) == []
    add(forced, ["d"])
    assert rows(forced) == ["a", "cache/deep/y"]
    remove(forced, ["d"])
    assert sorted(read_tree(forced.root)) == [".xverignore", "d/cache/z", "d/x.log"]


def test_outside_of_the_profile_it_leaves_the_disk_and_stays_in_the_version(forced: Repo) -> None:
    before = read_tree(forced.root)
    set_profile(forced, ["d/a"])
    assert sorted(read_tree(forced.root)) == [".xverignore", "d/a", "d/cache/z"]
    write_tree(forced.root, {"d/a": b"11"})
    add(reopened(forced), ["d"])
    assert rows(forced) == ["a", "cache/deep/y", "x.log"]
    drop_profile(reopened(forced))
    assert read_tree(forced.root) == {**before, "d/a": b"11"}


def test_where_the_listing_is_gone_the_rules_hold_and_the_add_goes_on(tmp_path: Path) -> None:
    """The way back from a lost store: what lies on the disk is taken in."""
    repo = new_repo(tmp_path / "work")
    write_tree(repo.root, {".xverignore": b"*.log\n", **TREE})
    add(repo, ["d"], force=True)
    lock = repo.lock_path.read_bytes()
    other = new_repo(tmp_path / "other", like=repo)
    write_tree(other.root, {".xverignore": b"*.log\n", **TREE})
    other.lock_path.write_bytes(lock)
    add(other, ["d"])
    assert rows(other) == ["a", "cache/deep/y", "cache/z"]
