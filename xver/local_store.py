"""The store of a work tree, opened and made. Loaded when first asked for: an idle status needs none."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from xver.history.reach import reached
from xver.model.ids import ListingId
from xver.storage.local import LocalStorage
from xver.store.listings import read_listing
from xver.store.store import Store, create_store, open_store


def open_storage(folder: Path) -> LocalStorage:
    """Return where a store lies; what killed writers left there long ago goes."""
    storage = LocalStorage(folder)
    storage.sweep()
    return storage


def open_local(storage: LocalStorage, client: str) -> Store:
    """Open the store that lies there.

    Raises:
        RepositoryNotFound: there is none.
    """
    return _with_reach(open_store(storage, client=client))


def create_local(storage: LocalStorage, client: str, repository: str | None) -> Store:
    """Make the store, under a repository's id, or one that is drawn."""
    return _with_reach(create_store(storage, client=client, repository=repository))


def _with_reach(store: Store) -> Store:
    store.reaches = partial(reached, store)
    return store


def tracks_anything(store: Store, lock_ref: str) -> bool:
    """Tell whether what a work tree's `xver.lock` named last is anything."""
    there = store.log.refs.get(lock_ref)
    return there is not None and next(read_listing(store, ListingId(there.id)), None) is not None
