"""What changed between two versions: listings compared block by block, equal parts skipped by their ids."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final, TypeAlias

from xver.errors import CorruptData
from xver.format.listings import BlockColumns, Child, Row
from xver.model.entries import Dataset, Entries, Entry, EntryKind, File, entry_id, kind_of
from xver.model.ids import ListingId
from xver.store.listings import read_columns, read_index
from xver.store.store import Store

_TOGETHER: Final = 256
"""Blocks from which on no more are read at once: about 4 MiB."""

_Run: TypeAlias = "tuple[list[Child], list[Child]]"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs: `before` is None where it was added, `after` where it was deleted.

    `source` is the path it had before, where the same content was deleted elsewhere: a rename.
    """

    path: str
    before: Entry | None
    after: Entry | None
    source: str | None = None


def diff_entries(store: Store, before: Entries, after: Entries) -> list[Change]:
    """Return the files that differ between two versions of everything tracked, sorted by path, renames joined."""
    return join_renames(list(changed_files(store, before, after)))


def changed_files(store: Store, before: Entries, after: Entries) -> Iterator[Change]:
    """Yield the files that differ between two versions of everything tracked, sorted by path, each by itself."""
    for path in sorted({*before, *after}, key=str.encode):
        old, new = before.get(path), after.get(path)
        if not same_entry(old, new):
            yield from _expand(store, path, old, new)


def diff_listings(store: Store, before: ListingId | None, after: ListingId | None) -> Iterator[Change]:
    """Yield the rows that differ between two listings, sorted by path; None is a listing without rows."""
    if before == after:
        return
    for runs in _batches(_runs(*_unequal_blocks(store, before, after))):
        columns = iter(read_columns(store, [child for run in runs for side in run for child in side]))
        for old, new in runs:
            rows_before, rows_after = _unequal_rows(list(islice(columns, len(old))), list(islice(columns, len(new))))
            for path in sorted({*rows_before, *rows_after}):  # code points and the bytes of UTF-8 sort alike
                one, two = rows_before.get(path), rows_after.get(path)
                if not same_entry(one, two):
                    yield Change(path, one, two)


def _batches(runs: Iterable[_Run]) -> Iterator[list[_Run]]:
    """Yield runs in groups whose blocks are read together."""
    batch: list[_Run] = []
    blocks = 0
    for run in runs:
        batch.append(run)
        blocks += sum(map(len, run))
        if blocks >= _TOGETHER:
            yield batch
            batch, blocks = [], 0
    if batch:
        yield batch


def _runs(old: list[Child], new: list[Child]) -> Iterator[_Run]:
    """Yield the blocks of both sides, cut where on both sides a block begins with the same path.

    A path that both sides have is then in blocks that come together.
    """
    starts = [b"", *sorted({child.first for child in old} & {child.first for child in new})]
    return zip(_split(old, starts), _split(new, starts), strict=True)


def _split(blocks: list[Child], starts: list[bytes]) -> Iterator[list[Child]]:
    firsts = [child.first for child in blocks]
    cuts = [bisect_left(firsts, start) for start in starts]
    return (blocks[low:high] for low, high in pairwise([*cuts, len(blocks)]))


def _unequal_rows(old: list[BlockColumns], new: list[BlockColumns]) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Return the rows of blocks of both sides that only one side has; what both have is not made into rows."""
    is_plain = all(columns.is_plain for columns in (*old, *new))
    if is_plain and len(old) == len(new) == 1 and (places := old[0].unlike(new[0])) is not None:
        _check_order(old)  # the other side has the same paths
        return _by_path(map(old[0].row, places)), _by_path(map(new[0].row, places))
    _check_order(old)
    _check_order(new)
    if not (old and new and is_plain):
        return _by_path(_all_rows(old)), _by_path(_all_rows(new))
    cells = [{cell for columns in side for cell in columns.cells()} for side in (old, new)]
    both = cells[0] & cells[1]
    return _by_path(_rows_but(old, both)), _by_path(_rows_but(new, both))


def _check_order(side: list[BlockColumns]) -> None:
    is_in_order = all(columns.is_in_order for columns in side)
    if not is_in_order or any(one.paths[-1] >= two.first for one, two in pairwise(side)):
        raise CorruptData("listing blocks out of order")


def _by_path(rows: Iterable[Row]) -> dict[str, Entry]:
    return {str(row.path): row.entry for row in rows}


def _all_rows(side: list[BlockColumns]) -> Iterator[Row]:
    return (row for columns in side for row in columns.rows())


def _rows_but(side: list[BlockColumns], both: set[tuple[bytes, int, int, bytes, bytes]]) -> Iterator[Row]:
    for columns in side:
        for at, cell in enumerate(columns.cells()):
            if cell not in both:
                yield columns.row(at)


def _expand(store: Store, path: str, old: Entry | None, new: Entry | None) -> Iterator[Change]:
    old_id = old.id if isinstance(old, Dataset) else None
    new_id = new.id if isinstance(new, Dataset) else None
    # A path that was a file and is a folder now is a deletion and many additions.
    if old is not None and old_id is None:
        yield Change(path, old, None if new_id is not None else new)
    elif new is not None and new_id is None:
        yield Change(path, None, new)
    for change in diff_listings(store, old_id, new_id):
        yield Change(f"{path}/{change.path}", change.before, change.after)


def _unequal_blocks(store: Store, before: ListingId | None, after: ListingId | None) -> tuple[list[Child], list[Child]]:
    """Return the blocks that only one side has, going down only where the sides differ."""
    old, new = _top(store, before), _top(store, after)
    while True:
        common = {child.id for _, child in old} & {child.id for _, child in new}
        old = [pair for pair in old if pair[1].id not in common]
        new = [pair for pair in new if pair[1].id not in common]
        level = max((level for level, _ in (*old, *new)), default=0)
        if level == 0:
            return [child for _, child in old], [child for _, child in new]
        old, new = _descend(store, old, level), _descend(store, new, level)


def _top(store: Store, id: ListingId | None) -> list[tuple[int, Child]]:
    if id is None:
        return []
    node = read_index(store, id)
    return [(node.level - 1, child) for child in node.children]


def _descend(store: Store, parts: list[tuple[int, Child]], level: int) -> list[tuple[int, Child]]:
    found = []
    for at, child in parts:
        found += _top(store, ListingId(child.id)) if at == level else [(at, child)]
    return found


def same_entry(one: Entry | None, two: Entry | None) -> bool:
    """Tell whether two entries are of one kind and content."""
    if one is None or two is None or one == two:
        return one == two
    return kind_of(one) is kind_of(two) and entry_id(one) == entry_id(two) and entry_id(one) is not None


def join_renames(changes: list[Change]) -> list[Change]:
    """Return changes in which what was deleted in one place and added in another is one."""
    deleted: dict[tuple[EntryKind, bytes], list[Change]] = {}
    for change in changes:
        if change.after is None and isinstance(change.before, File) and change.before.size:
            deleted.setdefault((kind_of(change.before), change.before.id), []).append(change)
    joined = []
    moved: set[str] = set()
    for change in changes:
        if change.before is None and isinstance(change.after, File):
            candidates = deleted.get((kind_of(change.after), change.after.id))
            if candidates:
                source = candidates.pop(0)
                moved.add(source.path)
                joined.append(Change(change.path, source.before, change.after, source.path))
                continue
        joined.append(change)
    return [change for change in joined if change.source is not None or change.path not in moved]
