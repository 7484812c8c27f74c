"""What a store certainly holds with all that is below it, also when it was collected.

Rule R2: what a ref reaches stays. What no ref reaches may stay by chance, beside what does, without what is below it;
so after a collection "it is here" proves nothing of its children, and only refs do.

    refs ─► P ◄── N (to be sent)      P and its listing's blocks are there whole; of N only blocks that P lacks
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from xver.format.listings import decode_block, decode_index
from xver.format.snapshots import decode_snapshot
from xver.history.bounds import Bounds, bounds_of
from xver.model.entries import Dataset
from xver.model.ids import Kind, SnapshotId
from xver.model.refs import Target, TargetKind
from xver.model.snapshots import Snapshot
from xver.store.store import Store


def closed_in(holder: Store, targets: Iterable[Target], readers: Sequence[Store]) -> Callable[[bytes], bool]:
    """Return what tells of an object whether `holder` has it with all below it; it may say no of some that it has.

    `targets` are to be compared with what is there; snapshots and listings are read from the first of the `readers`
    that has them. A store that was never collected has what is below everything it has (rule R1 of every change).
    """
    if not holder.log.was_collected:
        return holder.__contains__
    ends = bounds_of(holder)
    closed = {target.id for target in holder.log.refs.values() if ends.has_data(target.id)}
    starts = [target.id for target in holder.log.refs.values() if target.kind is TargetKind.SNAPSHOT]
    old = dict(_ancestors(readers, starts, ends, stop=frozenset()))
    closed |= {id for id in old if ends.has_data(id)}
    new = [target.id for target in targets if target.kind is TargetKind.SNAPSHOT and target.id not in old]
    met = {parent for _, one in _ancestors(readers, new, Bounds(), stop=old.keys()) for parent in one.parents}
    for id in met & closed:
        closed.update(_tree(readers, old[id].root))
    return closed.__contains__


def _ancestors(
    readers: Sequence[Store], starts: Iterable[bytes], ends: Bounds, *, stop: Iterable[bytes]
) -> Iterator[tuple[bytes, Snapshot]]:
    """Yield what can be read of snapshots and their ancestors, each once, as far as those to stop at."""
    waiting = list(dict.fromkeys(starts))
    seen = {*waiting, *stop}
    while waiting:
        id = waiting.pop()
        data = _read(readers, Kind.SNAPSHOT, id)
        if data is None:
            continue
        snapshot = decode_snapshot(data)
        yield id, snapshot
        fresh = [parent for parent in ends.parents(SnapshotId(id), snapshot) if parent not in seen]
        seen.update(fresh)
        waiting += fresh


def _tree(readers: Sequence[Store], root: bytes) -> Iterator[bytes]:
    """Yield the indexes and blocks of a root listing and of the datasets in it; no dataset's block is opened."""
    for kind, part in _parts(readers, root):
        yield part
        data = _read(readers, kind, part) if kind is Kind.BLOCK else None
        for _, entry in decode_block(data) if data is not None else ():
            if isinstance(entry, Dataset):
                yield from (id for _, id in _parts(readers, entry.id))


def _parts(readers: Sequence[Store], listing: bytes) -> Iterator[tuple[Kind, bytes]]:
    yield Kind.LISTING, listing
    data = _read(readers, Kind.LISTING, listing)
    node = decode_index(data) if data is not None else None
    for child in () if node is None else node.children:
        if node is not None and node.level > 1:
            yield from _parts(readers, child.id)
        else:
            yield Kind.BLOCK, child.id


def _read(readers: Sequence[Store], kind: Kind, id: bytes) -> bytes | None:
    store = next((one for one in readers if id in one), None)
    return None if store is None else store.get(kind, id)
