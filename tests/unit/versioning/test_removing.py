"""`rm`: tracked files leave; what was never added, and what nobody could bring back, stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import partial_clone, save, write_tree
from tests.support.trees import picture
from xver.errors import ContentNotFound, DirtyWorktree, NotFound
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.state import status

FILES = {"d/a": b"1", "d/s/x": b"1", "d/s/y": b"1", "e": b"1"}


@pytest.fixture(autouse=True)
def tracked(repo: Repo) -> None:
    save(repo, FILES)


def without(*gone: str) -> dict[str, bytes]:
    return {path: data for path, data in FILES.items() if not path.startswith(gone)}


@pytest.mark.parametrize(
    ("paths", "left", "told"),
    [
        (["d"], without("d"), ("d",)),
        (["e"], without("e"), ("e",)),
        (["d", "e"], {}, ("d", "e")),
        ([""], {}, ("d", "e")),
        (["d/a"], without("d/a"), ("d/a",)),
        (["d/s"], without("d/s"), ("d/s",)),
        (["d/s/x", "d/a", "d/a"], without("d/s/x", "d/a"), ("d/a", "d/s/x")),
        (["d/s", "d"], without("d"), ("d", "d/s")),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_what_leaves(repo: Repo, paths: list[str], left: dict[str, bytes], told: tuple[str, ...], cached: bool) -> None:
    done = remove(repo, paths, cached=cached)
    assert (done.paths, done.files) == (told, 0 if cached else len(FILES) - len(left))
    assert picture(repo.root) == (FILES if cached else left)
    again = checkout(repo, [one for one in ("d", "e") if one in repo.lock.entries])
    assert again.written == 0
    changed = {f"{top}/{one.path}" for top, many in status(repo).changed.items() for one in many.differences}
    assert changed == (
        {path for path in FILES if path not in left and path[0] in repo.lock.entries} if cached else set()
    )
    assert check(repo).problems == ()


def test_what_was_never_added_stays(repo: Repo) -> None:
    extra = {"d/mine": b"!", "d/s/.git/HEAD": b"!", "d/x.log": b"!"}
    (repo.root / ".xverignore").write_text("*.log\n", encoding="utf-8")
    write_tree(repo.root, extra)
    remove(repo, ["d"])
    assert {path for path in extra if (repo.root / path).exists()} == set(extra)
    assert not (repo.root / "d" / "a").exists()


@pytest.mark.parametrize("path", ["d", "d/s", "d/s/x"])
def test_changed_files_are_not_lost(repo: Repo, path: str) -> None:
    write_tree(repo.root, {"d/s/x": b"mine"})
    before, lock = picture(repo.root), repo.lock_path.read_bytes()
    with pytest.raises(DirtyWorktree) as caught:
        remove(repo, [path])
    assert caught.value.paths == ("d/s/x",)
    assert (picture(repo.root), repo.lock_path.read_bytes()) == (before, lock)
    remove(repo, ["d/a"])
    remove(repo, [path], cached=True)
    assert (repo.root / "d" / "s" / "x").read_bytes() == b"mine"


def test_what_is_not_there_any_more_can_leave(repo: Repo) -> None:
    (repo.root / "d" / "a").unlink()
    (repo.root / "e").unlink()
    (repo.root / "e").mkdir()
    write_tree(repo.root, {"e/mine": b"!"})
    assert remove(repo, ["d/a", "e"]).files == 0
    assert picture(repo.root) == without("d/a", "e") | {"e/mine": b"!"}


@pytest.mark.parametrize("path", ["none", "d/none", "e/x", "d/sx"])
def test_what_is_not_tracked_cannot(repo: Repo, path: str) -> None:
    with pytest.raises(NotFound, match=f"{path} is not tracked"):
        remove(repo, ["d", path])
    assert list(repo.lock.entries) == ["d", "e"]


def test_a_dataset_that_was_never_fetched(repo: Repo, tmp_path: Path) -> None:
    clone = partial_clone(repo, tmp_path / "clone", without=b"1")
    for pack in (clone.places.shared / "store" / "log").glob("*"):
        pack.unlink()
    clone = Repo(clone.places)
    write_tree(clone.root, {"d/a": b"2"})
    with pytest.raises(ContentNotFound) as caught:
        remove(clone, ["d"])
    assert caught.value.hint == "xver fetch, or xver rm --cached d"
    remove(clone, ["d"], cached=True)
    assert list(clone.lock.entries) == ["e"]
