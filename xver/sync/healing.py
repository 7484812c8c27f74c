"""A push heals a remote: packs that somebody deleted or cut short there leave its log once all in them was sent again.

Until then they stay live, and every push looks for what was in them: nothing that is listed by them alone is given up.
"""

from __future__ import annotations

from typing import Final

from xver.errors import Collected, Conflict, Incomplete, Overtaken
from xver.format.codecs import Codec
from xver.settings import Remote
from xver.store.log import Change, Log
from xver.store.replacing import without_packs
from xver.store.store import Store

_ATTEMPTS: Final = 10


def replace_lost(there: Store, remote: Remote, lost: frozenset[str]) -> int:
    """Let the packs that are `lost` leave the log of a remote; return how many did.

    Raises:
        Incomplete: something in them is in no other pack.
        Conflict: others change the remote faster than that.
    """
    for _ in range(_ATTEMPTS):
        gone = lost & there.log.live_packs().keys()
        if not gone:
            return 0
        if unhealed := there.index.only_in(gone):
            raise Incomplete(
                f"{remote.name} has lost packs, and what was in them is not all here",
                sorted(unhealed),
                hint="xver push from another clone that has it",
            )
        if stranded := _stranded(there, gone):
            raise Incomplete(
                f"{remote.name} has lost packs, and what is stored there as differences against them cannot be read",
                sorted(stranded),
                hint="xver push --repair",
            )
        old, removed = there.log.indexes.keys() | set(), frozenset(there.log.removed)

        def is_still_right(log: Log, old: set[str] = old, removed: frozenset[str] = removed) -> None:
            if old != log.indexes.keys() or log.removed != removed:
                raise Overtaken(log.url)

        left, replaced = without_packs(there.storage, there.log, there.index, gone)
        change = Change(
            "push: replace lost packs",
            add_index=tuple(left),
            remove_index=tuple(replaced),
            remove_packs=tuple(sorted(gone)),
        )
        try:
            there.log.append(change, check=is_still_right)
        except (Overtaken, Collected):
            there.refresh()
            continue
        return len(gone)
    raise Conflict(f"{remote.name} changes faster than this push", hint="xver push again")


def _stranded(there: Store, lost: frozenset[str]) -> set[str]:
    """Return the packs with deltas of which a base lies whole in lost packs alone."""
    away = lost | there.log.removed
    bases: dict[bytes, set[str]] = {}
    for index in there.index.opened():
        for place in index.places():
            if place.codec is Codec.DELTA and place.container.name not in away:
                for base in index.bases(place.id):
                    bases.setdefault(base, set()).add(place.container.name)
    whole = there.index.find_whole(bases)
    return {pack for base, packs in bases.items() if base not in whole for pack in packs}
