"""A scan with scouts shows what one without shows, whatever becomes of them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import write_tree
from tests.support.trees import posix
from xver.model.entries import EntryKind
from xver.model.ids import EMPTY_ID, NO_FINGERPRINT
from xver.worktree import scan as scan_module
from xver.worktree import scouts
from xver.worktree.ignore import Ignore
from xver.worktree.reading import read_file
from xver.worktree.rechecking import recheck, renewed
from xver.worktree.records import DirectoryRecord, Known, RecordBuilder
from xver.worktree.scan import Directory, scan
from xver.worktree.stats import NO_STAT

pytestmark = posix
NAMES = ["a", "b c", "é", ".hidden", "Z", "~", "x\ny"]


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "_SCOUTED", 1)
    monkeypatch.setattr(scouts, "_LEAST", 1)
    monkeypatch.setattr(scouts, "_processors", lambda: 3)


Process = subprocess.Popen[bytes]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that are started from now on."""
    processes: list[Process] = []

    class Noted(Process):
        def __init__(self, *args: Any, **options: Any) -> None:
            processes.append(self)
            super().__init__(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return processes


def some_tree(root: Path, rng: random.Random) -> None:
    folders = ["", *(f"{one}/" for one in NAMES), *(f"{one}/{two}/" for one in NAMES for two in NAMES)]
    write_tree(root, {f"d/{folder}{name}": b"" for folder in folders for name in rng.sample(["f", "g", "ö", ".h"], 2)})
    os.symlink("nowhere", root / "d" / "a" / "link")
    os.mkfifo(root / "d" / "Z" / "pipe")
    (root / "d" / "a" / "empty").mkdir()


Records = dict[str, DirectoryRecord]


def seen(root: Path, known: Records | None = None) -> list[Directory]:
    return list(scan(root, "d", Ignore(root), known))


def files(count: int) -> DirectoryRecord:
    """The record of so many empty files, none of which is as recorded."""
    builder = RecordBuilder()
    for number in range(count):
        builder.add(b"%03d" % number, NO_STAT, Known(EntryKind.FILE, 0, EMPTY_ID, NO_FINGERPRINT, None))
    return builder.build()


def recorded(root: Path, directories: Iterable[Directory]) -> Records:
    """The records of directories as an `add` that was settled leaves them."""
    records: Records = {}
    for one in directories:
        builder = RecordBuilder()
        for name, stat in zip(one.names, one.stats, strict=True):
            path = root / "d" / one.path / os.fsdecode(name)
            builder.add(name, stat, read_file(os.fspath(path), None).known)
        records[one.path] = builder.build()
    return records


@pytest.mark.parametrize("seed", range(3))
def test_the_same_is_seen(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    some_tree(tmp_path, rng)
    alone = seen(tmp_path)
    known = recorded(tmp_path, [one for one in alone if rng.random() < 0.8])
    for folder in rng.sample(sorted(known), 10):
        known[folder] = files(3)
    known |= {"gone": files(3), "a/f": files(1)}
    found = 0
    real = scouts.Scouts.look

    def counted(self: scouts.Scouts, folder: str) -> object:
        nonlocal found
        look = real(self, folder)
        found += look is not None
        return look

    monkeypatch.setattr(scouts.Scouts, "look", counted)
    assert seen(tmp_path, known) == alone
    assert found > 3


@pytest.mark.parametrize("program", ["/does/not/exist", "/bin/false", ""])
def test_without_them_all_is_looked_at_here(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    some_tree(tmp_path, random.Random(0))
    alone = seen(tmp_path)
    monkeypatch.setattr(sys, "executable", program)
    assert seen(tmp_path, recorded(tmp_path, alone)) == alone


def test_who_stops_half_way_leaves_no_process(tmp_path: Path, started: list[Process]) -> None:
    write_tree(tmp_path, {f"d/{number}/f": b"" for number in range(50)})
    found = scan(tmp_path, "d", Ignore(tmp_path), {str(number): files(1) for number in range(50)})
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert [one.returncode is None for one in started] == [False, False]


def test_few_files_are_worth_no_process(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scouts, "_LEAST", 100)
    with scouts.Scouts(os.fsencode(tmp_path), {"a": files(50), "b": files(149)}) as none:
        assert none.look("b") is None
    assert started == []


def test_files_that_were_touched_are_read_by_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scout says of moved stats is what would be found out here, and nobody finds it out a second time."""
    write_tree(tmp_path, {f"d/{folder}/{number}": b"%d" % number for folder in "abc" for number in range(40)})
    known = recorded(tmp_path, seen(tmp_path))
    for path in tmp_path.glob("d/*/*"):
        os.utime(path, ns=(1, 1))
    (tmp_path / "d" / "c" / "7").write_bytes(b"8")
    directories = {one.path: one for one in seen(tmp_path, known)}
    for folder in "bc":
        where = os.fsencode(tmp_path / "d" / folder)
        assert directories[folder].rechecked == recheck(where, directories[folder].packed, known[folder])
    assert [directories[folder].rechecked is None for folder in ("", "a", "b", "c")] == [True, True, False, False]
    monkeypatch.setattr("xver.worktree.rechecking.recheck", None)
    found, same = renewed(os.fspath(tmp_path / "d" / "b"), directories["b"], known["b"])
    assert (found.joined, found.ids, same) == (known["b"].joined, known["b"].ids, True)
    assert renewed(os.fspath(tmp_path / "d" / "c"), directories["c"], known["c"])[1] is False
