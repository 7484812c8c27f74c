"""What is reachable: from targets of refs down every strong edge to the last chunk, each object once.

snapshot ─► parents, root listing ─► index ─► blocks ─► content of rows ─► nodes ─► chunks
run ─► its attachments

Where an edge is not followed, because a store forgot what is below it, says `xver.history.bounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xver.errors import ContentNotFound, CorruptData, NotFound, StorageError, UnsupportedFormat
from xver.format.listings import decode_block, decode_index
from xver.format.nodes import decode_node
from xver.format.snapshots import decode_snapshot
from xver.history.bounds import Bounds, bounds_of
from xver.model.entries import CHUNK_MAX, Dataset, Entry, File, Link
from xver.model.ids import EMPTY_ID, Kind
from xver.model.paths import TrackedPath
from xver.model.refs import Target, TargetKind
from xver.store.content import content_kind
from xver.store.store import Store, Wanted

_BATCH = 512
_LEAN_BATCH = 128


@dataclass(frozen=True, slots=True)
class Edge:
    """A strong edge's end: kind and id, where it was met, for people, and the bytes of content it is said to hold.

    `where` is `PATH` below what `xver.lock` names, `COMMIT:PATH` below a snapshot.
    """

    kind: Kind
    id: bytes
    where: str = ""
    size: int | None = None


def target_edge(target: Target, size: int | None = None) -> Edge:
    """Return the edge that a ref stands for; `size` tells a chunk from a node where content is meant."""
    match target.kind:
        case TargetKind.SNAPSHOT:
            return Edge(Kind.SNAPSHOT, target.id)
        case TargetKind.RUN:
            return Edge(Kind.RUN, target.id)
        case TargetKind.LISTING:
            return Edge(Kind.LISTING, target.id)
        case TargetKind.CONTENT:
            return Edge(Kind.CHUNK if size is not None and size <= CHUNK_MAX else Kind.NODE, target.id)


def reach(
    store: Store,
    start: Iterable[Edge],
    *,
    skip: Callable[[bytes], bool] | None = None,
    missing: Callable[[Edge, Exception], None] | None = None,
    beside: Sequence[Store] = (),
    kinds: Collection[Kind] = frozenset(Kind),
    bounds: Bounds | None = None,
    chunks: Callable[[Edge], None] | None = None,
) -> dict[bytes, Edge]:
    """Return every object reachable from `start`, by id, in the order of paths within each kind.

    Objects for which `skip` holds, and those not of `kinds`, are left out, with what is below them. What `store`
    lacks is read from the stores `beside` it. What cannot be read, is damaged or is not what led there says is handed
    to `missing`, or raised where there is none. What lies behind `bounds` (those of all these stores where none are
    given) is no part of it: neither returned nor missing. `chunks` takes the chunks instead of the result, in the
    order of paths, one as often as it is met: there may be too many for the memory.
    """
    ends = bounds_of(store, *beside) if bounds is None else bounds
    found: dict[bytes, Edge] = {}

    def sorted_out(edges: Iterable[Edge]) -> Iterator[Edge]:
        for edge in edges:
            if edge.kind is not Kind.CHUNK or (chunks is None and (Kind.CHUNK in kinds or edge.id in found)):
                yield edge
            elif chunks is not None and not (skip is not None and skip(edge.id)):
                chunks(edge)

    waiting = list(sorted_out(edge for edge in start if edge.id != EMPTY_ID and edge.id not in ends.purged))
    while waiting:
        fresh: dict[bytes, Edge] = {}
        for edge in waiting:
            known = found.get(edge.id) or fresh.get(edge.id)
            if known is None and edge.kind in kinds and not (skip is not None and skip(edge.id)):
                fresh[edge.id] = edge
            elif known is not None and _contradict(known, edge):
                _complain(edge, CorruptData(f"b3:{edge.id.hex()[:16]} is said to be two different things"), missing)
        found.update(fresh)
        below = [edge for edge in fresh.values() if edge.kind is not Kind.CHUNK]
        waiting = []
        for at in range(0, len(below), _BATCH):
            waiting += sorted_out(_children((store, *beside), below[at : at + _BATCH], missing, ends))
    return found


def reach_ids(
    store: Store,
    start: Iterable[Edge],
    mark: Callable[[Sequence[bytes]], Iterable[bool]],
    *,
    missing: Callable[[Kind, bytes], None] | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Mark every object reachable from `start`: for counting millions, as nothing is kept of an object but its mark.

    `mark` is given ids, in the order of paths, and tells of each whether it is new; what is below one that is not is
    not looked at. Metadata that the store itself lacks is handed to `missing` (default: raises `ContentNotFound`);
    chunks are not looked for. What lies behind `bounds` (the store's own where none are given) is not reached.
    """
    ends = bounds_of(store) if bounds is None else bounds
    waiting: list[tuple[Kind, bytes]] = []

    def push(found: list[tuple[Kind, bytes]]) -> None:
        found = [one for one in found if one[1] not in ends.purged] if ends.purged else found
        pairs = zip(found, mark([id for _, id in found]), strict=True)
        waiting.extend(reversed([one for one, is_new in pairs if is_new and one[0] is not Kind.CHUNK]))

    push([(edge.kind, edge.id) for edge in start if edge.id != EMPTY_ID])
    while waiting:
        batch = waiting[-_LEAN_BATCH:]
        del waiting[-_LEAN_BATCH:]
        here = [one for one in batch if one[1] in store]
        data = dict(store.get_many(Wanted(kind, id) for kind, id in here))
        for kind, id in batch:
            if id not in data:
                if missing is None:
                    raise ContentNotFound(id)
                missing(kind, id)
        push([below for kind, id in reversed(here) for below in _below(kind, id, data[id], ends)])


def reached(
    store: Store, targets: Iterable[Target], lifted: Collection[bytes] = (), *, holder: Store | None = None
) -> set[bytes]:
    """Return the ids of all that targets reach, read from `store`, also of what it lacks.

    Nothing below what the refs of the `holder` (default: the store itself) name: what a ref reaches no collection
    takes (rule R2), so this tells what a change of its refs relies on besides. Nor what either of them forgot, but for
    what is below the snapshots `lifted`, which the change brings back.
    """
    holder = holder or store
    found = {target.id for target in holder.log.refs.values()}.difference(lifted)

    def mark(ids: Sequence[bytes]) -> Iterator[bool]:
        for id in ids:
            yield id not in found
            found.add(id)

    ends = bounds_of(store, holder)
    bounds = Bounds(ends.forgotten - {*lifted}, ends.shallow - {*lifted}, ends.purged)
    reach_ids(store, map(target_edge, targets), mark, missing=lambda _kind, _id: None, bounds=bounds)
    return found


def _below(kind: Kind, id: bytes, data: bytes | memoryview, bounds: Bounds) -> Iterator[tuple[Kind, bytes]]:
    if kind is Kind.BLOCK:
        for _, entry in decode_block(data):
            if isinstance(entry, Dataset):
                yield Kind.LISTING, entry.id
            elif isinstance(entry, File | Link) and entry.size:
                yield content_kind(entry.size), entry.id
    elif kind is Kind.NODE:
        node = decode_node(data)
        child = Kind.CHUNK if node.level == 1 else Kind.NODE
        for below, _ in node.children:
            yield child, below
    elif id not in bounds.shallow:
        for edge in strong_edges(Edge(kind, b""), bytes(data)):
            if edge.kind is Kind.SNAPSHOT or id not in bounds.forgotten:
                yield edge.kind, edge.id


def _children(
    stores: Sequence[Store],
    parents: list[Edge],
    missing: Callable[[Edge, Exception], None] | None,
    bounds: Bounds,
) -> Iterator[Edge]:
    data: dict[bytes, bytes | memoryview] = {}
    lacking = parents
    for store in stores:
        data |= _read(store, [edge for edge in lacking if edge.id in store], missing)
        lacking = [edge for edge in lacking if edge.id not in store]
    for edge in lacking:
        _complain(edge, ContentNotFound(edge.id), missing)
    for edge in parents:
        if edge.id not in data:
            continue
        try:
            yield from edges_within(edge, bytes(data[edge.id]), bounds)
        except (CorruptData, UnsupportedFormat) as error:
            _complain(edge, error, missing)


def _contradict(one: Edge, other: Edge) -> bool:
    return one.kind is not other.kind or (None not in (one.size, other.size) and one.size != other.size)


def _complain(edge: Edge, error: Exception, missing: Callable[[Edge, Exception], None] | None) -> None:
    if missing is None:
        raise error
    missing(edge, error)


def _read(
    store: Store, edges: list[Edge], missing: Callable[[Edge, Exception], None] | None
) -> dict[bytes, bytes | memoryview]:
    try:
        return dict(store.get_many(Wanted(edge.kind, edge.id) for edge in edges))
    except (CorruptData, NotFound, StorageError):
        if missing is None:
            raise
    # One of many is damaged: read them one by one to name it and go on with the rest.
    found: dict[bytes, bytes | memoryview] = {}
    for edge in edges:
        try:
            found[edge.id] = store.get(edge.kind, edge.id)
        except (CorruptData, NotFound, StorageError) as error:
            missing(edge, error)
    return found


def edges_within(edge: Edge, data: bytes, bounds: Bounds) -> Iterator[Edge]:
    """Yield what an object's strong edges lead to, but for what lies behind `bounds`."""
    if edge.id in bounds.shallow:
        return
    for one in strong_edges(edge, data):
        if one.id not in bounds.purged and (edge.id not in bounds.forgotten or one.kind is Kind.SNAPSHOT):
            yield one


def strong_edges(edge: Edge, data: bytes) -> Iterator[Edge]:
    """Yield what an object's strong edges lead to; nothing for a chunk."""
    match edge.kind:
        case Kind.SNAPSHOT:
            snapshot = decode_snapshot(data)
            yield Edge(Kind.LISTING, snapshot.root, f"{(snapshot.git or edge.id.hex())[:8]}:")
            for parent in snapshot.parents:
                yield Edge(Kind.SNAPSHOT, parent)
        case Kind.RUN:
            from xver.format.runs import decode_run

            run = decode_run(data)
            for attachment in run.attachments():
                if attachment.size:
                    yield Edge(content_kind(attachment.size), attachment.id, f"run {run.name}", attachment.size)
        case Kind.LISTING:
            node = decode_index(data)
            _check_size(edge, node.size)
            kind = Kind.BLOCK if node.level == 1 else Kind.LISTING
            for child in node.children:
                yield Edge(kind, child.id, edge.where, child.size)
        case Kind.BLOCK:
            yield from _row_edges(edge, data)
        case Kind.NODE:
            node_ = decode_node(data)
            _check_size(edge, node_.size)
            kind = Kind.CHUNK if node_.level == 1 else Kind.NODE
            for id, size in node_.children:
                yield Edge(kind, id, edge.where, size)
        case Kind.CHUNK:
            return


def entry_edges(entries: Mapping[TrackedPath, Entry]) -> Iterator[Edge]:
    """Yield what tracked entries lead to."""
    for path, entry in entries.items():
        yield from _entry_edge(entry, path)


def _row_edges(edge: Edge, data: bytes) -> Iterator[Edge]:
    rows = decode_block(data)
    _check_size(edge, sum(row.entry.size for row in rows))
    for path, entry in rows:
        yield from _entry_edge(entry, _joined(edge.where, path))


def _joined(where: str, path: str) -> str:
    return f"{where}/{path}" if where and not where.endswith(":") else f"{where}{path}"


def _entry_edge(entry: Entry, where: str) -> Iterator[Edge]:
    if isinstance(entry, Dataset):
        yield Edge(Kind.LISTING, entry.id, where, entry.size)
    elif isinstance(entry, File | Link) and entry.size:
        yield Edge(content_kind(entry.size), entry.id, where, entry.size)


def _check_size(edge: Edge, size: int) -> None:
    if edge.size is not None and edge.size != size:
        raise CorruptData(f"{edge.where or 'an object'} is said to hold {edge.size:,} bytes and holds {size:,}")
