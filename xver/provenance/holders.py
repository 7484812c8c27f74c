"""Which commit first held a content: the versions of HEAD's history, oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from xver.errors import ContentNotFound, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import decode_lock
from xver.git.command import CatFile
from xver.model.entries import Dataset, Entries, entry_id
from xver.model.ids import EMPTY_ID, ListingId
from xver.model.paths import TrackedPath, is_below
from xver.model.snapshots import Version
from xver.repo import Repo
from xver.store.listings import find_row
from xver.versioning.logs import log
from xver.versioning.versions import entries_at


class Holders:
    """Answers which version first held what. Reads each version's tracked paths once."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def first(self, id: bytes, path: str = "") -> Version | None:
        """Return the oldest version that holds this content, None if there is none.

        A tracked path may have held it under any name; a file inside of a dataset is looked for at `path`.
        """
        if id == EMPTY_ID:
            return None
        return self._first.get(id) or (self._first_inside(path, id) if path else None)

    def _first_inside(self, path: str, id: bytes) -> Version | None:
        asked: dict[tuple[ListingId, str], bool] = {}
        for version, entries in self._versions:
            top = next((one for one in entries if is_below(path, one) and path != one), None)
            entry = None if top is None else entries[top]
            if top is None or not isinstance(entry, Dataset) or entry.id not in self._repo.store:
                continue
            inner = path[len(top) + 1 :]
            question = entry.id, inner
            if question not in asked:
                row = find_row(self._repo.store, entry.id, TrackedPath(inner))
                asked[question] = row is not None and entry_id(row) == id
            if asked[question]:
                return version
        return None

    @cached_property
    def _versions(self) -> list[tuple[Version, Entries]]:
        return list(self._read())

    @cached_property
    def _first(self) -> dict[bytes, Version]:
        found: dict[bytes, Version] = {}
        for version, entries in self._versions:
            for entry in entries.values():
                id = entry_id(entry)
                if id is not None and id != EMPTY_ID:
                    found.setdefault(id, version)
        return found

    def _read(self) -> Iterator[tuple[Version, Entries]]:
        versions = reversed(log(self._repo))
        if self._repo.git is None:
            for version in versions:
                try:
                    entries = entries_at(self._repo, version.id)
                except (ContentNotFound, CorruptData):
                    continue
                yield version, entries
            return
        with CatFile(self._repo.git) as files:
            for version in versions:
                data = files.read(f"{version.id}:{LOCK_NAME}")
                if data is None:
                    continue
                try:
                    entries = decode_lock(data).entries
                except (CorruptData, InvalidInput, UnsupportedFormat):
                    # Committed with the marks of a merge in it: that commit says nothing.
                    continue
                yield version, entries
