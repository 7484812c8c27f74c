"""What is tracked already, for rules that would leave it out: of one tracked path, and of the whole work tree."""

from __future__ import annotations

from xver.model.entries import Entry
from xver.model.paths import PathSet, TrackedPath
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.worktree.ignore import Ignore
from xver.worktree.members import Members


def members(repo: Repo, top: TrackedPath, entry: Entry | None) -> Members:
    """Return what tells which files an entry has that is tracked at a path, None if none is."""
    return Members(top, entry, repo.stat_index.known_at(top), lambda one: read_listing(repo.store, one))


def rules(repo: Repo) -> Ignore:
    """Return the rules of the work tree, which leave out nothing of what `xver.lock` names."""
    entries = repo.lock.entries
    tops = PathSet(entries)
    known: dict[TrackedPath, Members] = {}

    def is_tracked(path: str) -> bool:
        top = tops.above(path)
        if top is None:
            return bool(tops.below(path))
        if top not in known:
            known[top] = members(repo, top, entries[top])
        return known[top](path)

    return repo.ignore.sparing(is_tracked)
