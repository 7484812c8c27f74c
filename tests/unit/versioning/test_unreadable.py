"""A file that cannot be read, or goes on changing: it is named, all else is added, and nothing is taken for removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.repos import reopened, save, write_tree
from tests.support.trees import later, not_root, posix
from xver.errors import Changing, DirtyWorktree, Unreadable
from xver.model.entries import Dataset
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.upkeep.fsck import check
from xver.versioning.previewing import preview
from xver.versioning.restoring import checkout
from xver.versioning.state import status
from xver.versioning.tracking import add


def rows(repo: Repo) -> dict[str, int]:
    entry = repo.lock.entries[TrackedPath("d")]
    assert isinstance(entry, Dataset)
    return {row.path: row.entry.size for row in read_listing(reopened(repo).store, entry.id)}


class Skipped(dict[str, str]):
    """Paths that were skipped, and why."""

    def __call__(self, path: str, error: Unreadable | Changing) -> None:
        self[path] = error.reason


@contextmanager
def written(repo: Repo, path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a file grow whenever some of it is read."""
    read = os.read
    inode = (repo.root / path).stat().st_ino

    def reads(handle: int, size: int) -> bytes:
        data = read(handle, size)
        if os.fstat(handle).st_ino == inode:
            with (repo.root / path).open("ab") as file:
                file.write(b"more")
        return data

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", reads)
        yield


def test_one_that_goes_on_changing_is_left_out_and_all_else_is_added(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/log": b"22", "d/z": b"333", "log": b"4"})
    skipped = Skipped()
    with written(repo, "d/log", monkeypatch):
        add(repo, ["d"], skip=skipped)
    assert skipped == {"d/log": "changes while it is read"}
    assert rows(repo) == {"a": 1, "z": 3}
    assert [(one.path, one.differs) for one in status(reopened(repo)).changed[TrackedPath("d")].differences] == [
        ("log", "added")
    ]
    add(reopened(repo), ["d"])
    assert list(rows(repo)) == ["a", "log", "z"]
    assert check(reopened(repo)).problems == ()


@pytest.mark.parametrize("paths", [["d"], ["d/s"], ["d/s/log", "d/s/a"]], ids=["whole", "folder", "files"])
@pytest.mark.parametrize("indexed", [True, False], ids=["stat index", "listing"])
def test_one_that_is_tracked_stays_as_it_was(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, paths: list[str], indexed: bool
) -> None:
    save(repo, {"d/s/a": b"1", "d/s/log": b"22", "d/z": b"333"})
    write_tree(repo.root, {"d/s/a": b"11", "d/s/log": b"2222"})
    if not indexed:
        (repo.places.own / "stat-index").unlink()
    skipped = Skipped()
    with written(repo, "d/s/log", monkeypatch):
        add(reopened(repo), paths, skip=skipped)
    assert list(skipped) == ["d/s/log"]
    assert rows(repo) == {"s/a": 2, "s/log": 2, "z": 3}
    found = status(reopened(repo)).changed[TrackedPath("d")].differences
    assert [(one.path, one.differs) for one in found] == [("s/log", "modified")]
    add(reopened(repo), paths)
    assert rows(repo)["s/log"] > 4
    assert status(reopened(repo)).is_clean is False  # staged
    assert status(reopened(repo)).changed == {}


def test_a_tracked_path_that_is_one_file_is_left_as_it_was(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    save(repo, {"f": b"1", "e/a": b"1"})
    write_tree(repo.root, {"f": b"22", "new": b"333", "e/a": b"22"})
    before = repo.lock.entries
    skipped = Skipped()
    with written(repo, "f", monkeypatch):
        add(repo, ["f", "e"], skip=skipped)
    with written(repo, "new", monkeypatch):
        done = add(repo, ["new", "e"], skip=skipped)
    assert sorted(skipped) == ["f", "new"]
    assert [one.path for one in done.added] == ["e"]
    after = repo.lock.entries
    assert (sorted(after), after[TrackedPath("f")]) == (["e", "f"], before[TrackedPath("f")])
    assert after[TrackedPath("e")] != before[TrackedPath("e")]


def test_a_file_in_a_dataset_s_place_that_cannot_be_read_takes_nothing_from_it(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(repo, {"d/a": b"1"})
    (repo.root / "d/a").unlink()
    (repo.root / "d").rmdir()
    write_tree(repo.root, {"d": b"2"})
    skipped = Skipped()
    with written(repo, "d", monkeypatch):
        add(repo, ["d"], skip=skipped)
    assert list(skipped) == ["d"]
    assert rows(repo) == {"a": 1}


def test_status_says_which_file_could_not_be_compared(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    save(repo, {"d/log": b"1", "d/a": b"1"})
    write_tree(repo.root, {"d/log": b"2"})
    with written(repo, "d/log", monkeypatch):
        found = status(reopened(repo))
        assert found.unreadable == {"d/log": "changes while it is read"}
        assert [one.path for one in found.changed[TrackedPath("d")].differences] == ["log"]


def test_who_does_not_ask_for_it_gets_all_or_nothing(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    save(repo, {"d/a": b"1", "d/log": b"2"})
    write_tree(repo.root, {"d/a": b"11", "d/log": b"22"})
    before = repo.lock_path.read_bytes()
    with written(repo, "d/log", monkeypatch), pytest.raises(Changing):
        add(repo, ["d"])
    assert repo.lock_path.read_bytes() == before


@not_root
@posix
class TestModes:
    """As everybody but root meets them; the command line tests the same as root without its rights."""

    @pytest.mark.parametrize("paths", [["d"], ["d/s"]])
    @pytest.mark.parametrize("mode", [0o000, 0o400], ids=oct)
    @pytest.mark.parametrize("indexed", [True, False], ids=["stat index", "listing"])
    def test_a_folder_that_cannot_be_read_stays_as_it_was(
        self, repo: Repo, monkeypatch: pytest.MonkeyPatch, paths: list[str], mode: int, indexed: bool
    ) -> None:
        save(repo, {"d/a": b"1", "d/s/b": b"22", "d/s/t/c": b"333"})
        write_tree(repo.root, {"d/a": b"11", "d/s/b": b"!"})
        if not indexed:
            (repo.places.own / "stat-index").unlink()
        skipped = Skipped()
        (repo.root / "d/s").chmod(mode)
        try:
            found = status(reopened(repo))
            assert list(found.unreadable) == ["d/s"]
            assert not any(one.path.startswith("s/") for one in found.changed[TrackedPath("d")].differences)
            preview(reopened(repo), paths, skip=skipped)
            add(reopened(repo), paths, skip=skipped)
            with pytest.raises(Unreadable):
                checkout(reopened(repo))
        finally:
            (repo.root / "d/s").chmod(0o755)
        assert list(skipped) == ["d/s"]
        assert rows(repo) == {"a": 2 if paths == ["d"] else 1, "s/b": 2, "s/t/c": 3}
        assert ("s/b", "modified") in [
            (one.path, one.differs) for one in status(reopened(repo)).changed[TrackedPath("d")].differences
        ]

    def test_a_new_folder_that_cannot_be_read_is_not_tracked(self, repo: Repo) -> None:
        write_tree(repo.root, {"d/a": b"1", "e/b": b"2"})
        skipped = Skipped()
        (repo.root / "d").chmod(0)
        try:
            add(repo, ["d", "e"], skip=skipped)
        finally:
            (repo.root / "d").chmod(0o755)
        assert (list(skipped), list(repo.lock.entries)) == (["d"], ["e"])

    def test_what_cannot_be_read_is_not_overwritten(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        with later(monkeypatch):
            first = save(repo, {"d/a": b"1"})
            save(repo, {"d/a": b"2"})
        write_tree(repo.root, {"d/a": b"mine"})
        (repo.root / "d/a").chmod(0)
        from xver.versioning.branches import switch

        with pytest.raises((Unreadable, DirtyWorktree)):
            switch(reopened(repo), first)
        (repo.root / "d/a").chmod(0o644)
        assert (repo.root / "d/a").read_bytes() == b"mine"
