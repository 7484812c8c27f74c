"""Fetch: a remote's history and metadata into the local store, data only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from xver.errors import Collected, Conflict, ContentNotFound, CorruptData, InvalidInput, RefConflict
from xver.format.log_entries import LiveIndex
from xver.history.bounds import bounds_of, forgotten_ref, forgotten_runs, shallow_ref
from xver.history.closed import closed_in
from xver.history.edge_list import EdgeList
from xver.history.reach import Edge, entry_edges, reach, target_edge
from xver.model.entries import Entries
from xver.model.ids import Kind, ListingId, NodeId
from xver.model.paths import TrackedPath, is_below
from xver.model.refs import FORGOTTEN, HEADS, KEPT, RUNS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.cached import CachedStorage
from xver.store.batches import batches
from xver.store.content import leaves
from xver.store.frames import stored_size
from xver.store.listings import rows_below
from xver.store.log import Change
from xver.store.spool import Spool
from xver.store.store import Store
from xver.store.wholes import WHOLE_MIN, is_better_whole
from xver.sync.journal import resumed
from xver.sync.remotes import open_remote
from xver.sync.shallow import WHOLE, Extent, extent
from xver.sync.transfer import Transfer, copy_objects

TRACKING = "remotes/"
_LISTINGS: Final = frozenset({Kind.LISTING, Kind.BLOCK})
_METADATA: Final = frozenset(Kind) - {Kind.CHUNK}
_ATTEMPTS: Final = 10
_TOGETHER: Final = 4_096
"""Chunks that are looked up at a time."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: branches that moved, commits and runs that are new, stored bytes.

    `purged` is the number of objects that were purged at the remote and are still here, `moved_to` where it went.
    """

    moved: tuple[str, ...]
    commits: int
    runs: int
    size: int
    purged: int = 0
    moved_to: str | None = None


def fetch(
    repo: Repo,
    remote: Remote,
    *,
    there: Store | None = None,
    branches: Collection[str] | None = None,
    depth: int | None = None,
    unshallow: bool = False,
    meter: Meter = SILENT,
) -> Fetched:
    """Bring a remote's refs with their snapshots, listings and runs; the content of files stays there.

    A branch `main` of the remote `origin` becomes `remotes/origin/main`. With `depth` only that many versions of
    `branches` (default: those fetched before) come; what was left out stays out until `unshallow`.

    Raises:
        InvalidInput: a depth, where the whole history is here already, or git's.
    """
    if depth is not None and repo.git is not None:
        raise InvalidInput(
            "beside git, how much history there is is git's to say",
            hint="git fetch --depth N; xver pull PATH brings the data of a part",
        )
    there = there or open_remote(repo, remote)
    here = repo.store
    here.refresh()
    prefix = f"{TRACKING}{remote.name}/"
    size = 0
    uploaded: list[LiveIndex] = []
    for _ in range(_ATTEMPTS):
        tracked = here.log.refs_under(prefix)
        scope = extent(here, there, tracked=tracked, branches=branches, depth=depth, unshallow=unshallow)
        scope = replace(scope, lifted=scope.lifted | _held_again(here, there, remote))
        if not tracked and not scope.is_part and isinstance(there.storage, CachedStorage):
            there.storage.prefetch(there.log.live_packs(), meter=meter)
        changed = _changed(here, there, remote, scope)
        targets = [target for _, target in changed.values() if target is not None]
        start = [*map(target_edge, targets), *_deeper(scope)]
        try:
            with here.index.also(uploaded):
                edges = _metadata(there, here, start, targets, scope, meter)
                copied = copy_objects(there, here, edges, Transfer(f"fetch {remote.name}", uploaded, meter))
        except Collected:
            here.refresh()
            uploaded = here.still_good(uploaded)
            continue
        size += copied.size
        purged = [id for id in there.log.tombstones if id not in here.log.tombstones]
        learned = tuple(id for id in purged if bytes.fromhex(id) not in here)
        if not changed and not uploaded and not learned and not scope.lifted:
            break
        refs = {**changed, **_ends(there, here, remote.name, edges, scope)}
        try:
            change = Change(f"fetch {remote.name}", refs=refs, add_index=tuple(uploaded), tombstones=learned)
            here.commit(change)
            break
        except (RefConflict, Collected):
            # Another fetch, a new tag or a collection was faster: what is to be moved, and lacks, is judged anew.
            here.refresh()
            uploaded = here.still_good(uploaded)
    else:
        raise _overtaken()
    if isinstance(there.storage, CachedStorage):
        there.storage.drop_packs()
    return Fetched(
        tuple(name.removeprefix(prefix) for name in changed if name.startswith(prefix)),
        len({one.id for one in targets if one.kind is TargetKind.SNAPSHOT}),
        sum(name.startswith(RUNS) for name in changed),
        size,
        len(purged) - len(learned),
        there.log.moved_to,
    )


def _deeper(scope: Extent) -> list[Edge]:
    """Return the snapshots that no ref leads to, because history ended before them so far."""
    return [Edge(Kind.SNAPSHOT, id) for id in scope.fresh | scope.lifted]


def _held_again(here: Store, there: Store, remote: Remote) -> frozenset[bytes]:
    """Return the snapshots that the remote had forgotten and whose data it holds again, as somebody pushed it."""
    ours, theirs = bounds_of(here), bounds_of(there)
    marked = here.log.refs_under(f"{FORGOTTEN}{remote.name}/").values()
    back = {one.id for one in marked if one.kind is TargetKind.SNAPSHOT and theirs.has_data(one.id)} - ours.shallow
    if not back:
        return frozenset()
    holds = closed_in(there, (), (here, there))
    return frozenset(id for id in back if holds(id))


def _ends(
    there: Store, here: Store, remote: str, edges: Iterable[Edge], scope: Extent
) -> dict[str, tuple[Target | None, Target | None]]:
    """Return the refs that say of what is brought where its history or data ends, and those that no longer do.

    What this clone forgot by itself it has not forgotten with the remote: such a ref stays.
    """
    bounds, known = scope.bounds(here, there), bounds_of(here).forgotten
    kinds = {Kind.SNAPSHOT: TargetKind.SNAPSHOT, Kind.RUN: TargetKind.RUN}
    found = [Target(kinds[edge.kind], edge.id) for edge in edges if edge.kind in kinds]
    ends = {forgotten_ref(one, remote): one for one in found if one.id in bounds.forgotten - known}
    ends |= {shallow_ref(one): one for one in found if one.id in bounds.shallow}
    lifted = [shallow_ref(Target(TargetKind.SNAPSHOT, id)) for id in scope.lifted]
    lifted += [forgotten_ref(Target(TargetKind.SNAPSHOT, id), remote) for id in scope.lifted]
    return {
        **{name: (None, one) for name, one in ends.items() if name not in here.log.refs},
        **{name: (here.log.refs[name], None) for name in lifted if name in here.log.refs},
    }


def _changed(
    here: Store, there: Store, remote: Remote, scope: Extent
) -> dict[str, tuple[Target | None, Target | None]]:
    """Return our refs that a fetch moves, each with its value now and the one it gets."""
    wanted: dict[str, Target | None] = {}
    forgotten = forgotten_runs(here)
    prefix = f"{TRACKING}{remote.name}/"
    for name, target in there.log.refs.items():
        if not scope.wants(name, target, here):
            continue
        if name.startswith(HEADS):
            wanted[prefix + name.removeprefix(HEADS)] = target
        elif name.startswith(KEPT) and name.removeprefix(KEPT) in forgotten:
            continue
        elif name.startswith(KEPT) or (name.startswith((SNAPSHOTS, RUNS, TAGS)) and name not in here.log.refs):
            # A sealed run and the snapshot of a commit never change: another one there does not replace ours.
            wanted[name] = target
    for name in here.log.refs:
        if name.startswith(prefix) and name not in wanted:
            wanted[name] = None
    now = here.log.refs
    return {name: (now.get(name), target) for name, target in wanted.items() if now.get(name) != target}


def fetch_data(
    repo: Repo,
    remote: Remote,
    entries: Entries,
    paths: Iterable[str] = (),
    *,
    there: Store,
    meter: Meter = SILENT,
    spool: Spool | None = None,
) -> int:
    """Bring tracked entries (what of them lies at or below `paths`) with their content; return the stored bytes.

    Of a dataset of which only a part is wanted its listing comes whole, the content of the part, and nothing else.
    Large files, of which nothing is here, are put into the `spool`: besides, or so that it keeps them.

    Raises:
        ContentNotFound: the remote does not hold it: it was never pushed.
        CorruptData: it is not what its listing says.
    """
    here = repo.store

    def refuse(edge: Edge, error: Exception) -> None:
        if isinstance(error, ContentNotFound):
            where = edge.where or "this version"
            raise ContentNotFound(edge.id, hint=f"{where} was not pushed to {remote.name}: xver push there") from error
        raise error

    def count(_id: bytes) -> bool:
        meter.advance(1)
        return False

    def take(edge: Edge) -> None:
        if edge.id in here:
            return
        place = there.index.find(edge.id)
        if place is None:
            refuse(edge, ContentNotFound(edge.id))
        elif place.kind is not Kind.CHUNK or place.raw != edge.size:
            raise CorruptData(f"{edge.where} at {remote.name} is not what its listing says")
        lacking.add(edge)

    operation, paths = f"fetch data from {remote.name}", list(paths)
    with resumed(repo, here) as finished:
        uploaded = finished
        for _ in range(_ATTEMPTS):
            lacking = EdgeList()
            try:
                with here.index.also(uploaded):
                    meter.start("Looking for what is lacking", None, "objects")
                    try:
                        start = _edges(here, there, entries, paths, refuse)
                        found = reach(here, start, skip=count, missing=refuse, beside=[there], chunks=take)
                    finally:
                        meter.finish()
                    for edge in found.values():
                        if edge.id not in here:
                            lacking.add(edge)
                    _expect(spool, here, there, found.values())
                    copied = copy_objects(there, here, lacking, Transfer(operation, uploaded, meter, spool))
                if uploaded:
                    here.move(operation, {}, *uploaded)
            except Collected:
                # A collection of this store was faster: what is lacking is judged anew.
                here.refresh()
                uploaded = here.still_good(uploaded)
                if spool is not None:
                    spool.start_over()
                continue
            return copied.size
    raise _overtaken()


def _expect(spool: Spool | None, here: Store, there: Store, edges: Iterable[Edge]) -> None:
    """Let a spool wait for the large files among edges that are about to come, all of them and whole.

    It keeps those that `add` would keep whole; of files that share chunks the first one.
    """
    if spool is None or not (spool.hands_over or spool.keeps):
        return
    roots: dict[str, tuple[int, bytes]] = {}
    for edge in edges:
        # The nodes of a file lie at one path, its root is the largest of them.
        if edge.kind is Kind.NODE and edge.size is not None and edge.size >= WHOLE_MIN and edge.id in here:
            roots[edge.where] = max((edge.size, edge.id), roots.get(edge.where, (0, b"")))
    purged, kept = bounds_of(here, there).purged, set[bytes]()
    for size, id in roots.values():
        try:
            chunks = list(leaves(here, NodeId(id), size))
        except ContentNotFound:
            continue  # in a store that was collected a node may be without those below it
        if any(chunk in here for chunk, _ in chunks):
            continue
        sizes = dict(chunks)
        keeps = spool.keeps and kept.isdisjoint(sizes) and purged.isdisjoint(sizes)
        keeps = keeps and is_better_whole(size, sizes, _stored(there, sizes))
        if (keeps or spool.hands_over) and spool.expect(id, size, chunks, keep=keeps) and keeps:
            kept.update(sizes)


def _stored(there: Store, ids: Iterable[bytes]) -> int:
    """Return how many bytes objects take there, 0 where it lacks one: then their file cannot come whole."""
    size = 0
    for some in batches(ids, lambda _: 1, _TOGETHER):
        places = there.index.find_many(some)
        if len(places) < len(some):
            return 0
        size += sum(map(stored_size, places.values()))
    return size


def _overtaken() -> Conflict:
    return Conflict("this store is collected faster than this fetches", hint="try again when xver gc is done")


def _edges(
    here: Store, there: Store, entries: Entries, paths: list[str], refuse: Callable[[Edge, Exception], None]
) -> list[Edge]:
    """Return what to fetch for `paths`; listings of which only a part is meant are brought here on the way."""
    whole, partly = [], {}
    for edge in entry_edges(entries):
        top = edge.where
        parts = [path[len(top) + 1 :] for path in paths if path != top and is_below(path, top)]
        if not paths or any(is_below(top, path) for path in paths):
            whole.append(edge)
        elif parts:
            partly[edge] = parts
    listings = reach(here, partly, kinds=_LISTINGS, missing=refuse, beside=[there])
    if lacking := [edge for edge in listings.values() if edge.id not in here]:
        here.move("fetch", {}, copy_objects(there, here, lacking, Transfer("fetch")).index)
    for edge, parts in partly.items():
        for part in parts:
            rows = rows_below(here, ListingId(edge.id), part)
            whole += entry_edges({TrackedPath(f"{edge.where}/{row.path}"): row.entry for row in rows})
    return whole


def bring_metadata(repo: Repo, there: Store, remote: str, edges: Iterable[Edge]) -> None:
    """Bring the metadata below edges that no ref fetched from `remote` has led to: of commits known to git only.

    Raises:
        ContentNotFound: neither side has it.
    """
    purged = bounds_of(repo.store, there).purged
    # In a store that was collected a listing may be without what is below it: then we look.
    looks = repo.store.log.was_collected
    wanted = [
        edge
        for edge in edges
        if edge.kind is not Kind.CHUNK and (looks or edge.id not in repo.store) and edge.id not in purged
    ]
    for edge in wanted:
        if edge.id not in repo.store and edge.id not in there:
            raise ContentNotFound(
                edge.id, hint=f"{edge.where} was not pushed: xver push where it was added, then xver pull here"
            )
    if not wanted:
        return
    brought = _metadata(there, repo.store, wanted)
    copied = copy_objects(there, repo.store, brought, Transfer("fetch"))
    ends = _ends(there, repo.store, remote, brought, WHOLE)
    repo.store.move("fetch", {name: new for name, (_, new) in ends.items()}, copied.index)


def _metadata(
    there: Store,
    here: Store,
    edges: Sequence[Edge],
    targets: Iterable[Target] = (),
    scope: Extent = WHOLE,
    meter: Meter = SILENT,
) -> list[Edge]:
    """Return every object but file content that `here` lacks; of runs also what is attached to them."""
    bounds = scope.bounds(here, there)
    closed = closed_in(here, targets, (here, there))
    # What is here is read here, where it may be here without what is below it.
    first, *beside = (here, there) if here.log.was_collected else (there,)

    def skip(id: bytes) -> bool:
        meter.advance(1)
        return id not in scope.lifted and closed(id)

    def below(chosen: list[Edge], kinds: Collection[Kind]) -> Iterator[Edge]:
        yield from reach(first, chosen, skip=skip, bounds=bounds, beside=beside, kinds=kinds).values()

    meter.start("Reading history", None, "objects")
    try:
        found = [*below([one for one in edges if one.kind is not Kind.RUN], _METADATA)]
        attached = [*below([one for one in edges if one.kind is Kind.RUN], frozenset(Kind))]
    finally:
        meter.finish()
    return [edge for edge in (*found, *attached) if edge.id not in here]
