"""A repository, its remote watched, and folders without fsync: that is most of the time, and nobody could tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clones import let_files_be_cloned
from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo
from tests.unit.sync.sides import FILES, ORIGIN
from xver.repo import Repo
from xver.storage.base import Storage
from xver.storage.locate import locate
from xver.sync import remotes


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def clones(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let files be cloned; return where that was done."""
    return let_files_be_cloned(monkeypatch)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, str]]]:
    """Return the requests made to remotes since the last time."""
    calls: list[FaultyStorage] = []

    def located(url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
        calls.append(FaultyStorage(locate(url, base=base, endpoint_url=endpoint_url)))
        return calls[-1]

    monkeypatch.setattr(remotes, "locate", located)

    def since() -> list[tuple[str, str]]:
        found = [call for storage in calls for call in storage.calls]
        calls.clear()
        return found

    return since
