"""Packs, frames and codecs: what is read is what was stored, bounded by what was declared."""

from __future__ import annotations

import random
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from xver.errors import CorruptData, UnsupportedFormat
from xver.format.codecs import (
    MAX_BASES,
    Codec,
    Compressor,
    compress_delta,
    decompress,
    delta_bases,
    encode_delta,
)
from xver.format.packs import (
    HEADER,
    MAX_FRAMES,
    RECORD_MAX,
    ROW_SIZE,
    TAIL_SIZE,
    Frame,
    check_frame,
    check_header,
    decode_footer,
    decode_frame,
    decode_rows,
    encode_footer,
    footer_size,
)
from xver.model.entries import CHUNK_MAX
from xver.model.ids import Kind, checksum, chunk_id, object_id

TEXT = b"one line of a table, and another one\n" * 300
NOISE = random.Random(5).randbytes(100_000)


def frame(data: bytes, offset: int = len(HEADER), kind: Kind = Kind.CHUNK) -> Frame:
    return Frame(object_id(kind, data), offset, len(data), len(data), kind, Codec.RAW, 0, checksum(data))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=30), st.sampled_from(Kind)), max_size=8))
def test_a_pack_explains_itself_from_its_end(objects: list[tuple[bytes, Kind]]) -> None:
    frames, body = [], HEADER
    for data, kind in objects:
        frames.append(frame(data, len(body), kind))
        body += data
    pack = body + encode_footer(frames)
    check_header(pack)
    size = footer_size(pack[-TAIL_SIZE:])
    assert decode_footer(pack[-size:], len(pack)) == frames
    for one, (data, kind) in zip(frames, objects, strict=True):
        stored = pack[one.offset : one.offset + one.stored]
        assert decode_frame(stored, id=one.id, kind=kind, codec=one.codec, raw=one.raw) == data


GOOD = frame(b"12345")


def test_a_part_of_a_footer_tells_what_its_rows_say() -> None:
    frames = [frame(b"%05d" % at, len(HEADER) + 5 * at) for at in range(9)]
    footer = encode_footer(frames)
    size = len(HEADER) + 45 + len(footer)
    assert list(decode_rows(footer[3 * ROW_SIZE : 5 * ROW_SIZE], size)) == frames[3:5]
    for rows, end in ((footer[:-TAIL_SIZE], len(HEADER) + 44), (footer[: ROW_SIZE - 1], size)):
        with pytest.raises(CorruptData):
            list(decode_rows(rows, end))


@pytest.mark.parametrize(
    "frames",
    [
        [GOOD._replace(offset=13)],
        [GOOD, GOOD._replace(offset=18)],
        [GOOD._replace(raw=0, stored=0)],
        [GOOD._replace(raw=CHUNK_MAX + 1, stored=5)],
        [GOOD._replace(kind=Kind.NODE, raw=RECORD_MAX + 1, stored=5)],
        [GOOD._replace(stored=6)],
        [GOOD._replace(raw=4)],
        [GOOD._replace(raw=9)],
        [GOOD._replace(bases=1)],
        [GOOD._replace(codec=Codec.DELTA)],
        [GOOD._replace(codec=Codec.DELTA, bases=MAX_BASES + 1)],
        [GOOD._replace(stored=4, raw=4)],
    ],
)
def test_a_footer_that_cannot_be_is_corrupt(frames: list[Frame]) -> None:
    footer = encode_footer(frames)
    with pytest.raises(CorruptData):
        decode_footer(footer, len(HEADER) + 5 + len(footer))


def test_a_footer_that_was_cut_or_changed_is_corrupt() -> None:
    footer = encode_footer([GOOD])
    size = len(HEADER) + 5 + len(footer)
    for at in range(len(footer)):
        for wrong in (footer[:at], footer[at + 1 :], footer[:at] + bytes([footer[at] ^ 1]) + footer[at + 1 :]):
            with pytest.raises(CorruptData):
                decode_footer(wrong, size)


def test_a_footer_that_declares_more_than_a_pack_can_hold_is_not_fetched() -> None:
    for length in (ROW_SIZE * (MAX_FRAMES + 1), ROW_SIZE - 1, (1 << 32) - 1):
        with pytest.raises(CorruptData):
            footer_size(struct.pack("<IQ8s", length, 0, b"KCAPREVX"))


@pytest.mark.parametrize(("kind", "codec"), [(0, 0), (7, 0), (255, 0), (1, 5), (1, 255)])
def test_a_kind_or_codec_of_the_future_needs_a_newer_xver(kind: int, codec: int) -> None:
    with pytest.raises(UnsupportedFormat):
        check_frame(kind, codec, 5, 5, 0)


def test_the_beginning_of_a_pack() -> None:
    for wrong in (b"", HEADER[:-1], b"PK" + HEADER[2:]):
        with pytest.raises(CorruptData):
            check_header(wrong)
    with pytest.raises(UnsupportedFormat, match="format 2"):
        check_header(b"XVERPACK\2\0\0\0")


def test_what_shrinks_is_compressed_and_what_does_not_is_left_as_it_is() -> None:
    objects = [TEXT, NOISE, b"tiny", NOISE[:5000] + TEXT, bytes(CHUNK_MAX)]
    packed = Compressor().compress(objects)
    assert [codec for codec, _ in packed] == [Codec.ZSTD, Codec.RAW, Codec.RAW, Codec.ZSTD, Codec.ZSTD]
    for data, (codec, stored) in zip(objects, packed, strict=True):
        id = object_id(Kind.CHUNK, data)
        assert decode_frame(bytes(stored), id=id, kind=Kind.CHUNK, codec=codec, raw=len(data)) == data


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_delta_is_read_against_its_bases_in_order(number: int) -> None:
    bases = [NOISE[at * 1000 : (at + 20) * 1000] for at in range(number)]
    data = b"".join(bases)[500:-500] + b"new"
    ids = [object_id(Kind.CHUNK, base) for base in bases]
    stored = encode_delta(ids, compress_delta(data, b"".join(bases)))
    assert len(stored) < 1000
    assert delta_bases(stored) == tuple(ids)
    id = object_id(Kind.CHUNK, data)
    whole = b"".join(bases)
    assert decode_frame(stored, id=id, kind=Kind.CHUNK, codec=Codec.DELTA, raw=len(data), dictionary=whole) == data
    for wrong in (None, b"".join(reversed(bases))[:-1], b"x"):
        with pytest.raises(CorruptData):
            decode_frame(stored, id=id, kind=Kind.CHUNK, codec=Codec.DELTA, raw=len(data), dictionary=wrong)


@pytest.mark.parametrize("stored", [b"", b"\0" + bytes(40), b"\4" + bytes(200), b"\1" + bytes(31)])
def test_a_delta_without_its_bases_is_corrupt(stored: bytes) -> None:
    with pytest.raises(CorruptData):
        delta_bases(stored)
    with pytest.raises(CorruptData):
        decode_frame(stored, id=bytes(32), kind=Kind.CHUNK, codec=Codec.DELTA, raw=5, dictionary=b"x")


def test_bytes_with_another_id_are_corrupt() -> None:
    with pytest.raises(CorruptData):
        decode_frame(b"12346", id=GOOD.id, kind=Kind.CHUNK, codec=Codec.RAW, raw=5)
    with pytest.raises(CorruptData):
        decode_frame(b"12345", id=GOOD.id, kind=Kind.NODE, codec=Codec.RAW, raw=5)


def test_a_frame_that_declares_another_size_is_not_decompressed() -> None:
    bomb = zstandard.compress(bytes(1 << 26))
    without = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"abcd"
    huge = b"\x28\xb5\x2f\xfd\xc0" + b"\x58" + struct.pack("<Q", 1 << 63) + b"\1\0\0"
    whole = zstandard.compress(TEXT)
    for stored in (bomb, without, skippable, huge, b"", whole[:-1], whole + b"\0", whole + whole):
        with pytest.raises(CorruptData):
            decompress(stored, len(TEXT))
    assert decompress(whole, len(TEXT)) == TEXT


def test_a_whole_file_begins_with_its_first_chunk() -> None:
    data = b"0123456789"
    first, second = chunk_id(data[:4]), chunk_id(data[4:])
    frames = [
        Frame(first, 0, 4, 4, Kind.CHUNK, Codec.RAW, 0, checksum(data[:4])),
        Frame(second, 4, 6, 6, Kind.CHUNK, Codec.RAW, 0, checksum(data[4:])),
    ]
    footer = encode_footer(frames)
    size = len(data) + len(footer)
    assert decode_footer(footer, size, whole=True) == frames
    with pytest.raises(CorruptData):
        decode_footer(footer, size)
    with pytest.raises(CorruptData):
        decode_footer(footer, size + 1, whole=True)
    packed = frames[1]._replace(codec=Codec.ZSTD)
    with pytest.raises(CorruptData):
        decode_footer(encode_footer([frames[0], packed]), size, whole=True)
    node = frames[1]._replace(kind=Kind.NODE)
    with pytest.raises(CorruptData):
        decode_footer(encode_footer([frames[0], node]), size, whole=True)
