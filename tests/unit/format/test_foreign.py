"""Frames of chunks that lie in files of others."""

from __future__ import annotations

import struct

import pytest

from xver.errors import CorruptData, InvalidInput, UnsupportedFormat
from xver.format.codecs import Codec
from xver.format.foreign import (
    FOREIGN_MAX,
    Foreign,
    ForeignPart,
    ObjectName,
    Where,
    decode_foreign,
    decode_object_name,
    encode_foreign,
    encode_object_name,
)
from xver.format.packs import check_frame, decode_frame
from xver.model.ids import Kind, chunk_id

WHOLE = Foreign(Where.FILE, "../../cache/é/22a1", 1_000, "1700000000000000001")


def test_a_frame_says_where_a_chunk_lies() -> None:
    part = ForeignPart(WHOLE, 600)
    assert decode_foreign(encode_foreign(part), 400) == part


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        encode_foreign(ForeignPart(WHOLE, 600))[:-1],
        encode_foreign(ForeignPart(WHOLE, 600)) + b"x",
        encode_foreign(ForeignPart(WHOLE, 601)),
        encode_foreign(ForeignPart(WHOLE._replace(address=""), 0)),
        encode_foreign(ForeignPart(WHOLE._replace(address="a\0b"), 0)),
        struct.pack("<BQQHH", 1, 1_000, 0, 0, 2) + b"\xff\xfe",
        encode_foreign(ForeignPart(WHOLE._replace(where=Where.OBJECT), 0)),
        encode_foreign(ForeignPart(WHOLE._replace(where=Where.OBJECT, address="s3://bucket"), 0)),
    ],
    ids=["nothing", "short", "long", "beyond", "nowhere", "NUL", "no text", "no object", "a bucket"],
)
def test_a_frame_that_cannot_be_is_refused(frame: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_foreign(frame, 400)


def test_an_address_of_the_future_needs_a_newer_xver() -> None:
    with pytest.raises(UnsupportedFormat):
        decode_foreign(b"\x03" + encode_foreign(ForeignPart(WHOLE, 0))[1:], 400)
    object = WHOLE._replace(where=Where.OBJECT, address="ftp://host/a")
    with pytest.raises(UnsupportedFormat):
        decode_foreign(encode_foreign(ForeignPart(object, 0)), 400)


@pytest.mark.parametrize("endpoint_url", [None, "http://127.0.0.1:9000"])
def test_an_object_is_named_by_bucket_key_and_server(endpoint_url: str | None) -> None:
    name = ObjectName("s3://bucket", "a b/c%20d/é?x#y", endpoint_url)
    whole = Foreign(Where.OBJECT, encode_object_name(name), 1_000, "kept:x")
    assert whole.address.isascii()
    assert decode_object_name(decode_foreign(encode_foreign(ForeignPart(whole, 0)), 400).whole.address) == name


@pytest.mark.parametrize("address", ["x" * FOREIGN_MAX, "\udcff"], ids=["long", "no UTF-8"])
def test_an_address_that_no_frame_can_hold_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        encode_foreign(ForeignPart(WHOLE._replace(address=address), 0))


def test_a_row_of_a_foreign_chunk_may_be_longer_than_the_chunk() -> None:
    check_frame(Kind.CHUNK, Codec.FOREIGN, FOREIGN_MAX, 1, 0)
    for kind, stored, raw, bases in (
        (Kind.CHUNK, FOREIGN_MAX + 1, 1, 0),
        (Kind.NODE, 50, 60, 0),
        (Kind.CHUNK, 50, 9, 1),
    ):
        with pytest.raises(CorruptData):
            check_frame(kind, Codec.FOREIGN, stored, raw, bases)


def test_a_foreign_frame_alone_is_no_object() -> None:
    with pytest.raises(CorruptData, match="another machine"):
        decode_frame(b"x", id=chunk_id(b"x"), kind=Kind.CHUNK, codec=Codec.FOREIGN, raw=1)
