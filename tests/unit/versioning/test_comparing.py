"""The disk against another version than the recorded one: what the two have in common need not be read."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.repos import new_repo, reopened, save
from xver.model.entries import Dataset
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.store.store import Store
from xver.versioning.restoring import checkout
from xver.versioning.state import compare_path
from xver.versioning.versions import entries_at
from xver.worktree.compare import Comparison

DATA = TrackedPath("d")


def version(rng: random.Random) -> dict[str, bytes]:
    return {
        f"d/{folder}/{name}": rng.choice([b"one", b"two", b""]) for folder in "pq" for name in rng.sample("abcde", 3)
    }


def written(repo: Repo) -> None:
    """Write all files anew: what a checkout wrote is known at once, what somebody else did two seconds later."""
    shutil.rmtree(repo.root / "d")
    checkout(reopened(repo))


def tamper(root: Path, rng: random.Random) -> None:
    for path in sorted((root / "d").rglob("*")):
        match rng.randrange(8):
            case 0 if path.is_file():
                path.write_bytes(rng.choice([b"one", b"two", b"other"]))
            case 1 if path.is_file():
                path.unlink()
            case 2 if path.is_dir():
                (path / "new").write_bytes(b"new")


def seen(comparison: Comparison) -> object:
    folders = comparison.record.directories
    return comparison.differences, comparison.record.id, {name: [*one.files()] for name, one in folders.items()}


@pytest.mark.parametrize("seed", range(30))
def test_by_what_has_changed_it_is_as_by_all_of_the_version(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    repo = new_repo(tmp_path / "work", {})
    first = save(repo, version(rng))
    for path in [*(repo.root / "d").rglob("*")]:
        if path.is_file() and rng.random() < 0.3:
            path.unlink()
    save(repo, version(rng))
    written(repo)
    if seed % 2:
        tamper(repo.root, rng)
    entry = entries_at(repo, first)[DATA]
    by_changes = reopened(repo)
    assert by_changes.stat_index.tree(DATA).id not in {None, entry.id}  # type: ignore[union-attr]
    whole = reopened(repo)
    record = whole.stat_index.tree(DATA)
    assert record is not None
    whole.stat_index.set(DATA, replace(record, id=None))
    assert seen(compare_path(by_changes, DATA, entry)) == seen(compare_path(whole, DATA, entry))


def test_only_what_differs_of_another_version_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"d/{n:05d}": b"%d" % n for n in range(3000)}
    repo = new_repo(tmp_path / "work", {})
    first = save(repo, files)
    save(repo, {**files, "d/01500": b"other"})
    written(repo)
    entry = entries_at(repo, first)[DATA]
    assert isinstance(entry, Dataset)
    read = objects_read(monkeypatch)
    comparison = compare_path(reopened(repo), DATA, entry)
    assert [one.path for one in comparison.differences] == ["01500"]
    both = len(read)
    record = reopened(repo)
    tree = record.stat_index.tree(DATA)
    assert tree is not None
    record.stat_index.set(DATA, replace(tree, id=None))
    read.clear()
    compare_path(record, DATA, entry)
    assert both < len(read)


def objects_read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    read: list[bytes] = []
    real = Store.get_many

    def counted(self: Store, wanted):  # type: ignore[no-untyped-def]
        wanted = list(wanted)
        read.extend(one.id for one in wanted)
        return real(self, wanted)

    monkeypatch.setattr(Store, "get_many", counted)
    return read


def test_a_version_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "work", {})
    first = save(repo, {"d/a": b"1", "d/b": b"1"})
    save(repo, {"d/a": b"2"})
    entry = entries_at(repo, first)[DATA]
    again: Repo = reopened(repo)
    record = again.stat_index.tree(DATA)
    assert record is not None
    again.stat_index.set(DATA, replace(record, id=bytes(31) + b"1"))
    assert {one.path for one in compare_path(again, DATA, entry).differences} == {"a"}
