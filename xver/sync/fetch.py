"""Fetch: a remote's history and metadata into the local store, data only where it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xver.errors import ContentNotFound
from xver.history.diff import Entries
from xver.history.reach import Edge, reach, target_edge
from xver.model.entries import Dataset, File, Link
from xver.model.ids import EMPTY_ID, Kind
from xver.model.paths import is_below, overlaps
from xver.model.refs import HEADS, KEPT, RUNS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.settings import Remote
from xver.store.content import content_kind
from xver.store.listings import rows_below
from xver.store.store import Store
from xver.sync.remotes import open_remote
from xver.sync.transfer import copy_objects

TRACKING = "remotes/"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: branches that moved, commits and runs that are new, stored bytes."""

    moved: tuple[str, ...]
    commits: int
    runs: int
    size: int


def fetch(repo: Repo, remote: Remote, *, there: Store | None = None, meter: Meter = SILENT) -> Fetched:
    """Bring a remote's refs with their snapshots, listings and runs; the content of files stays there.

    A branch `main` of the remote `origin` becomes `remotes/origin/main`.
    """
    there = there or open_remote(repo, remote)
    here = repo.store
    here.log.refresh()
    wanted: dict[str, Target | None] = {}
    prefix = f"{TRACKING}{remote.name}/"
    for name, target in there.log.refs.items():
        if name.startswith(HEADS):
            wanted[prefix + name.removeprefix(HEADS)] = target
        elif name.startswith((SNAPSHOTS, RUNS, KEPT)) or (name.startswith(TAGS) and name not in here.log.refs):
            wanted[name] = target
    for name in here.log.refs:
        if name.startswith(prefix) and name not in wanted:
            wanted[name] = None
    changed = {name: target for name, target in wanted.items() if here.log.refs.get(name) != target}
    targets = [target for target in changed.values() if target is not None]
    with here.packer() as packer:
        ids = _metadata(there, here, targets)
        size = copy_objects(there, packer, ids, verify=True, meter=meter)
        index = packer.finish()
    if changed or index is not None:
        here.move(f"fetch {remote.name}", changed, index)
    return Fetched(
        tuple(name.removeprefix(prefix) for name in changed if name.startswith(prefix)),
        len({one.id for one in targets if one.kind is TargetKind.SNAPSHOT}),
        sum(name.startswith(RUNS) for name in changed),
        size,
    )


def fetch_data(
    repo: Repo, remote: Remote, entries: Entries, paths: Iterable[str] = (), *, there: Store, meter: Meter = SILENT
) -> int:
    """Bring the content of tracked entries (at or below `paths`); return the stored bytes.

    Raises:
        ContentNotFound: the remote does not hold it: it was never pushed.
    """
    here = repo.store
    edges = list(_edges(repo, there, entries, list(paths)))
    found = reach(here, edges, missing=None)
    lacking = [id for id, edge in found.items() if edge.kind is Kind.CHUNK and id not in here.index]
    for id in lacking:
        if id not in there.index:
            where = found[id].where
            raise ContentNotFound(
                id, hint=f"{where or 'this version'} was not pushed to {remote.name}: xver push there"
            )
    with here.packer() as packer:
        size = copy_objects(there, packer, lacking, verify=True, meter=meter)
        index = packer.finish()
    if index is not None:
        here.move(f"fetch data from {remote.name}", {}, index)
    return size


def _edges(repo: Repo, there: Store, entries: Entries, paths: list[str]) -> Iterable[Edge]:
    for top, entry in entries.items():
        if paths and not any(overlaps(top, path) for path in paths):
            continue
        if isinstance(entry, File | Link) and entry.id != EMPTY_ID:
            _require(repo, there, Edge(content_kind(entry.size), entry.id, top))
            yield Edge(content_kind(entry.size), entry.id, top)
        elif isinstance(entry, Dataset):
            _require(repo, there, Edge(Kind.LISTING, entry.id, top))
            parts = [path[len(top) + 1 :] for path in paths if path != top and is_below(path, top)]
            if parts and not any(is_below(top, path) for path in paths):
                for part in parts:
                    for row in rows_below(repo.store, entry.id, part):
                        if isinstance(row.entry, File | Link) and row.entry.size:
                            yield Edge(content_kind(row.entry.size), row.entry.id, f"{top}/{row.path}")
            else:
                yield Edge(Kind.LISTING, entry.id, top)


def _require(repo: Repo, there: Store, edge: Edge) -> None:
    """Bring the metadata below an edge that no ref we fetched has led to: a commit known to git only."""
    if edge.id in repo.store or edge.kind is Kind.CHUNK:
        return
    if edge.id not in there:
        raise ContentNotFound(
            edge.id, hint=f"{edge.where} was not pushed: xver push where it was added, then xver pull here"
        )
    with repo.store.packer() as packer:
        below = reach(there, [edge], skip=repo.store.index.__contains__)
        copy_objects(there, packer, [id for id, one in below.items() if one.kind is not Kind.CHUNK], verify=True)
        index = packer.finish()
    repo.store.move("fetch", {}, index)


def _metadata(there: Store, here: Store, targets: list[Target]) -> list[bytes]:
    """Return every object but file content that `here` lacks; of runs also what is attached to them."""
    runs = [target for target in targets if target.kind is TargetKind.RUN]
    others = [target for target in targets if target.kind is not TargetKind.RUN]
    known = here.index.__contains__
    found = reach(there, map(target_edge, others), skip=known)
    ids = [id for id, edge in found.items() if edge.kind is not Kind.CHUNK]
    attached = reach(there, map(target_edge, runs), skip=known)
    return list(dict.fromkeys([*ids, *attached]))
