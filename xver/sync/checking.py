"""Try a remote out: who we are there, what we may do, how far away it is; nothing is left behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import urandom
from pathlib import Path

from xver.errors import NotFound, RepositoryNotFound, StorageError, XverError
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import TEMPORARY, LocalStorage
from xver.storage.locate import locate
from xver.store.store import repository_at
from xver.sync.remotes import Unfit, cache_folder, probe
from xver.sync.trust import pin_or_refuse

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found; times in seconds.

    `identity` is None where the storage knows no one; `repository` where nothing was pushed yet. `is_atomic` is None
    where that could not be tried, as by somebody who may not write. `is_gone`: we know of a store there, and there is
    none now; then nothing is tried.
    """

    url: str
    identity: str | None
    lists: bool
    reads: bool | None
    creates: bool
    deletes: bool | None
    is_atomic: bool | None
    round_trip: float
    skew: float | None
    repository: str | None
    is_ours: bool | None
    refusal: str | None
    is_gone: bool = False

    @property
    def is_good(self) -> bool:
        """Tell whether one can at least fetch from there, and whoever pushes is safe."""
        if self.is_gone:
            return False
        return self.lists and self.reads is not False and self.is_atomic is not False and self.is_ours is not False


def check(repo: Repo, remote: Remote) -> Checked:
    """Try each right once, with a few objects of 16 bytes below `probe/` that are removed again.

    Raises:
        Conflict: the address is not the one that this clone knows.
        TransientStorageError: the server cannot be reached.
        StorageError: there is no such bucket, or it lets us do nothing at all.
    """
    pin_or_refuse(repo, remote)
    storage = locate(remote.url, base=repo.root, endpoint_url=remote.endpoint_url)
    refused: list[StorageError] = []

    def may(call: Callable[[], object]) -> bool:
        try:
            call()
        except StorageError as error:
            refused.append(error)
            return False
        return True

    # First of all, so that what makes everything fail is told as what it is.
    lists = may(lambda: next(iter(storage.list("log/")), None))
    try:
        repository, reads = repository_at(storage), True
    except RepositoryNotFound:
        repository, reads = None, None
    except StorageError as error:
        if not lists:
            raise
        refused.append(error)
        repository, reads = None, False
    is_gone = repository is None and reads is None and _was_used(repo, remote)
    creates, deletes, is_atomic = (False, None, None) if is_gone else _try_writing(storage, may)
    return Checked(
        storage.url,
        _identity(storage),
        lists,
        reads,
        creates,
        deletes,
        is_atomic,
        _round_trip(storage),
        _skew(storage) if lists else None,
        repository,
        None if repository is None else repository == repo.store.repository,
        refused[0].message if refused else None,
        is_gone,
    )


def _was_used(repo: Repo, remote: Remote) -> bool:
    """Tell whether this clone remembers a log at the remote."""
    return next(LocalStorage(cache_folder(repo, remote)).list("log/"), None) is not None


def reach(repo: Repo, remote: Remote) -> float:
    """Return the seconds that one question to a remote takes, writing nothing there; raises like `check`."""
    pin_or_refuse(repo, remote)
    storage = locate(remote.url, base=repo.root, endpoint_url=remote.endpoint_url)
    with contextlib.suppress(NotFound):  # nothing was pushed yet
        storage.get("xver.json")
    return _round_trip(storage)


_May = Callable[[Callable[[], object]], bool]


def _try_writing(storage: Storage, may: _May) -> tuple[bool, bool | None, bool | None]:
    with _no_folder_left(storage):
        return _try_in(storage, may)


def _try_in(storage: Storage, may: _May) -> tuple[bool, bool | None, bool | None]:
    name = f"probe/{urandom(8).hex()}"
    if not may(lambda: storage.create(name, urandom(16))):
        return False, None, None
    deletes = may(lambda: storage.delete(name))
    try:
        probe(storage)
    except Unfit:
        return True, deletes, False
    return True, deletes, True


@contextlib.contextmanager
def _no_folder_left(storage: Storage) -> Iterator[None]:
    """Remove the folders that trials in a folder make where there was none; elsewhere there are no folders."""
    if not isinstance(storage, LocalStorage):
        yield
        return
    root = Path(storage.url)
    fresh = [one for one in (root / "probe", root / TEMPORARY, root, *root.parents) if not one.exists()]
    yield
    # The innermost first; where somebody put something meanwhile it stays, and what it is in.
    with contextlib.suppress(OSError):
        for folder in fresh:
            folder.rmdir()


def _identity(storage: Storage) -> str | None:
    try:
        return storage.identity()
    except XverError as error:
        return f"not told ({error.message})"


def _round_trip(storage: Storage) -> float:
    def once() -> float:
        start = time.perf_counter()
        with contextlib.suppress(NotFound, StorageError):  # an answer all the same
            storage.get("xver.json")
        return time.perf_counter() - start

    return min(once() for _ in range(_TRIES))


def _skew(storage: Storage) -> float | None:
    before = time.time()
    there = storage.clock()
    return None if there is None else there - (before + time.time()) / 2
