"""Moves: the disk, `xver.lock` and what is known of files change their names together, or nothing does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.repos import reopened, save, write_tree
from tests.support.trees import picture
from xver.errors import InvalidInput, NotFound, StorageError
from xver.model.entries import Dataset
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.upkeep.fsck import check
from xver.versioning import moving
from xver.versioning.moving import move
from xver.versioning.restoring import checkout
from xver.versioning.state import status
from xver.versioning.tracking import add

FILES = {"d/a": b"a", "d/s/x": b"x", "d/s/y": b"y", "e/b": b"b", "f": b"f"}


def tracked(repo: Repo) -> dict[str, list[str]]:
    """Return the files of each tracked path."""
    return {
        top: [row.path for row in read_listing(repo.store, entry.id)] if isinstance(entry, Dataset) else []
        for top, entry in repo.lock.entries.items()
    }


@pytest.mark.parametrize(
    ("sources", "target", "lock", "moved"),
    [
        (["d"], "n/d", {"n/d": ["a", "s/x", "s/y"], "e": ["b"], "f": []}, {"d": "n/d"}),
        (["f"], "e", {"d": ["a", "s/x", "s/y"], "e": ["b", "f"]}, {"f": "e/f"}),
        (["d"], "e", {"e": ["b", "d/a", "d/s/x", "d/s/y"], "f": []}, {"d": "e/d"}),
        (["d/s"], "d/t", {"d": ["a", "t/x", "t/y"], "e": ["b"], "f": []}, {"d/s": "d/t"}),
        (["d/s"], "n", {"d": ["a"], "n": ["x", "y"], "e": ["b"], "f": []}, {"d/s": "n"}),
        (["d/s/x"], "n", {"d": ["a", "s/y"], "n": [], "e": ["b"], "f": []}, {"d/s/x": "n"}),
        (["d/s/x", "f"], "e", {"d": ["a", "s/y"], "e": ["b", "f", "x"]}, {"d/s/x": "e/x", "f": "e/f"}),
        (["d", "d2"], "e", {"e": ["b", "d/a", "d/s/x", "d/s/y", "d2/z"], "f": []}, {"d": "e/d", "d2": "e/d2"}),
        (["d/a", "d/s"], "d/q", {"d": ["q/a", "q/s/x", "q/s/y"], "e": ["b"], "f": []},
         {"d/a": "d/q/a", "d/s": "d/q/s"}),
    ],
)  # fmt: skip
def test_a_move(repo: Repo, sources: list[str], target: str, lock: dict[str, list[str]], moved: dict[str, str]) -> None:
    files = FILES | ({"d2/z": b"z"} if "d2" in sources else {})
    save(repo, files)
    assert move(repo, sources, target) == list(moved.items())
    expected = {}
    for path, data in files.items():
        old = next((one for one in moved if path == one or path.startswith(one + "/")), None)
        expected[path if old is None else moved[old] + path[len(old) :]] = data
    found = {path: data for path, data in picture(repo.root).items() if data != "/"}
    assert found == expected
    assert tracked(repo) == lock
    again = reopened(repo)
    now = status(again)
    assert (now.changed, now.absent) == ({}, ())
    assert check(again).problems == ()


def test_a_folder_above_tracked_paths_moves_them(repo: Repo) -> None:
    write_tree(repo.root, {"data/d/a": b"a", "data/e": b"e", "data/code": b"mine"})
    add(repo, ["data/d", "data/e"])
    move(repo, ["data"], "other")
    assert tracked(repo) == {"other/d": ["a"], "other/e": []}
    assert picture(repo.root) == {"other/d/a": b"a", "other/e": b"e", "data/code": b"mine"}


def test_changes_that_were_not_added_move_along(repo: Repo) -> None:
    save(repo, FILES)
    write_tree(repo.root, {"d/s/x": b"changed", "d/s/new": b"new"})
    move(repo, ["d/s"], "e/s")
    found = status(reopened(repo))
    assert {one.path: str(one.differs) for one in found.changed["e"].differences} == {  # type: ignore[index]
        "s/new": "added",
        "s/x": "modified",
    }
    assert list(found.changed) == ["e"]


def test_what_is_not_on_the_disk_moves_in_the_lock_alone(repo: Repo) -> None:
    save(repo, FILES)
    (repo.root / "f").unlink()
    move(repo, ["f"], "g")
    assert "g" in tracked(repo)
    checkout(reopened(repo))
    assert (repo.root / "g").read_bytes() == b"f"


@pytest.mark.parametrize(
    ("sources", "target", "error"),
    [
        (["none"], "x", NotFound),
        (["d/none"], "x", NotFound),
        ([""], "x", InvalidInput),
        (["d"], "f", InvalidInput),
        (["d"], "d", InvalidInput),
        (["d"], "d/s", InvalidInput),
        (["d"], "f/x", InvalidInput),
        (["d"], ".xver/x", InvalidInput),
        (["d"], "xver.toml", InvalidInput),
        (["d/a", "d/a"], "n", NotFound),
        (["d/a", "e/a"], "n", InvalidInput),
    ],
)
def test_what_cannot_be_moved_is_refused_and_stays(
    repo: Repo, sources: Sequence[str], target: str, error: type[Exception]
) -> None:
    files = FILES | {"e/a": b"another"}
    save(repo, files)
    before = repo.lock
    with pytest.raises(error):
        move(repo, list(sources), target)
    assert picture(repo.root) == files
    assert repo.lock == before


def test_a_disk_that_refuses_leaves_everything_as_it_was(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    save(repo, FILES)
    before, rename = repo.lock, moving._rename

    def refuse(old: Path, new: Path) -> None:
        if os.fspath(new).endswith(os.path.join("n", "f")):
            raise OSError(18, "Invalid cross-device link")
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_rename", refuse)
        with pytest.raises(StorageError, match="f cannot be moved to n/f: invalid cross-device link"):
            move(repo, ["d", "f"], "n")
    assert {path: data for path, data in picture(repo.root).items() if data != "/"} == FILES
    assert repo.lock == before
    assert status(reopened(repo)).is_clean


@pytest.mark.parametrize("can", [True, False])
def test_what_came_to_the_new_name_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can: bool
) -> None:
    if not can:
        monkeypatch.setattr(moving, "rename_new", lambda *_: False)
    files = {"a": b"a", "b": b"b", "n/b": b"of a program that goes on writing"}
    write_tree(tmp_path, files)
    with pytest.raises(StorageError, match="b cannot be moved to n/b: file exists"):
        moving.rename_all(tmp_path, [("a", "n/a"), ("b", "n/b")])
    assert picture(tmp_path) == files
