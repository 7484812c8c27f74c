"""`--to` and `--executor` as a person types them: what they print, and how mistakes end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.repos import read_tree, write_tree
from tests.support.spread import FILES
from tests.support.trees import posix

from .workplace import Workplace


@pytest.fixture
def ready(place: Workplace) -> Workplace:
    """A repository with a remote and files that nobody has added."""
    place.ok("remote", "add", "origin", "../remote")
    write_tree(place.root, FILES)
    return place


def test_data_go_straight_to_the_remote_and_from_there_to_others(ready: Workplace, tmp_path: Path) -> None:
    assert ready.ok("add", "data", "--to", "origin").startswith("Added data  5 files  768 kB  (<new>)")
    assert list(ready.root.rglob("packs/*.data")) == []
    assert "Changed" not in ready.ok("status")
    assert ready.ok("add", "data").startswith("Unchanged data")
    ready.ok("commit", "-m", "sent ahead")
    assert "1 commit" in ready.ok("push")
    ready.ok("fsck")
    ready.ok("clone", "../remote", str(tmp_path / "copy"))
    assert read_tree(tmp_path / "copy") == FILES
    assert ready("cat", "data/a").stdout == "first"


def test_processes_add_and_push(ready: Workplace, tmp_path: Path) -> None:
    ready.ok("add", "data", "--executor", "processes:1")
    ready.ok("commit", "-m", "by processes")
    ready.ok("push", "--executor", "processes:1")
    ready.ok("clone", "../remote", str(tmp_path / "copy"))
    assert read_tree(tmp_path / "copy") == FILES


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (("add", "data", "--executor", "ray"), 2, "no executor: 'ray'", "--executor threads[:N], processes[:N]"),
        (("add", "data", "--to", "nowhere"), 3, "there is no remote nowhere", "xver remote list"),
        (("add", "s3://bucket/raw"), 2, "the objects of one bucket become one dataset", "--as data/raw"),
        (("add", "file:///data", "--as", "x"), 2, "is no bucket", "xver add PATH"),
        (("add", "s3://bucket/raw", "--as", "../x"), 2, "lies outside of the repository", ""),
    ],
)
def test_mistakes_end_in_one_line_and_the_next_command(
    ready: Workplace, arguments: tuple[str, ...], code: int, message: str, hint: str
) -> None:
    first, *rest = ready.fails(code, *arguments)
    assert message in first
    assert hint in "".join(rest)


@posix
def test_ctrl_c_in_the_middle_leaves_a_repository_that_goes_on(alone: Workplace) -> None:
    """The signal goes to every process of the terminal, as a terminal sends it."""
    alone.ok("remote", "add", "origin", "../remote")
    alone.write(**{f"data__{number}": os.urandom(3_000_000) for number in range(40)})
    command = [sys.executable, "-m", "xver", "add", "data", "--to", "origin", "--executor", "processes:1"]
    process = subprocess.Popen(
        command,
        cwd=alone.root,
        env=alone.environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell starts in the background would ignore Ctrl-C, and hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    packs = alone.root.parent / "remote" / "tmp"
    while process.poll() is None and not (packs.is_dir() and any(packs.iterdir())):
        time.sleep(0.01)  # the first bytes of a pack: there is no event of another program to wait for
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr.strip()) == (130, "interrupted")
    alone.ok("add", "data", "--to", "origin")
    alone.ok("commit", "-m", "at last")
    alone.ok("push")
