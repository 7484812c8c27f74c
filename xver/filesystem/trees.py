"""The files of one version: looked up, listed and opened without a work tree."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath
from xver.store.content import read_all
from xver.store.listings import find_rows, read_listing, rows_below, rows_from
from xver.store.store import Store

_HOPS: Final = 16
_SKIP_AFTER: Final = 2_000
"""Rows read of a folder's contents before the rest of them is jumped over by a look-up."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What has files below it; `dataset` where it is a tracked path."""

    dataset: Dataset | None = None


Found: TypeAlias = Folder | File | Link | External


class Tree:
    """What was tracked at one version. One instance serves one thread."""

    def __init__(self, store: Store, entries: Mapping[TrackedPath, Entry]) -> None:
        self.store = store
        self._entries = cast("Mapping[str, Entry]", entries)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What was tracked."""
        return self._entries

    def find(self, path: str) -> Found | None:
        """Return what is at a path, None if nothing. Links that lead to something in the same dataset are followed.

        A link that leads elsewhere is returned as it is: who reads one version must not end up outside of it.
        """
        return self.find_many([path])[path]

    def find_many(self, paths: Iterable[str]) -> dict[str, Found | None]:
        """Return what is at each of several paths, as `find` does, in the round trips of one."""
        wanted = list(dict.fromkeys(paths))
        found = self._literal(wanted)
        for path in wanted:
            if found[path] is None or isinstance(found[path], Link):
                found[path] = self._followed(path, found[path])
        return found

    def children(self, folder: str) -> Iterator[tuple[str, Found]]:
        """Yield (name, what is there) for all that lies directly in a folder; links are followed as by `find`.

        A link to a folder stays a link here, so that who walks down comes to an end.
        """
        prefix = f"{folder}/" if folder else ""
        seen = set()
        for top, entry in self._entries.items():
            if top.startswith(prefix):
                name, is_deeper, _ = top[len(prefix) :].partition("/")
                if name not in seen:
                    seen.add(name)
                    yield name, Folder() if is_deeper else _found(entry)
        dataset, _, inner = self._dataset_of(folder)
        if dataset is None:
            return
        links = []
        for name, found in _children(self.store, dataset.id, inner):
            if isinstance(found, Link):
                links.append((name, found))
            else:
                yield name, found
        targets = self.find_many(prefix + name for name, _ in links)
        for name, link in links:
            target = targets[prefix + name]
            yield name, target if isinstance(target, File | External) else link

    def files(self, folder: str) -> Iterator[tuple[str, Found]]:
        """Yield (path, what is there) of every file below a folder, and of the folder itself where it is a file."""
        for top, entry in sorted(self._entries.items()):
            if isinstance(entry, Dataset) and (not folder or _is_inside(top, folder)):
                for row in read_listing(self.store, entry.id):
                    yield self._file(f"{top}/{row.path}", row.entry)
            elif not folder or _is_inside(top, folder):
                yield self._file(top, entry)
        dataset, top, inner = self._dataset_of(folder)
        if dataset is not None and inner:
            for row in rows_below(self.store, dataset.id, inner):
                yield self._file(f"{top}/{row.path}", row.entry)

    def _file(self, path: str, entry: Entry) -> tuple[str, Found]:
        found: Found | None = _found(entry)
        if isinstance(found, Link):
            target = self.find(path)
            found = target if isinstance(target, File | External) else found
        assert found is not None
        return path, found

    def _literal(self, paths: list[str]) -> dict[str, Found | None]:
        found: dict[str, Found | None] = dict.fromkeys(paths)
        below: dict[ListingId, dict[str, str]] = {}
        for path in paths:
            if not path or any(top.startswith(path + "/") for top in self._entries):
                found[path] = Folder()
            elif path in self._entries:
                found[path] = _found(self._entries[path])
            else:
                dataset, _, inner = self._dataset_of(path)
                if dataset is not None:
                    below.setdefault(dataset.id, {})[inner] = path
        for listing, inners in below.items():
            rows = find_rows(self.store, listing, inners)
            for inner, path in inners.items():
                if inner in rows:
                    found[path] = _found(rows[inner])
                elif _has_below(self.store, listing, inner):
                    found[path] = Folder()
        return found

    def _followed(self, path: str, found: Found | None) -> Found | None:
        """Follow the link at a path, or one above it; the link itself where it leads out of its dataset."""
        dataset, top, inner = self._dataset_of(path)
        if dataset is None or not inner:
            return found
        link = found if isinstance(found, Link) else None
        for _ in range(_HOPS):
            if link is None:
                above = self._literal([f"{top}/{part}" for part in _above(inner)])
                links = {place: one for place, one in above.items() if isinstance(one, Link)}
                if not links:
                    return found
                place, link = next(iter(links.items()))
                rest = path[len(place) :]
            else:
                place, rest = path, ""
            target = read_all(self.store, link.id, link.size).decode(errors="surrogateescape")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target)) + rest
            if target.startswith("/") or not _is_inside(path, top):
                return found
            at = Folder(dataset) if path == top else self._literal([path])[path]
            if at is not None and not isinstance(at, Link):
                return at
            inner = path[len(top) + 1 :]
            link = at
        return found

    def _dataset_of(self, path: str) -> tuple[Dataset | None, str, str]:
        """Return the dataset that a path is or lies in, its own path, and the path inside it."""
        top = path
        while top:
            entry = self._entries.get(top)
            if entry is not None:
                return (entry if isinstance(entry, Dataset) else None), top, path[len(top) + 1 :]
            top = top.rpartition("/")[0]
        return None, "", ""


def _found(entry: Entry) -> Found:
    return Folder(entry) if isinstance(entry, Dataset) else entry


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _has_below(store: Store, listing: ListingId, folder: str) -> bool:
    row = next(rows_from(store, listing, folder + "/"), None)
    return row is not None and row.path.startswith(folder + "/")


def _children(store: Store, listing: ListingId, folder: str) -> Iterator[tuple[str, Found]]:
    prefix = f"{folder}/" if folder else ""
    start: str | None = prefix
    while start is not None:
        last, count, goes_on = "", 0, None
        for row in rows_from(store, listing, start):
            if not row.path.startswith(prefix):
                break
            name, is_deeper, _ = row.path[len(prefix) :].partition("/")
            if not is_deeper:
                yield name, _found(row.entry)
                continue
            if name != last:
                last, count = name, 0
                yield name, Folder()
            count += 1
            if count == _SKIP_AFTER:
                goes_on = f"{prefix}{name}0"  # "0" follows "/"
                break
        start = goes_on
