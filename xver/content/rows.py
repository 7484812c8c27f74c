"""Two tables compared: each read once for hashes and summaries, a join, and changed rows read once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from xver.content.changes import ChangedRow, Column, Ragged, Rows, TableChanges
from xver.content.hashing import Hashes, hash_array, mix, salt
from xver.content.jsonlines import NULL, JsonLines
from xver.content.keys import check_key, detect_key
from xver.content.matching import RECORD, match_keys, match_rows
from xver.content.picking import Marks, Smallest, pick_rows
from xver.content.spill import Spill, joined
from xver.content.summaries import Summarizer
from xver.content.tables import Table

_SHOWN: Final = 10
"""Rows of each sort that are remembered for show."""


class _Pass(NamedTuple):
    """What one reading of a table gave."""

    rows: int
    summaries: dict[str, Summarizer]
    ragged: Counter[bytes]
    """The lines that are no rows. A table tells of those that its last reading met, which may have been in part."""


_NOTHING: Final = _Pass(0, {}, Counter())


class _Shape(NamedTuple):
    """How rows are compared: by which columns (None: all a row has), cast to which types, found by which key."""

    columns: dict[str, Any] | None
    key: tuple[str, ...]


class _Join(NamedTuple):
    """What the join of the hashes of all rows gave."""

    rows: Rows
    changed: tuple[Marks, Marks]
    pairs: tuple[tuple[int, int], ...]
    numbers: tuple[list[int], list[int]]


def compare_tables(
    before: Table | None, after: Table | None, *, key: Sequence[str], folder: Path, name: str
) -> TableChanges:
    """Return what differs; `folder` is for temporary files, `name` for messages.

    Raises:
        InvalidInput: a column of the key is not in both.
        NotReadable: a file turns out to be damaged.
    """
    if before is None or after is None:
        return _one_alone(before, after)
    columns = _common(before, after)
    if columns is not None:
        check_key(key, list(columns), name)
    found = tuple(key) or (detect_key(before, after) if columns is None or columns else ())
    changes = _compare(before, after, _Shape(columns, found), folder)
    if not key and found and any(changes.rows.repeated):
        # It identified the first rows and does not identify all.
        return _compare(before, after, _Shape(columns, ()), folder)
    if columns is None:
        check_key(key, [one.name for one in changes.columns if one.before is not None and one.after is not None], name)
    return TableChanges(changes.format, found, bool(found) and not key, changes.columns, changes.rows, changes.ragged)


def _one_alone(before: Table | None, after: Table | None) -> TableChanges:
    table = before or after
    assert table is not None
    found = _read(table)
    some = tuple(pick_rows(table, range(min(_SHOWN, found.rows))).values())
    old, new = (found.rows, 0) if after is None else (0, found.rows)
    rows = Rows(old, new, new, old, 0, (0, 0), some if new else (), some if old else (), ())
    columns = _columns(table if before else None, table if after else None, found, found, Counter(), paired=False)
    sides = (found, _NOTHING) if after is None else (_NOTHING, found)
    return TableChanges(table.format, (), False, columns, rows, _ragged(*sides))


def _compare(before: Table, after: Table, shape: _Shape, folder: Path) -> TableChanges:
    with ExitStack() as stack:
        one, two = (stack.enter_context(Spill(folder, RECORD)) for _ in range(2))
        old, new = _read(before, shape, one), _read(after, shape, two)
        found = _join(one, two, old.rows, new.rows, shape)
    rows = found.rows
    cells: Counter[str] = Counter()
    if rows.changed:
        names = list(shape.columns) if shape.columns is not None else list({**old.summaries, **new.summaries})
        cells = _changed_cells(before, after, shape, names, found.changed, folder)
    left = pick_rows(before, [*found.numbers[0], *(pair[0] for pair in found.pairs)])
    right = pick_rows(after, [*found.numbers[1], *(pair[1] for pair in found.pairs)])
    rows = Rows(
        rows.before,
        rows.after,
        rows.added,
        rows.removed,
        rows.changed,
        rows.repeated,
        tuple(right[number] for number in found.numbers[1]),
        tuple(left[number] for number in found.numbers[0]),
        tuple(ChangedRow(left[one], right[two]) for one, two in found.pairs),
    )
    columns = _columns(before, after, old, new, cells, paired=bool(shape.key))
    return TableChanges(after.format, shape.key, False, columns, rows, _ragged(old, new))


def _common(before: Table, after: Table) -> dict[str, Any] | None:
    """Return the columns of both, with the types in which their values can be compared; None where rows tell them."""
    if before.columns is None or after.columns is None:
        return None
    return {
        name: _common_type(kind, after.columns[name]) for name, kind in before.columns.items() if name in after.columns
    }


def _common_type(one: Any, two: Any) -> Any:
    """Return the type in which two are compared, None to compare as they are: hashes know no width of integers."""
    numbers = (pa.types.is_integer, pa.types.is_floating)
    if one == two or (pa.types.is_integer(one) and pa.types.is_integer(two)):
        return None
    if all(any(tell(kind) for tell in numbers) for kind in (one, two)):
        return pa.float64()
    if all(pa.types.is_timestamp(kind) for kind in (one, two)) and (one.tz is None) == (two.tz is None):
        order = ("s", "ms", "us", "ns")
        return pa.timestamp(max(one.unit, two.unit, key=order.index), one.tz)
    return None


def _read(table: Table, shape: _Shape | None = None, spill: Spill | None = None) -> _Pass:
    """Read all of a table: count, summarize, and with a shape and a spill note the hashes of each row."""
    summaries: dict[str, Summarizer] = {}
    if table.columns is not None:
        summaries = {name: Summarizer(is_text=table.is_text) for name in table.columns}
    blank = NULL if isinstance(table, JsonLines) else None
    rows = 0
    for batch in table.batches():
        hashes = {}
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            hashes[name] = hash_array(array)
            if name not in summaries:
                summaries[name] = Summarizer(is_text=True, blank=blank)
            summaries[name].add(array, hashes[name])
        if shape is not None and spill is not None and batch.num_rows:
            spill.add(*_records(batch, hashes, shape, rows))
        rows += batch.num_rows
    return _Pass(rows, summaries, Counter(table.ragged()))


def _records(batch: Any, hashes: dict[str, Hashes], shape: _Shape, start: int) -> tuple[Hashes, ...]:
    first, second = _contents(batch, hashes, shape)
    numbers = np.arange(start, start + batch.num_rows, dtype=np.uint64)
    if not shape.key:
        return mix(first.copy()), second, first, numbers
    return *_key_hashes(batch, shape), first, numbers


def _contents(batch: Any, hashes: dict[str, Hashes], shape: _Shape) -> tuple[Hashes, Hashes]:
    """Return two hashes of each row: sums over its columns, whose order does not count; nulls add nothing."""
    first, second = np.zeros(batch.num_rows, np.uint64), np.zeros(batch.num_rows, np.uint64)
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if shape.columns is not None and name not in shape.columns:
            continue
        values = mix(_comparable(array, hashes.get(name), name, shape) ^ salt(name))
        if array.null_count:
            values[np.asarray(array.is_null())] = 0
        first += values
        values *= salt(name, 1) | np.uint64(1)
        second += values ^ (values >> np.uint64(32))
    return first, second


def _comparable(array: Any, hashes: Hashes | None, name: str, shape: _Shape) -> Hashes:
    kind = shape.columns.get(name) if shape.columns is not None else None
    if kind is not None and array.type != kind:
        return hash_array(array.cast(kind, safe=False))
    return hash_array(array) if hashes is None else hashes


def _key_hashes(batch: Any, shape: _Shape) -> tuple[Hashes, Hashes]:
    found = []
    for seed in (1, 2):
        total = np.zeros(batch.num_rows, np.uint64)
        for name in shape.key:
            at = batch.schema.get_field_index(name)
            if at >= 0:
                array, kind = batch.column(at), None if shape.columns is None else shape.columns[name]
                total += mix(hash_array(array if kind is None else array.cast(kind, safe=False), seed) ^ salt(name))
        found.append(mix(total))
    return found[0], found[1]


def _join(before: Spill, after: Spill, rows_before: int, rows_after: int, shape: _Shape) -> _Join:
    changed = (Marks(rows_before), Marks(rows_after))
    removed, added = Smallest(_SHOWN), Smallest(_SHOWN)
    pairs = Smallest(_SHOWN)
    counts = np.zeros(5, np.int64)
    if shape.columns is not None and not shape.columns:
        # Nothing to compare by: no row of one is a row of the other.
        counts[:] = rows_before, rows_after, 0, 0, 0
        removed.add(np.arange(min(_SHOWN, rows_before), dtype=np.uint64))
        added.add(np.arange(min(_SHOWN, rows_after), dtype=np.uint64))
    else:
        for one, two in joined(before, after):
            part = match_rows(one, two, has_key=bool(shape.key))
            counts += (
                len(part.removed),
                len(part.added),
                len(part.changed_before),
                part.repeated_before,
                part.repeated_after,
            )
            changed[0].add(part.changed_before)
            changed[1].add(part.changed_after)
            removed.add(part.removed)
            added.add(part.added)
            pairs.add(part.changed_before, part.changed_after)
    gone, new, differ, *repeated = counts.tolist()
    rows = Rows(rows_before, rows_after, new, gone, differ, (repeated[0], repeated[1]), (), (), ())
    return _Join(rows, changed, tuple(pairs.pairs()), (removed.numbers(), added.numbers()))


def _changed_cells(
    before: Table, after: Table, shape: _Shape, names: list[str], changed: tuple[Marks, Marks], folder: Path
) -> Counter[str]:
    """Return in how many of the changed rows each column differs, by reading these rows again."""
    cells = np.zeros(len(names), np.int64)
    with ExitStack() as stack:
        spills = [stack.enter_context(Spill(folder, 2 + len(names))) for _ in range(2)]
        for table, marks, spill in zip((before, after), changed, spills, strict=True):
            for batch in _marked(table, marks):
                spill.add(*_key_hashes(batch, shape), *_cells(batch, names, shape))
        for one, two in joined(*spills):
            left, right = match_keys(one, two)
            cells += np.count_nonzero(one[left, 2:] != two[right, 2:], axis=0)
    return Counter({name: int(count) for name, count in zip(names, cells, strict=True) if count})


def _cells(batch: Any, names: list[str], shape: _Shape) -> Iterator[Hashes]:
    for name in names:
        at = batch.schema.get_field_index(name)
        if at < 0:
            yield np.zeros(batch.num_rows, np.uint64)
            continue
        array = batch.column(at)
        values = _comparable(array, None, name, shape)
        if array.null_count:
            # As if the column were not there, which in a file of JSON lines it may not be.
            values = np.where(np.asarray(array.is_null()), np.uint64(0), values)
        yield values


def _marked(table: Table, marks: Marks) -> Iterator[Any]:
    start = 0
    for batch in table.batches():
        among = marks.among(start, batch.num_rows)
        start += batch.num_rows
        if among.any():
            yield batch.filter(pa.array(among))


def _columns(
    before: Table | None, after: Table | None, old: _Pass, new: _Pass, cells: Counter[str], *, paired: bool
) -> tuple[Column, ...]:
    found = []
    # In the order of the newer version, those that are gone behind.
    first = new.summaries if after is not None else {}
    for name in [*first, *(name for name in (old.summaries if before is not None else {}) if name not in first)]:
        one = old.summaries[name].result(before.type_of(name), old.rows) if before and name in old.summaries else None
        two = new.summaries[name].result(after.type_of(name), new.rows) if after and name in new.summaries else None
        is_paired = paired and one is not None and two is not None
        found.append(Column(name, one, two, cells[name] if is_paired else None))
    return tuple(found)


def _ragged(before: _Pass, after: _Pass) -> Ragged | None:
    one, two = before.ragged, after.ragged
    if not one and not two:
        return None
    return Ragged(one.total(), two.total(), (two - one).total(), (one - two).total())
