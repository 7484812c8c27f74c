"""An `adopt` that is killed at each of its steps in turn: the n-th time ahead of the n-th thing it does on the disk.

    python -m tests.support.dying PRISTINE COPIES      COPIES/0, COPIES/1 … are what each of them left

Python tells what is about to happen (`sys.addaudithook`): nothing of ours stands in the way of anything.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from xver.intake.adopting import adopt
from xver.intake.lfs import Lfs
from xver.repo import open_repo

_STEPS = ("os.link", "os.remove", "os.rename")
_OF_GIT = {"add", "update-index"}
"""What it lets git change."""


def killed_adoptions(pristine: Path, copies: Path) -> list[Path]:
    """Adopt what git-lfs has in copies of a repository; return those whose process was killed."""
    copies.mkdir()
    words = [sys.executable, "-m", __name__, str(pristine), str(copies)]
    done = subprocess.run(words, check=True, capture_output=True, encoding="utf-8", cwd=Path(__file__).parents[2])
    return [copies / name for name in done.stdout.split()]


def _adopt_and_die(root: Path, step: int) -> None:
    repo = open_repo(root)
    assert repo.git is not None
    left = step

    def count(event: str, said: tuple[Any, ...]) -> None:
        nonlocal left
        if event in _STEPS or (event == "subprocess.Popen" and not _OF_GIT.isdisjoint(said[1])):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(count)
    adopt(repo, Lfs(repo.git), history="HEAD")


def _main(pristine: Path, copies: Path) -> None:
    step = 0
    while True:
        root = copies / str(step)
        shutil.copytree(pristine, root, symlinks=True)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _adopt_and_die(root, step)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(os.waitstatus_to_exitcode(status))
        print(step)
        step += 1


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
