"""Index files: every object is found where it lies, and nothing else."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.errors import CorruptData, UnsupportedFormat
from xver.format.codecs import Codec
from xver.format.indexes import Container, PackIndex, Place, encode_index, merge_indexes
from xver.model.ids import Kind, checksum

PACKS = [Container(f"packs/{at}.9f3a-0.data", 1 << 30, at) for at in range(3)]
_PLACES = st.builds(
    Place,
    # Few first bytes, so that buckets fill and some stay empty.
    id=st.tuples(st.sampled_from([0, 1, 127, 255]), st.binary(min_size=31, max_size=31)).map(
        lambda pair: bytes([pair[0]]) + pair[1]
    ),
    container=st.sampled_from(PACKS),
    offset=st.integers(0, 1 << 29),
    stored=st.integers(1, 1000),
    raw=st.integers(1000, 2000),
    kind=st.sampled_from(Kind),
    codec=st.sampled_from([Codec.ZSTD, Codec.DELTA]),
)
places_ = st.lists(_PLACES, max_size=40, unique_by=lambda place: place.id)


def bases_of(places: list[Place]) -> dict[bytes, tuple[bytes, ...]]:
    return {
        one.id: tuple(bytes([number]) * 32 for number in range(1 + one.id[1] % 3))
        for one in places
        if one.codec is Codec.DELTA
    }


@given(places_, st.binary(min_size=32, max_size=32))
def test_what_was_put_is_found_and_nothing_else(places: list[Place], other: bytes) -> None:
    bases = bases_of(places)
    index = PackIndex(encode_index(places, bases))
    index.verify()
    assert {one.id: index.find(one.id) for one in places} == {one.id: one for one in places}
    assert list(index.places()) == sorted(places, key=lambda place: place.id)
    assert list(index.ids()) == sorted(place.id for place in places)
    assert {id: index.bases(id) for id in bases} == bases
    assert index.find(other) == next((one for one in places if one.id == other), None)


@given(places_, st.randoms(use_true_random=False))
def test_merging_gives_what_one_index_of_all_would_hold(places: list[Place], source: random.Random) -> None:
    parts: list[list[Place]] = [[], [], []]
    for place in places:
        source.choice(parts).append(place)
    merged = PackIndex(merge_indexes([PackIndex(encode_index(part, bases_of(part))) for part in parts]))
    merged.verify()
    assert list(merged.places()) == sorted(places, key=lambda place: place.id)
    assert {id: merged.bases(id) for id in bases_of(places)} == bases_of(places)


def place(id: int = 1, **changed: object) -> Place:
    fields = {"container": PACKS[0], "offset": 12, "stored": 5, "raw": 5, "kind": Kind.CHUNK, "codec": Codec.RAW}
    return Place(id=bytes([id]) * 32, **{**fields, **changed})  # type: ignore[arg-type]


GOOD = encode_index([place(1), place(9)], {})
ROWS_AT = 24 + 1024


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<Q", checksum(body))


@pytest.mark.parametrize("cut", [0, 8, 23, 24, ROWS_AT, ROWS_AT + 54, -9, -1])
def test_an_index_cut_short_is_corrupt(cut: int) -> None:
    with pytest.raises(CorruptData):
        PackIndex(GOOD[:cut])


@pytest.mark.parametrize("field", [0, 1, 2], ids=["containers", "rows", "bases"])
def test_an_index_that_declares_more_than_it_has_is_corrupt(field: int) -> None:
    numbers = [1, 2, 0]
    numbers[field] = (1 << 32) - 1
    with pytest.raises(CorruptData):
        PackIndex(GOOD[:12] + struct.pack("<III", *numbers) + GOOD[24:])


def test_an_index_of_the_future_needs_a_newer_xver() -> None:
    with pytest.raises(UnsupportedFormat, match="format 2"):
        PackIndex(GOOD[:8] + b"\2" + GOOD[9:])
    with pytest.raises(UnsupportedFormat, match="kind 3"):
        PackIndex(encode_index([place(container=Container("packs/0.a", 99, 0, kind=3))], {}))


@pytest.mark.parametrize(
    "name", ["", "a", "../../etc/passwd", "packs/../../x", "/packs/0.a", "packs/a", "log/0000000001", "packs/0.é"]
)
def test_a_container_whose_name_is_no_key_is_corrupt(name: str) -> None:
    with pytest.raises(CorruptData):
        PackIndex(encode_index([place(container=Container(name, 99, 0))], {}))


@pytest.mark.parametrize(
    "wrong",
    [place(offset=1 << 30), place(offset=(1 << 64) - 1), place(stored=4), place(raw=0, stored=0), place(raw=1 << 31)],
)
def test_a_row_that_cannot_be_is_corrupt_when_it_is_asked_for(wrong: Place) -> None:
    index = PackIndex(encode_index([wrong], {}))
    with pytest.raises(CorruptData):
        index.find(wrong.id)
    with pytest.raises(CorruptData):
        index.verify()


def test_a_delta_whose_bases_are_not_named_is_corrupt() -> None:
    index = PackIndex(encode_index([place(codec=Codec.DELTA)], {}))
    with pytest.raises(CorruptData):
        index.bases(place().id)
    with pytest.raises(CorruptData):
        index.verify()


def test_verify_finds_every_change_of_a_byte_and_every_disorder() -> None:
    for at in range(0, len(GOOD), 7):
        with pytest.raises((CorruptData, UnsupportedFormat)):
            PackIndex(GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]).verify()
    rows = GOOD[ROWS_AT : ROWS_AT + 108]
    swapped = GOOD[:ROWS_AT] + rows[54:] + rows[:54] + GOOD[ROWS_AT + 108 : -8]
    doubled = GOOD[:ROWS_AT] + rows[:54] * 2 + GOOD[ROWS_AT + 108 : -8]
    early = GOOD[: 24 + 4 * 8] + struct.pack("<I", 2) + GOOD[24 + 4 * 9 : -8]
    for body in (swapped, doubled, early):
        index = PackIndex(sealed(body))
        with pytest.raises(CorruptData):
            index.verify()
