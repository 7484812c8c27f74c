"""What a worker does: take files into a store, or copy objects from one to another. Values in, small values out.

A worker opens the store at its task's address by itself, with the credentials of its own machine, and keeps it, with
its live indexes, for the next task. What it uploads is in nobody's log yet: the client makes it live.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from xver.errors import (
    Changing,
    CorruptData,
    InvalidInput,
    NotFound,
    StorageError,
    Unreadable,
    WorkersFailed,
    XverError,
)
from xver.format.log_entries import LiveIndex
from xver.history.reach import Edge
from xver.repo import Repo, client_name
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage
from xver.store.store import Store, open_store
from xver.sync.executors import here
from xver.sync.remotes import cache_folder, open_at, storage_at
from xver.sync.sources import Item, Read, Source
from xver.sync.transfer import Transfer, copy_objects
from xver.worktree.reading import Reading

TASK_SIZE: Final = 256 * 1024 * 1024
TASK_FILES: Final = 4_000
"""A task ends after so many bytes or files; a larger file is a task of its own."""

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is, for any process: a local one's folder, or a remote, taken from the folder `base`.

    `cache` is the folder in which this machine remembers the remote, None for workers elsewhere. Its log has `n`
    entries at least.
    """

    repository: str
    base: str
    n: int
    remote: Remote | None = None
    cache: str | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    client: str
    nonce: str = field(default_factory=lambda: os.urandom(8).hex(), kw_only=True)
    """Makes every task another one: an executor may remember what it did for an equal one."""


@dataclass(frozen=True, slots=True)
class Take(_Task):
    """Take files of a source into the store at `target`."""

    source: Source
    files: tuple[Item, ...]
    target: Address


@dataclass(frozen=True, slots=True)
class Copy(_Task):
    """Copy objects of one store into another."""

    source: Address
    edges: tuple[Edge, ...]
    target: Address


@dataclass(frozen=True, slots=True)
class Taken:
    """What a worker did: what each file is, or why not, in the order of the task; the index of the packs it uploaded.

    `new` counts the bytes that the store did not hold, before compression.
    """

    worker: str
    readings: tuple[Read, ...]
    index: LiveIndex | None
    new: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a worker copied: bytes as stored, and the index of the packs it uploaded."""

    worker: str
    size: int
    index: LiveIndex | None


def take(task: Take) -> Taken:
    """Cut, identify, compress and upload; runs in a worker.

    Raises:
        InvalidInput: the folder of the files cannot be read there.
        StorageError: the store cannot be reached or written from there.
    """
    with _named(task):
        # A remote relies on nobody; a local store on what a remote keeps for it.
        with _open(task.target).packer(fetches=task.target.remote is not None) as packer:
            readings = tuple(task.source.read(task.files, packer))
            for one in readings:
                if not isinstance(one, Reading):
                    _name(task, one)
            index = packer.finish()
        return Taken(here(), readings, index, packer.added)


def copy(task: Copy) -> Sent:
    """Read, verify, pack and upload; runs in a worker. Raises like `copy_objects`."""
    with _named(task):
        copied = copy_objects(_open(task.source), _open(task.target), task.edges, Transfer("a part of a copy"))
        return Sent(here(), copied.size, copied.index)


def split(things: Iterable[_Thing], weigh: Callable[[_Thing], int]) -> Iterator[tuple[_Thing, ...]]:
    """Yield what makes a task each, in order; `weigh` gives the bytes of one."""
    batch: list[_Thing] = []
    size = 0
    for one in things:
        weight = weigh(one)
        if batch and (size + weight > TASK_SIZE or len(batch) >= TASK_FILES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(one)
        size += weight
    if batch:
        yield tuple(batch)


def local_address(repo: Repo) -> Address:
    """Return the address of a repository's own store."""
    return Address(repo.store.repository, os.fspath(repo.places.shared / "store"), repo.store.log.n)


def remote_address(repo: Repo, remote: Remote, there: Store, *, is_near: bool) -> Address:
    """Return the address of a remote, as its log is now; workers that are near share what we remember of it."""
    cache = os.fspath(cache_folder(repo, remote)) if is_near else None
    return Address(repo.store.repository, os.fspath(repo.root), there.log.n, remote, cache)


def this_process() -> str:
    """Return what tells the client's own process from a worker's."""
    return f"{os.getpid()} {platform.node()}"


@contextlib.contextmanager
def _named(task: _Task) -> Iterator[None]:
    """Say in errors which worker they come from, where that is not this process."""
    try:
        yield
    except XverError as error:
        _name(task, error)
        raise


def _name(task: _Task, error: XverError) -> None:
    if task.client == this_process():
        return
    error.message = f"{here()}: {error.message}"
    error.args = (error.message,)
    if isinstance(error, Unreadable | Changing):
        error.reason = f"{error.reason}, says {here()}"
    if isinstance(error, InvalidInput):
        error.hint = "is it on a file system that all workers share, and may they read it?"
    elif isinstance(error, StorageError):
        error.hint = f"the workers need their own way in: {error.hint}" if error.hint else None


_KEPT: Final = 4
_lock = threading.Lock()
_stores: dict[tuple[int, Address], Store] = {}
_caches: dict[tuple[int, str, str | None], Storage] = {}


def _open(address: Address) -> Store:
    """Return the store, opened once by each process and log; tasks of several threads share it and only ask it."""
    key = os.getpid(), address
    with _lock:
        store = _stores.get(key)
        if store is None:
            for old in [one for one in _stores if _place(one[1]) == _place(address)]:
                # Not refreshed: another thread may be asking it.
                del _stores[old]
            while len(_stores) >= _KEPT:
                del _stores[next(iter(_stores))]
            store = _stores[key] = _open_local(address) if address.remote is None else _open_remote(address)
        return store


def _place(address: Address) -> tuple[str, Remote | None]:
    return address.base, address.remote


def _open_local(address: Address) -> Store:
    return _checked(open_store(LocalStorage(address.base), client=client_name()), address)


def _open_remote(address: Address) -> Store:
    assert address.remote is not None
    remote = address.remote
    key = os.getpid(), remote.url, remote.endpoint_url
    cache = LocalStorage(address.cache) if address.cache is not None else _caches.setdefault(key, MemoryStorage())
    for _ in range(2):
        storage = storage_at(remote, base=Path(address.base), cache=cache)
        try:
            storage.catch_up()
            return _checked(open_at(storage, remote, repository=address.repository), address)
        except CorruptData:
            # What a worker remembers may be of a remote that was made anew since; only the client's memory is a proof.
            if address.cache is not None:
                raise
            cache = _caches[key] = MemoryStorage()
    raise WorkersFailed(f"{remote.url} is another store from there than from here")


def _checked(store: Store, address: Address) -> Store:
    if store.repository != address.repository or store.log.n < address.n:
        raise NotFound(
            f"{store.storage.url} is another store from there than from here",
            hint="a folder as a remote has to be on a file system that all workers share",
        )
    return store
