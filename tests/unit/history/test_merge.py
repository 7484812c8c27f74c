"""Three-way merges of entries and listings, against a merge of dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.history.history import file_of, put_files
from xver.format.listings import Row
from xver.history.merge import Merge, Side, merge_entries
from xver.model.entries import Dataset, Entry
from xver.model.paths import TrackedPath, overlaps
from xver.storage.memory import MemoryStorage
from xver.store.listings import put_listing, read_listing
from xver.store.store import Store, create_store

NAMES = st.sampled_from(["a", "b", "c", "f", "f/x", "f/y", "g"])
DATA = st.sampled_from([b"1", b"2", b"3"])


def is_prefix_free(files: dict[str, bytes]) -> bool:
    return not any(other.startswith(path + "/") for path in files for other in files)


FILES = st.dictionaries(NAMES, DATA, max_size=6).filter(is_prefix_free)


def merged(
    store: Store,
    base: Mapping[str, Entry],
    ours: Mapping[str, Entry],
    theirs: Mapping[str, Entry],
    *,
    prefer: Side | None = None,
) -> Merge:
    def tracked(entries: Mapping[str, Entry]) -> dict[TrackedPath, Entry]:
        return {TrackedPath(path): entry for path, entry in entries.items()}

    with store.packer() as packer:
        was, mine, other = tracked(base), tracked(ours), tracked(theirs)
        result = merge_entries(store, packer, base=was, ours=mine, theirs=other, prefer=prefer)
        index = packer.finish()
    store.move("merge", {}, index)
    return result


def model(
    base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> tuple[dict[str, bytes], set[str]]:
    """Merge dictionaries; return the result and the paths that both sides changed differently."""
    result: dict[str, bytes] = {}
    conflicts = set()
    for path in {*base, *ours, *theirs}:
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine != other and mine != was and other != was:
            conflicts.add(path)
        chosen = other if mine == was else mine
        if chosen is not None:
            result[path] = chosen
    # One side made a file where the other made a folder.
    conflicts |= {path for path in result for other in result if path.startswith(other + "/")}
    return result, conflicts


@given(base=FILES, ours=FILES, theirs=FILES)
@settings(max_examples=80)
def test_a_merge_of_listings_is_the_merge_of_dictionaries(
    base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> None:
    store = create_store(MemoryStorage(), client="test")
    sides = [put_files(store, files) for files in (base, ours, theirs)]
    result = merged(store, *({"d": side} for side in sides))
    expected, conflicts = model(base, ours, theirs)
    whole_side = next(
        (files for files, test in ((ours, base == theirs or ours == theirs), (theirs, base == ours)) if test), None
    )
    if whole_side is not None:
        assert result.entries == {"d": put_files(store, whole_side)}
        assert result.conflicts == ()
        return
    dataset = result.entries[TrackedPath("d")]
    assert isinstance(dataset, Dataset)
    found = {row.path: row.entry for row in read_listing(store, dataset.id)}
    assert set(result.conflicts) == {f"d/{path}" for path in conflicts}
    assert found == {path: file_of(data) for path, data in (ours if conflicts else expected).items()}


@given(base=FILES, ours=FILES, theirs=FILES)
@settings(max_examples=80)
def test_a_merge_of_tracked_files_is_the_merge_of_dictionaries(
    base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> None:
    store = create_store(MemoryStorage(), client="test")
    result = merged(store, *({path: file_of(data) for path, data in files.items()} for files in (base, ours, theirs)))
    expected, conflicts = model(base, ours, theirs)
    assert set(result.conflicts) == conflicts
    assert result.entries == {path: file_of(data) for path, data in expected.items()}


@given(base=FILES, ours=FILES, theirs=FILES, prefer=st.sampled_from(Side), in_dataset=st.booleans())
@settings(max_examples=120)
def test_a_side_that_is_preferred_leaves_no_conflict(
    base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes], prefer: Side, in_dataset: bool
) -> None:
    preferred = ours if prefer is Side.OURS else theirs
    expected: dict[str, bytes] = {}
    for path in {*base, *ours, *theirs}:
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        chosen = other if mine == was else mine if other in (was, mine) else preferred.get(path)
        if chosen is not None:
            expected[path] = chosen
    expected = {
        path: data
        for path, data in expected.items()
        if path in preferred or not any(overlaps(path, one) for one in expected if one != path)
    }
    store = create_store(MemoryStorage(), client="test")
    if in_dataset:
        sides = [{"d": put_files(store, files)} for files in (base, ours, theirs)]
        result = merged(store, *sides, prefer=prefer)
        assert result.entries == {"d": put_files(store, expected)}
    else:
        result = merged(
            store,
            *({path: file_of(data) for path, data in files.items()} for files in (base, ours, theirs)),
            prefer=prefer,
        )
        assert result.entries == {path: file_of(data) for path, data in expected.items()}
    assert result.conflicts == ()


@pytest.mark.parametrize("in_dataset", [True, False])
@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [("1", "2", "1x", "2x"), ("1", "1x", "2", "2x"), ("1x", "2x", "1", "2"), ("1", "2x", "2", "2x"),
     ("1x", "2", "1x", "2"), ("1", "2x", "3", None), ("1", "2", "3x", None), ("", "1", "1x", None)],
)  # fmt: skip
def test_content_and_the_executable_bit_are_two_things(
    store: Store, base: str, ours: str, theirs: str, expected: str | None, in_dataset: bool
) -> None:
    def entries(word: str) -> dict[str, Entry]:
        file = replace(file_of(word[:1].encode()), executable=word.endswith("x"))
        if not in_dataset:
            return {"f": file} if word else {}
        with store.packer() as packer:
            dataset = put_listing(packer, [Row(TrackedPath("f"), file)] if word else [])
            store.move("listing", {}, packer.finish())
        return {"d": dataset}

    result = merged(store, *(entries(word) for word in (base, ours, theirs)))
    assert bool(result.conflicts) == (expected is None)
    if expected is not None:
        assert result.entries == entries(expected)


@given(base=FILES, ours=FILES, theirs=FILES)
@settings(max_examples=40)
def test_who_merges_whom_does_not_matter(
    base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]
) -> None:
    store = create_store(MemoryStorage(), client="test")
    sides = [{"d": put_files(store, files)} for files in (base, ours, theirs)]
    one, other = merged(store, *sides), merged(store, sides[0], sides[2], sides[1])
    assert one.conflicts == other.conflicts
    if not one.conflicts:
        assert one.entries == other.entries


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "conflicts"),
    [
        ({}, {"d": "one"}, {"d": "two"}, ("d/both",)),
        ({"d": "one"}, {}, {"d": "two"}, ("d",)),
        ({"d": "one"}, {"d": "two"}, {}, ("d",)),
        ({"d": "one"}, {"d": "file"}, {"d": "two"}, ("d",)),
        ({}, {"d": "file"}, {"d": "one"}, ("d",)),
        ({}, {"d": "file"}, {"d/e": "one"}, ("d/e",)),
        ({"d": "file"}, {"d": "one"}, {"d": "file"}, ()),
    ],
)
def test_datasets_and_files_in_one_place(
    store: Store,
    base: dict[str, str],
    ours: dict[str, str],
    theirs: dict[str, str],
    conflicts: tuple[str, ...],
) -> None:
    made: dict[str, Entry] = {
        "one": put_files(store, {"both": b"1", "mine": b"1"}),
        "two": put_files(store, {"both": b"2", "theirs": b"1"}),
        "file": file_of(b"a file"),
    }
    sides = [{path: made[name] for path, name in side.items()} for side in (base, ours, theirs)]
    result = merged(store, *sides)
    assert result.conflicts == conflicts
    if conflicts:
        assert {path: entry for path, entry in result.entries.items() if path in ours} == sides[1]
