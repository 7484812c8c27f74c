"""Pack files: many objects in one immutable file that explains itself.

    "XVERPACK" u32 version │ frame frame frame … │ row row row … │ u32 length of rows, u64 XXH3-64 of rows, "KCAPREVX"
                             back to back          60 bytes a frame

A frame is the stored bytes and nothing else; its row says what they are. The footer is found from the end, so a
pack can be checked, and its index built again, from the pack alone.

    bytes of a file │ row row row … │ the same end          a whole file: its chunks are frames as they are
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from xver.errors import UPGRADE, CorruptData, UnsupportedFormat
from xver.format.codecs import MAX_BASES, Codec, decode_groups, decompress, delta_bases
from xver.format.foreign import FOREIGN_MAX
from xver.model.entries import CHUNK_MAX
from xver.model.ids import ID_SIZE, Kind, checksum, object_id

DATA_PACK_SIZE: Final = 32 * 1024 * 1024
META_PACK_SIZE: Final = 16 * 1024 * 1024
RECORD_MAX: Final = 16 * 1024 * 1024
"""The largest object that is no chunk, in bytes."""

_MAGIC: Final = b"XVERPACK"
_END: Final = b"KCAPREVX"
_VERSION: Final = 1
WHOLE: Final = ".whole"
"""The end of the key of a pack that begins with all bytes of one file instead of a header."""
WHOLE_FEATURE: Final = "whole"
HEADER: Final = _MAGIC + struct.pack("<I", _VERSION)
KINDS: Final = {int(kind): kind for kind in Kind}
CODECS: Final = {int(codec): codec for codec in Codec}
# id, offset, stored, raw, kind, codec, number of bases, padding, XXH3-64 of the frame
_ROW: Final = struct.Struct("<32sQIIBBBxQ")
_TAIL: Final = struct.Struct("<IQ8s")
ROW_SIZE: Final = _ROW.size
TAIL_SIZE: Final = _TAIL.size
MAX_FRAMES: Final = 1 << 20
"""The most frames of a pack: its footer stays below 60 MiB."""


class Frame(NamedTuple):
    """Where an object lies in a pack and how: `stored` bytes from `offset` that become `raw` bytes."""

    id: bytes
    offset: int
    stored: int
    raw: int
    kind: Kind
    codec: Codec
    bases: int
    checksum: int


def is_whole(key: str) -> bool:
    """Tell whether a pack is a whole file."""
    return key.endswith(WHOLE)


def encode_footer(frames: Sequence[Frame]) -> bytes:
    """Return what follows the last frame."""
    return end_footer(b"".join(map(encode_row, frames)))


def encode_row(one: Frame) -> bytes:
    """Return the row of a frame in a footer."""
    return _ROW.pack(one.id, one.offset, one.stored, one.raw, one.kind, one.codec, one.bases, one.checksum)


def end_footer(rows: bytes) -> bytes:
    """Return the footer that has these rows."""
    return rows + _TAIL.pack(len(rows), checksum(rows), _END)


def check_header(data: bytes | memoryview) -> None:
    """Raise `CorruptData` unless a pack begins here, `UnsupportedFormat` for a version of the future."""
    if bytes(data[:8]) != _MAGIC or len(data) < len(HEADER):
        raise CorruptData("this is no pack: its first bytes are others")
    (version,) = struct.unpack("<I", data[8:12])
    if version != _VERSION:
        raise UnsupportedFormat(f"pack of format {version}", hint=UPGRADE)


def footer_size(tail: bytes | memoryview) -> int:
    """Return the size of the whole footer from the last `TAIL_SIZE` bytes of a pack; raises `CorruptData`."""
    if len(tail) != TAIL_SIZE:
        raise CorruptData("pack without a footer: it was cut short or is none")
    length, _, end = _TAIL.unpack(tail)
    if end != _END or length % ROW_SIZE or length > MAX_FRAMES * ROW_SIZE:
        raise CorruptData("pack without a footer: it was cut short or is none")
    return int(length) + TAIL_SIZE


def decode_footer(footer: bytes | memoryview, size: int, *, whole: bool = False) -> list[Frame]:
    """Return the frames of a pack of `size` bytes from its footer; `whole`: it is a whole file.

    Raises `CorruptData` unless the frames lie back to back and fill the pack, `UnsupportedFormat` for a kind or codec
    of the future.
    """
    if footer_size(footer[-TAIL_SIZE:]) != len(footer):
        raise CorruptData("pack footer of the wrong size")
    rows = footer[:-TAIL_SIZE]
    if checksum(rows) != _TAIL.unpack(footer[-TAIL_SIZE:])[1]:
        raise CorruptData("pack footer does not match its checksum")
    frames = []
    offset = 0 if whole else len(HEADER)
    for id, at, stored, raw, kind, codec, bases, sum_ in _ROW.iter_unpack(rows):
        check_frame(kind, codec, stored, raw, bases)
        if at != offset:
            raise CorruptData("pack whose frames do not lie back to back")
        if whole and (kind, codec) != (Kind.CHUNK, Codec.RAW):
            raise CorruptData("whole file with frames that are not its bytes")
        frames.append(Frame(id, at, stored, raw, KINDS[kind], CODECS[codec], bases, sum_))
        offset += stored
    if offset + len(footer) != size:
        raise CorruptData("pack whose frames do not fill it")
    return frames


def decode_rows(rows: bytes | memoryview, size: int) -> Iterator[Frame]:
    """Yield the frames that some rows of a footer tell of, where the pack has `size` bytes; the checksum proves none.

    Raises `CorruptData` for a row that cannot be, `UnsupportedFormat` for a kind or codec of the future.
    """
    if len(rows) % ROW_SIZE:
        raise CorruptData("pack footer of the wrong size")
    for id, at, stored, raw, kind, codec, bases, sum_ in _ROW.iter_unpack(rows):
        check_frame(kind, codec, stored, raw, bases)
        if at + stored > size:
            raise CorruptData("pack with a frame beyond its end")
        yield Frame(id, at, stored, raw, KINDS[kind], CODECS[codec], bases, sum_)


def check_frame(kind: int, codec: int, stored: int, raw: int, bases: int) -> None:
    """Check a row of a footer or an index before anything is allocated for it.

    Raises `CorruptData` for what exceeds the maxima, `UnsupportedFormat` for a kind or codec of the future.
    """
    if kind not in KINDS or codec not in CODECS:
        raise UnsupportedFormat(f"object of kind {kind}, stored by codec {codec}", hint=UPGRADE)
    is_foreign = codec == Codec.FOREIGN and kind == Kind.CHUNK
    most = FOREIGN_MAX if is_foreign else raw
    if not 0 < raw <= (CHUNK_MAX if kind == Kind.CHUNK else RECORD_MAX) or not 0 < stored <= most:
        raise CorruptData(f"frame of {stored} bytes for an object of {raw}")
    if codec == Codec.FOREIGN and not is_foreign:
        raise CorruptData("foreign frame of something else than a chunk")
    if (codec == Codec.RAW and stored != raw) or not (1 <= bases <= MAX_BASES if codec == Codec.DELTA else bases == 0):
        raise CorruptData(f"frame of codec {codec} with {bases} bases, {stored} of {raw} bytes")


def decode_frame(
    stored: bytes | memoryview, *, id: bytes, kind: Kind, codec: Codec, raw: int, dictionary: bytes | None = None
) -> bytes | memoryview:
    """Return the object in a frame, verified by its id; `dictionary` is the bases' bytes of a delta.

    Raises `CorruptData` when the bytes are not the object's.
    """
    data: bytes | memoryview
    match codec:
        case Codec.RAW:
            data = stored
        case Codec.ZSTD:
            data = decompress(stored, raw)
        case Codec.DELTA:
            if dictionary is None:
                raise CorruptData("delta frame without its bases")
            data = decompress(stored[1 + ID_SIZE * len(delta_bases(stored)) :], raw, dictionary)
        case Codec.GROUPED:
            data = decode_groups(stored, raw)
        case Codec.FOREIGN:
            raise CorruptData("this chunk lies in a file of another machine")
    if len(data) != raw or object_id(kind, data) != id:
        raise CorruptData(f"object b3:{id.hex()[:16]} is damaged: its bytes have another id")
    return data
