"""Three-way merge of versions: path by path, inside datasets file by file; conflicts are values, not exceptions."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

from xver.format.listings import Row
from xver.history.diff import diff_listings
from xver.model.entries import Dataset, Entries, Entry, File
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath, overlaps
from xver.store.listings import put_listing, read_listing
from xver.store.packing import Packer
from xver.store.store import Store

_Key = TypeVar("_Key", bound=str)
Join: TypeAlias = Callable[[str, Entry | None, Entry | None, Entry | None], Entry | None]
"""Makes one entry of what a path was, is on our side and on theirs; None where it cannot."""


class Side(enum.StrEnum):
    """Whose version of a path is taken where both sides changed it."""

    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Merge:
    """The merged version; at the paths of `conflicts`, which both sides changed differently, it has ours."""

    entries: dict[TrackedPath, Entry]
    conflicts: tuple[str, ...]


def merge_entries(
    store: Store,
    packer: Packer,
    *,
    base: Entries,
    ours: Entries,
    theirs: Entries,
    join: Join = lambda *_: None,
    prefer: Side | None = None,
) -> Merge:
    """Merge what two sides made of a common version; new listings go to `packer`.

    What both sides changed differently and `join` cannot join is a conflict, or `prefer`'s: also a file where the other
    made a folder. Of a file, content and the executable bit are two things: each side may have changed one.
    """
    merged: dict[TrackedPath, Entry] = {}
    conflicts: list[str] = []
    for path in sorted({*base, *ours, *theirs}, key=str.encode):
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if isinstance(mine, Dataset) and isinstance(other, Dataset) and mine != other != was != mine:
            # Without a common version of this path, what only one side has is an addition.
            common = was.id if isinstance(was, Dataset) else None
            dataset, inner = _merge_listings(
                store, packer, common, mine, other, partial(_join_below, join, path), prefer
            )
            merged[path] = dataset
            conflicts += [f"{path}/{one}" for one in inner]
            continue
        entry, is_conflict = _settle(was, mine, other)
        if is_conflict and (joined := join(path, was, mine, other)) is not None:
            entry, is_conflict = joined, False
        if is_conflict and prefer is None:
            conflicts.append(path)
        elif is_conflict:
            entry = mine if prefer is Side.OURS else other
        if entry is not None:
            merged[path] = entry
    if prefer is not None:
        merged = _cleared(merged, ours if prefer is Side.OURS else theirs)
    conflicts += _overlapping(merged)
    return Merge(merged, tuple(sorted(set(conflicts))))


def _merge_listings(
    store: Store,
    packer: Packer,
    base: ListingId | None,
    ours: Dataset,
    theirs: Dataset,
    join: Join,
    prefer: Side | None,
) -> tuple[Dataset, list[str]]:
    mine = {change.path: change for change in diff_listings(store, base, ours.id)}
    rows = {row.path: row.entry for row in read_listing(store, ours.id)}
    conflicts = []
    for change in diff_listings(store, base, theirs.id):
        path = TrackedPath(change.path)
        own, after, is_conflict = mine.get(change.path), change.after, False
        if own is not None:
            after, is_conflict = _settle(change.before, own.after, change.after)
        if own is not None and is_conflict:
            joined = join(change.path, change.before, own.after, change.after)
            if joined is None and prefer is None:
                conflicts.append(change.path)
            after = joined if joined is not None else change.after if prefer is Side.THEIRS else own.after
        if after is None:
            rows.pop(path, None)
        else:
            rows[path] = after
    if prefer is not None:
        preferred = ours if prefer is Side.OURS else theirs
        rows = _cleared(rows, {row.path: row.entry for row in read_listing(store, preferred.id)})
    conflicts += _overlapping(rows)
    if conflicts:
        rows = {row.path: row.entry for row in read_listing(store, ours.id)}
    ordered = (Row(path, rows[path]) for path in sorted(rows, key=str.encode))
    return put_listing(packer, ordered, before=ours), conflicts


def _join_below(
    join: Join, top: str, inner: str, was: Entry | None, mine: Entry | None, other: Entry | None
) -> Entry | None:
    return join(f"{top}/{inner}", was, mine, other)


def _settle(was: Entry | None, mine: Entry | None, other: Entry | None) -> tuple[Entry | None, bool]:
    if mine == other or other == was:
        return mine, False
    if mine == was:
        return other, False
    if isinstance(was, File) and isinstance(mine, File) and isinstance(other, File):
        content, is_split = (other, False) if mine.id == was.id else (mine, other.id not in (was.id, mine.id))
        if not is_split:
            bit = other.executable if mine.executable == was.executable else mine.executable
            return replace(content, executable=bit), False
    return mine, True


def _cleared(entries: dict[_Key, Entry], preferred: Mapping[_Key, Entry]) -> dict[_Key, Entry]:
    """Return the entries without what stands in the way of those that the preferred side has."""
    clashing: set[str] = set(_overlapping(entries))
    clashing |= {above for path in clashing for above in _folders(path)}
    return {path: entry for path, entry in entries.items() if path not in clashing or path in preferred}


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _overlapping(entries: Mapping[_Key, Entry]) -> list[str]:
    """Return the paths that lie below another one: one side made a file where the other made a folder."""
    ordered = sorted(entries, key=str.encode)
    found: list[str] = []
    above: list[str] = []
    for path in ordered:
        while above and not path.startswith(above[-1]):
            above.pop()
        found += [path for one in above if overlaps(one, path)]
        above.append(path)
    return found
