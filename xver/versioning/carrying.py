"""What stays as it is when one goes to another version: what was added and not committed, and changes on the disk."""

from __future__ import annotations

from collections.abc import Callable

from xver.errors import ContentNotFound, DirtyWorktree
from xver.history.diff import diff_listings
from xver.model.entries import Dataset, Entries
from xver.model.paths import TrackedPath, overlaps
from xver.repo import Repo
from xver.versioning.planning import Meant
from xver.versioning.state import changes_to


def with_staged(head: Entries, now: Entries, there: Entries, *, hint: str) -> Entries:
    """Return version `there` with what `now`, which is `xver.lock`, has other than HEAD: where both versions are alike.

    Raises:
        DirtyWorktree: of what `xver.lock` has other than HEAD, version `there` has something else.
    """
    wanted, taken, lost = dict(there), [], []
    for one in changes_to(head, now):
        top = TrackedPath(one.path)
        if one.after == there.get(top):
            continue
        if one.before != there.get(top):
            lost.append(one.path)
        elif one.after is None:
            del wanted[top]
        else:
            wanted[top] = one.after
            taken.append(one.path)
    lost += [top for top in taken if any(overlaps(one, top) and one != top for one in wanted)]
    if lost:
        raise DirtyWorktree("xver.lock holds what is not committed", sorted(lost, key=str.encode), hint=hint)
    return wanted


def only_changed(repo: Repo, before: Entries, after: Entries) -> Meant:
    """Return what tells which files below a tracked path are other ones in two versions.

    All are, where it is no dataset in both, or one of the listings is not here.
    """

    def meant(top: TrackedPath) -> Callable[[str], bool]:
        old, new = before.get(top), after.get(top)
        if not isinstance(old, Dataset) or not isinstance(new, Dataset):
            return lambda _: True
        try:
            names = frozenset(one.path for one in diff_listings(repo.store, old.id, new.id))
        except ContentNotFound:
            return lambda _: True
        return names.__contains__

    return meant
