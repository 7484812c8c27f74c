"""Open a remote by its name: its storage with a local memory, checked against what we remember of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from os import urandom
from pathlib import Path
from typing import Final

from xver.errors import Conflict, HasMoved, InvalidInput, NotFound, RepositoryNotFound, StorageError
from xver.history.reach import reached
from xver.repo import Repo, client_name
from xver.settings import EVERY_BRANCH, Remote
from xver.storage.base import Storage
from xver.storage.cached import CachedStorage
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.store.store import Store, create_store, is_for_single_writer, open_store
from xver.sync.trust import is_trusted, pin_or_refuse, require_used
from xver.versioning.versions import branch_name

_RACERS: Final = 3
_RACES: Final = 3
# Several short races: the more writers meet at one name, the longer some servers let them wait, SeaweedFS for seconds.


def choose_remote(repo: Repo, name: str | None) -> Remote:
    """Return the remote of a name; without one the branch's default, `origin`, or the only one there is.

    Raises:
        NotFound: there is no such remote.
        InvalidInput: there are several, and nothing says which one is meant.
        Conflict: nobody named it, and it was never used from here.
    """
    remotes = repo.settings.remotes
    is_named = name is not None
    if name is None:
        if not remotes:
            raise NotFound("there is no remote yet", hint="xver remote add origin s3://bucket/prefix")
        name = default_name(repo)
        if name is None:
            names = ", ".join(sorted(remotes))
            raise InvalidInput(f"which remote? There are {names}", hint="name one of them, or xver remote default NAME")
    if name not in remotes:
        raise NotFound(f"there is no remote {name}", hint="xver remote list")
    if not is_named:
        require_used(repo, remotes[name])
    return remotes[name]


def default_name(repo: Repo) -> str | None:
    """Return the name of the remote that is meant where none is named: the branch's, `origin`, or the only one."""
    settings = repo.settings
    if settings.default_remote:
        branch = branch_name(repo)
        chosen = settings.default_remote.get(branch or EVERY_BRANCH) or settings.default_remote.get(EVERY_BRANCH)
        if chosen is not None:
            return chosen
    if "origin" in settings.remotes or not settings.remotes:
        return "origin" if settings.remotes else None
    return next(iter(settings.remotes)) if len(settings.remotes) == 1 else None


def ordered_remotes(repo: Repo) -> list[Remote]:
    """Return all remotes whose addresses are those this clone knows, the default one first."""
    first = default_name(repo)
    known = [one for one in repo.settings.remotes.values() if is_trusted(repo, one)]
    return sorted(known, key=lambda one: (one.name != first, one.name))


def open_remote(repo: Repo, remote: Remote, *, ahead: Sequence[str] = ()) -> Store:
    """Open the store at a remote; what lies below the prefixes `ahead` is listed on the way.

    What changes of its refs rely on (rule R1) is read here, where the records of whoever changes them are.

    Raises:
        RepositoryNotFound: nothing was pushed there yet.
        Conflict: it holds another repository.
        CorruptData: it went back to an earlier state.
        StorageError: it cannot be reached.
    """
    return _open(repo, remote, _storage(repo, remote), *ahead)


def _open(repo: Repo, remote: Remote, storage: CachedStorage, *ahead: str) -> Store:
    storage.catch_up(*ahead)
    there = open_at(storage, remote, repository=repo.store.repository)
    there.reaches = partial(reached, repo.store, holder=there)
    return there


@contextlib.contextmanager
def open_remote_afresh(repo: Repo, remote: Remote) -> Iterator[Store]:
    """Open the store at a remote with nothing of it remembered: what is read is what lies there now.

    Within the block what was read once is kept, in a folder of its own. Raises like `open_remote`.
    """
    storage = _storage(repo, remote)
    storage.catch_up()
    repo.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="afresh-", dir=repo.cache, ignore_cleanup_errors=True) as folder:
        fresh = CachedStorage(storage.inner, LocalStorage(folder))
        fresh.prefetch(stat.key for stat in fresh.inner.list("log/"))
        yield open_at(fresh, remote, repository=repo.store.repository)


def open_or_create_remote(repo: Repo, remote: Remote, *, single_writer: bool = False) -> Store:
    """Open the store at a remote to write there, made if there is none; its storage is tried before it is trusted.

    One that fails the trial is refused, unless the caller knows of a `single_writer`: then the marker of the remote
    says so, and every later writer has to say the same.

    So that a store is there at all is the verdict, written down for everybody: two writers are told apart, or its
    marker says that there is only one.

    Raises:
        StorageError: two writers could both believe that they won there.
    """
    storage = _storage(repo, remote)
    try:
        there = _open(repo, remote, storage, "packs/")
    except RepositoryNotFound:
        try:
            probe(storage)
            is_atomic = True
        except Unfit:
            if not single_writer:
                raise
            is_atomic = False
        create_store(storage, client=client_name(), repository=repo.store.repository, single_writer=not is_atomic)
        there = _open(repo, remote, storage)
    if there.log.moved_to is not None:
        raise HasMoved(f"{remote.name} ({remote.url})", there.log.moved_to, name=remote.name)
    if not single_writer and is_for_single_writer(there.storage):
        raise Unfit(
            f"{remote.name} is for a single writer: its storage lets two win the same race, so a push could be lost",
            hint="when you know that nobody else pushes there now: xver push --single-writer",
        )
    return there


class Unfit(StorageError):
    """A storage that cannot tell two writers apart."""


def probe(storage: Storage) -> None:
    """Try whether a storage creates atomically: of writers at once exactly one wins, and its bytes stay.

    Raises:
        Unfit: it does not, so two pushes at once could lose one of them.
    """
    key = f"probe/{urandom(8).hex()}"
    names = [f"{key}-{number}" for number in range(_RACES)]
    try:
        with ThreadPoolExecutor(_RACERS * _RACES, "probe") as pool:
            races = [[pool.submit(_enter, storage, name) for _ in range(_RACERS)] for name in names]
        results = [[racer.result() for racer in race] for race in races]
        is_atomic = all(_has_one_winner(storage, *one) for one in zip(names, results, strict=True))
        if not is_atomic or storage.create(names[0], b"late " + urandom(8)):
            raise Unfit(
                f"{storage.url} lets several writers create the same object, so pushes could be lost",
                hint="use a bucket with conditional writes (S3, SeaweedFS, MinIO) or a folder",
            )
    finally:
        for name in names:
            # Who may not delete leaves a few bytes, which the next collection takes.
            with contextlib.suppress(StorageError):
                storage.delete(name)


def _enter(storage: Storage, name: str) -> tuple[bytes, bool]:
    body = urandom(16)
    return body, storage.create(name, body)


def _has_one_winner(storage: Storage, name: str, results: list[tuple[bytes, bool]]) -> bool:
    winners = [body for body, won in results if won]
    return len(winners) == 1 and storage.get(name) == winners[0]


def open_at(storage: CachedStorage, remote: Remote, *, repository: str) -> Store:
    """Open the store of a repository on a remote's storage, which has caught up; raises like `open_remote`."""
    store = open_store(storage, client=client_name())
    if store.repository != repository:
        raise Conflict(
            f"{remote.name} ({remote.url}) holds another repository", hint="give this one a place of its own"
        )
    return store


def storage_at(remote: Remote, *, base: Path, cache: Storage) -> CachedStorage:
    """Return a remote's storage, its address taken from the folder `base`; what never changes is kept in `cache`."""
    return CachedStorage(locate(remote.url, base=base, endpoint_url=remote.endpoint_url), cache)


def cache_folder(repo: Repo, remote: Remote) -> Path:
    """Return the folder in which this repository remembers a remote."""
    name = blake2b(f"{remote.url} {remote.endpoint_url or ''}".encode(), digest_size=8).hexdigest()
    return repo.cache / "remotes" / name


def _storage(repo: Repo, remote: Remote) -> CachedStorage:
    pin_or_refuse(repo, remote)
    return storage_at(remote, base=repo.root, cache=LocalStorage(cache_folder(repo, remote)))
