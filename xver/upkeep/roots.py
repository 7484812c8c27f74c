"""What keeps objects from being collected: every ref, and here also what any `xver.lock` within git's reach names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from xver.errors import ContentNotFound
from xver.git.locks import reachable_locks
from xver.history.bounds import forgotten_commits
from xver.history.reach import Edge, reach_ids
from xver.model.ids import Kind
from xver.model.refs import Target
from xver.repo import Repo
from xver.store.kept import Kept
from xver.store.store import Store

_ID: Final = re.compile(rb"\b[0-9a-f]{64}\b")


def mark_reachable(
    store: Store, kept: Kept, ids: Iterable[bytes], *, may_lack: Callable[[bytes], bool] = lambda _: False
) -> None:
    """Mark what some objects reach in a store. `may_lack` tells of what is not there whether it need not be.

    Raises:
        ContentNotFound: metadata is missing that ought to be there: what is below it cannot be known.
    """

    def missing(kind: Kind, id: bytes) -> None:
        if not may_lack(id):
            raise ContentNotFound(
                id, hint=f"nothing was collected: a {kind.name.lower()} that a ref needs is missing; xver fsck"
            )

    edges = []
    for id in ids:
        place = store.index.find(id)
        if place is not None:
            edges.append(Edge(place.kind, id))
        elif id.hex() not in store.log.tombstones:
            missing(Kind.LISTING, id)
    reach_ids(store, edges, kept.mark, missing=missing)


def ref_ids(store: Store) -> Iterator[bytes]:
    """Yield the ids that the refs of a store point to: branches first, as they are read most."""
    refs: dict[str, Target] = store.log.refs
    for _, target in sorted(refs.items()):
        yield target.id


def lock_ids(repo: Repo) -> dict[bytes, None]:
    """Return what in any `xver.lock` of this repository could be an id, whether or not it is one of an object here.

    Also a lock with conflict markers, or of a later format, keeps what it names. That of a commit whose version was
    forgotten counts only while somebody names that very commit.
    """
    texts = (
        iter(_own_lock(repo)) if repo.git is None else reachable_locks(repo.git, without=forgotten_commits(repo.store))
    )
    return {id: None for text in texts for id in named_ids(text)}


def named_ids(text: bytes) -> Iterator[bytes]:
    """Yield what could be an id in some text: every 64 hex digits."""
    for digits in _ID.findall(text):
        yield bytes.fromhex(digits.decode())


def _own_lock(repo: Repo) -> list[bytes]:
    try:
        return [repo.lock_path.read_bytes()]
    except FileNotFoundError:
        return []
