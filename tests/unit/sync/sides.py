"""What both sides hold in these tests, and short words for looking at them."""

from __future__ import annotations

import random
from pathlib import Path

from xver.repo import Repo
from xver.settings import Remote
from xver.storage.local import LocalStorage
from xver.store.store import Store, open_store
from xver.sync.pull import clone

ORIGIN = Remote("origin", "../remote")
FILES = {"data/a": b"first", "data/sub/b": random.Random(1).randbytes(400_000), "note": b"1"}


def there(repo: Repo) -> Store:
    return open_store(LocalStorage(repo.root.parent / "remote"), client="test")


def remote_packs(repo: Repo) -> list[Path]:
    return sorted((repo.root.parent / "remote" / "packs").iterdir())


def cloned(repo: Repo, name: str = "copy") -> Repo:
    return clone(str(repo.root.parent / "remote"), repo.root.parent / name)
