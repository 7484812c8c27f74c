"""Adds by workers, compared with plain ones: repositories of one id, and remotes read to the last byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from xver.history.reach import reach, target_edge
from xver.model.ids import Kind, object_id
from xver.model.refs import CLONES, Target
from xver.repo import Repo, init_repo
from xver.settings import Remote, add_remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.store.store import Store, Wanted, open_store

REPOSITORY = "0c6d4c0e-6f35-4ae0-9d3b-2f0a4e6f0001"
ORIGIN = Remote("origin", "../remote")
BIG = random.Random(1).randbytes(768_000)
FILES = {"data/a": b"first", "data/b/c": b"second", "data/empty": b"", "data/b/big": BIG, "data/twin": b"first"}


def repo_at(root: Path, remote: Remote = ORIGIN) -> Repo:
    """Return a new repository; all of them have one id, so that their locks are comparable."""
    root.mkdir(parents=True, exist_ok=True)
    repo, _ = init_repo(root, repository=REPOSITORY)
    add_remote(repo.settings_path, remote)
    return repo


def there(repo: Repo) -> Path:
    return repo.root.parent / "remote"


def store_at(storage: Storage | Path) -> Store:
    """Open a store as somebody who has never seen it."""
    return open_store(LocalStorage(storage) if isinstance(storage, Path) else storage, client="test")


def kept(store: Store) -> dict[str, Target]:
    """Return the refs that keep what was sent ahead of a push, by their last part."""
    return {name.rpartition("/")[2]: target for name, target in store.log.refs.items() if name.startswith(CLONES)}


def read_everything(store: Store) -> dict[bytes, int]:
    """Read what every ref leads to, each object verified; return the sizes of the chunks."""
    found = reach(store, map(target_edge, store.log.refs.values()))
    sizes = {}
    for edge in found.values():
        [(id, data)] = store.get_many([Wanted(edge.kind, edge.id)])
        assert object_id(edge.kind, data) == id
        if edge.kind is Kind.CHUNK:
            sizes[id] = len(data)
    assert store.lost_packs() == {}
    return sizes


class InPlace(Executor):
    """Does each task at once, in this thread; `before` and `after` see it and may meddle."""

    def __init__(
        self,
        before: Callable[[Any], None] = lambda _: None,
        after: Callable[[Any, Any], Any] = lambda _, result: result,
    ) -> None:
        self._before = before
        self._after = after
        self.tasks: list[Any] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            if isinstance(args[0], str):  # asks for the version
                future.set_result(fn(*args, **kwargs))
                return future
            self.tasks.append(args[0])
            self._before(args[0])
            future.set_result(self._after(args[0], fn(*args, **kwargs)))
        except Exception as error:  # noqa: BLE001 - handed to whoever asks for the result
            future.set_exception(error)
        return future
