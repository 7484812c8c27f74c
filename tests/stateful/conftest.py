"""What the machines need to reach what a repository does only at sizes that they never have."""

from __future__ import annotations

import pytest

from xver.versioning import tracking


@pytest.fixture(autouse=True)
def every_dataset_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is noted of large datasets be noted of all: it must never be believed for too long."""
    monkeypatch.setattr(tracking, "_LARGE", 0)
