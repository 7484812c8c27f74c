"""What add, status and diff count while they read one large file: its bytes, and not only that it is a file."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from tests.support.repos import write_tree
from xver import progress
from xver.content.comparing import compare
from xver.content.sources import DiskFile
from xver.progress import Unit
from xver.repo import Repo
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.worktree import steady

SIZE = 1_000_000
LARGE = random.Random(5).randbytes(SIZE)


class Counts:
    """A meter that remembers what was counted, by the label of the phase, and which phases are going on."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, int | None, Unit]] = Counter()
        self.under_way: list[tuple[str, int | None, Unit]] = []

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        self.under_way.append((label, total, unit))

    def advance(self, n: int) -> None:
        self.counted[self.under_way[-1]] += n

    def finish(self) -> None:
        self.under_way.pop()


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """A meter, where a file is large from a size on that a test can afford."""
    monkeypatch.setattr(progress, "_LARGE", SIZE)
    monkeypatch.setattr(steady, "_BLOCK", SIZE // 3)
    return Counts()


def test_a_large_file_is_counted_by_its_bytes(repo: Repo, counts: Counts) -> None:
    write_tree(repo.root, {"d/big": LARGE, "d/small": LARGE[1:], "d/x": b"x"})
    add(repo, ["d"], meter=counts)
    assert counts.counted == {("Adding", None, "files"): 3, ("Adding big", SIZE, "B"): SIZE}
    assert counts.under_way == []


@pytest.mark.parametrize("again", [status, lambda repo, *, meter: add(repo, ["d"], meter=meter)])
def test_a_large_file_that_was_touched_is_counted_by_its_bytes(repo: Repo, counts: Counts, again: object) -> None:
    write_tree(repo.root, {"d/big": LARGE, "d/small": LARGE[1:]})
    add(repo, ["d"])
    os.utime(repo.root / "d" / "big", (0, 0))
    assert callable(again)
    again(repo, meter=counts)
    assert counts.counted[("Comparing big", SIZE, "B")] == SIZE
    assert counts.counted[("Comparing", None, "files")] + counts.counted[("Adding", None, "files")] == 2
    assert counts.under_way == []


def test_what_is_no_table_is_counted_as_it_is_compared(repo: Repo, counts: Counts) -> None:
    write_tree(repo.root, {"a": LARGE, "b": LARGE[1:]})
    compare("a", *(DiskFile(str(repo.root / name)) for name in "ab"), folder=repo.cache, meter=counts)
    assert counts.counted[("Comparing", None, "B")] >= 2 * SIZE - 1
