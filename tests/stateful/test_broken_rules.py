"""Each rule of the protocol, broken on purpose: the runs of test_protocol.py notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.stateful.test_protocol import STEPS, Seeded, World, seeded, small
from xver.errors import Collected, XverError
from xver.store import relied
from xver.store.frames import Frames
from xver.store.kept import Kept
from xver.store.log import Change, Log
from xver.store.store import Store
from xver.upkeep import collect as collect_module
from xver.upkeep import sweep as sweep_module

__all__ = ["seeded", "small"]


def _fence_ignored(patch: pytest.MonkeyPatch) -> None:
    """A writer makes packs live that a collection took for those of a dead transfer."""

    def only_removed(self: Log, change: Change) -> None:
        if any(name in self.removed for index in change.add_index for name in index.packs):
            raise Collected("", packs=frozenset())

    patch.setattr(Log, "_check_added", only_removed)
    patch.setattr(relied, "_is_allowed", lambda log, name: name not in log.removed)


def _found_and_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    """A writer relies on what it found, whatever was collected since."""
    patch.setattr(Store, "_check", lambda self, change, check, log: None)


def _removed_pack_added_again(patch: pytest.MonkeyPatch) -> None:
    """A writer whose answer was lost makes its packs live once more, when they were collected already."""
    patch.setattr(Log, "_check_added", lambda self, change: None)
    patch.setattr(relied, "_is_allowed", lambda log, name: True)
    patch.setattr(Store, "_check", lambda self, change, check, log: None)


def _same_list_submitted_again(patch: pytest.MonkeyPatch) -> None:
    """A collector that lost the race for a number takes the next one, with what it decided before."""
    patch.setattr(collect_module, "follows", lambda n: lambda log: None)


def _unlisted_deleted(patch: pytest.MonkeyPatch) -> None:
    """A collector deletes what no index lists, also in front of the fence."""
    patch.setattr(sweep_module, "_may_go", lambda store, key, fence: True)


def _live_deleted(patch: pytest.MonkeyPatch) -> None:
    """A collector deletes everything from before the fence, live or not."""
    patch.setattr(sweep_module, "_is_live", lambda live, key: False)


def _bases_not_kept(patch: pytest.MonkeyPatch) -> None:
    """A collection takes what deltas that stay are stored against."""
    patch.setattr(Kept, "mark_bases", lambda self: None)
    patch.setattr(Kept, "orphans", lambda self, gone, moved: set())


def _readers_do_not_follow(patch: pytest.MonkeyPatch) -> None:
    """A reader gives up where a pack was moved while it read."""
    patch.setattr(Frames, "read", Frames._read)


# With the first seed that notices, as the code is now; should it change, a later one will.
MUTANTS = [
    (_fence_ignored, 2),
    (_found_and_not_looked_at_again, 3),
    (_removed_pack_added_again, 3),
    (_same_list_submitted_again, 0),
    (_unlisted_deleted, 0),
    (_live_deleted, 0),
    (_bases_not_kept, 1),
    (_readers_do_not_follow, 1),
]


@pytest.mark.parametrize(("break_it", "first"), MUTANTS)
def test_a_broken_rule_is_noticed(
    monkeypatch: pytest.MonkeyPatch, seeded: Seeded, break_it: Callable[[pytest.MonkeyPatch], None], first: int
) -> None:
    break_it(monkeypatch)
    for seed in range(first, first + 80):
        seeded(seed)
        try:
            World(seed).run(STEPS)
        except (XverError, AssertionError):
            return
    pytest.fail(f"80 runs did not notice: {break_it.__doc__}")
