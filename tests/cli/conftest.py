"""The command line as a process of its own, in an environment nobody has configured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import xver as xver_package

TRIAL = Path(__file__).with_name("trial.py")


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(TRIAL), *arguments]


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
