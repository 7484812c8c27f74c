"""A scan with scouts shows what one without shows, whatever becomes of them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import write_tree
from tests.support.trees import posix
from xver.worktree import scan as scan_module
from xver.worktree import scouts
from xver.worktree.ignore import Ignore
from xver.worktree.scan import Directory, scan

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


def seen(root: Path, known: dict[str, int] | None = None) -> list[Directory]:
    return list(scan(root, "d", Ignore(root), known))


@pytest.mark.parametrize("seed", range(3))
def test_the_same_is_seen(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    some_tree(tmp_path, rng)
    alone = seen(tmp_path)
    known = {one.path: len(one.names) for one in alone if rng.random() < 0.8} | {"gone": 3, "a/f": 1}
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
    assert seen(tmp_path, {one.path: len(one.names) for one in alone}) == alone


def test_who_stops_half_way_leaves_no_process(tmp_path: Path, started: list[Process]) -> None:
    write_tree(tmp_path, {f"d/{number}/f": b"" for number in range(50)})
    found = scan(tmp_path, "d", Ignore(tmp_path), {str(number): 1 for number in range(50)})
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert [one.returncode is None for one in started] == [False, False]


def test_few_files_are_worth_no_process(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scouts, "_LEAST", 100)
    with scouts.Scouts(os.fsencode(tmp_path), {"a": 50, "b": 149}) as none:
        assert none.look("b") is None
    assert started == []
