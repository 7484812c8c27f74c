"""Large files are written while their chunks arrive, and whatever becomes of that, the disk holds what was pushed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.repos import new_repo, read_tree, save, write_tree
from tests.unit.sync.sides import ORIGIN, cloned
from xver.errors import StorageError
from xver.format.listings import Row
from xver.repo import Repo, open_repo
from xver.storage.gathered import write_parts
from xver.storage.local import LocalStorage
from xver.store import spool as spool_module
from xver.store.content import read_rows
from xver.store.spool import Spool
from xver.store.wholes import WHOLE_MIN
from xver.sync.fetch import fetch
from xver.sync.pull import pull
from xver.sync.push import push
from xver.upkeep.fsck import check

NOISE = random.Random(7).randbytes(WHOLE_MIN + 54_321)
OTHER = random.Random(8).randbytes(WHOLE_MIN + 1)
TEXT = "".join(f"{number},{number * number % 9973},word\n" for number in range(1_200_000)).encode()


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def from_store(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths of files that checkouts read from the store, as they do so."""
    seen: list[str] = []

    def noting(store: Any, rows: Iterable[Row]) -> Iterator[Any]:
        rows = list(rows)
        seen.extend(row.path for row in rows)
        return read_rows(store, rows)

    monkeypatch.setattr("xver.versioning.restoring.read_rows", noting)
    return seen


def pushed(folder: Path, files: dict[str, bytes]) -> Repo:
    (folder / "remote").mkdir(exist_ok=True)
    repo = new_repo(folder / "here", files, remote=str(folder / "remote"))
    push(repo, ORIGIN)
    return repo


def left_over(repo: Repo) -> list[Path]:
    return list((repo.places.shared / "store" / "tmp").iterdir())


@pytest.mark.parametrize(
    "data", [NOISE, TEXT, NOISE[: WHOLE_MIN // 2] * 3, bytes(WHOLE_MIN)], ids=["noise", "text", "repeated", "zeros"]
)
def test_a_large_file_is_not_read_again(tmp_path: Path, from_store: list[str], data: bytes) -> None:
    files = {"ds/big": data, "ds/small": b"small", "also": NOISE[:100_000]}
    repo = pushed(tmp_path, files)
    copy = cloned(repo)
    assert read_tree(copy.root) == files
    assert from_store == ["", "small"]  # a file that is tracked by itself has no path below
    assert check(copy).damage == ()
    assert left_over(copy) == []


def test_what_comes_later_is_pulled_so(tmp_path: Path, from_store: list[str]) -> None:
    repo = pushed(tmp_path, {"a": b"a"})
    copy = cloned(repo)
    save(repo, {"big": NOISE})
    push(repo, ORIGIN)
    fetch(copy, ORIGIN)
    copy.write_lock(repo.lock)
    del from_store[:]
    pull(copy, ORIGIN, ["big"])
    assert (copy.root / "big").read_bytes() == NOISE
    assert from_store == []
    assert left_over(copy) == []


def test_of_a_file_that_is_here_in_part_the_store_has_the_rest(tmp_path: Path, from_store: list[str]) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    copy = cloned(repo)
    assert from_store == []
    edited = NOISE[:9_000_000] + b"edited" + NOISE[9_000_000:]
    save(repo, {"big": edited})
    push(repo, ORIGIN)
    pull(copy, ORIGIN)
    assert (copy.root / "big").read_bytes() == edited
    assert from_store == [""]
    assert left_over(copy) == []


def test_a_second_file_of_the_same_bytes_is_read(tmp_path: Path, from_store: list[str]) -> None:
    repo = pushed(tmp_path, {"ds/one": NOISE, "ds/two": NOISE})
    copy = cloned(repo)
    assert read_tree(copy.root) == {"ds/one": NOISE, "ds/two": NOISE}
    assert len(from_store) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no executable bit on Windows")
def test_the_umask_and_the_executable_bit(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"ds/plain": OTHER})
    write_tree(repo.root, {"ds/program": NOISE})
    (repo.root / "ds/program").chmod(0o755)
    save(repo, {"ds/more": b"more"})
    push(repo, ORIGIN)
    before = os.umask(0o027)
    try:
        copy = cloned(repo)
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((copy.root / "ds" / name).stat().st_mode) for name in ("plain", "program")}
    assert modes == {"plain": 0o640, "program": 0o750}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system to be had")
def test_a_store_on_another_disk_gets_no_spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    copy = cloned(repo)
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if os.stat(elsewhere).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("it is the same file system")
        away = Path(elsewhere, "store")
        (copy.places.shared / "store").rename(copy.places.shared / "moved")
        shutil.copytree(copy.places.shared / "moved", away)
        (copy.places.shared / "store").symlink_to(away)
        (copy.root / "big").unlink()
        monkeypatch.setattr(Spool, "expect", lambda *_: pytest.fail("it waits for a file"))
        save(repo, {"ds/big": OTHER})
        push(repo, ORIGIN)
        pull(open_repo(copy.root), ORIGIN)
        assert read_tree(copy.root) == {"big": NOISE, "ds/big": OTHER}


def test_a_rename_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_store: list[str]) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    real = os.replace

    def refuse(source: str, target: str, **more: Any) -> None:
        if "tmp" in Path(source).parts[-2:] and ".xver-" in target:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target, **more)

    monkeypatch.setattr(os, "replace", refuse)
    copy = cloned(repo)
    assert read_tree(copy.root) == {"big": NOISE}
    assert len(from_store) == 1
    assert left_over(copy) == []


def test_a_disk_that_refuses_the_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_store: list[str]) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    calls: list[int] = []

    def refuse(*_: Any) -> None:
        calls.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool_module, "write_parts", refuse)
    copy = cloned(repo)
    assert calls
    assert read_tree(copy.root) == {"big": NOISE}
    assert len(from_store) == 1
    assert left_over(copy) == []


def test_there_is_a_limit_to_what_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_store: list[str]
) -> None:
    repo = pushed(tmp_path, {"ds/one": NOISE, "ds/two": OTHER})
    monkeypatch.setattr(spool_module, "_ROWS_MAX", len(NOISE) // 60_000)
    copy = cloned(repo)
    assert read_tree(copy.root) == {"ds/one": NOISE, "ds/two": OTHER}
    assert len(from_store) == 1


def test_a_spool_that_somebody_removed_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_store: list[str]
) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    calls: list[int] = []

    def remove_once(out: Any, parts: Any) -> None:
        calls.append(1)
        write_parts(out, parts)
        if len(calls) == 2:
            for one in (tmp_path / "copy/.xver/store/tmp").glob("*.spool"):
                one.unlink()

    monkeypatch.setattr(spool_module, "write_parts", remove_once)
    copy = cloned(repo)
    assert len(calls) == 2
    assert read_tree(copy.root) == {"big": NOISE}
    assert len(from_store) == 1


def test_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"small": b"small"})
    copy = cloned(repo)
    left = copy.places.shared / "store" / "tmp" / "1-00.spool"
    left.write_bytes(NOISE)
    pull(copy, ORIGIN)
    assert left_over(copy) == []


def test_an_interrupted_transfer_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_store: list[str]
) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    real = LocalStorage._get_buffer
    reads: list[int] = []

    def break_off(self: LocalStorage, key: str, part: Any) -> memoryview:
        reads.append(1)
        if key.endswith(".data") and len(reads) > 6:
            raise StorageError("the network is gone")
        return real(self, key, part)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStorage, "_get_buffer", break_off)
        with pytest.raises(StorageError, match="the network is gone"):
            cloned(repo)
    copy = open_repo(tmp_path / "copy")
    assert left_over(copy) == []
    assert not (copy.root / "big").exists()
    pull(copy, ORIGIN)
    assert read_tree(copy.root) == {"big": NOISE}
    assert check(copy).damage == ()
