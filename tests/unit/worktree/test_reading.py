"""A file that changes while it is read is read as one of its states, or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.trees import not_root, posix
from xver.errors import Conflict, InvalidInput, Purged
from xver.model.entries import EntryKind
from xver.model.ids import EMPTY_ID, Kind, chunk_id, fingerprint
from xver.storage.memory import MemoryStorage
from xver.store.content import read_all
from xver.store.log import Change
from xver.store.store import Store, create_store
from xver.worktree.kinds import is_kind, kind_of_stat
from xver.worktree.reading import read_file
from xver.worktree.records import entry_of, known_of
from xver.worktree.stats import NO_STAT, pack_stat
from xver.worktree.steady import read_fingerprint


@pytest.fixture
def store() -> Store:
    return create_store(MemoryStorage(), client="a test")


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 9 * 1024 * 1024])
def test_what_is_known_of_a_file_is_what_its_bytes_say(tmp_path: Path, size: int, store: Store) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    with store.packer() as packer:
        known = read_file(str(tmp_path / "f"), packer).known
        store.move("test", {}, packer.finish())
    assert known == read_file(str(tmp_path / "f"), None).known
    assert (known.size, known.fingerprint) == (size, fingerprint(data))
    assert (known.sha256 is None) is (size <= 256 * 1024)
    if size <= 256 * 1024:
        assert known.id == chunk_id(data)
    assert size == 0 or read_all(store, known.id, size) == data  # type: ignore[arg-type]
    assert read_fingerprint(str(tmp_path / "f"))[:2] == (known.kind, known.fingerprint)
    assert known_of(entry_of(known)) == known  # type: ignore[arg-type]


@posix
@pytest.mark.parametrize("target", ["file", "nowhere", "/etc", "..", "a b\nc"])
def test_a_link_is_known_by_its_target_s_name(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    known = read_file(str(tmp_path / "link"), None).known
    assert (known.kind, known.id, known.size) == (EntryKind.LINK, chunk_id(target.encode()), len(target.encode()))
    assert known_of(entry_of(known)) == known  # type: ignore[arg-type]


@posix
@pytest.mark.parametrize(
    ("mode", "kind"), [(0o644, EntryKind.FILE), (0o744, EntryKind.EXECUTABLE), (0o655, EntryKind.FILE)]
)
def test_the_owner_s_bit_makes_a_file_executable(tmp_path: Path, mode: int, kind: EntryKind) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "f").chmod(mode)
    assert kind_of_stat((tmp_path / "f").stat().st_mode) is kind


def test_a_file_written_a_moment_ago_is_not_settled(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"now")
    assert read_file(str(tmp_path / "f"), None).stat == NO_STAT
    assert read_fingerprint(str(tmp_path / "f"))[2] == NO_STAT


def while_reading(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let `change` happen each time bytes were read, before anything else is."""
    read = os.read

    def reads(handle: int, size: int) -> bytes:
        data = read(handle, size)
        if data:
            change()
        return data

    monkeypatch.setattr(os, "read", reads)


@pytest.mark.parametrize("size", [10, 300 * 1024, 9 * 1024 * 1024])
@pytest.mark.parametrize("how", [read_fingerprint, lambda path: read_file(path, None)], ids=["fingerprint", "whole"])
def test_a_file_that_always_grows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, how: Callable[[str], object]
) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(size))

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    while_reading(monkeypatch, grow)
    with pytest.raises(Conflict, match="changes while it is read") as caught:
        how(str(path))
    assert caught.value.hint is not None


def test_a_file_that_was_written_once_meanwhile_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    changes = [lambda: path.write_bytes(b"newer")]
    while_reading(monkeypatch, lambda: changes.pop()() if changes else None)
    assert read_file(str(path), None).known.id == chunk_id(b"newer")


def test_nobody_reads_on_when_a_file_is_given_up(tmp_path: Path, store: Store) -> None:
    data = os.urandom(9 * 1024 * 1024)
    (tmp_path / "f").write_bytes(data)
    with store.packer() as packer:
        read_file(str(tmp_path / "f"), packer)
        store.move("test", {}, packer.finish())
    purged = tuple(id.hex() for id in store.index.ids() if store.locate(id).kind is Kind.CHUNK)
    fresh = create_store(MemoryStorage(), client="another")
    fresh.log.append(Change("purge", tombstones=purged))
    with fresh.packer() as packer:
        try:
            read_file(str(tmp_path / "f"), packer)
        except Purged:
            # The error holds on to all that it passed; the file is closed by now.
            reading = [one.name for one in threading.enumerate() if one.name.startswith("read_")]
        assert reading == []


def test_a_file_that_shrinks_to_nothing_is_the_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    changes = [lambda: os.truncate(path, 0)]
    while_reading(monkeypatch, lambda: changes.pop()() if changes else None)
    assert read_file(str(path), None).known.id == EMPTY_ID


@posix
def test_a_pipe_in_the_file_s_place_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    with pytest.raises(InvalidInput, match="neither file nor link"):
        read_file(str(tmp_path / "f"), None)


def test_a_file_that_is_gone_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot read .*gone"):
        read_file(str(tmp_path / "gone"), None)


@not_root
@posix
def test_a_file_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "f").touch(mode=0o000)
    with pytest.raises(InvalidInput, match=r"cannot read .*f: Permission denied"):
        read_file(str(tmp_path / "f"), None)


def test_the_stat_that_is_recorded_is_that_of_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.trees import later

    (tmp_path / "f").write_bytes(b"x")
    with later(monkeypatch):
        assert read_file(str(tmp_path / "f"), None).stat == pack_stat((tmp_path / "f").lstat())


@pytest.mark.parametrize("has_modes", [True, False])
def test_without_modes_a_file_stays_the_executable_that_it_was(has_modes: bool) -> None:
    file, executable, link = EntryKind.FILE, EntryKind.EXECUTABLE, EntryKind.LINK
    assert is_kind(file, executable, has_modes=has_modes) is not has_modes
    assert is_kind(executable, executable, has_modes=has_modes)
    assert not is_kind(file, link, has_modes=has_modes)
    assert not is_kind(link, executable, has_modes=has_modes)
