"""What becomes of large files on their way into the store when their transfer ends, or somebody is in the way."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from tests.support.clones import let_files_be_cloned
from tests.support.repos import save, write_tree
from tests.unit.sync.arriving import (
    AROUND,
    NOISE,
    Cut,
    assert_right,
    left_over,
    packed,
    pushed,
    wholes,
)
from tests.unit.sync.sides import ORIGIN, cloned
from xver.errors import DirtyWorktree, StorageError
from xver.repo import open_repo
from xver.storage.base import Part
from xver.storage.gathered import write_parts
from xver.storage.local import LocalStorage
from xver.store import spool as spool_module
from xver.store.spool import Spool
from xver.sync.fetch import fetch
from xver.sync.pull import pull
from xver.sync.push import push
from xver.upkeep.gc import NONE, collect, marks_here
from xver.upkeep.purging import Place, named, purge
from xver.versioning.restoring import checkout


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Return the sizes of the parts of data packs that are read from the remote."""
    seen: list[int] = []
    real = LocalStorage._get_buffer

    def noting(self: LocalStorage, key: str, part: Part) -> memoryview:
        if key.endswith(".data") and self.url == str(tmp_path / "remote"):
            seen.append(part.length)
        return real(self, key, part)

    monkeypatch.setattr(LocalStorage, "_get_buffer", noting)
    return seen


@pytest.mark.usefixtures("clones")
def test_an_interrupted_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    Cut(monkeypatch, tmp_path / "remote", 2)
    with pytest.raises(StorageError, match="the network is gone"):
        cloned(repo)
    copy = open_repo(tmp_path / "copy")
    (left,) = left_over(copy)
    assert left.endswith(".part")
    del reads[:]
    pull(copy, ORIGIN)
    assert sum(reads) < len(NOISE) - 8_000_000
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
@pytest.mark.parametrize("harm", ["flipped", "shorter", "longer", "gone", "a link"])
def test_what_an_interrupted_one_left_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    Cut(monkeypatch, tmp_path / "remote", 2)
    with pytest.raises(StorageError, match="the network is gone"):
        cloned(repo)
    copy = open_repo(tmp_path / "copy")
    left = copy.places.shared / "store" / "tmp" / left_over(copy)[0]
    data = left.read_bytes()
    victim = tmp_path / "victim"
    match harm:
        case "flipped":
            left.write_bytes(data[:1_000_000] + bytes([data[1_000_000] ^ 1]) + data[1_000_001:])
        case "shorter":
            left.write_bytes(data[:1_500_000])
        case "longer":
            left.write_bytes(data + b"more")
        case "gone":
            left.unlink()
        case "a link":
            victim.write_bytes(b"not ours")
            left.unlink()
            left.symlink_to(victim)
    pull(copy, ORIGIN)
    assert len(wholes(copy)) == 1
    if harm == "a link":
        assert victim.read_bytes() == b"not ours"
        left.unlink()
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
def test_all_of_it_came_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[int]) -> None:
    repo = pushed(tmp_path, {"big": NOISE})

    def refuse(*_: Any) -> None:
        raise StorageError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "take_over", refuse)
        with pytest.raises(StorageError, match="the disk is gone"):
            cloned(repo)
    copy = open_repo(tmp_path / "copy")
    del reads[:]
    pull(copy, ORIGIN)
    assert reads == []
    assert len(wholes(copy)) == 1
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
def test_a_full_disk_is_told_and_what_arrived_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    calls: list[int] = []

    def full(out: Any, parts: Any) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_parts(out, parts)

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "write_parts", full)
        with pytest.raises(StorageError, match=r"the disk of .* is full") as told:
            cloned(repo)
    assert told.value.hint is not None
    assert "what arrived is kept" in told.value.hint
    copy = open_repo(tmp_path / "copy")
    assert len(left_over(copy)) == 1
    pull(copy, ORIGIN)
    assert len(wholes(copy)) == 1
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
@pytest.mark.parametrize("at", [2, 4])
def test_one_that_somebody_took_away_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    calls: list[int] = []

    def remove_once(out: Any, parts: Any) -> None:
        calls.append(1)
        write_parts(out, parts)
        if len(calls) == at:
            for one in (tmp_path / "copy/.xver/store/tmp").glob("*.part"):
                one.unlink()

    monkeypatch.setattr(spool_module, "write_parts", remove_once)
    copy = cloned(repo)
    assert len(calls) > at
    assert not wholes(copy)
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
def test_a_collection_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    real = Spool.flush
    ran: list[object] = []

    def collecting(self: Spool) -> None:
        real(self)
        if not ran:
            other = open_repo(tmp_path / "copy")
            ran.append(collect(other.store, marks_here(other), NONE))

    monkeypatch.setattr(Spool, "flush", collecting)
    copy = cloned(repo)
    assert ran
    assert len(wholes(copy)) == 1
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
def test_a_changed_file_in_the_way(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"a": b"a"})
    copy = cloned(repo)
    save(repo, {"big": NOISE})
    push(repo, ORIGIN)
    fetch(copy, ORIGIN)
    copy.write_lock(repo.lock)
    write_tree(copy.root, {"big": b"mine"})
    with pytest.raises(DirtyWorktree):
        pull(copy, ORIGIN, ["big"])
    assert (copy.root / "big").read_bytes() == b"mine"
    assert len(wholes(copy)) == 1
    checkout(open_repo(copy.root), ["big"], force=True)
    assert_right(copy, {"a": b"a", "big": NOISE})


def test_a_clone_that_is_refused_at_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"big": NOISE})

    def refuse(path: str) -> None:
        if path.endswith(".tmp"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

    let_files_be_cloned(monkeypatch, then=refuse)
    copy = cloned(repo)
    assert len(wholes(copy)) == 1
    assert_right(copy, {"big": NOISE})


@pytest.mark.usefixtures("clones")
def test_a_purge_leaves_nothing_of_an_interrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"big": NOISE, "kept": b"kept"})
    Cut(monkeypatch, tmp_path / "remote", 2)
    with pytest.raises(StorageError, match="the network is gone"):
        cloned(repo)
    copy = open_repo(tmp_path / "copy")
    assert left_over(copy)
    places = [Place("here", copy.store, copy)]
    purge(copy, places, named(copy, places, ["big"], [], start=copy.root))
    assert left_over(copy) == []
