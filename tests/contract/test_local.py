"""A folder keeps the contract, alone and behind a local memory."""

from __future__ import annotations

import errno
import os
import re
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


@pytest.mark.parametrize("below", ["", "/deeper/still"])
def test_a_file_where_the_folder_should_be(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    storage = LocalStorage(f"{tmp_path / 'file'}{below}")
    for write in (lambda: storage.put("a", TEN), lambda: storage.create("a", TEN)):
        with pytest.raises(StorageError, match=r"can be no folder: .*file is a file") as caught:
            write()
        assert caught.value.hint == "correct the address: xver remote list"
    assert storage.stat("a") is None
    assert list(storage.list("")) == []
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_what_goes_while_it_is_listed_is_left_out(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for key in ("packs/1", "packs/2", "packs/3"):
        storage.put(key, TEN)
    listed = storage.list("packs/")
    assert next(listed).key == "packs/1"
    storage.delete("packs/2")
    assert [stat.key for stat in listed] == ["packs/3"]


def test_what_may_not_be_read_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    storage = LocalStorage(tmp_path)
    storage.put("packs/1", TEN)
    for name, ask in (("scandir", lambda: list(storage.list("packs/"))), ("stat", lambda: storage.stat("packs/1"))):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, refuse)
            with pytest.raises(StorageError, match="cannot be written or read: Permission denied"):
                ask()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_also_to_who_writes_outside_of_the_block(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    (tmp_path / "tmp").mkdir()
    full = re.escape(f"the disk of {tmp_path} is full")
    block = storage.writer("packs/1")
    file = block.__enter__()
    with open("/dev/full", "wb") as device:
        os.dup2(device.fileno(), file.fileno())
    with pytest.raises(StorageError, match=full) as caught:
        file.write(TEN * 100_000)
    assert caught.value.hint == "free some space and try again"
    assert not block.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert list((tmp_path / "tmp").iterdir()) == []


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
