"""Any sequence of commands in a work tree, and every one of them cut off anywhere: nothing is lost, all is known.

`work_tree.py` has the model and daily work, `renaming.py` new names and cuts; here are merges and steps back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.stateful.renaming import Renaming
from tests.stateful.work_tree import BRANCHES, flat
from tests.support.repos import SOMEBODY
from xver.errors import Conflict, DirtyWorktree, InvalidInput, MergeConflict
from xver.history.graph import merge_base
from xver.model.ids import SnapshotId
from xver.model.refs import HEADS
from xver.repo import Repo
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.merging import merge_snapshot
from xver.versioning.undoing import undo
from xver.versioning.versions import entries_at


class Everything(Renaming):
    """Daily work, and names, merges, steps back and cuts."""

    @precondition(lambda self: len(self.heads) > 1)
    @rule()
    def merge(self) -> None:
        other = next(name for name in BRANCHES if name != self.branch)
        if other not in self.heads:
            return
        repo = self.repo
        ours, theirs = self.heads.get(self.branch), self.heads[other]
        if ours is None and self.lock:
            return
        base = (
            None
            if ours is None
            else merge_base(repo.store, *(SnapshotId(bytes.fromhex(one)) for one in (ours, theirs)))
        )
        sides = [{} if base is None else self.versions[base.hex()], self.head, self.versions[theirs]]
        is_forward = ours is None or (base is not None and base.hex() == ours)
        wanted, refused = self.carried(sides[2])
        if not is_forward:
            refused = {top for top in {*self.lock, *self.head} if self.lock.get(top) != self.head.get(top)}
        before = dict(self.disk)
        try:
            with self.noted():
                done = merge_snapshot(repo, other)
        except (DirtyWorktree, InvalidInput, MergeConflict):
            return
        if done.kind == "up to date":
            return
        assert not refused
        made = branches.names(self.repo, HEADS)[self.branch].hex()
        if is_forward:
            assert done.kind == "forward"
            assert made == theirs
        else:
            wanted = self.files_of(repo, entries_at(self.repo, made))
        meant = self.on_the_way(sides[2] if is_forward else {}, wanted)
        self.arrive(made)
        self.lock = copy.deepcopy(wanted)
        for path in {path for side in sides for path in flat(side)}:
            was, mine, other_s = (flat(side).get(path) for side in sides)
            assert flat(self.head).get(path) == (other_s if mine == was else mine), path
            assert mine == other_s or was in (mine, other_s), f"{path}: both sides changed it"
        self.see(before, {path: data for path, data in flat(self.lock).items() if meant(path)})
        self.see_carried(before, flat(self.lock), meant)

    @precondition(lambda self: self.undoable)
    @rule()
    def undo(self) -> None:
        before = dict(self.disk)
        try:
            undo(self.repo)
        except (Conflict, InvalidInput):
            return
        self.lock, self.heads, self.branch = self.undoable.pop()
        # What was renamed goes back as it is, also what is in no version.
        for data in before.values():
            assert data in self.stored or data in self.picture().values(), f"{data!r} is in no file any more"
        self.disk = self.picture()

    def acts(self, path: str, place: str) -> dict[str, Callable[[Repo], object]]:
        return super().acts(path, place) | {
            "commit": lambda repo: commit(repo, "cut off", author=SOMEBODY),
            "switch": lambda repo: branches.switch(repo, BRANCHES[self.branch == BRANCHES[0]]),
            "merge": lambda repo: merge_snapshot(repo, BRANCHES[self.branch == BRANCHES[0]]),
        }


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )


def test_any_sequence_of_commands() -> None:
    run(examples=12, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_long_sequences_of_commands() -> None:
    run(examples=400, steps=60)
