"""Which commit brought each file: its content is what it was in no parent of that commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xver.errors import ContentNotFound, NotFound
from xver.history.diff import changed_files
from xver.model.entries import Dataset, Entries, Entry
from xver.model.paths import is_below, overlaps
from xver.model.snapshots import Version
from xver.repo import Repo
from xver.store.listings import rows_below
from xver.store.store import Store
from xver.versioning.logs import log
from xver.versioning.versions import many_entries


@dataclass(frozen=True, slots=True)
class Brought:
    """A file, its path from the root, and the commit that brought its content there.

    Where the data of the version before is not kept, `is_known` is false: it may have come with an earlier one.
    """

    path: str
    entry: Entry
    version: Version
    is_known: bool = True


def blame(repo: Repo, path: str, rev: str = "HEAD") -> list[Brought]:
    """Return for each file at or below a path, as it was at a revision, the commit that brought it, sorted by path.

    A file that is alike in any parent of a merge came with that parent. Reads what changed between versions, and no
    more.

    Raises:
        RevisionNotFound: `rev` names none.
        NotFound: nothing of that path was tracked.
    """
    versions = log(repo, rev)
    found: list[Brought] = []
    with many_entries(repo) as at:
        first = _files(repo.store, at(versions[0].id), path) if versions else {}
        if not first:
            raise NotFound(f"{path} is not in {rev}", hint="xver ls shows what is")
        # What each version has to answer for, newest first.
        open_: dict[str, dict[str, Entry]] = {versions[0].id: first}
        for one in versions:
            mine, is_known = open_.pop(one.id, {}), True
            for parent in one.parents:
                if not mine:
                    break
                try:
                    changed = _changed(repo.store, at, parent, one.id, path)
                except ContentNotFound:
                    is_known = False
                    continue
                rest = {name: mine.pop(name) for name in changed if name in mine}
                there = open_.setdefault(parent, mine)
                if there is not mine:
                    there |= mine
                mine = rest
            found += [Brought(name, entry, one, is_known) for name, entry in mine.items()]
    return sorted(found, key=lambda one: one.path.encode())


def _changed(store: Store, at: Callable[[str], Entries], before: str, after: str, path: str) -> list[str]:
    old, new = ({top: one for top, one in at(id).items() if overlaps(top, path)} for id in (before, after))
    return [change.path for change in changed_files(store, old, new) if is_below(change.path, path)]


def _files(store: Store, entries: Entries, path: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for top, entry in entries.items():
        if not overlaps(top, path):
            continue
        if isinstance(entry, Dataset):
            part = path[len(top) + 1 :] if is_below(path, top) else ""
            found.update((f"{top}/{row.path}", row.entry) for row in rows_below(store, entry.id, part))
        elif is_below(top, path):
            found[top] = entry
    return found
