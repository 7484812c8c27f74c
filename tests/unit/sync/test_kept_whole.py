"""Large files that arrive where files can be cloned: written once, and what was written is what the store keeps."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.clones import let_files_be_cloned
from tests.support.histories import deltas
from tests.support.repos import new_repo, read_tree, save, write_tree
from tests.unit.sync.sides import ORIGIN, cloned
from xver.errors import DirtyWorktree, StorageError
from xver.format.packs import WHOLE_FEATURE, is_whole
from xver.repo import Repo, open_repo
from xver.storage.base import Part
from xver.storage.gathered import write_parts
from xver.storage.local import LocalStorage
from xver.store import spool as spool_module
from xver.store.spool import Spool
from xver.store.wholes import WHOLE_MIN
from xver.sync import transfer
from xver.sync.fetch import fetch
from xver.sync.pull import pull
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_here
from xver.upkeep.purging import Place, named, purge
from xver.versioning.restoring import checkout

NOISE = random.Random(7).randbytes(WHOLE_MIN + 54_321)
OTHER = random.Random(8).randbytes(WHOLE_MIN + 1)
TEXT = "".join(f"{number},{number * number % 9973},word\n" for number in range(1_200_000)).encode()
AROUND = 1_000_000
"""More than packs and indexes take besides the content of large files."""


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def clones(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let files be cloned from here on; the repository that pushes is made before, so it has packs."""
    return let_files_be_cloned(monkeypatch)


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


def pushed(folder: Path, files: dict[str, bytes], *further: dict[str, bytes]) -> Repo:
    (folder / "remote").mkdir(exist_ok=True)
    repo = new_repo(folder / "here", files, remote=str(folder / "remote"))
    for more in further:
        save(repo, more)
    push(repo, ORIGIN)
    return repo


def packs(repo: Repo) -> dict[str, int]:
    return dict(repo.store.log.live_packs())


def wholes(repo: Repo) -> list[str]:
    return [name for name in packs(repo) if is_whole(name)]


def packed(repo: Repo) -> int:
    """Return how many bytes lie in other packs than whole files."""
    return sum(size for name, size in packs(repo).items() if not is_whole(name))


def left_over(repo: Repo) -> list[str]:
    return sorted(path.name for path in (repo.places.shared / "store" / "tmp").iterdir())


def assert_right(repo: Repo, files: dict[str, bytes]) -> None:
    """Assert that the disk and the store hold some files, and that they come back from the store."""
    assert read_tree(repo.root) == files
    assert left_over(repo) == []
    assert check(repo).damage == ()
    for name in files:
        (repo.root / name).unlink()
    checkout(open_repo(repo.root))
    assert read_tree(repo.root) == files


def test_what_arrives_is_what_is_kept(tmp_path: Path, clones: list[str]) -> None:
    files = {"ds/big": NOISE, "ds/same": NOISE, "ds/small": b"small", "ds/text": TEXT}
    repo = pushed(tmp_path, files)
    del clones[:]
    copy = cloned(repo)
    (name,) = wholes(copy)
    assert packs(copy)[name] > len(NOISE)
    assert WHOLE_FEATURE in copy.store.log.require
    assert packed(copy) < len(TEXT) + AROUND
    # A trial, and both files of the work tree: what the store keeps is none, but what was written.
    assert sorted(Path(path).suffix for path in clones) == [".clone", ".tmp", ".tmp"]
    assert_right(copy, files)


@pytest.mark.usefixtures("clones")
@pytest.mark.parametrize(
    ("data", "is_kept_whole"),
    [
        (NOISE[: WHOLE_MIN - 1], False),
        (TEXT, False),
        (NOISE[: WHOLE_MIN // 2] * 2, False),
        (NOISE + NOISE[: WHOLE_MIN // 32], True),
    ],
    ids=["small", "text", "twice", "a little twice"],
)
def test_what_is_kept_whole(tmp_path: Path, data: bytes, is_kept_whole: bool) -> None:
    copy = cloned(pushed(tmp_path, {"big": data}))
    assert bool(wholes(copy)) is is_kept_whole
    assert_right(copy, {"big": data})


@pytest.mark.usefixtures("clones")
def test_what_nobody_checks_out_is_kept_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"a": b"a"})
    copy = cloned(repo)
    save(repo, {"big": NOISE, "text": TEXT})
    push(repo, ORIGIN)
    monkeypatch.setattr(Spool, "hand_over", lambda *_: pytest.fail("nothing is checked out"))
    fetch(copy, ORIGIN)
    copy.write_lock(repo.lock)
    pull(copy, ORIGIN, ["big", "text"], checks_out=False)
    assert not (copy.root / "big").exists()
    assert len(wholes(copy)) == 1
    checkout(copy)
    assert_right(copy, {"a": b"a", "big": NOISE, "text": TEXT})


@pytest.mark.usefixtures("clones")
def test_what_a_merge_brings_is_kept_so(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"a": b"a"})
    copy = cloned(repo)
    save(repo, {"big": NOISE})
    push(repo, ORIGIN)
    assert pull(copy, ORIGIN).merged == "forward"
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"a": b"a", "big": NOISE})


@pytest.mark.usefixtures("clones")
def test_of_a_file_that_is_here_in_part_the_rest_is_packed(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    copy = cloned(repo)
    edited = NOISE[:9_000_000] + b"edited" + NOISE[9_000_000:]
    save(repo, {"big": edited})
    push(repo, ORIGIN)
    pull(copy, ORIGIN)
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"big": edited})


@pytest.mark.usefixtures("clones")
def test_of_files_that_share_chunks_the_first_is_kept_whole(tmp_path: Path) -> None:
    files = {"ds/a": NOISE, "ds/b": OTHER[:3_000_000] + NOISE[2_000_000:]}
    copy = cloned(pushed(tmp_path, files))
    assert len(wholes(copy)) == 1
    assert 3_000_000 < packed(copy) < 3_000_000 + AROUND
    assert_right(copy, files)


def test_a_difference_from_what_is_kept_whole_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = bytearray(NOISE)
    edited[5_000_000] ^= 1
    repo = pushed(tmp_path, {"ds/z": NOISE}, {"ds/a": NOISE, "ds/z": bytes(edited)})
    let_files_be_cloned(monkeypatch)
    copy = cloned(repo)
    (name,) = wholes(copy)
    (delta,) = [place for place in deltas(copy.store) if place.container.name.endswith(".data")]
    indexes = map(copy.store.index.open, copy.store.log.indexes.values())
    (bases,) = [index.bases(delta.id) for index in indexes if index.find(delta.id) is not None]
    assert {copy.store.locate(id).container.name for id in bases} == {name}
    assert packed(copy) < AROUND
    assert_right(copy, {"ds/a": NOISE, "ds/z": bytes(edited)})


def test_what_is_a_difference_at_the_remote_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = bytearray(NOISE)
    edited[5_000_000] ^= 1
    repo = pushed(tmp_path, {"big": NOISE}, {"big": bytes(edited)})
    let_files_be_cloned(monkeypatch)
    copy = cloned(repo)
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"big": bytes(edited)})


@pytest.mark.usefixtures("clones")
def test_a_file_that_comes_in_several_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"ds/one": NOISE, "ds/text": TEXT, "ds/two": OTHER})
    monkeypatch.setattr(transfer, "_PART_SIZE", 5_000_000)
    copy = cloned(repo)
    assert len(wholes(copy)) == 2
    assert_right(copy, {"ds/one": NOISE, "ds/text": TEXT, "ds/two": OTHER})


class Cut:
    """Breaks the connection off, once, at the n-th part of a data pack that is read from a remote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, remote: Path, at: int) -> None:
        self.left = at
        real = LocalStorage._get_buffer

        def get(storage: LocalStorage, key: str, part: Part) -> memoryview:
            if key.endswith(".data") and storage.url == str(remote):
                self.left -= 1
                if self.left == 0:
                    raise StorageError("the network is gone")
            return real(storage, key, part)

        monkeypatch.setattr(LocalStorage, "_get_buffer", get)


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
    real, ran = Spool.flush, []

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
    for left in (copy.places.shared / "store" / "tmp").iterdir():
        left.unlink()
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
