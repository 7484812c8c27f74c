"""A path of another xver repository, or of a remote, as an origin: objects are copied as they lie, what is here stays.

What is recorded is the id of the version it was taken from, so the chain of origins goes on in that repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xver.errors import ContentNotFound, InvalidInput, NotFound
from xver.filesystem.places import Place, find_below
from xver.filesystem.sources import resolve_at
from xver.format.listings import Row
from xver.history.graph import read_snapshot
from xver.history.reach import Edge, entry_edges, reach
from xver.intake.origin import Known, Taken, Wanted
from xver.model.entries import Entries, Entry, External, entry_id
from xver.model.paths import TrackedPath, quoted
from xver.model.runs import Source
from xver.repo import Repo, client_name, open_repo
from xver.settings import Remote
from xver.storage.local import LocalStorage
from xver.store.listings import put_listing
from xver.store.store import Store, open_store
from xver.sync.elsewhere import copy_through, opener, read_through
from xver.sync.remotes import cache_folder, storage_at
from xver.sync.transfer import CopyObjects, Transfer, copy_objects
from xver.versioning.versions import entries_at, resolve, root_entries


@dataclass(frozen=True, slots=True)
class _Version:
    """A version somewhere: the store that has it, its id, what is tracked there, and how to copy from that store."""

    store: Store
    id: str
    entries: Entries
    copy: CopyObjects


class RepositoryOrigin:
    """What a path is in a version; a branch is followed, a tag or an id stays what it is."""

    def __init__(self, place: Place, endpoint_url: str | None) -> None:
        if not place.path:
            raise InvalidInput(f"{place} names no path of that repository", hint="xver ls shows what there is")
        self.uri = str(place)
        self.name = place.path.rpartition("/")[2]
        self._place = place
        self._endpoint_url = endpoint_url

    def is_same(self, repo: Repo, known: Known) -> bool:
        """Compare the version, and where that moved what it has."""
        there = self._version(repo)
        if there.id == known.source.version:
            return True
        found = self._find(there)
        entry = put_listing(None, found) if isinstance(found, list) else found
        return entry_id(entry) == known.id

    def take(self, repo: Repo, wanted: Wanted) -> Taken | None:
        """Copy what is not here, unless the version is the one that is known."""
        there = self._version(repo)
        if wanted.known is not None and there.id == wanted.known.source.version:
            return None
        found = self._find(there)
        rows = found if isinstance(found, list) else [Row(TrackedPath(wanted.top), found)]
        edges = entry_edges({row.path: row.entry for row in rows})
        self._copy(repo, there, list(edges), wanted)
        with repo.store.index.also(wanted.uploaded), repo.store.packer() as packer:
            entry = put_listing(packer, found, before=wanted.before) if isinstance(found, list) else found
            index = packer.finish()
        wanted.uploaded.extend([] if index is None else [index])
        return Taken(entry, Source(wanted.top, self.uri, there.id, endpoint_url=self._endpoint_url))

    def _copy(self, repo: Repo, there: _Version, edges: list[Edge], wanted: Wanted) -> None:
        here = repo.store

        def refuse(edge: Edge, error: Exception) -> None:
            if isinstance(error, ContentNotFound):
                raise ContentNotFound(edge.id, hint=f"{edge.where} was not pushed to {self.uri}") from error
            raise error

        with here.index.also(wanted.uploaded):
            found = reach(here, edges, missing=refuse, beside=[there.store])
            lacking = [edge for edge in found.values() if edge.id not in here]
            there.copy(there.store, here, lacking, Transfer("import", wanted.uploaded, wanted.meter))

    def _find(self, there: _Version) -> Entry | list[Row]:
        path = self._place.path
        found = find_below(there.store, there.entries, path)
        if found is None:
            raise NotFound(
                f"{path} is not tracked there", hint=f"xver ls {quoted(self.uri.rpartition('//')[0] + '//')}"
            )
        if isinstance(found, External):
            raise InvalidInput(f"{path} is known there, and not stored", hint=f"xver import {quoted(found.uri)} PATH")
        return found

    def _version(self, repo: Repo) -> _Version:
        place = self._place
        if place.url is None:
            other = open_repo(place.folder)
            read_through(other)
            rev = place.rev or "HEAD"
            copy = copy_through(copy_objects, opener(other))
            return _Version(other.store, resolve(other, rev).id, entries_at(other, rev), copy)
        remote = Remote("import", place.url, self._endpoint_url)
        storage = storage_at(remote, base=Path.cwd(), cache=LocalStorage(cache_folder(repo, remote)))
        storage.catch_up()
        store = open_store(storage, client=client_name())
        id = resolve_at(store, place.rev, place.url)
        return _Version(store, id.hex(), root_entries(store, read_snapshot(store, id).root), copy_objects)
