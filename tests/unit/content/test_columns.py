"""Summaries of columns, and hashes of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from xver.content import csv_blocks
from xver.content.hashing import NULL, hash_array
from xver.content.matching import match_rows
from xver.content.summaries import Summarizer

from .tables import compare_texts, table


def summary(array: Any, *, is_text: bool = False, parts: int = 3) -> Any:
    """Return the summary of an array that is added in parts."""
    summarizer = Summarizer(is_text=is_text)
    step = max(1, len(array) // parts)
    for start in range(0, len(array), step):
        part = array.slice(start, step)
        summarizer.add(part, hash_array(part))
    return summarizer.result(None if is_text else str(array.type), len(array))


def test_numbers() -> None:
    found = summary(pa.array([3, None, -1, 10, 10, None, 4]))
    assert (found.nulls, found.minimum, found.maximum, found.mean) == (2, -1, 10, 26 / 5)
    assert (found.distinct, found.is_exact) == (4, True)
    found = summary(pa.array([1.5, float("nan"), None, 2.5]))
    assert (found.nulls, found.minimum, found.maximum, found.mean) == (1, 1.5, 2.5, 2.0)


@pytest.mark.parametrize(
    ("values", "kind", "least", "greatest"),
    [
        (["1", "20", "3"], "integer", 1, 20),
        (["1", "2.5", "3"], "number", 1, 3),
        (["true", "false", "true"], "boolean", False, True),
        (["1", "20", "x"], "text", "1", "x"),
        (["true", "1", "2"], "text", "1", "true"),
        ([None, None], "empty", None, None),
    ],
)
def test_texts_are_what_all_of_them_look_like(values: list[str], kind: str, least: object, greatest: object) -> None:
    array = pa.array([None if one is None else one.encode() for one in values], pa.binary())
    found = summary(array, is_text=True)
    assert (found.type, found.minimum, found.maximum) == (kind, least, greatest)


def test_many_different_values_are_estimated() -> None:
    found = summary(pa.array(np.arange(200_000) % 50_000), parts=20)
    assert not found.is_exact
    assert abs(found.distinct - 50_000) < 5_000


def test_hashes_know_no_batch_and_no_layout() -> None:
    words = ["", "a", "b", None, "12345678", "123456789", "x" * 300, "ž" * 40]
    array = pa.array(words * 3)
    hashes = hash_array(array)
    assert len(set(hashes.tolist())) == len(words)
    assert hashes[3] == NULL
    for other in (array.cast(pa.large_string()), array.dictionary_encode(), array.cast(pa.binary())):
        assert (hash_array(other) == hashes).all()
    for start in range(8):
        assert (hash_array(array.slice(start, 9)) == hashes[start : start + 9]).all()
    nested = pa.array([[["a"], None], None, [], [[], ["b", "a"]], [["a"], None]])
    hashes = hash_array(nested)
    assert len(set(hashes.tolist())) == 4
    for start in range(4):
        assert (hash_array(nested.slice(start, 2)) == hashes[start : start + 2]).all()


def test_keys_whose_first_hash_is_the_same_are_told_apart() -> None:
    # Rows: key, key again, content, number. The first word is the same for all.
    before = np.array([[7, 1, 1, 0], [7, 2, 2, 1], [7, 3, 3, 2]], np.uint64)
    after = np.array([[7, 3, 3, 0], [7, 2, 9, 1], [7, 4, 4, 2]], np.uint64)
    found = match_rows(before, after, has_key=True)
    assert (found.unchanged, found.changed_before.tolist(), found.changed_after.tolist()) == (1, [1], [1])
    assert (found.removed.tolist(), found.added.tolist()) == ([0], [2])


def test_a_column_that_is_no_key_after_all_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", 10_000)
    rows = [f"{at},{at % 7}\n" for at in range(5_000)]
    before = "id,v\n" + "".join(rows) + "5,5\n"
    found = table(compare_texts(tmp_path, "t.csv", before, before + "8,8\n"))
    assert (found.key, found.is_key_detected) == ((), False)
    assert (found.rows.added, found.rows.removed) == (1, 0)
