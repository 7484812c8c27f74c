"""Get from a store that breaks off, is damaged, or holds what cannot be written: nothing that looks whole is left."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.support.repos import new_repo, read_tree
from tests.support.trees import posix
from xver.errors import CorruptData, NotFound, XverError
from xver.filesystem.places import Place
from xver.intake.getting import get
from xver.intake.importing import import_data
from xver.intake.repositories import RepositoryOrigin
from xver.settings import Remote
from xver.sync.push import push

FILES = {"data/big": Random(1).randbytes(3_000_000), "data/small": b"small"}


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XVER_CACHE", str(tmp_path / "cache"))
    repo = new_repo(tmp_path / "repo", FILES, remote="../remote")
    push(repo, Remote("origin", "../remote"))
    return tmp_path / "remote"


def place(remote: Path, path: str) -> Place:
    return Place(remote.as_uri(), "", None, path)


def pack_of(remote: Path) -> Path:
    [pack] = (remote / "packs").glob("*.data")
    return pack


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_store_leaves_no_file_that_looks_whole(remote: Path, tmp_path: Path, damage: str) -> None:
    pack = pack_of(remote)
    whole = pack.read_bytes()
    middle = len(whole) // 2
    pack.write_bytes(whole[:middle] if damage == "cut" else whole[:middle] + b"?" * 9 + whole[middle + 9 :])
    for path in ("data", "data/big"):
        with pytest.raises(XverError):
            get(place(remote, path), tmp_path / "out" / "data")
        assert not set(read_tree(tmp_path / "out")) - {"data/small"}
    pack.write_bytes(whole)
    done = get(place(remote, "data"), tmp_path / "out" / "data")
    assert read_tree(tmp_path / "out") == FILES
    assert done.written + done.there == 2


def test_an_import_from_a_damaged_store_tracks_nothing_and_goes_on_later(remote: Path, tmp_path: Path) -> None:
    mine = new_repo(tmp_path / "mine")
    pack = pack_of(remote)
    whole = pack.read_bytes()
    origin = RepositoryOrigin(place(remote, "data"), None)
    middle = len(whole) // 2
    pack.write_bytes(whole[:middle] + b"?" * 9 + whole[middle + 9 :])
    with pytest.raises(CorruptData):
        import_data(mine, origin, "data", start=tmp_path)
    assert (mine.lock.entries, (mine.root / "data").exists()) == ({}, False)
    pack.write_bytes(whole)
    import_data(mine, origin, "data", start=tmp_path)
    assert read_tree(mine.root) == FILES


@posix
def test_nothing_is_written_through_a_link(remote: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    repo = new_repo(tmp_path / "deep", {"data/deep/a": b"1"}, remote="../deep-remote")
    push(repo, Remote("origin", "../deep-remote"))
    os.symlink(tmp_path / "elsewhere", tmp_path / "out" / "deep")
    with pytest.raises(CorruptData, match="refused to write below it"):
        get(place(tmp_path / "deep-remote", "data"), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_not_there(remote: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="data/none is not tracked there"):
        get(place(remote, "data/none"), tmp_path / "x")
    assert not (tmp_path / "x").exists()
