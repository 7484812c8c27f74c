"""`gc`: collect what no ref keeps, here or at a remote: mark, plan, execute, sweep.

How long others are waited for is a guess that costs nobody data: see `Patience`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from xver.history.bounds import bounds_of
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.kept import Kept, purged_yet_here
from xver.store.store import Store
from xver.upkeep.collect import Done, Plan, execute, plan
from xver.upkeep.roots import lock_ids, mark_reachable, ref_ids
from xver.upkeep.sweep import Sweepable, probes, sweep, sweepable

_DAY: Final = 86_400.0
_HIGHEST: Final = 1 << 53
"""A fence as high as its entry may raise it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: `idle`, after which a transfer that has not ended counts as dead, and `grace` for slow readers."""

    idle: float
    grace: float


REMOTE: Final = Patience(idle=7 * _DAY, grace=_DAY)
LOCAL: Final = Patience(idle=_DAY, grace=0)
NONE: Final = Patience(idle=0, grace=0)
"""For when nobody else is at work: a transfer that is, has to send again what it has sent."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a collection would do: its plan, the objects kept, what could be deleted at once and what later."""

    plan: Plan
    objects: int
    garbage: Sweepable


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection did: what left the log, bytes deleted from the storage, bytes that wait for slow readers."""

    done: Done
    deleted: int
    waiting: int
    spared: int


def look(store: Store, mark: Callable[[Kept], None], patience: Patience, *, now: float | None = None) -> Outlook:
    """Plan a collection, change nothing. `mark` marks what is to be kept in the state that the store has then."""
    moment = time.time() if now is None else now
    store.refresh()
    lost, dead = store.lost_packs(), purged_yet_here(store)
    kept = Kept(store, lost=lost, without=dead)
    mark(kept)
    fence = idle_fence(store, moment - patience.idle) if patience.idle else _HIGHEST
    made = plan(store, kept, fence=fence, spare=fence if patience.idle else None, without=dead)
    before = moment - patience.grace if patience.grace else None
    return Outlook(made, len(kept), sweepable(store, fence=made.fence, removed_before=before))


def collect(
    store: Store,
    mark: Callable[[Kept], None],
    patience: Patience,
    *,
    outlook: Outlook | None = None,
    now: float | None = None,
    meter: Meter = SILENT,
) -> Collection:
    """Collect, as `outlook` says: whatever others do meanwhile, nothing that a ref reaches is lost (rules R1 to R3).

    Raises:
        ContentNotFound: what a ref needs is missing; nothing was changed.
        Overtaken: others write faster than this computes.
        StorageError: the storage refuses; what was not deleted, the next collection deletes.
    """
    moment = time.time() if now is None else now
    before = moment - patience.grace if patience.grace else None
    outlook = outlook or look(store, mark, patience, now=moment)
    ends = bounds_of(store)
    left = probes(store)
    lost = store.lost_packs()

    def again(older: Kept) -> Kept:
        nonlocal ends
        store.refresh()
        fresh, before = Kept(store, lost=lost, without=outlook.plan.whole), ends
        ends = bounds_of(store)
        # What is marked has everything below it marked, but for what was not here, or behind a bound, and is no more.
        grew = before.forgotten <= ends.forgotten and before.shallow <= ends.shallow
        if grew and not older.absent and before.purged == ends.purged:
            fresh.take_over(older)
        mark(fresh)
        fresh.mark_bases()
        return fresh

    planned = outlook.plan
    if planned.remove or planned.repack or outlook.garbage != sweepable(store, removed_before=before):
        done = execute(store, planned, again=again, meter=meter)
    else:
        # Nothing would become deletable by an entry: none is written.
        done = Done()
    store.refresh()
    found = sweepable(store, removed_before=before)
    deleted = sweep(store, found)
    for stat in left:
        store.storage.delete(stat.key)
    return Collection(done, deleted, sum(stat.size for stat in found.later), planned.spared)


def marks_here(repo: Repo) -> Callable[[Kept], None]:
    """Return what marks the objects to be kept in the local store.

    What our refs lead to was here once: only what a remote promised may be missing. What some `xver.lock` names may
    never have been fetched; or it lies here by chance, without what is below it, since a collection.
    """
    store = repo.store

    def mark(kept: Kept) -> None:
        named = lock_ids(repo)
        has_remotes = bool(repo.settings.remotes)
        is_partial = has_remotes and store.log.was_collected
        mark_reachable(
            store, kept, ref_ids(store), may_lack=lambda one: (has_remotes and one in named) or store.is_safe(one)
        )
        mark_reachable(
            store, kept, (id for id in named if id in store), may_lack=lambda one: is_partial or store.is_safe(one)
        )

    return mark


def marks_of(there: Store) -> Callable[[Kept], None]:
    """Return what marks the objects to be kept at a remote."""

    def mark(kept: Kept) -> None:
        mark_reachable(there, kept, ref_ids(there))

    return mark


def idle_fence(store: Store, moment: float) -> int:
    """Return the number of the first entry written after `moment`: who began before it has been idle since.

    Entries' times are what their writers' clocks said: good enough for a guess.
    """
    low, high = store.log.fence, store.log.n
    while low < high:
        middle = (low + high) // 2
        if store.log.entry(middle).time <= moment:
            low = middle + 1
        else:
            high = middle
    return low
