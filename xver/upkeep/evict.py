"""Evict: give up content that a remote provably holds, so that the disk has it about once; reads get it from there.

    there   the log read again, packs listed ─► what its own refs reach ─► `evicted/<clone>/…` keeps it there
    here    promises written down ─► packs without that content (collect.py) ─► what they were is swept

What nobody pushed stays, and what runs stored for themselves; metadata stays. Nobody records when content was last
read: what goes first is what no version newer than the others has, and what `xver.lock` names goes last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xver.errors import Collected, ContentNotFound, StorageError, TransientStorageError
from xver.format.codecs import Codec
from xver.format.indexes import Place
from xver.history.bounds import bounds_of
from xver.history.graph import ancestors
from xver.history.reach import Edge, entry_edges, reach_ids, target_edge
from xver.model.entries import Dataset
from xver.model.ids import Kind, ListingId, SnapshotId
from xver.model.paths import TrackedPath, is_below
from xver.model.refs import EVICTED, HEADS, INFLIGHT, KEPT, LOCK, RUNS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.kept import Kept, purged_yet_here
from xver.store.listings import read_listing, rows_below
from xver.store.log import Change
from xver.store.store import Store
from xver.upkeep.collect import execute, gain, plan
from xver.upkeep.sweep import sweep, sweepable

_LASTING: Final = (HEADS, TAGS, SNAPSHOTS, KEPT)
"""Refs of a remote on which others rely as well."""
_BATCH: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Eviction:
    """What is to go: ids, and the targets by which the remote keeps them; bytes of packs here now and afterwards.

    A pack of which more than half stays is left as it is, so less may be freed than the objects have.
    """

    ids: frozenset[bytes] = field(repr=False)
    pins: frozenset[Target] = field(repr=False)
    size: int
    after: int
    state: object = None
    """What collections and forgetting had done at the remote."""

    @property
    def freed(self) -> int:
        """Bytes that the disk gets back."""
        return self.size - self.after


def plan_eviction(
    repo: Repo, there: Store, *, paths: Sequence[str] = (), most: int | None = None, pins: bool = True
) -> Eviction:
    """Decide what of the content at or below `paths`, in any version, can go; without paths, of all content.

    `most` is the size in bytes to which the store is to shrink; None: everything that can goes. `there` is the
    remote's store: its log and the listing of its packs are read now, nothing is believed from memory. Without
    `pins`, when nothing may be written there, only refs count on which others rely as well.
    """
    here = repo.store
    here.refresh()
    there.refresh()
    there.index.avoid(frozenset(there.lost_packs()))
    own = (f"{EVICTED}{repo.clone}/",) if pins else ()
    sources = _sources(here, there, {one for name, one in there.log.refs.items() if name.startswith((*_LASTING, *own))})
    idle, used = _candidates(here, there, sources, paths, in_use=_in_use(repo) if most is not None else frozenset())
    dead = purged_yet_here(here)
    live, everything = here.log.live_packs(), _all_but(here, (), dead)
    sizes, counts = everything.sizes(), everything.counts()
    total = left = sum(live.values())
    chosen: list[_Candidate] = []
    for one in (*idle, *used):
        if most is not None and left <= most:
            break
        name = one.place.container.name
        left += gain(live[name], sizes[name], counts[name])
        sizes[name] -= one.place.stored
        counts[name] -= 1
        left -= gain(live[name], sizes[name], counts[name])
        chosen.append(one)
    ids = frozenset(one.place.id for one in chosen)
    freed = plan(here, _all_but(here, ids, dead), without=dead).freed if ids else 0
    return Eviction(ids, frozenset(one.pin for one in chosen), total, total - freed, _state(there))


def evict(
    repo: Repo, there: Store, remote: str, eviction: Eviction, *, pins: bool = True, meter: Meter = SILENT
) -> int:
    """Do what was planned; return the bytes that the disk got back.

    The remote `remote` has refs that keep the content before anything is dropped here; without `pins` nothing is
    written there.

    Raises:
        Overtaken: others write, or purge, faster than this computes.
        Collected: the remote was cleaned up, or forgot something, since the plan was made; nothing was changed.
        Locked: another work tree of this clone gives up content, and takes long.
        StorageError: the remote cannot be written to.
    """
    with repo.promising():
        return _evict(repo, there, remote, eviction, pins=pins, meter=meter)


def _evict(repo: Repo, there: Store, remote: str, eviction: Eviction, *, pins: bool, meter: Meter) -> int:
    here = repo.store
    here.refresh()
    before = {id for id in here.promises.of(remote) if id not in here}
    if pins:
        there.refresh()  # another work tree of this clone may have moved its refs since the plan
        _pin(repo, there, eviction.pins, keeps_old=bool(before))
    there.refresh()
    if _state(there) != eviction.state:
        raise Collected(there.storage.url)  # the refs there may keep less than was planned with
    here.promises.replace(remote, before | eviction.ids)
    packs, dead = frozenset(here.log.live_packs()), purged_yet_here(here)

    def again(_: Kept) -> Kept:
        here.refresh()
        # What somebody brought back meanwhile is wanted.
        places = here.index.find_many(eviction.ids)
        return _all_but(here, {id for id, place in places.items() if place.container.name in packs}, dead)

    planned = plan(here, again(Kept(here)), without=dead)
    done = execute(here, planned, again=again, operation="evict", meter=meter)
    here.refresh()
    sweep(here, sweepable(here))
    return done.freed


def _state(there: Store) -> object:
    return there.log.collected, bounds_of(there)


class _Source(NamedTuple):
    """A version that the remote keeps: the target of the ref that does, the root listing, seconds since 1970."""

    pin: Target
    root: ListingId
    time: int


class _Candidate(NamedTuple):
    place: Place
    pin: Target


def _sources(here: Store, there: Store, targets: Collection[Target]) -> list[_Source]:
    """Return the versions below targets whose metadata is here, newest first; each by one target, the newest.

    What was forgotten there is not kept there, whatever names it.
    """
    bounds = bounds_of(there)
    known = [one for one in targets if one.id in here]
    tops = [SnapshotId(one.id) for one in known if one.kind is TargetKind.SNAPSHOT]
    snapshots = dict(ancestors(here, tops))
    parents = {parent for one in snapshots.values() for parent in one.parents}
    tips = sorted({id for id in tops if id not in parents}, key=lambda one: (-snapshots[one].time, one))
    sources: dict[SnapshotId, _Source] = {}
    for tip in tips:
        pin = Target(TargetKind.SNAPSHOT, tip)
        waiting = [tip]
        while waiting:
            id = waiting.pop()
            if id in snapshots and id not in sources:
                sources[id] = _Source(pin, snapshots[id].root, snapshots[id].time)
                waiting += bounds.parents(id, snapshots[id])
    listings = [_Source(one, ListingId(one.id), 0) for one in known if one.kind is TargetKind.LISTING]
    kept = [source for id, source in sources.items() if bounds.has_data(id)]
    return sorted((*kept, *listings), key=lambda one: -one.time)


def _candidates(
    here: Store, there: Store, sources: Sequence[_Source], paths: Sequence[str], *, in_use: Collection[bytes]
) -> tuple[list[_Candidate], list[_Candidate]]:
    """Return the chunks that can go, oldest first: those that are not in use, and those that are."""
    never = _reached(here, _edges_of(here, (RUNS, INFLIGHT)))
    seen: set[bytes] = set()
    idle: list[list[_Candidate]] = []
    used: list[list[_Candidate]] = []
    for source in sources:
        fresh: list[bytes] = []
        reach_ids(here, _edges(here, source.root, paths), _marker(seen, fresh.append), missing=_passed_over)
        places = here.index.find_many(id for id in fresh if id not in never)
        held = there.index.find_many(id for id, place in places.items() if place.kind is Kind.CHUNK)
        # Of what is foreign nothing lies here that could go.
        own = (id for id in fresh if id in held and places[id].codec is not Codec.FOREIGN)
        found = [_Candidate(places[id], source.pin) for id in own]
        idle.append([one for one in found if one.place.id not in in_use])
        used.append([one for one in found if one.place.id in in_use])
    return [one for group in reversed(idle) for one in group], [one for group in reversed(used) for one in group]


def _edges(here: Store, root: ListingId, paths: Sequence[str]) -> Iterator[Edge]:
    """Yield what a version leads to at or below paths; nothing where its metadata is not all here."""
    if not paths:
        yield Edge(Kind.LISTING, root)
        return
    try:
        for row in read_listing(here, root):
            inner = [path[len(row.path) + 1 :] for path in paths if path != row.path and is_below(path, row.path)]
            if any(is_below(row.path, path) for path in paths):
                yield from entry_edges({row.path: row.entry})
            elif isinstance(row.entry, Dataset):
                for part in inner:
                    below = rows_below(here, row.entry.id, part)
                    yield from entry_edges({TrackedPath(one.path): one.entry for one in below})
    except ContentNotFound:
        return


def _in_use(repo: Repo) -> set[bytes]:
    """Return the ids that any work tree's `xver.lock` reaches."""
    return _reached(repo.store, [*entry_edges(repo.lock.entries), *_edges_of(repo.store, (LOCK,))])


def _edges_of(here: Store, prefixes: tuple[str, ...]) -> list[Edge]:
    return [target_edge(one) for name, one in here.log.refs.items() if name.startswith(prefixes)]


def _reached(here: Store, edges: Iterable[Edge]) -> set[bytes]:
    found: set[bytes] = set()
    reach_ids(here, edges, _marker(found, lambda _: None), missing=_passed_over)
    return found


def _marker(seen: set[bytes], tell: Callable[[bytes], None]) -> Callable[[Sequence[bytes]], Iterator[bool]]:
    def mark(ids: Sequence[bytes]) -> Iterator[bool]:
        for id in ids:
            is_new = id not in seen
            if is_new:
                seen.add(id)
                tell(id)
            yield is_new

    return mark


def _passed_over(_kind: Kind, _id: bytes) -> None:
    """Metadata that is not here tells of nothing that could go."""


def _all_but(here: Store, ids: Collection[bytes], dead: Collection[bytes]) -> Kept:
    """Mark everything in a store but some ids, and what is `dead`: purged, and not even to be kept as a base."""
    kept = Kept(here, without=dead)
    batch: list[bytes] = []
    for id in here.index.ids():
        if id not in ids and id not in dead:
            batch.append(id)
            if len(batch) == _BATCH:
                kept.mark(batch)
                batch = []
    kept.mark(batch)
    return kept


def _pin(repo: Repo, there: Store, pins: Collection[Target], *, keeps_old: bool) -> None:
    """Let the remote keep what this clone relies on; earlier refs stay while something only they may keep is needed."""
    prefix = f"{EVICTED}{repo.clone}/"
    wanted = {f"{prefix}{one.id.hex()[:16]}": one for one in pins}
    covered = {id for id, _ in ancestors(repo.store, [SnapshotId(one.id) for one in pins if _is_snapshot(one)])}
    now = {name: one for name, one in there.log.refs.items() if name.startswith(prefix)}
    changes: dict[str, tuple[Target | None, Target | None]] = {
        name: (now.get(name), one) for name, one in wanted.items() if now.get(name) != one
    }
    for name, one in now.items():
        if name not in wanted and (not keeps_old or one.id in covered):
            changes[name] = (one, None)
    if not changes:
        return
    try:
        there.commit(Change("evict", refs=changes))
    except TransientStorageError:
        raise
    except StorageError as error:
        raise StorageError(error.message, hint="who may not write there: xver evict --read-only") from error


def _is_snapshot(target: Target) -> bool:
    return target.kind is TargetKind.SNAPSHOT
