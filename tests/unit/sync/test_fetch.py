"""Fetch: history and metadata come, content does not, and what is ours stays ours."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support.repos import read_tree, reopened, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned, there
from xver.errors import Conflict
from xver.model.entries import Dataset
from xver.model.paths import TrackedPath
from xver.model.refs import HEADS, TAGS
from xver.progress import Unit
from xver.repo import Repo
from xver.store.log import Change
from xver.sync import transfer
from xver.sync.fetch import fetch, fetch_data
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.partly import is_local, rows_of
from xver.versioning.versions import entries_at


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


class Counts:
    """A meter that remembers the phases, and how much was counted in each."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.counted: dict[str, int] = {}

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        self.phases.append((label, total))
        self.counted.setdefault(label, 0)

    def advance(self, n: int) -> None:
        self.counted[self.phases[-1][0]] += n

    def finish(self) -> None:
        return


def test_a_clone_and_a_fetch_tell_how_far_they_are_while_metadata_come(repo: Repo) -> None:
    push(repo, ORIGIN)
    save(repo, {"data/a": b"second"})
    push(repo, ORIGIN)
    meter = Counts()
    folder = repo.root.parent
    copy = clone(str(folder / "remote"), folder / "copy", meter=meter)
    assert [label for label, _ in meter.phases] == [
        "Fetching metadata", "Reading history", "Copying", "Looking for what is lacking", "Copying", "Checking out",
    ]  # fmt: skip
    assert meter.phases[0][1] == meter.counted["Fetching metadata"] == 2
    assert meter.counted["Reading history"] >= 8  # two snapshots, roots and listings, each an index above a block
    assert meter.counted["Looking for what is lacking"] >= 3
    save(repo, {"data/a": b"third"})
    push(repo, ORIGIN)
    meter = Counts()
    fetch(copy, ORIGIN, meter=meter)
    assert [label for label, _ in meter.phases] == ["Reading history", "Copying"]
    assert meter.counted["Reading history"] >= 4


class Collects:
    """Lets another process raise the fence of a store, as `gc --now` does, once something is being copied."""

    def __init__(self, repo: Repo, *, always: bool) -> None:
        self._repo = repo
        self.left = 100 if always else 1

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        self._is_copying = label == "Copying"

    def advance(self, n: int) -> None:
        if self._is_copying and self.left:
            self.left -= 1
            other = reopened(self._repo).store
            other.commit(Change("something else"))
            other.commit(Change("gc", fence=other.log.n))

    def finish(self) -> None:
        self._is_copying = False


def test_a_collection_here_while_a_fetch_goes_on_costs_a_repetition(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_PART_OBJECTS", 2)
    push(repo, ORIGIN)
    copy = clone(str(repo.root.parent / "remote"), repo.root.parent / "copy", checks_out=False)
    save(repo, {f"data/{n}": f"file {n}".encode() * 100 for n in range(9)})
    push(repo, ORIGIN)
    meter = Collects(copy, always=False)
    fetch(copy, ORIGIN, meter=meter)
    assert meter.left == 0
    copy = reopened(copy)
    entries = entries_at(copy, "origin/main")
    dataset = entries[TrackedPath("data")]
    assert isinstance(dataset, Dataset)
    meter = Collects(copy, always=False)
    fetch_data(copy, ORIGIN, entries, there=there(copy), meter=meter)
    assert meter.left == 0
    assert all(is_local(copy, row.entry) for row in rows_of(copy, "data", dataset))
    assert check(reopened(copy)).problems == ()


def test_a_store_that_is_collected_all_the_time_ends_a_fetch(repo: Repo) -> None:
    push(repo, ORIGIN)
    copy = clone(str(repo.root.parent / "remote"), repo.root.parent / "copy", checks_out=False)
    save(repo, {"data/a": b"second"})
    push(repo, ORIGIN)
    with pytest.raises(Conflict, match="faster than this fetches"):
        fetch(copy, ORIGIN, meter=Collects(copy, always=True))
