"""What large files that arrive are judged by: a repository that pushed some, and what a clone of it holds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.repos import new_repo, read_tree, save
from tests.unit.sync.sides import ORIGIN
from xver.errors import StorageError
from xver.format.packs import is_whole
from xver.repo import Repo, open_repo
from xver.storage.base import Part
from xver.storage.local import LocalStorage
from xver.store.wholes import WHOLE_MIN
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning.restoring import checkout

NOISE = random.Random(7).randbytes(WHOLE_MIN + 54_321)
OTHER = random.Random(8).randbytes(WHOLE_MIN + 1)
TEXT = "".join(f"{number},{number * number % 9973},word\n" for number in range(1_200_000)).encode()
AROUND = 1_000_000
"""More than packs and indexes take besides the content of large files."""


def pushed(folder: Path, files: dict[str, bytes], *further: dict[str, bytes]) -> Repo:
    (folder / "remote").mkdir(exist_ok=True)
    repo = new_repo(folder / "here", files, remote=str(folder / "remote"))
    for more in further:
        save(repo, more)
    push(repo, ORIGIN)
    return repo


def packs(repo: Repo) -> dict[str, int]:
    return dict(repo.store.log.live_packs())


def wholes(repo: Repo) -> list[str]:
    return [name for name in packs(repo) if is_whole(name)]


def packed(repo: Repo) -> int:
    """Return how many bytes lie in other packs than whole files."""
    return sum(size for name, size in packs(repo).items() if not is_whole(name))


def left_over(repo: Repo) -> list[str]:
    return sorted(path.name for path in (repo.places.shared / "store" / "tmp").iterdir())


def assert_right(repo: Repo, files: dict[str, bytes]) -> None:
    """Assert that the disk and the store hold some files, and that they come back from the store."""
    assert read_tree(repo.root) == files
    assert left_over(repo) == []
    assert check(repo).damage == ()
    for name in files:
        (repo.root / name).unlink()
    checkout(open_repo(repo.root))
    assert read_tree(repo.root) == files


class Cut:
    """Breaks the connection off, once, at the n-th part of a data pack that is read from a remote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, remote: Path, at: int) -> None:
        self.left = at
        real = LocalStorage._get_buffer

        def get(storage: LocalStorage, key: str, part: Part) -> memoryview:
            if key.endswith(".data") and storage.url == str(remote):
                self.left -= 1
                if self.left == 0:
                    raise StorageError("the network is gone")
            return real(storage, key, part)

        monkeypatch.setattr(LocalStorage, "_get_buffer", get)
