"""A folder keeps the contract, alone and behind a local memory."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from tests.contract.storage import TEN, AtomicCreateContract, StorageContract
from xver.errors import CorruptData, StorageError
from xver.storage import local
from xver.storage.base import Storage
from xver.storage.cached import CachedStorage
from xver.storage.local import LocalStorage
from xver.storage.no_replace import rename_new


class FolderContract(StorageContract, AtomicCreateContract):
    """The objects are files below `folder`."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "remote"

    def stored(self, storage: Storage, key: str) -> bytes | None:
        file = self.folder / key
        return file.read_bytes() if file.exists() else None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        file = self.folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


class TestLocal(FolderContract):
    @pytest.fixture
    def storage(self) -> Storage:
        return LocalStorage(self.folder)


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="only these can rename without replacing")
class TestWithoutLinks(FolderContract):
    """A network folder: what links are for is done by a rename that never replaces."""

    @pytest.fixture
    def storage(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Storage:
        for name in ("old", "new"):
            (tmp_path / name).write_bytes(b"")
        try:
            if not rename_new(str(tmp_path / "old"), str(tmp_path / "newer")):
                pytest.skip("this file system cannot rename without replacing")
        finally:
            monkeypatch.setattr(os, "link", no_links)
        return LocalStorage(self.folder)

    def test_nothing_is_left_in_tmp(self, storage: Storage) -> None:
        assert storage.create("log/0", b"first")
        assert not storage.create("log/0", b"second")
        assert list((self.folder / "tmp").iterdir()) == []


def test_a_folder_that_can_neither_link_nor_rename_so_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if sys.platform == "win32":
        pytest.skip("renaming never replaces there")
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(local, "rename_new", lambda old, new: False)
    with pytest.raises(StorageError, match="two writers could not be told apart"):
        LocalStorage(tmp_path / "remote").create("log/0", b"x")
    assert list((tmp_path / "remote" / "log").iterdir()) == []


class TestCached(FolderContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return CachedStorage(LocalStorage(self.folder), LocalStorage(tmp_path / "memory"))

    @pytest.mark.parametrize("key", ["log/0", "index/0", "checkpoints/0", "xver.json"])
    def test_what_never_changes_is_fetched_once(self, storage: Storage, key: str) -> None:
        self.store(storage, key, TEN)
        assert storage.get(key) == TEN
        (self.folder / key).unlink()
        assert storage.get(key) == TEN
        assert storage.view(key) == TEN

    def test_packs_are_not_kept(self, storage: Storage, tmp_path: Path) -> None:
        self.store(storage, "packs/0", TEN)
        assert storage.get("packs/0") == TEN
        assert list(LocalStorage(tmp_path / "memory").list("")) == []

    @pytest.mark.parametrize("change", ["gone", "rewritten"])
    def test_a_log_that_went_back_is_noticed(self, storage: Storage, change: str) -> None:
        assert isinstance(storage, CachedStorage)
        self.store(storage, "xver.json", b"the marker")
        for n in range(3):
            self.store(storage, f"log/{n:010d}", b"entry %d" % n)
        storage.catch_up()
        if change == "gone":
            (self.folder / "log/0000000002").unlink()
        else:
            self.store(storage, "log/0000000002", b"another")
        with pytest.raises(CorruptData, match="log entry 2"):
            storage.catch_up()
