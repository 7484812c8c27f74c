"""The command line as a process of its own, in an environment nobody has configured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import xver as xver_package

from .workplace import Workplace, command


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "PYTHONIOENCODING", "PYTHONUTF8", "_XVER_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(xver_package.__file__).parents[1]))


@pytest.fixture
def xver(environment: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env={**os.environ, "PYTHONUTF8": "1", **variables},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(params=["git", "alone"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Workplace:
    """A user's folder, once in git and once without."""
    if request.param == "git":
        require_git()
    return Workplace(tmp_path / "work tree", tmp_path / "home", git=request.param == "git")


@pytest.fixture
def in_git(tmp_path: Path) -> Workplace:
    """A user's folder in git."""
    require_git()
    return Workplace(tmp_path / "work tree", tmp_path / "home", git=True)


@pytest.fixture
def hooked(tmp_path: Path) -> Workplace:
    """A user's folder in git, whose hooks and drivers find xver."""
    require_git()
    if sys.platform == "win32":
        pytest.skip("git runs hooks with a shell of its own on Windows; tested by nobody yet")
    return Workplace(tmp_path / "work tree", tmp_path / "home", git=True, hooks=True)


@pytest.fixture
def alone(tmp_path: Path) -> Workplace:
    """A user's folder without git."""
    return Workplace(tmp_path / "work tree", tmp_path / "home", git=False)


def require_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
