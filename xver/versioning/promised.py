"""Content that a remote keeps for this work tree, so that the local store need not: sent there straight by `add --to`.

promised/<remote>/<work tree>  →  root listing     here: what that remote keeps
clones/<work tree>/lock        →  the same root    there: the ref that keeps it, until a push leads to it
"""

from __future__ import annotations

from functools import cached_property

from xver.model.entries import Dataset, entry_id
from xver.model.ids import ListingId
from xver.model.refs import LOCK, PROMISED
from xver.repo import Repo
from xver.store.listings import read_listing


class Promised:
    """The ids of files that some remote keeps for this work tree; its listings are read at the first question."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    @cached_property
    def _ids(self) -> frozenset[bytes]:
        store, own = self._repo.store, worktree_name(self._repo)
        found: set[bytes] = set()
        for name, target in store.log.refs.items():
            if name.startswith(PROMISED) and name.endswith(f"/{own}"):
                for row in read_listing(store, ListingId(target.id)):
                    rows = read_listing(store, row.entry.id) if isinstance(row.entry, Dataset) else [row]
                    found.update(id for one in rows if (id := entry_id(one.entry)) is not None)
        return frozenset(found)


def worktree_name(repo: Repo) -> str:
    """Return the random name of this work tree, as it stands in refs."""
    return repo.lock_ref.removeprefix(LOCK)


def promise_ref(repo: Repo, remote: str) -> str:
    """Return the local ref that says what a remote keeps for this work tree."""
    return f"{PROMISED}{remote}/{worktree_name(repo)}"
