"""Files whose stats moved: those whose bytes did not are known again, the others need a look of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.repos import new_repo, reopened, write_tree
from tests.support.trees import later, posix, rewrite_unseen
from xver.repo import Repo
from xver.versioning import tracking
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.worktree.ignore import Ignore
from xver.worktree.reading import read_file
from xver.worktree.rechecking import recheck
from xver.worktree.records import DirectoryRecord, RecordBuilder
from xver.worktree.scan import scan
from xver.worktree.stats import NO_STAT, STAT_SIZE

pytestmark = posix
COUNT = 150


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work tree")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tree(tmp_path, {f"d/{number:03d}": b"%03d" % number for number in range(COUNT)})
    return tmp_path / "d"


def packed(folder: Path) -> bytes:
    (one,) = scan(folder.parent, "d", Ignore(folder.parent))
    return one.packed


def record_of(folder: Path) -> DirectoryRecord:
    builder = RecordBuilder()
    for name, stat in zip(sorted(os.listdir(folder)), _cut(packed(folder)), strict=True):
        builder.add(name.encode(), stat, read_file(os.fspath(folder / name), None).known)
    return builder.build()


def _cut(stats: bytes) -> list[bytes]:
    return [stats[at : at + STAT_SIZE] for at in range(0, len(stats), STAT_SIZE)]


def touch(folder: Path) -> None:
    """Let every file have been written long ago, and its inode changed now."""
    for path in folder.iterdir():
        os.utime(path, ns=(1, 1))


def test_touched_files_are_known_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(folder)
    touch(folder)
    now = packed(folder)
    assert recheck(os.fsencode(folder), now, record) == (NO_STAT * COUNT, True)  # they may be written again this second
    with later(monkeypatch):
        assert recheck(os.fsencode(folder), now, record) == (now, True)


def rewrite(path: Path) -> None:
    path.write_bytes(b"xyz")


def grow(path: Path) -> None:
    path.write_bytes(b"0000")


def become_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("000")


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_executable(path: Path) -> None:
    path.chmod(0o755)


def go(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [rewrite, grow, become_a_link, become_executable])
def test_what_changed_keeps_the_stat_it_had(
    folder: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_of(folder)
    touch(folder)
    change(folder / "070")
    now = packed(folder)
    with later(monkeypatch):
        stats, same = recheck(os.fsencode(folder), now, record)
    assert same is False
    assert _cut(stats) == [*_cut(now)[:70], _cut(record.stats)[70], *_cut(now)[71:]]


@pytest.mark.parametrize("change", [rewrite, grow, become_a_link, become_a_pipe, become_executable, go])
def test_what_changes_after_it_was_looked_at_keeps_it_too(
    folder: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_of(folder)
    touch(folder)
    now = packed(folder)
    change(folder / "070")
    with later(monkeypatch):
        stats, same = recheck(os.fsencode(folder), now, record)
    assert same is False
    assert _cut(stats) == [*_cut(now)[:70], _cut(record.stats)[70], *_cut(now)[71:]]


@pytest.fixture
def large(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    write_tree(repo.root, {f"d/s/{number:03d}": b"%03d" % number for number in range(COUNT)})
    with later(monkeypatch):
        add(repo, ["d"])
        touch(repo.root / "d" / "s")
        yield reopened(repo)


def test_a_status_and_an_add_treat_none_alone(large: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xver.worktree.compare.read_fingerprint", None)
    monkeypatch.setattr(tracking.Here, "read", None)
    before = large.lock
    add(large, ["d"])
    assert reopened(large).lock == before
    assert status(reopened(large)).changed == {}


def test_the_one_that_changed_is_found(large: Repo) -> None:
    rewrite_unseen(large.root / "d" / "s" / "077", b"xyz")
    touch(large.root / "d" / "s")
    (changed,) = status(large).changed.values()
    assert [one.path for one in changed.differences] == ["s/077"]
    (done,) = add(reopened(large), ["d"]).added
    assert done.new == 3
    assert status(reopened(large)).changed == {}


def test_an_add_compares_the_one_that_changed_once_and_reads_it_once(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(repo.root, {f"d/{number:03d}": b"%03d" % number for number in range(COUNT)})
    opened: list[str] = []
    real = os.open

    def counting(path: str | bytes, *args: int, **where: int) -> int:
        opened.append(os.path.basename(os.fsdecode(path)))
        return real(path, *args, **where)

    with later(monkeypatch):
        add(repo, ["d"])
        touch(repo.root / "d")
        (repo.root / "d" / "007").write_bytes(b"new")
        monkeypatch.setattr(os, "open", counting)
        (done,) = add(reopened(repo), ["d"]).added
    assert done.new == len(b"new")
    assert (opened.count("007"), opened.count("008")) == (2, 1)
    assert status(reopened(repo)).changed == {}
