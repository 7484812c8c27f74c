"""Snapshots, runs, log entries and checkpoints: they survive being written; what is newer or hostile is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import values
from xver.errors import CorruptData, InvalidInput, UnsupportedFormat
from xver.format.keys import check_key
from xver.format.log_entries import (
    ENTRY_MAX,
    INLINE_MAX,
    Checkpoint,
    LogEntry,
    decode_checkpoint,
    decode_entry,
    encode_checkpoint,
    encode_entry,
)
from xver.format.runs import decode_run, encode_run, read_scalar, scalar_text
from xver.format.snapshots import decode_snapshot, encode_snapshot
from xver.model.ids import ListingId
from xver.model.runs import Run, Status
from xver.model.snapshots import Author, Snapshot

ID = "ab" * 32
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@given(values.snapshots)
def test_a_snapshot_survives_being_written(snapshot: Snapshot) -> None:
    assert decode_snapshot(encode_snapshot(snapshot)) == snapshot


@given(values.runs)
def test_a_run_survives_being_written(run: Run) -> None:
    assert decode_run(encode_run(run)) == run


@given(values.log_entries)
def test_a_log_entry_survives_being_written(entry: LogEntry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


@given(values.checkpoints)
def test_a_checkpoint_survives_being_written(checkpoint: Checkpoint) -> None:
    assert decode_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "value", [None, True, 0, -5, 1 << 70, 0.1, 1e300, -0.0, float("inf"), float("-inf"), "NaN", "a\n"]
)
def test_a_parameter_keeps_its_value_and_type(value: Any) -> None:
    again = read_scalar(scalar_text(value))
    assert again == value
    assert type(again) is type(value)


def test_not_a_number_stays_one() -> None:
    again = read_scalar(scalar_text(float("nan")))
    assert isinstance(again, float)
    assert math.isnan(again)


SNAPSHOT = encode_snapshot(Snapshot(ListingId(bytes(32)), (), Author("a", "b"), 1, 2, "m"))
RUN = encode_run(Run(ULID, "name", Status.OK, ("c",), "", 1, 2, "u", "h"))
ENTRY = encode_entry(LogEntry(0, None, "n", "o", "c", "a", 1))
CHECKPOINT = encode_checkpoint(Checkpoint(0, ID, {}, {}, frozenset(), 0, frozenset()))
DECODERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "snapshot": (SNAPSHOT, decode_snapshot),
    "run": (RUN, decode_run),
    "log entry": (ENTRY, decode_entry),
    "checkpoint": (CHECKPOINT, decode_checkpoint),
}
EACH = pytest.mark.parametrize("kind", DECODERS)


def changed(kind: str, **fields: Any) -> Callable[[], object]:
    data, decode = DECODERS[kind]
    record = {**json.loads(data), **fields}
    return lambda: decode(json.dumps({key: value for key, value in record.items() if value != "(none)"}).encode())


@EACH
def test_keys_that_are_not_known_are_passed_over(kind: str) -> None:
    assert changed(kind, unknown={"a": [1, "b"]})() == changed(kind)()


@EACH
@pytest.mark.parametrize("version", [2, 999])
def test_a_record_of_the_future_needs_a_newer_xver(kind: str, version: int) -> None:
    with pytest.raises(UnsupportedFormat, match=f"{kind} of format {version}"):
        changed(kind, format=version, unknown=1)()


@EACH
@pytest.mark.parametrize("version", ["(none)", None, "1", 0, -1, True])
def test_a_record_without_a_format_is_corrupt(kind: str, version: Any) -> None:
    with pytest.raises(CorruptData):
        changed(kind, format=version)()


@pytest.mark.parametrize("kind", ["log entry", "checkpoint"])
def test_a_feature_that_is_required_and_not_known_is_named(kind: str) -> None:
    with pytest.raises(UnsupportedFormat, match="requires sharding") as caught:
        changed(kind, require=["sharding"], n="whatever this means then")()
    assert caught.value.hint is not None


_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    values.texts,
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just({"a": {}}),
)


@given(st.data(), st.sampled_from(sorted(DECODERS)))
def test_whatever_stands_in_a_field_only_a_right_value_is_taken(data: st.DataObject, kind: str) -> None:
    known = [*json.loads(DECODERS[kind][0]), "refs", "add_index", "fence", "require", "checkpoint", "moved_to", "prev"]
    known += ["inputs", "outputs", "params", "metrics", "code", "series", "exit_code", "tombstones", "remove_packs"]
    fields = data.draw(st.dictionaries(st.sampled_from(known), _JUNK, min_size=1, max_size=3))
    try:
        changed(kind, **fields)()
    except (CorruptData, UnsupportedFormat):
        return


USED = {"path": "a", "size": 1, "evidence": "watched", "state": "stable"}
MADE = {"path": "a", "size": 1, "evidence": "watched", "id": ID, "kept": True}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("snapshot", {"root": ID[:-1]}),
        ("snapshot", {"root": ID.upper()}),
        ("snapshot", {"root": "b3:" + ID}),
        ("snapshot", {"parents": ID}),
        ("snapshot", {"parents": [ID, "x"]}),
        ("snapshot", {"git": "abc"}),
        ("snapshot", {"time": "1"}),
        ("snapshot", {"author": "a <b>"}),
        ("snapshot", {"message": "(none)"}),
        ("run", {"ulid": "../../" + ULID[6:]}),
        ("run", {"ulid": ULID.lower()}),
        ("run", {"params": {"a": "[1]"}}),
        ("run", {"params": {"a": "["}}),
        ("run", {"params": {"a": "[" * 100_000}}),
        ("run", {"params": {"a": '"\\ud800"'}}),
        ("run", {"params": {"a": 1}}),
        ("run", {"metrics": {"a": {"last": '"x"', "min": "1", "max": "1", "count": 1}}}),
        ("run", {"metrics": {"a": {"last": "1_0", "min": "1", "max": "1", "count": 1}}}),
        ("run", {"inputs": [{**USED, "path": "../a"}]}),
        ("run", {"inputs": [{**USED, "size": -1}]}),
        ("run", {"outputs": [{**MADE, "path": "/etc/passwd"}]}),
        ("run", {"outputs": [{**MADE, "kept": 1}]}),
        ("run", {"code": {"files": {".git/hooks/x": {"id": ID, "size": 1}}}}),
        ("run", {"series": {"id": ID}}),
        ("log entry", {"prev": "x"}),
        ("log entry", {"n": -1}),
        ("log entry", {"refs": {"heads/a": [None]}}),
        ("log entry", {"refs": {"heads/a": "ab"}}),
        ("log entry", {"refs": {"heads/../a": [None, None]}}),
        ("log entry", {"refs": {"heads/a": [None, f"blob:{ID}"]}}),
        ("log entry", {"remove_packs": ["packs/../x"]}),
        ("log entry", {"remove_index": "index/0.a"}),
        ("log entry", {"add_index": [{"name": "index/0.a", "size": 1, "checksum": "0x0000000000000f", "packs": {}}]}),
        (
            "log entry",
            {"add_index": [{"name": "index/0.a", "size": 1, "checksum": "0" * 16, "packs": {}, "inline": "é"}]},
        ),
        ("log entry", {"add_index": [{"name": "index/0.a", "size": 1, "checksum": "0" * 16, "packs": {"../a": 1}}]}),
        ("log entry", {"checkpoint": [1]}),
        ("log entry", {"checkpoint": [1, "x"]}),
        ("log entry", {"fence": "1"}),
        ("checkpoint", {"digest": None}),
        ("checkpoint", {"indexes": {}}),
        ("checkpoint", {"removed": ["x"]}),
    ],
)
def test_a_field_that_cannot_be_is_corrupt(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(CorruptData, match=f"{kind} is damaged|no key"):
        changed(kind, **fields)()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("run", {"status": "paused"}),
        ("run", {"inputs": [{**USED, "evidence": "guessed"}]}),
        ("run", {"inputs": [{**USED, "state": "partial"}]}),
        ("run", {"outputs": [{**MADE, "evidence": "guessed"}]}),
    ],
)
def test_a_word_of_the_future_needs_a_newer_xver(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFormat, match="unknown"):
        changed(kind, **fields)()


def test_a_log_entry_beyond_its_maximum_is_neither_written_nor_read() -> None:
    with pytest.raises(InvalidInput):
        encode_entry(LogEntry(0, None, "n", "x" * ENTRY_MAX, "c", "a", 1))
    with pytest.raises(CorruptData):
        decode_entry(ENTRY[:-1] + b" " * ENTRY_MAX + b"}")


def test_an_index_travels_inside_an_entry_up_to_its_maximum() -> None:
    index = {"name": "index/0.a", "size": 1, "checksum": "0" * 16, "packs": {}}
    changed("log entry", add_index=[{**index, "inline": "A" * ((INLINE_MAX + 2) // 3 * 4)}])()
    with pytest.raises(CorruptData):
        changed("log entry", add_index=[{**index, "inline": "A" * ((INLINE_MAX + 2) // 3 * 4 + 4)}])()


@pytest.mark.parametrize("name", ["packs/0.a-0.data", "index/17.9f3a", "files/3.ab-1"])
def test_keys_of_packs_indexes_and_files(name: str) -> None:
    assert check_key(name) == name


@pytest.mark.parametrize(
    "name",
    [
        None,
        1,
        "",
        "packs",
        "packs/",
        "packs/a",
        "packs/1",
        "packs/1.",
        "packs/1.a/b",
        "packs/1.é",
        "packs/1.a\n",
        "log/1.a",
    ],
)
def test_nothing_else_is_a_key(name: Any) -> None:
    with pytest.raises(CorruptData):
        check_key(name)
