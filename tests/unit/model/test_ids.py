"""Ids against published test vectors, and the one way to write them down."""

from __future__ import annotations

import pytest

from xver.errors import InvalidInput
from xver.model.ids import (
    EMPTY_ID,
    Kind,
    checksum,
    checksummer,
    chunk_id,
    fingerprint,
    fingerprinter,
    object_id,
    parse_hex,
    parse_id,
    path_hash,
    short_id,
)

# The first bytes of the BLAKE3 project's test vectors: inputs of n bytes 0, 1, … 250, 0, 1, …
VECTORS = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
}


@pytest.mark.parametrize("size", VECTORS)
def test_a_chunk_is_known_by_what_b3sum_prints(size: int) -> None:
    data = bytes(at % 251 for at in range(size))
    assert chunk_id(data).hex() == VECTORS[size]
    assert object_id(Kind.CHUNK, data) == chunk_id(data)


def test_the_same_bytes_have_another_id_as_every_kind() -> None:
    assert len({object_id(kind, b"{}") for kind in Kind}) == len(Kind)


def test_no_bytes() -> None:
    assert EMPTY_ID.hex() == VECTORS[0]
    assert fingerprint(b"").hex() == "99aa06d3014798d86001c324468d497f"
    assert checksum(b"") == 0x2D06800538D394C2
    assert path_hash(b"", 0) == checksum(b"")


def test_streams_give_what_the_whole_gives() -> None:
    prints, sums = fingerprinter(), checksummer()
    for part in (b"ab", b"", b"c"):
        prints.update(part)
        sums.update(part)
    assert prints.digest() == fingerprint(b"abc")
    assert sums.intdigest() == checksum(b"abc")


def test_an_id_is_64_digits_with_or_without_its_mark() -> None:
    assert parse_id(EMPTY_ID.hex()) == parse_id(f"b3:{EMPTY_ID.hex()}") == EMPTY_ID
    assert short_id(EMPTY_ID) == "b3:af1349b9"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b3:",
        "0" * 63,
        "0" * 65,
        "A" * 64,
        "g" * 64,
        " " * 64,
        "00 " * 21 + "0",
        "b3:b3:" + "0" * 64,
        "é" * 64,
        "٠" * 64,
    ],
)
def test_nothing_else_is_an_id(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_id(text)


def test_hex_has_the_size_that_was_asked_for() -> None:
    assert parse_hex("00ff", 2) == b"\x00\xff"
    with pytest.raises(InvalidInput):
        parse_hex("00ff", 3)
