"""A file system that makes clones, as far as bytes go: on the one the tests run on there may be none."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from xver.storage import cloning


def let_files_be_cloned(monkeypatch: pytest.MonkeyPatch, *, then: Callable[[str], None] = lambda _: None) -> list[str]:
    """Answer for the system call: the bytes are copied. Returns where clones are made; `then` hears of each."""
    made: list[str] = []

    def filled(source: int, handle: int, path: str, _dir_fd: int | None) -> int:
        at = 0
        while data := os.pread(source, 1 << 20, at):
            at += os.pwrite(handle, data, at)
        made.append(path)
        then(path)
        return handle

    monkeypatch.setattr(cloning, "_filled", filled)
    return made
