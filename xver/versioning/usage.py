"""What data costs: its size, what the store keeps of it, and how much of that other versions need as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from xver.errors import ContentNotFound
from xver.git import history as git_history
from xver.history.graph import ancestors
from xver.history.reach import Edge, entry_edges, reach_ids
from xver.model.entries import Entry
from xver.model.ids import Kind, SnapshotId
from xver.model.paths import TrackedPath, is_below
from xver.model.refs import HEADS, SNAPSHOTS, TAGS, TargetKind
from xver.repo import Repo
from xver.store.store import Store
from xver.versioning.versions import entries_at, head_id, many_entries, rows_at

_BATCH = 10_000
_NAMED = (HEADS, TAGS, SNAPSHOTS, "remotes/")


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of what is tracked at a path, in bytes: its size, as stored here, and shared with other versions.

    What is not here has no stored size. What two paths share counts for each; in a total, once.
    """

    path: str
    size: int
    stored: int
    shared: int


def usage(repo: Repo, path: str = "", rev: str | None = None) -> tuple[list[Usage], Usage]:
    """Return what each tracked path at or below `path` costs at a revision (None: in `xver.lock`), and all together.

    Of a part of a dataset there is one: the part. Other versions are those of all branches and tags whose data is not
    the same altogether.

    Raises:
        NotFound: nothing of that path was tracked.
        RevisionNotFound: `rev` names none.
    """
    entries = repo.lock.entries if rev is None else entries_at(repo, rev)
    rows = rows_at(repo, rev, path)
    tops: dict[str, list[tuple[str, Entry]]] = {top: [(top, entries[top])] for top in entries if is_below(top, path)}
    if not tops:
        tops = {path: rows}
    others = _reached(repo.store, _others(repo, entries))
    found, together = [], set[bytes]()
    for top, parts in tops.items():
        ids = _reached(repo.store, entry_edges({TrackedPath(name): entry for name, entry in parts}))
        together |= ids
        found.append(_usage(repo.store, top, sum(entry.size for _, entry in parts), ids, others))
    return found, _usage(repo.store, "total", sum(one.size for one in found), together, others)


def _usage(store: Store, path: str, size: int, ids: set[bytes], others: set[bytes]) -> Usage:
    return Usage(path, size, _stored(store, ids), _stored(store, ids & others))


def _stored(store: Store, ids: Iterable[bytes]) -> int:
    waiting = iter(ids)
    total = 0
    while batch := list(islice(waiting, _BATCH)):
        total += sum(place.stored for place in store.index.find_many(batch).values())
    return total


def _others(repo: Repo, entries: object) -> Iterator[Edge]:
    with many_entries(repo) as at:
        for id in _versions(repo):
            try:
                there = at(id)
            except ContentNotFound:
                continue  # forgotten, or never fetched: it needs nothing here
            if there != entries:
                yield from entry_edges(there)


def _versions(repo: Repo) -> Iterator[str]:
    if repo.git is not None:
        seen: set[str] = set()
        tips = [*git_history.refs(repo.git).values(), git_history.head(repo.git)]
        for tip in dict.fromkeys(one for one in tips if one is not None):
            commits = {one.id: None for one in git_history.lock_commits(repo.git, tip)}
            yield from commits.keys() - seen
            seen |= commits.keys()
        return
    refs = repo.store.log.refs.items()
    starts = {
        SnapshotId(one.id): None for name, one in refs if name.startswith(_NAMED) and one.kind is TargetKind.SNAPSHOT
    }
    if (head := head_id(repo)) is not None:
        starts[head] = None
    yield from (id.hex() for id, _ in ancestors(repo.store, starts))


def _reached(store: Store, edges: Iterable[Edge]) -> set[bytes]:
    found: set[bytes] = set()

    def mark(ids: Sequence[bytes]) -> Iterator[bool]:
        for id in ids:
            yield id not in found
            found.add(id)

    reach_ids(store, edges, mark, missing=_passed_over)
    return found


def _passed_over(_kind: Kind, _id: bytes) -> None:
    """What is not here costs nothing here."""
