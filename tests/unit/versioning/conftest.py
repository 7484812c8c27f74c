"""A repository without git, and what a test does in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repos import new_repo
from xver.repo import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work tree")
