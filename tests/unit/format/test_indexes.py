"""Index files: every object is found where it lies, and nothing else."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.errors import CorruptData, UnsupportedFormat
from xver.format.codecs import Codec
from xver.format.indexes import (
    Container,
    PackIndex,
    Place,
    bits_for,
    encode_index,
    head_guess,
    head_size,
    merge_indexes,
)
from xver.format.ranged_indexes import RangedIndex
from xver.model.ids import Kind, checksum, chunk_id

PACKS = [Container(f"packs/{at}.9f3a-0.data", 1 << 30, at) for at in range(3)]
_PLACES = st.builds(
    Place,
    # Few first bytes, so that ids lie close together.
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
HEADER = 29
ROWS_AT = HEADER + 4 + 19 + len(PACKS[0].name)


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<Q", checksum(body))


@pytest.mark.parametrize("cut", [0, 8, HEADER - 1, HEADER, HEADER + 4, ROWS_AT, ROWS_AT + 54, -9, -1])
def test_an_index_cut_short_is_corrupt(cut: int) -> None:
    with pytest.raises(CorruptData):
        PackIndex(GOOD[:cut])


@pytest.mark.parametrize("field", range(4), ids=["containers", "names", "rows", "bases"])
@pytest.mark.parametrize("number", [0, 3, (1 << 32) - 1])
def test_an_index_that_declares_more_or_less_than_it_has_is_corrupt(field: int, number: int) -> None:
    numbers = list(struct.unpack_from("<4I", GOOD, 12))
    if numbers[field] == number:
        numbers[field] += 1
    else:
        numbers[field] = number
    with pytest.raises(CorruptData):
        PackIndex(GOOD[:12] + struct.pack("<4I", *numbers) + GOOD[28:])


@pytest.mark.parametrize("bits", [2, 31, 32, 255])
def test_a_fan_out_of_more_buckets_than_rows_is_corrupt_before_anything_is_allocated(bits: int) -> None:
    with pytest.raises(CorruptData, match="fan-out"):
        PackIndex(GOOD[:28] + bytes([bits]) + GOOD[29:])


@pytest.mark.parametrize(("bucket", "wrong"), [(0, 1 << 31), (1, 151), (1, 0), (3, 149), (3, 151)])
def test_a_fan_out_that_leads_beyond_the_rows_or_back_is_corrupt_when_it_is_used(bucket: int, wrong: int) -> None:
    many = encode_index([place(at) for at in range(1, 151)], {})
    assert many[28] == 2
    at = HEADER + 4 * bucket
    data = many[:at] + struct.pack("<I", wrong) + many[at + 4 :]
    with pytest.raises(CorruptData, match="fan-out"):
        PackIndex(data).find(bytes([bucket * 64]) * 32)


@pytest.mark.parametrize(("rows", "bits"), [(0, 0), (1, 0), (63, 0), (64, 1), (127, 1), (128, 2), (2_000_000, 15)])
def test_a_bucket_has_thirty_two_to_sixty_four_rows(rows: int, bits: int) -> None:
    assert bits_for(rows) == bits
    assert rows < 64 or 32 <= rows / (1 << bits) < 64


class Ranges:
    """A file that is read by ranges, and what was read of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.asked += ranges
        return [self.data[at : at + length] for at, length in ranges]

    def index(self) -> RangedIndex:
        return RangedIndex(self, len(self.data), head=self.data[: head_size(self.data[:HEADER], len(self.data))])


@given(places_, st.lists(st.binary(min_size=32, max_size=32), max_size=3))
def test_by_ranges_the_same_is_found_as_in_the_whole(places: list[Place], others: list[bytes]) -> None:
    data = encode_index(places, bases_of(places))
    whole, ranged = PackIndex(data), Ranges(data).index()
    asked = [*(one.id for one in places), *others]
    assert ranged.find_many(asked) == whole.find_many(asked)
    assert [ranged.find(id) for id in asked] == [whole.find(id) for id in asked]
    assert {id: ranged.bases(id) for id in bases_of(places)} == bases_of(places)
    assert (ranged.count, ranged.containers) == (whole.count, whole.containers)


def spread(count: int) -> list[Place]:
    return [Place(chunk_id(b"%d" % at), PACKS[0], 12, 5, 5, Kind.CHUNK, Codec.RAW) for at in range(count)]


def test_by_ranges_one_object_costs_a_part_of_a_bucket_and_the_second_time_nothing() -> None:
    places = spread(20_000)
    file = Ranges(encode_index(places, {}))
    index = file.index()
    assert index.find(places[7].id) == places[7]
    assert index.find(places[7].id) == places[7]
    [(_, length)] = file.asked
    assert length < 30 * 54


def test_by_ranges_few_objects_need_more_than_the_rows_where_they_are_expected() -> None:
    places = spread(20_000)
    file = Ranges(encode_index(places, {}))
    wanted = places[::40]
    for one in wanted:
        assert file.index().find(one.id) == one
    assert len(file.asked) < len(wanted) * 1.05
    assert sum(length for _, length in file.asked) < len(wanted) * 20 * 54


def test_by_ranges_an_object_where_its_id_does_not_tell_costs_the_bucket_as_well() -> None:
    near = sorted((place(at) for at in range(1, 61)), key=lambda one: one.id)
    crowd = [one._replace(id=bytes(30) + at.to_bytes(2, "big")) for at, one in enumerate(near, 1)]
    file = Ranges(encode_index(crowd, {}))
    assert file.index().find(crowd[-1].id) == crowd[-1]
    assert len(file.asked) == 2
    assert file.index().find(bytes(30) + b"\1\1") is None


def test_by_ranges_a_bucket_asked_for_more_is_read_once_and_all_of_it() -> None:
    places = sorted(spread(60), key=lambda one: one.id)
    file = Ranges(encode_index(places, {}))
    index = file.index()
    assert [index.find(one.id) for one in (places[0], places[-1], *places)] == [places[0], places[-1], *places]
    assert [length for _, length in file.asked][1:] == [60 * 54]


def test_by_ranges_buckets_near_each_other_are_read_together_and_far_ones_are_not() -> None:
    places = sorted(spread(20_000), key=lambda one: one.id)
    file = Ranges(encode_index(places, {}))
    near = [one.id for one in places[5_000:5_300]]
    assert len(file.index().find_many(near)) == 300
    assert len(file.asked) == 1
    file.asked.clear()
    far = [places[0].id, places[10_000].id, places[-1].id]
    assert len(file.index().find_many(far)) == 3
    assert len(file.asked) == 3
    assert sum(length for _, length in file.asked) < 300 * 54


def test_what_comes_shorter_than_asked_for_is_corrupt() -> None:
    file = Ranges(GOOD)
    index = file.index()
    file.data = GOOD[: ROWS_AT + 50]
    with pytest.raises(CorruptData, match="early"):
        index.find(place(1).id)


@given(places_)
def test_the_guess_of_the_head_is_enough_for_what_we_write(places: list[Place]) -> None:
    data = encode_index(places, bases_of(places))
    guess = head_guess(len(data), {one.container.name for one in places})
    assert head_size(data[:HEADER], len(data)) <= guess <= len(data)


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
    many = encode_index([place(at) for at in range(1, 70)], {})
    early = many[:HEADER] + struct.pack("<I", 68) + many[HEADER + 4 : -8]
    for body in (swapped, doubled, early):
        index = PackIndex(sealed(body))
        with pytest.raises(CorruptData):
            index.verify()
