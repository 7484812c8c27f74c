"""Check a store: the log's chain, sizes of packs, and the id of every object that a ref reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xver.errors import ContentNotFound, CorruptData, StorageError, XverError
from xver.history.reach import Edge, reach, target_edge
from xver.model.ids import Kind, short_id
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.store import Store, Wanted

_BATCH: Final = 256
_NAMES: Final = {kind: kind.name.lower() for kind in Kind}


@dataclass(frozen=True, slots=True)
class Findings:
    """Objects checked and their bytes, chunks that a remote holds and we do not, and what is wrong, a line each."""

    objects: int
    size: int
    promised: int
    problems: tuple[str, ...]


def check(repo: Repo, *, meter: Meter = SILENT) -> Findings:
    """Check the local store and everything that its refs and `xver.lock` reach."""
    store = repo.store
    problems = _check_packs(store)
    edges = [target_edge(target) for target in store.log.refs.values()]

    def note(edge: Edge, error: Exception) -> None:
        problems.append(_problem(edge, error))

    found = reach(store, edges, missing=note)
    may_be_elsewhere = bool(repo.settings.remotes)
    promised = 0
    here: list[Edge] = []
    for id, edge in found.items():
        if id in store:
            here.append(edge)
        elif edge.kind is Kind.CHUNK and may_be_elsewhere:
            promised += 1
        elif edge.kind is Kind.CHUNK:
            problems.append(_problem(edge, ContentNotFound(id)))
    meter.start("Checking", len(here), "objects")
    size = 0
    for at in range(0, len(here), _BATCH):
        batch = here[at : at + _BATCH]
        size += _read(store, batch, problems)
        meter.advance(len(batch))
    meter.finish()
    return Findings(len(here), size, promised, tuple(sorted(set(problems))))


def _check_packs(store: Store) -> list[str]:
    problems = []
    for name, size in store.log.live_packs().items():
        stat = store.storage.stat(name)
        if stat is None:
            problems.append(f"{name} is missing")
        elif stat.size != size:
            problems.append(f"{name} has {stat.size:,} bytes where {size:,} were written")
    for live in store.log.indexes.values():
        try:
            store.index.open(live).verify()
        except XverError as error:
            problems.append(f"{live.name}: {error.message}")
    return problems


def _read(store: Store, edges: list[Edge], problems: list[str]) -> int:
    try:
        return sum(len(data) for _, data in store.get_many(Wanted(edge.kind, edge.id) for edge in edges))
    except (CorruptData, StorageError, LookupError):
        # One of many is damaged: read them one by one to name it.
        size = 0
        for edge in edges:
            try:
                size += len(store.get(edge.kind, edge.id))
            except (CorruptData, StorageError, LookupError) as error:
                problems.append(_problem(edge, error))
        return size


def _problem(edge: Edge, error: Exception) -> str:
    where = f" of {edge.where}" if edge.where else ""
    kind = "is missing" if isinstance(error, ContentNotFound) else f"is damaged: {error}"
    return f"{_NAMES[edge.kind]} {short_id(edge.id)}{where} {kind}"
