"""Versions of git's commits from before there was an `xver.lock`: a snapshot that `xver adopt` made stands for it.

The ref `snapshots/<commit>` leads to it, as to those that are derived from an `xver.lock`; a commit that changed
nothing of what was tracked shares that of a commit before it, whose id the snapshot has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from xver.format.lockfile import NAME as LOCK_NAME
from xver.git import history as git_history
from xver.git.command import CatFile, GitCommand
from xver.history.graph import read_snapshot
from xver.model.ids import SnapshotId
from xver.model.refs import SNAPSHOTS, Target
from xver.model.snapshots import Version
from xver.store.store import Store


def adopted_refs(store: Store, git: GitCommand, rev: str, *, known: Collection[str]) -> dict[str, Target]:
    """Return the refs of the commits up to `rev` that were adopted; those that are `known` have an `xver.lock`."""
    named = store.log.refs_under(SNAPSHOTS)
    named = {commit: target for commit, target in named.items() if commit not in known and target.id in store}
    if not named:
        return {}
    with CatFile(git) as files:
        return {
            SNAPSHOTS + commit: named[commit]
            for commit in git.lines("rev-list", git_history.resolve(git, rev))
            if commit in named and files.read(f"{commit}:{LOCK_NAME}") is None
        }


def with_adopted(store: Store, git: GitCommand, rev: str, commits: Sequence[Version]) -> list[Version]:
    """Return the `commits` up to `rev` that changed `xver.lock`, and those that were adopted, newest first."""
    refs = adopted_refs(store, git, rev, known={one.id for one in commits})
    adopted = {
        name.removeprefix(SNAPSHOTS)
        for name, target in refs.items()
        if SNAPSHOTS + (read_snapshot(store, SnapshotId(target.id)).git or "") == name
    }
    return _joined(git_history.commits_in(git, rev), commits, adopted) if adopted else list(commits)


def _joined(every: Sequence[Version], commits: Sequence[Version], adopted: set[str]) -> list[Version]:
    """Return both in the order of `every`, what has no parents yet with its nearest ancestors among them."""
    simplified = {one.id: one for one in commits}
    nearest: dict[str, tuple[str, ...]] = {}
    shown = []
    for one in reversed(every):
        above = tuple(dict.fromkeys(id for parent in one.parents for id in nearest.get(parent, ())))
        if one.id in adopted or one.id in simplified:
            known = simplified.get(one.id, one)
            shown.append(replace(known, parents=(one.id in simplified and known.parents) or above))
            above = (one.id,)
        nearest[one.id] = above
    return shown[::-1]
