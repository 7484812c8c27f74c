"""The sparse profile: what it leaves out is on no disk, and stays in every version that is made."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.support.repos import SOMEBODY, new_repo, read_tree, reopened, write_tree
from tests.support.trees import later
from tests.unit.sync.sides import ORIGIN
from xver.errors import DirtyWorktree, InvalidInput, MergeConflict, NotFound
from xver.format.lockfile import Lock
from xver.model.entries import Dataset
from xver.model.paths import parse_path
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout, follow, restore
from xver.versioning.sparse import drop_profile, extend_profile, set_profile
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.undoing import undo

DRAW = random.Random(11)
FILES = {
    "data/a/one": b"one",
    "data/a/two": DRAW.randbytes(350_000),
    "data/b/big": DRAW.randbytes(450_000),
    "data/b/small": b"small",
    "model": b"a file by itself",
    "other/x": DRAW.randbytes(300_000),
}


@pytest.fixture
def whole(tmp_path: Path) -> Repo:
    repo = new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)
    push(repo, ORIGIN)
    return repo


def below(*paths: str) -> dict[str, bytes]:
    return {name: data for name, data in FILES.items() if name.startswith(paths)}


def cloned(whole: Repo, *paths: str) -> Repo:
    return clone(
        str(whole.root.parent / "remote"), whole.root.parent / "part", paths=[parse_path(one) for one in paths]
    )


def tracked(repo: Repo) -> set[str]:
    found: set[str] = set()
    for top, entry in repo.lock.entries.items():
        rows = read_listing(repo.store, entry.id) if isinstance(entry, Dataset) else []
        found |= {f"{top}/{row.path}" for row in rows} or {str(top)}
    return found


def save(repo: Repo, files: dict[str, bytes], *paths: str) -> str:
    write_tree(repo.root, files)
    add(repo, paths or sorted(files))
    return commit(repo, "a version", author=SOMEBODY).id


class TestSet:
    @pytest.mark.parametrize("paths", [("data/a",), ("data/b/big", "model"), ("other",), ("data",)], ids=str)
    def test_the_disk_has_what_is_wanted_and_nothing_is_a_change(self, whole: Repo, paths: tuple[str, ...]) -> None:
        before = whole.lock
        done = set_profile(whole, paths)
        assert read_tree(whole.root) == below(*paths)
        assert (done.restored.removed, done.lacking) == (len(FILES) - len(below(*paths)), 0)
        assert status(reopened(whole)).is_clean
        assert whole.lock == before
        checkout(reopened(whole))
        follow(reopened(whole))
        assert read_tree(whole.root) == below(*paths)

    def test_wider_and_narrower_and_off(self, whole: Repo) -> None:
        set_profile(whole, ["data/a"])
        assert extend_profile(whole, ["data/b/small", "data/a/one"]).restored.written == 1
        assert whole.sparse.paths == ("data/a", "data/b/small")
        assert read_tree(whole.root) == below("data/a", "data/b/small")
        set_profile(whole, ["other"])
        assert read_tree(whole.root) == below("other")
        drop_profile(whole)
        assert read_tree(whole.root) == FILES
        assert status(reopened(whole)).is_clean

    def test_the_root_is_everything(self, whole: Repo) -> None:
        set_profile(whole, ["data/a"])
        set_profile(whole, [""])
        assert whole.sparse.paths is None
        assert read_tree(whole.root) == FILES

    def test_work_that_was_not_added_is_not_lost(self, whole: Repo) -> None:
        write_tree(whole.root, {"data/b/small": b"changed"})
        with pytest.raises(DirtyWorktree) as error:
            set_profile(whole, ["data/a"])
        assert list(error.value.paths) == ["data/b/small"]
        assert reopened(whole).sparse.paths is None
        assert read_tree(whole.root) == FILES | {"data/b/small": b"changed"}

    def test_what_was_never_added_stays(self, whole: Repo) -> None:
        write_tree(whole.root, {"data/b/mine": b"mine", "data/a/one": b"changed"})
        set_profile(whole, ["data/a"])
        assert read_tree(whole.root) == below("data/a") | {"data/b/mine": b"mine", "data/a/one": b"changed"}
        (found,) = status(reopened(whole)).changed.values()
        assert [(one.path, str(one.differs)) for one in found.differences] == [
            ("a/one", "modified"),
            ("b/mine", "added"),
        ]

    def test_what_somebody_removed_inside_is_not_brought_back(self, whole: Repo) -> None:
        set_profile(whole, ["data/a"])
        (whole.root / "data" / "a" / "one").unlink()
        drop_profile(whole)
        assert read_tree(whole.root) == {name: data for name, data in FILES.items() if name != "data/a/one"}

    def test_what_is_not_tracked_is_refused(self, whole: Repo) -> None:
        with pytest.raises(NotFound, match="nowhere is not tracked"):
            set_profile(whole, ["nowhere"])
        with pytest.raises(InvalidInput, match="everything is wanted"):
            extend_profile(whole, ["data"])

    def test_a_damaged_profile_is_no_profile(self, whole: Repo) -> None:
        whole.sparse_path.write_text("[", encoding="utf-8")
        with pytest.raises(InvalidInput, match="the sparse profile is damaged"):
            status(reopened(whole))

    def test_what_is_not_local_is_told_and_not_taken_for_removed(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        done = drop_profile(part)
        assert done.lacking == sum(len(data) for name, data in FILES.items() if not name.startswith("data/a"))
        found = status(reopened(part))
        assert (found.changed, found.absent, set(found.away)) == ({}, (), {"data", "model", "other"})
        write_tree(part.root, {"data/a/new": b"new"})
        with pytest.raises(DirtyWorktree, match="never on this disk"):
            add(part, ["data"])
        pull(part, ORIGIN)
        assert read_tree(part.root) == FILES | {"data/a/new": b"new"}

    def test_a_profile_that_is_lost_removes_nothing(self, whole: Repo) -> None:
        part = cloned(whole, "data/b")
        set_profile(part, ["data/b/small"])
        part.sparse_path.unlink()
        found = status(reopened(part))
        assert (found.changed, found.absent, set(found.away)) == ({}, (), {"data", "model", "other"})
        with pytest.raises(DirtyWorktree, match="never on this disk") as error:
            add(reopened(part), ["data/b"])
        assert list(error.value.paths) == ["data/b/big"]


class TestByHand:
    """A large file of which only the metadata was fetched, and that somebody put on the disk."""

    @pytest.fixture
    def part(self, whole: Repo) -> Repo:
        part = cloned(whole, "data/a")
        write_tree(part.root, below("data/b/big"))
        assert part.lock == whole.lock
        shutil.rmtree(whole.root.parent / "remote")  # there is no other copy
        return part

    def test_it_is_not_removed_as_if_the_store_had_it(self, part: Repo) -> None:
        for act in (lambda: remove(part, ["data/b/big"]), lambda: set_profile(part, ["data/a"])):
            with pytest.raises(DirtyWorktree):
                act()
        assert read_tree(part.root) == below("data/a", "data/b/big")

    def test_a_checkout_without_it_leaves_it(self, part: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        with later(monkeypatch):
            assert status(reopened(part)).changed == {}
        part = reopened(part)
        part.write_lock(Lock(part.lock.repository, {}))
        checkout(part)
        assert read_tree(part.root) == below("data/b/big")

    def test_an_add_stores_it(self, part: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        with later(monkeypatch):
            assert status(reopened(part)).changed == {}
        drop_profile(part)
        add(part, ["data/b/big"])
        remove(part, ["data/b/big"])
        assert read_tree(part.root) == below("data/a")
        undo(part)
        assert read_tree(part.root) == below("data/a", "data/b/big")


class TestVersions:
    def test_a_clone_keeps_its_paths(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        save(whole, {"data/a/one": b"uno", "data/b/small": b"poco", "other/x": b"x"}, "data", "other")
        push(whole, ORIGIN)
        pull(reopened(part), ORIGIN)
        assert read_tree(part.root) == below("data/a") | {"data/a/one": b"uno"}
        assert status(reopened(part)).is_clean
        assert check(part).problems == ()

    def test_a_switch_brings_what_is_wanted_and_takes_what_is_not(self, whole: Repo) -> None:
        branches.switch(whole, "side", new=True)
        save(
            whole,
            {"data/a/one": b"uno", "data/b/small": b"poco", "data/c/new": b"new", "other/x": b"x"},
            "data",
            "other",
        )
        branches.switch(whole, "main")
        set_profile(whole, ["data/a"])
        checkout(whole, ["data/b/small"])
        assert read_tree(whole.root) == below("data/a", "data/b/small")
        branches.switch(whole, "side")
        assert read_tree(whole.root) == below("data/a") | {"data/a/one": b"uno"}
        assert status(reopened(whole)).is_clean
        branches.switch(whole, "main")
        assert read_tree(whole.root) == below("data/a")

    def test_an_unsaved_change_outside_is_not_lost_by_a_switch(self, whole: Repo) -> None:
        branches.switch(whole, "side", new=True)
        save(whole, {"data/b/small": b"poco"})
        set_profile(whole, ["data/a"])
        write_tree(whole.root, {"data/b/small": b"mine"})
        with pytest.raises(DirtyWorktree):
            branches.switch(whole, "main")
        assert (whole.root / "data/b/small").read_bytes() == b"mine"

    def test_a_path_that_is_named_comes_all_the_same(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        pull(part, ORIGIN, ["data/b/small", "model"])
        assert read_tree(part.root) == below("data/a", "data/b/small", "model")
        pull(part, ORIGIN, ["data"])  # of what has a part in the profile, that part
        assert read_tree(part.root) == below("data/a", "data/b/small", "model")
        pull(part, ORIGIN)
        assert status(reopened(part)).is_clean
        assert read_tree(part.root) == below("data/a", "data/b/small", "model")

    def test_both_sides_are_merged_without_the_content_of_what_is_outside(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        save(whole, {"data/b/big": b"theirs", "data/b/more": b"more", "other/y": b"y"}, "data", "other")
        push(whole, ORIGIN)
        save(part, {"data/a/one": b"ours"})
        assert pull(part, ORIGIN).merged == "merge"
        assert read_tree(part.root) == below("data/a") | {"data/a/one": b"ours"}
        assert status(reopened(part)).is_clean
        push(part, ORIGIN)
        pull(whole, ORIGIN)
        new = {"data/a/one": b"ours", "data/b/big": b"theirs", "data/b/more": b"more", "other/y": b"y"}
        assert read_tree(whole.root) == FILES | new

    def test_what_both_changed_outside_is_a_conflict(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        save(whole, {"data/b/small": b"theirs"})
        push(whole, ORIGIN)
        save(part, {"data/b/small": b"ours"})
        with pytest.raises(MergeConflict) as error:
            pull(part, ORIGIN)
        assert list(error.value.paths) == ["data/b/small"]
        assert reopened(part).sparse.paths == ("data/a",)

    def test_a_version_s_part_is_restored(self, whole: Repo) -> None:
        first = save(whole, {"data/a/one": b"1", "data/b/small": b"2"}, "data")
        save(whole, {"data/a/one": b"3", "data/b/small": b"4"}, "data")
        set_profile(whole, ["data/a"])
        restore(whole, ["data"], rev=first)
        assert read_tree(whole.root) == below("data/a") | {"data/a/one": b"1"}
        drop_profile(whole)
        assert (whole.root / "data/b/small").read_bytes() == b"2"

    def test_a_version_that_has_nothing_of_the_profile(self, whole: Repo) -> None:
        branches.switch(whole, "side", new=True)
        remove(whole, ["data/a"])
        commit(whole, "without", author=SOMEBODY)
        branches.switch(whole, "main")
        set_profile(whole, ["data/a"])
        branches.switch(whole, "side")
        assert read_tree(whole.root) == {}
        assert status(reopened(whole)).is_clean
        branches.switch(whole, "main")
        assert read_tree(whole.root) == below("data/a")


class TestWork:
    @pytest.fixture
    def part(self, whole: Repo) -> Repo:
        return cloned(whole, "data/a")

    def shared(self, part: Repo, whole: Repo, files: dict[str, bytes]) -> None:
        """Commit, push, and see what a whole clone gets."""
        commit(part, "work", author=SOMEBODY)
        assert status(reopened(part)).is_clean
        push(part, ORIGIN)
        pull(whole, ORIGIN)
        assert read_tree(whole.root) == files
        assert check(part).problems == ()

    @pytest.mark.parametrize("word", ["data", "data/a"])
    def test_files_are_added_replaced_and_removed(self, part: Repo, whole: Repo, word: str) -> None:
        write_tree(part.root, {"data/a/three": b"three", "data/a/two": b"changed"})
        (part.root / "data/a/one").unlink()
        add(part, [word])
        new = {name: data for name, data in FILES.items() if name != "data/a/one"}
        self.shared(part, whole, new | {"data/a/three": b"three", "data/a/two": b"changed"})

    def test_what_is_put_outside_is_added_and_replaces(self, part: Repo, whole: Repo) -> None:
        write_tree(part.root, {"data/b/small": b"replaced", "data/c/new": b"new"})
        add(part, ["data"])
        self.shared(part, whole, FILES | {"data/b/small": b"replaced", "data/c/new": b"new"})

    def test_a_folder_outside_becomes_a_file_only_when_it_was_removed(self, part: Repo, whole: Repo) -> None:
        write_tree(part.root, {"data/b": b"a file"})
        with pytest.raises(DirtyWorktree, match="2 files of data were never on this disk"):
            add(part, ["data"])
        remove(part, ["data/b/big", "data/b/small"])
        add(part, ["data"])
        rest = {name: data for name, data in FILES.items() if not name.startswith("data/b")}
        self.shared(part, whole, rest | {"data/b": b"a file"})

    @pytest.mark.parametrize("word", ["data/b", "data/b/small"])
    def test_what_is_outside_leaves_by_rm(self, part: Repo, whole: Repo, word: str) -> None:
        with pytest.raises(InvalidInput, match="outside of the sparse profile"):
            add(part, [word])
        remove(part, [word])
        self.shared(part, whole, {name: data for name, data in FILES.items() if not name.startswith(word)})

    def test_a_whole_folder_of_the_profile_is_removed(self, part: Repo, whole: Repo) -> None:
        remove(part, ["data/a"])
        assert read_tree(part.root) == {}
        self.shared(part, whole, {name: data for name, data in FILES.items() if not name.startswith("data/a")})

    def test_a_dataset_of_which_some_is_away_does_not_become_a_file(self, part: Repo) -> None:
        for name in ("one", "two"):
            (part.root / "data/a" / name).unlink()
        (part.root / "data/a").rmdir()
        (part.root / "data").rmdir()
        write_tree(part.root, {"data": b"a file"})
        with pytest.raises(DirtyWorktree, match="outside of the sparse profile"):
            add(part, ["data"])

    def test_undo_brings_back_what_is_wanted(self, part: Repo) -> None:
        remove(part, ["data"])
        assert read_tree(part.root) == {}
        undo(part)
        assert read_tree(part.root) == below("data/a")
        assert tracked(part) == set(FILES)
        remove(part, ["other"])
        undo(part)  # whose content is not here, and is not needed
        assert status(reopened(part)).is_clean

    def test_another_path_is_tracked_and_is_no_part_of_it(self, part: Repo) -> None:
        write_tree(part.root, {"fresh/x": b"x"})
        add(part, ["fresh"])
        assert status(reopened(part)).changed == {}
        checkout(part)
        assert (part.root / "fresh/x").exists()
