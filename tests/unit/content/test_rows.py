"""Rows added, removed and changed are those that plain Python counts, in every format, in memory and out of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from xver.content import spill

from .tables import Record, compare_files, counts, expected, table, write

NAMES = ("id", "word", "amount", "note")


def versions(seed: int, count: int, *, repeat: bool) -> tuple[list[Record], list[Record]]:
    """Return rows and an edited version of them, in another order; with `repeat` keys and rows occur several times."""
    draw = random.Random(seed)
    words = ["", "a", "ab,c", 'qu"ote', "lines\nof text", "žluťoučký", "x" * 300]

    def row(id: int) -> Record:
        return {"id": id, "word": draw.choice(words), "amount": draw.randrange(1000), "note": str(draw.random())}

    before = [row(draw.randrange(count // 3) if repeat else at) for at in range(count)]
    if repeat:
        before += draw.choices(before, k=count // 2)
    after = [dict(one) for one in before if draw.random() < 0.9]
    for one in draw.sample(after, len(after) // 10):
        one[draw.choice(NAMES[1:])] = draw.choice(["new", "newer"]) if draw.random() < 0.5 else "x"
    for one in after:
        one["amount"] = one["amount"] if isinstance(one["amount"], int) else -1
    after += [row(count + at) for at in range(count // 20)]
    draw.shuffle(after)
    return before, after


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "feather", "arrows"])
@pytest.mark.parametrize("key", [(), ("id",), ("id", "word")], ids=["content", "id", "two columns"])
@pytest.mark.parametrize("repeat", [False, True], ids=["unique", "repeated"])
def test_rows_are_counted_as_plain_python_counts_them(
    tmp_path: Path, suffix: str, key: tuple[str, ...], repeat: bool
) -> None:
    before, after = versions(7, 500, repeat=repeat)
    one = write(tmp_path / "one" / f"t.{suffix}", before, NAMES)
    two = write(tmp_path / "two" / f"t.{suffix}", after, NAMES)
    if not key and not repeat:
        key = ("id",)  # is found by itself
        changes = table(compare_files(one, two))
        assert changes.is_key_detected
    else:
        changes = table(compare_files(one, two, key))
    assert changes.key == key
    assert counts(changes) == expected(before, after, key)
    assert (changes.rows.before, changes.rows.after) == (len(before), len(after))


@pytest.mark.parametrize("key", [(), ("id",)], ids=["content", "id"])
def test_what_does_not_fit_into_memory_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: tuple[str, ...]
) -> None:
    before, after = versions(8, 3000, repeat=True)
    one, two = write(tmp_path / "one.csv", before, NAMES), write(tmp_path / "two.csv", after, NAMES)
    whole = compare_files(one, two, key)
    monkeypatch.setattr(spill, "_BLOCK", 20_000)
    assert compare_files(one, two, key) == whole
    assert counts(whole) == expected(before, after, key)
    assert list((tmp_path / "temporary").iterdir()) == []
