"""Delete what a store needs no more: rule R3, an object goes only when not live and removed, or from before the fence.

What was removed a moment ago may still be read by somebody who looked it up before: remotes give them a day.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from xver.errors import CorruptData, StorageError, TransientStorageError
from xver.storage.base import Stat
from xver.store.log import CHECKPOINTS_KEPT, pack_base
from xver.store.store import Store

_CHECKPOINT: Final = re.compile(r"checkpoints/([0-9]{1,18})\.[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Sweepable:
    """What may be deleted now, and what has to wait for slow readers: keys with sizes in bytes."""

    now: tuple[Stat, ...]
    later: tuple[Stat, ...]


def sweepable(store: Store, *, fence: int | None = None, removed_before: float | None = None) -> Sweepable:
    """Return what rule R3 lets go, or will once the `fence` is raised.

    What was live after `removed_before` (seconds since 1970; None: whenever) has to wait.
    """
    fence = max(fence or 0, store.log.fence)
    recent = set() if removed_before is None else _removed_since(store, removed_before)
    live = {*store.log.live_packs(), *store.log.indexes}
    now: list[Stat] = []
    later: list[Stat] = []
    for prefix in ("packs/", "index/"):
        for stat in store.storage.list(prefix):
            if not _is_live(live, stat.key) and _may_go(store, stat.key, fence):
                (later if stat.key in recent else now).append(stat)
    now += _old_checkpoints(store)
    return Sweepable(tuple(now), tuple(later))


def sweep(store: Store, found: Sweepable) -> int:
    """Delete; return the bytes. What was not live and below the fence, or removed, can never become live again."""
    for stat in found.now:
        try:
            store.storage.delete(stat.key)
        except TransientStorageError:
            raise
        except StorageError as error:
            raise StorageError(
                f"{stat.key} cannot be deleted: {error.message}",
                hint="deleting needs rights of its own there; all that is needed is untouched, and gc may be repeated",
            ) from error
    return sum(stat.size for stat in found.now)


def probes(store: Store) -> list[Stat]:
    """Return what trials of the storage left behind when they were cut short."""
    return list(store.storage.list("probe/"))


def _is_live(live: Collection[str], key: str) -> bool:
    return key in live


def _may_go(store: Store, key: str, fence: int) -> bool:
    try:
        return key in store.log.removed or pack_base(key) < fence
    except CorruptData:
        return False  # no name of ours: somebody else put it there


def _removed_since(store: Store, moment: float) -> set[str]:
    names: set[str] = set()
    for n in range(store.log.n - 1, -1, -1):
        entry = store.log.entry(n)
        if entry.time < moment:
            break
        names.update(entry.remove_packs, entry.remove_index)
    return names


def _old_checkpoints(store: Store) -> Iterator[Stat]:
    """Yield checkpoints older than the last two that an entry names; readers start from the newest."""
    found = [(int(match[1]), stat) for stat in store.storage.list("checkpoints/") if (match := _match(stat))]
    named = sorted({n for n, stat in found if n + 1 < store.log.n and _is_named(store, n, stat)}, reverse=True)
    if len(named) >= CHECKPOINTS_KEPT:
        yield from (stat for n, stat in found if n < named[CHECKPOINTS_KEPT - 1])


def _match(stat: Stat) -> re.Match[str] | None:
    return _CHECKPOINT.fullmatch(stat.key)


def _is_named(store: Store, n: int, stat: Stat) -> bool:
    named = store.log.entry(n + 1).checkpoint
    return named is not None and stat.key == f"checkpoints/{named[0]:010d}.{named[1]}"
