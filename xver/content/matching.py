"""Which rows of two tables belong together, by hashes alone.

A row is a record of four words: two of its key (of the row itself, where there is no key), one of all it holds, and
its number. Rows of one key and one content are the same row; of those left over, rows of one key are a change, one by
one in their order; what is still left was removed or added. So rows without a key are compared as multisets, and of
keys that are not unique as few rows as can be count as changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xver.content.hashing import Hashes

RECORD = 4
"""Words of a record: key, key again (another hash), content, number of the row."""

Numbers = npt.NDArray[np.int64]


class Matched(NamedTuple):
    """Rows by number: those of each pair that differs, those of one side alone; and how many share a key."""

    changed_before: Hashes
    changed_after: Hashes
    removed: Hashes
    added: Hashes
    unchanged: int
    repeated_before: int
    repeated_after: int


def match_rows(before: Hashes, after: Hashes, *, has_key: bool) -> Matched:
    """Match the records of two tables, or of one partition of both."""
    one, two = _match(before, after, _by_content)
    rest_before, rest_after = _without(before, one), _without(after, two)
    nothing = np.empty(0, np.uint64)
    if not has_key:
        return Matched(nothing, nothing, rest_before[:, 3], rest_after[:, 3], len(one), 0, 0)
    left, right = _match(rest_before, rest_after, _by_key)
    return Matched(
        rest_before[left, 3],
        rest_after[right, 3],
        _without(rest_before, left)[:, 3],
        _without(rest_after, right)[:, 3],
        len(one),
        _repeated(before),
        _repeated(after),
    )


def match_keys(before: Hashes, after: Hashes) -> tuple[Numbers, Numbers]:
    """Return the places of the records that have a key in common, paired in their order."""
    return _match(before, after, _by_key)


def _by_content(records: Hashes) -> tuple[Hashes, Hashes]:
    return records[:, 0] + records[:, 2] * np.uint64(0xD6E8FEB86659FD93), records[:, 1] ^ records[:, 2]


def _by_key(records: Hashes) -> tuple[Hashes, Hashes]:
    return records[:, 0], records[:, 1]


def _match(before: Hashes, after: Hashes, words: Any) -> tuple[Numbers, Numbers]:
    """Pair records whose two words are equal: the first of one side with the first of the other, and so on."""
    if not len(before) or not len(after):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    (one, two), (three, four) = words(before), words(after)
    order, starts = _runs(np.concatenate([one, three]), np.concatenate([two, four]))
    # Within a run the records of `before` come first, as the sort is stable.
    is_after = order >= len(before)
    lengths = np.diff(np.append(starts, len(order)))
    afters = np.add.reduceat(is_after, starts, dtype=np.int64)
    befores = lengths - afters
    pairs = np.minimum(befores, afters)
    runs = np.flatnonzero(pairs)
    first = np.repeat(starts[runs], pairs[runs])
    step = np.arange(len(first), dtype=np.int64) - np.repeat(np.cumsum(pairs[runs]) - pairs[runs], pairs[runs])
    left = order[first + step]
    right = order[first + np.repeat(befores[runs], pairs[runs]) + step] - len(before)
    return left, right


def _runs(one: Hashes, two: Hashes) -> tuple[Numbers, Numbers]:
    """Return the order that brings equal pairs of words together, stable, and where in it each run starts."""
    order = np.argsort(one, kind="stable")
    first, second = one[order], two[order]
    begins = first[1:] != first[:-1]
    if np.any(~begins & (second[1:] != second[:-1])):
        order = np.lexsort((two, one))
        first, second = one[order], two[order]
        begins = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return order, np.flatnonzero(np.concatenate([[True], begins]))


def _without(records: Hashes, places: Numbers) -> Hashes:
    kept = np.ones(len(records), bool)
    kept[places] = False
    return records[kept]


def _repeated(records: Hashes) -> int:
    """Return how many records share their key with one before them."""
    if not len(records):
        return 0
    return len(records) - len(_runs(*_by_key(records))[1])
