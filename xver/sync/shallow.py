"""How much of a remote's history a clone wants: all of it, or of some branches the last few versions.

    A ◄── B ◄── C ◄── D      depth 2: D and C come with their data, of B the record, with a ref `shallow/<B>`

What lies behind stays at the remote, and no later fetch brings it along: nor do tags, snapshots or branches that lead
there, nor runs that began before the oldest record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from xver.errors import InvalidInput
from xver.format.snapshots import decode_snapshot
from xver.history.bounds import Bounds, bounds_of
from xver.model.ids import Kind, SnapshotId
from xver.model.refs import HEADS, KEPT, RUNS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.model.snapshots import Snapshot
from xver.store.store import Store, Wanted

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Extent:
    """What a fetch is to bring.

    `branches` are wanted (None: everything). `fresh` are the snapshots to bring with their data. Of those in `ends`
    only the records are to be here; `lifted` were such so far, or forgotten. `since` is how the id of the first run may
    begin.
    """

    branches: frozenset[str] | None = None
    fresh: frozenset[bytes] = frozenset()
    ends: frozenset[bytes] = frozenset()
    lifted: frozenset[bytes] = frozenset()
    since: str = ""

    @property
    def is_part(self) -> bool:
        """Tell whether anything is left out."""
        return self.branches is not None

    def wants(self, name: str, target: Target, here: Store) -> bool:
        """Tell whether a ref of the remote leads to what is wanted."""
        if self.branches is None:
            return True
        if name.startswith(HEADS):
            return name.removeprefix(HEADS) in self.branches
        if name.startswith((TAGS, SNAPSHOTS)):
            return target.id in self.fresh or (target.id in here and target.id not in self.ends)
        return not name.startswith((RUNS, KEPT)) or name.partition("/")[2][:_TIME_DIGITS] >= self.since

    def bounds(self, here: Store, there: Store) -> Bounds:
        """Return where history ends in what is to be brought."""
        theirs = bounds_of(there)
        return Bounds(theirs.forgotten, theirs.shallow | self.ends, bounds_of(here, there).purged)


WHOLE: Final = Extent()


def extent(
    here: Store,
    there: Store,
    *,
    tracked: Collection[str],
    branches: Collection[str] | None = None,
    depth: int | None = None,
    unshallow: bool = False,
) -> Extent:
    """Decide what a fetch brings: `branches`, or those `tracked` so far, to `depth` (None: as deep as here).

    Raises:
        InvalidInput: a depth, where the whole history is here already.
    """
    ours = bounds_of(here).shallow
    if unshallow or (depth is None and not ours):
        return Extent(lifted=frozenset(ours - bounds_of(there).shallow))
    if depth is not None and not ours and tracked:
        raise InvalidInput("this clone has its whole history", hint="xver clone --depth makes a shallow one")
    wanted = frozenset(tracked if branches is None else branches)
    heads = [one.id for name, one in there.log.refs_under(HEADS).items() if name in wanted and _is_snapshot(one)]
    within, edge = _walk(here, there, heads, ours, depth)
    lifted = frozenset(ours & within if depth is not None else ())
    ends = edge | (ours - lifted)
    since = min((one.time for one in _read(here, there, ends).values()), default=None)
    return Extent(
        branches=wanted,
        fresh=frozenset(id for id in within if id not in here or id in lifted),
        ends=ends,
        lifted=lifted,
        since="" if since is None else _digits(since * 1000),
    )


def _walk(
    here: Store, there: Store, heads: Iterable[bytes], ours: Collection[bytes], depth: int | None
) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return the snapshots less than `depth` steps from the heads, and the first ones behind; None: as far as ours."""
    theirs = bounds_of(there)
    within: set[bytes] = set()
    level = set(heads)
    steps = 0
    while level and (depth is None or steps < depth):
        within |= level
        behind = {
            parent for id, one in _read(here, there, level).items() for parent in theirs.parents(SnapshotId(id), one)
        }
        level = {id for id in behind if id not in within and (depth is not None or id not in here)}
        steps += 1
    return frozenset(within), frozenset(id for id in level if id not in here or id in ours)


def _read(here: Store, there: Store, ids: Iterable[bytes]) -> Mapping[bytes, Snapshot]:
    wanted = [Wanted(Kind.SNAPSHOT, id) for id in sorted(ids)]
    known = here.get_many(one for one in wanted if one.id in here)
    others = there.get_many(one for one in wanted if one.id not in here)
    return {id: decode_snapshot(bytes(data)) for found in (known, others) for id, data in found}


def _is_snapshot(target: Target) -> bool:
    return target.kind is TargetKind.SNAPSHOT


def _digits(milliseconds: int) -> str:
    """Return how the ULID of a run begins that was started then."""
    return "".join(_ALPHABET[max(milliseconds, 0) >> 5 * at & 31] for at in reversed(range(_TIME_DIGITS)))
