"""A part of the data: only what it needs comes, and a dataset that is here in part can be worked in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repos import SOMEBODY, new_repo, read_tree, reopened, write_tree
from tests.unit.sync.sides import ORIGIN
from xver.errors import ContentNotFound, DirtyWorktree, NotFound
from xver.model.ids import Kind
from xver.model.paths import parse_path
from xver.repo import Repo
from xver.sync.fetch import fetch
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning.commits import commit
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.state import Away, status
from xver.versioning.tracking import add

Watch = Callable[[], list[tuple[str, str]]]
DRAW = random.Random(7)
FILES = {
    "data/a/one": b"one",
    "data/a/two": DRAW.randbytes(350_000),
    "data/b/big": DRAW.randbytes(450_000),
    "data/b/small": b"small",
    "other/x": DRAW.randbytes(300_000),
}


@pytest.fixture
def whole(tmp_path: Path) -> Repo:
    repo = new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)
    push(repo, ORIGIN)
    return repo


def cloned(whole: Repo, *paths: str, checks_out: bool = True) -> Repo:
    """Return a clone of paths that has forgotten which: as what `pull PATH` leaves where no profile is set."""
    folder = whole.root.parent
    part = clone(
        str(folder / "remote"), folder / "part", paths=[parse_path(one) for one in paths], checks_out=checks_out
    )
    part.sparse_path.unlink(missing_ok=True)
    return reopened(part)


def below(*paths: str) -> dict[str, bytes]:
    return {name: data for name, data in FILES.items() if name.startswith(paths)}


def chunks(repo: Repo) -> int:
    """Return the bytes of content in a store."""
    return sum(
        repo.store.locate(id).raw for id in set(repo.store.index.ids()) if repo.store.locate(id).kind is Kind.CHUNK
    )


def size(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))


class TestClone:
    @pytest.mark.parametrize("paths", [("data/a",), ("data/b/big",), ("data/a/one", "other"), ("other",)], ids=str)
    def test_of_paths_brings_their_data_alone(self, whole: Repo, paths: tuple[str, ...]) -> None:
        part = cloned(whole, *paths)
        assert read_tree(part.root) == below(*paths)
        assert chunks(part) == size(below(*paths))
        assert check(part).problems == ()

    def test_the_rest_comes_with_a_pull(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        pull(part, ORIGIN, ["other"])
        assert read_tree(part.root) == below("data/a", "other")
        pull(part, ORIGIN)
        assert read_tree(part.root) == FILES
        assert status(reopened(part)).is_clean
        assert check(part).promised == 0

    def test_of_a_path_that_is_not_tracked_leaves_nothing(self, whole: Repo) -> None:
        with pytest.raises(NotFound, match="nowhere is not tracked"):
            cloned(whole, "nowhere")
        assert not (whole.root.parent / "part").exists()


class TestPull:
    def test_into_a_fresh_clone_made_by_git_it_brings_the_listing_and_the_part_alone(
        self, whole: Repo, tmp_path: Path
    ) -> None:
        fresh = reopened(new_repo(tmp_path / "fresh", remote=ORIGIN.url, like=whole))
        fresh.write_lock(whole.lock)
        pull(fresh, ORIGIN, ["data/a"])
        assert read_tree(fresh.root) == below("data/a")
        kinds = Counter(fresh.store.locate(id).kind for id in set(fresh.store.index.ids()))
        assert kinds[Kind.NODE] == 1  # of data/a/two, and none of data/b/big
        assert kinds[Kind.SNAPSHOT] == kinds[Kind.RUN] == 0
        found = check(fresh)
        assert (found.problems, found.promised > 0) == ((), True)
        pull(fresh, ORIGIN, ["data", "other"])
        assert read_tree(fresh.root) == FILES
        assert check(fresh).promised == 0

    def test_of_paths_asks_for_nothing_else(self, whole: Repo, watch: Watch) -> None:
        part = cloned(whole, checks_out=False)
        before = chunks(part)
        watch()
        part.write_lock(whole.lock)
        pull(part, ORIGIN, ["data/a"])
        assert chunks(part) - before == size(below("data/a"))
        packs = [call for call in watch() if call[1].startswith("packs/")]
        assert len(packs) <= 2

    def test_beside_git_the_history_of_the_others_is_not_brought(self, whole: Repo, tmp_path: Path) -> None:
        part = cloned(whole, checks_out=False)
        (whole.root / "data" / "a" / "one").write_bytes(b"uno")
        add(whole, ["data/a/one"])
        commit(whole, "another", author=SOMEBODY)
        push(whole, ORIGIN)
        refs = dict(part.store.log.refs)
        part.write_lock(whole.lock)
        pull(part, ORIGIN, ["data/a"], checks_out=False)
        moved = {name for name, one in part.store.log.refs.items() if refs.get(name) != one}
        assert moved == {part.lock_ref}


class TestWorkInAPart:
    def test_a_file_is_added(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        write_tree(part.root, {"data/a/three": b"three", "data/c": b"beside"})
        add(part, ["data/a/three", "data/c"])
        self.shared(part, whole, {**FILES, "data/a/three": b"three", "data/c": b"beside"})

    def test_a_file_is_replaced(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        new = FILES["data/a/two"][:200_000] + b"-" + FILES["data/a/two"][200_000:]
        write_tree(part.root, {"data/a/two": new})
        add(part, ["data/a"])
        self.shared(part, whole, {**FILES, "data/a/two": new})

    def test_a_file_that_was_never_here_is_replaced(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        write_tree(part.root, {"data/b/big": b"not so big"})
        add(part, ["data/b/big"])
        self.shared(part, whole, {**FILES, "data/b/big": b"not so big"})

    @pytest.mark.parametrize("gone", ["data/a/two", "data/b/big", "data/b"])
    def test_files_are_removed_whether_or_not_they_were_here(self, whole: Repo, gone: str) -> None:
        part = cloned(whole, "data/a")
        remove(part, [gone])
        self.shared(part, whole, {name: data for name, data in FILES.items() if not name.startswith(gone)})

    def test_a_tracked_path_that_was_never_here_is_no_longer_tracked(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        remove(part, ["other"])
        self.shared(part, whole, below("data"))

    def test_adding_the_whole_dataset_does_not_lose_what_was_never_here(self, whole: Repo) -> None:
        part = cloned(whole, "data/a")
        write_tree(part.root, {"data/a/three": b"three"})
        with pytest.raises(DirtyWorktree, match="2 files of data were never on this disk"):
            add(part, ["data"])
        assert part.lock == whole.lock

    @pytest.mark.parametrize("part", ["data/b", "data/b/small"])
    def test_adding_a_part_of_it_does_not_either(self, whole: Repo, part: str) -> None:
        cloned_part = cloned(whole, "data/a")
        write_tree(cloned_part.root, {"data/b/new": b"new"})
        with pytest.raises(DirtyWorktree, match="were never on this disk") as caught:
            add(cloned_part, [part])
        assert "data/b/small" in caught.value.paths
        assert str(caught.value.hint).startswith(f"xver pull {part}")
        assert cloned_part.lock == whole.lock
        add(cloned_part, ["data/b/new"])
        self.shared(cloned_part, whole, {**FILES, "data/b/new": b"new"})

    @staticmethod
    def shared(part: Repo, whole: Repo, files: dict[str, bytes]) -> None:
        """Commit and push from the part; the whole gets `files`."""
        commit(part, "in a part", author=SOMEBODY)
        assert check(part).problems == ()
        push(part, ORIGIN)
        pull(whole, ORIGIN)
        assert read_tree(whole.root) == files
        assert check(whole).problems == ()


def test_what_was_never_here_is_no_change(whole: Repo) -> None:
    part = cloned(whole, "data/a")
    found = status(reopened(part))
    assert (found.changed, found.absent, found.is_clean) == ({}, (), False)
    assert found.away == {"data": Away(2, size(below("data/b"))), "other": Away(1, size(below("other")))}
    assert status(reopened(part), ["data/a"]).is_clean
    (part.root / "data" / "a" / "one").unlink()
    pull(part, ORIGIN, ["data/b/small"])
    (part.root / "data" / "b" / "small").unlink()
    found = status(reopened(part))
    assert [one.path for one in found.changed[parse_path("data")].differences] == ["a/one", "b/small"]
    assert found.away[parse_path("data")] == Away(1, size(below("data/b/big")))


def test_a_checkout_of_what_is_here_in_part_writes_nothing_and_says_what_to_type(whole: Repo) -> None:
    part = cloned(whole, "data/a")
    with pytest.raises(NotFound, match=r"3 files \(750,005 bytes\) not local") as caught:
        checkout(part)
    assert caught.value.hint == "xver pull"
    assert read_tree(part.root) == below("data/a")


def test_a_push_from_a_part_to_another_remote_says_who_has_the_rest(whole: Repo) -> None:
    part = cloned(whole, "data/a")
    with pytest.raises(ContentNotFound) as caught:
        push(part, type(ORIGIN)("backup", "../backup"))
    assert "xver pull" in str(caught.value.hint)


def test_a_fetch_in_a_part_brings_no_content(whole: Repo) -> None:
    part = cloned(whole, "data/a")
    write_tree(whole.root, {"data/new": DRAW.randbytes(500_000)})
    add(whole, ["data"])
    commit(whole, "more", author=SOMEBODY)
    push(whole, ORIGIN)
    before = chunks(part)
    fetch(part, ORIGIN)
    assert chunks(part) == before
