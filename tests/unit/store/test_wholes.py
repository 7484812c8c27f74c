"""Whole files in a store: taken in as clones, given out as clones, and treated by all else as the packs they are."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest

from tests.format.second_reader import Reader
from tests.support.clones import let_files_be_cloned
from tests.support.repos import new_repo, read_tree, save, write_tree
from xver.errors import CorruptData, Purged, StorageError
from xver.format.packs import TAIL_SIZE, WHOLE_FEATURE, decode_footer, footer_size, is_whole
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.local import LocalStorage
from xver.store.content import is_here, read_all
from xver.store.store import open_store
from xver.store.wholes import WHOLE_MIN
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.copies import Source
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_here
from xver.upkeep.purging import Place, named, purge
from xver.upkeep.rebuild import rebuild_index
from xver.upkeep.repair import repair
from xver.versioning.restoring import checkout
from xver.versioning.tracking import add

NOISE = random.Random(5).randbytes(WHOLE_MIN + 12_345)
OTHER = random.Random(6).randbytes(WHOLE_MIN + 1)


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def clones(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return let_files_be_cloned(monkeypatch)


def wholes(repo: Repo) -> list[str]:
    return [name for name in repo.store.log.live_packs() if is_whole(name)]


def chosen(repo: Repo, data: bytes) -> bool:
    """Tell whether a store keeps a file of these bytes whole."""
    write_tree(repo.root, {"big": data})
    add(repo, ["big"])
    return bool(wholes(repo))


def test_a_large_new_file_is_a_pack_of_its_own(tmp_path: Path, clones: list[str]) -> None:
    repo = new_repo(tmp_path / "here", {"big": NOISE})
    (name,) = wholes(repo)
    assert WHOLE_FEATURE in repo.store.log.require
    data = repo.store.storage.get(name)
    length = footer_size(data[-TAIL_SIZE:])
    assert data[:-length] == NOISE
    assert sum(frame.raw for frame in decode_footer(data[-length:], len(data), whole=True)) == len(NOISE)
    assert check(repo).damage == ()
    del clones[:]
    os.unlink(repo.root / "big")
    checkout(repo)
    assert read_tree(repo.root) == {"big": NOISE}
    assert [Path(one).suffix for one in clones] == [".tmp"]  # nobody else made the file


def test_without_clones_it_is_packed(tmp_path: Path) -> None:
    if LocalStorage(tmp_path / "probe").can_clone:
        pytest.skip("this file system makes clones")
    repo = new_repo(tmp_path / "here", {"big": NOISE})
    assert not wholes(repo)
    assert not repo.store.log.require
    assert not list((repo.places.shared / "store" / "tmp").iterdir())


@pytest.mark.usefixtures("clones")
@pytest.mark.parametrize(
    ("data", "is_kept_whole"),
    [
        (NOISE, True),
        (NOISE[: WHOLE_MIN - 1], False),
        (b"a,line,of,text\n" * (WHOLE_MIN // 10), False),
        (NOISE[: WHOLE_MIN // 2] * 2, False),
        (NOISE + NOISE[: WHOLE_MIN // 32], True),
    ],
    ids=["noise", "small", "text", "twice", "a little twice"],
)
def test_what_is_kept_whole(tmp_path: Path, data: bytes, is_kept_whole: bool) -> None:
    repo = new_repo(tmp_path / "here")
    assert chosen(repo, data) is is_kept_whole
    assert check(repo).damage == ()
    assert not list((repo.places.shared / "store" / "tmp").iterdir())
    os.unlink(repo.root / "big")
    checkout(repo)
    assert read_tree(repo.root) == {"big": data}


@pytest.mark.usefixtures("clones")
def test_an_edited_file_stores_what_is_new(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "here", {"big": NOISE})
    before = sum(repo.store.log.live_packs().values())
    edited = NOISE[:5_000_000] + b"edited" + NOISE[5_000_006:]
    save(repo, {"big": edited})
    assert len(wholes(repo)) == 1
    assert sum(repo.store.log.live_packs().values()) < before + 600_000
    os.unlink(repo.root / "big")
    checkout(repo)
    assert read_tree(repo.root) == {"big": edited}


def test_what_is_written_while_it_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = new_repo(tmp_path / "here")
    write_tree(repo.root, {"big": NOISE})

    def write_once(path: str) -> None:
        is_ours = Path(path).parent.name == "tmp" and not path.endswith(".clone")
        if is_ours and (repo.root / "big").read_bytes() == NOISE:
            (repo.root / "big").write_bytes(OTHER)

    let_files_be_cloned(monkeypatch, then=write_once)
    add(repo, ["big"])
    assert wholes(repo)
    assert check(repo).damage == ()
    (repo.root / "big").unlink()
    checkout(repo)
    assert read_tree(repo.root) == {"big": OTHER}


@pytest.mark.usefixtures("clones")
def test_remotes_get_packs(tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    remote.mkdir()
    repo = new_repo(tmp_path / "here", {"big": NOISE}, remote=str(remote))
    push(repo, Remote("origin", str(remote)))
    there = open_store(LocalStorage(remote), client="test")
    assert not any(map(is_whole, there.log.live_packs()))
    assert not there.log.require
    clone(str(remote), tmp_path / "there")
    assert read_tree(tmp_path / "there") == {"big": NOISE}


@pytest.mark.usefixtures("clones")
def test_damage_is_found_told_and_mended(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "here", {"big": NOISE})
    other = new_repo(tmp_path / "other", {"big": NOISE})
    path = Path(repo.store.storage.path(wholes(repo)[0]))  # type: ignore[attr-defined]
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(9_000_000)
        file.write(bytes([NOISE[9_000_000] ^ 1]))
    (repo.root / "big").unlink()
    with pytest.raises(CorruptData):
        checkout(repo)
    assert not (repo.root / "big").exists()
    assert check(repo).damage
    done, left = repair(repo.store, partial(check, repo), [Source("other", other.store)])
    assert (done.lost, left.damage) == ({}, ())
    checkout(repo)
    assert read_tree(repo.root) == {"big": NOISE}
    assert not wholes(repo)


@pytest.mark.usefixtures("clones")
def test_a_store_of_whole_files_is_read_from_its_document(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "here", {"big": NOISE + NOISE[:300_000]})
    reader = Reader(repo.places.shared / "store")
    rows = dict(reader.files(bytes.fromhex(reader.snapshot("heads/main")["root"])))
    assert b"".join(reader.content(rows["big"].id, rows["big"].size)) == NOISE + NOISE[:300_000]
    (name,) = wholes(repo)
    assert all(reader.find(id) == place for id, place in reader.footer(name).items())


@pytest.mark.usefixtures("clones")
def test_indexes_are_made_anew_from_whole_files(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "here", {"big": NOISE + NOISE[:300_000]})
    rebuild_index(repo.store)
    repo = open_repo(repo.root)
    assert check(repo).damage == ()
    assert len(wholes(repo)) == 1


@pytest.mark.usefixtures("clones")
def test_a_purge_leaves_nothing_of_a_whole_file(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "here", {"big": NOISE, "kept": OTHER})
    (repo.root / "big").unlink()
    places = [Place("here", repo.store, repo)]
    purge(repo, places, named(repo, places, ["big"], [], start=repo.root))
    assert [repo.store.storage.get(name)[: len(OTHER)] for name in wholes(repo)] == [OTHER]
    packs = repo.places.shared / "store" / "packs"
    assert not any(NOISE[8_000_000:8_000_064] in one.read_bytes() for one in packs.iterdir())
    write_tree(repo.root, {"again": NOISE})
    with pytest.raises(Purged):
        add(repo, ["again"])
    assert not list((repo.places.shared / "store" / "tmp").iterdir())


@pytest.mark.usefixtures("clones")
def test_a_collection_takes_what_no_version_has_and_packs_the_rest(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "here", {"a": NOISE})
    add(repo, ["a"])
    write_tree(repo.root, {"b": OTHER})
    add(repo, ["b"])
    write_tree(repo.root, {"b": OTHER[:5_000_000]})
    add(repo, ["b"])
    assert len(wholes(repo)) == 2
    collect(repo.store, marks_here(repo), NONE)
    assert len(wholes(repo)) == 1
    assert check(repo).damage == ()
    (repo.root / "b").unlink()
    (repo.root / "a").unlink()
    checkout(repo)
    assert read_tree(repo.root) == {"a": NOISE, "b": OTHER[:5_000_000]}


@pytest.mark.usefixtures("clones")
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = new_repo(tmp_path / "here")
    write_tree(repo.root, {"big": NOISE})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError):
            add(repo, ["big"])
    assert not list((repo.places.shared / "store" / "tmp").iterdir())
    add(repo, ["big"])
    assert len(wholes(repo)) == 1
    entry = repo.lock.entries["big"]  # type: ignore[index]
    assert is_here(repo.store, entry.id, entry.size)  # type: ignore[union-attr, arg-type]
    assert read_all(repo.store, entry.id, entry.size) == NOISE  # type: ignore[union-attr, arg-type]
