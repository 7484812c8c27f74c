"""The log: the commits that changed what is tracked, all or some, and how those that are shown hang together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from xver.errors import ContentNotFound, InvalidInput
from xver.git import history as git_history
from xver.history.bounds import bounds_of
from xver.history.graph import history
from xver.model.entries import Entries, Entry
from xver.model.paths import is_below
from xver.model.snapshots import Version
from xver.repo import Repo
from xver.store.store import Store
from xver.versioning.adopted import with_adopted
from xver.versioning.made import PREFIX as MADE
from xver.versioning.versions import commit_id, find_entry, head_id, resolve_id, version_of

_Found: TypeAlias = tuple[tuple[str, Entry], ...] | None


def log(repo: Repo, rev: str = "HEAD") -> list[Version]:
    """Return the commits that changed what is tracked, newest first.

    Raises:
        RevisionNotFound: `rev` names none.
    """
    if repo.git is not None:
        if rev == "HEAD" and git_history.head(repo.git) is None:
            return []
        rev = commit_id(repo, rev) if rev.startswith(MADE) else rev
        return with_adopted(repo.store, repo.git, rev, git_history.lock_commits(repo.git, rev))
    if head_id(repo) is None and rev == "HEAD":
        return []
    bounds = bounds_of(repo.store)
    return [version_of(id, one, bounds) for id, one in history(repo.store, resolve_id(repo, rev))]


def select(
    store: Store,
    versions: Iterable[Version],
    at: Callable[[str], Entries],
    *,
    paths: Sequence[str] = (),
    since: int | None = None,
    until: int | None = None,
    author: str | None = None,
    unknown: Callable[[Version], object] = lambda _: None,
) -> Iterator[Version]:
    """Yield those of some versions that changed what is tracked at or below any of `paths`, in their order.

    `at` is what `many_entries` gives, `since` and `until` are moments in seconds since 1970, `author` a regular
    expression for `Name <email>`. A version whose listings are not here is not known to have changed a path, and told
    `unknown`; one that follows it is thought to have.

    Raises:
        InvalidInput: `author` is no regular expression.
    """
    try:
        who = re.compile(author or "", re.IGNORECASE)
    except re.error as error:
        raise InvalidInput(f"{author!r} is no regular expression: {error}") from error
    for one in versions:
        if (since is not None and one.time < since) or (until is not None and one.time > until):
            continue
        if not who.search(str(one.author)):
            continue
        touched = [_touched(store, one, path, at) for path in paths] or [True]
        if any(touched):
            yield one
        elif None in touched:
            unknown(one)


def joined(versions: Sequence[Version], shown: Sequence[Version]) -> dict[str, tuple[str, ...]]:
    """Return for each version shown its nearest ancestors among those; `versions` are all, children first."""
    wanted = {one.id for one in shown}
    nearest: dict[str, tuple[str, ...]] = {}
    for one in reversed(versions):
        found: dict[str, None] = {}
        for parent in one.parents:
            found |= dict.fromkeys((parent,) if parent in wanted else nearest.get(parent, ()))
        nearest[one.id] = tuple(found)
    return {one.id: nearest[one.id] for one in shown}


def _touched(store: Store, version: Version, path: str, at: Callable[[str], Entries]) -> bool | None:
    """Tell whether a version changed a path, None where that is not known here."""
    try:
        after = _below(store, at(version.id), path)
    except ContentNotFound:
        return None
    if not version.parents:
        return after is not None
    # A merge counts only if it is like none of its parents there, as for git.
    return all(_differs(store, at, parent, path, after) for parent in version.parents)


def _differs(store: Store, at: Callable[[str], Entries], parent: str, path: str, after: _Found) -> bool:
    try:
        return _below(store, at(parent), path) != after
    except ContentNotFound:
        return True


def _below(store: Store, entries: Entries, path: str) -> _Found:
    below = tuple((top, entry) for top, entry in sorted(entries.items()) if is_below(top, path))
    if below:
        return below
    entry = find_entry(store, entries, path)
    return None if entry is None else ((path, entry),)
