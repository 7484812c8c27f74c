"""Pull and clone: data comes and is checked out, or nothing is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import read_tree, reopened, save, write_tree
from tests.unit.sync.sides import FILES, ORIGIN, cloned, remote_packs, there
from xver.errors import (
    AlreadyExists,
    ContentNotFound,
    DirtyWorktree,
    NotFound,
    RepositoryNotFound,
    StorageError,
)
from xver.model.refs import HEADS
from xver.repo import Repo
from xver.sync.fetch import fetch_data
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.state import status
from xver.versioning.versions import head_id


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

    @pytest.mark.parametrize("kind", ["forward", "merge"])
    def test_what_was_changed_goes_along_where_it_changes_nothing(self, repo: Repo, kind: str) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        if kind == "merge":
            save(copy, {"own/x": b"x"}, "own")
        save(repo, {"data/a": b"second", "more/x": b"x"})
        push(repo, ORIGIN)
        write_tree(copy.root, {"data/sub/mine": b"mine", "note": b"mine"})
        before = read_tree(copy.root)
        done = pull(reopened(copy), ORIGIN)
        assert done.merged == kind
        assert read_tree(copy.root) == before | {"data/a": b"second", "more/x": b"x"}
        found = status(reopened(copy))
        assert (found.staged, set(found.changed)) == ((), {"data", "note"})

    def test_what_was_changed_where_it_changes_something_is_a_reason_to_stay(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(repo, {"data/a": b"second"})
        push(repo, ORIGIN)
        write_tree(copy.root, {"data/a": b"mine"})
        head = head_id(copy)
        with pytest.raises(DirtyWorktree):
            pull(reopened(copy), ORIGIN)
        assert read_tree(copy.root)["data/a"] == b"mine"
        assert head_id(reopened(copy)) == head

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
