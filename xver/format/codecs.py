"""The ways a frame stores an object's bytes.

    raw      as they are
    zstd     one zstd frame with its content size
    delta    u8 number of bases, their ids, one zstd frame whose raw-content dictionary is the bases' bytes in order
    grouped  u8 stride, u32 length of each group, the groups: bytes 0, s, 2 s, … then 1, s + 1, … each a zstd frame, or
             as it is where that is no longer

The bytes of a float or a wide integer differ in nature: sign and exponent repeat, the end of a mantissa is noise. A
group holds what is alike (byte shuffling as in Alted, "Why modern CPUs are starving", 2010, and Blosc). Compression
levels are the writer's choice and no part of the format. The only home of zstandard.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import zstandard

from xver.errors import CorruptData
from xver.model.ids import ID_SIZE

MAX_BASES: Final = 3
STRIDES: Final = (2, 4, 8)
BASE_ROW: Final = 129
"""Bytes that a delta costs in its index beside those of its frame."""
_LENGTH: Final = struct.Struct("<I")
_LEVEL: Final = 3
_WINDOW: Final = (18, 27)
_LEAST: Final = 64
_PROBED_FROM: Final = 16 * 1024
_SAMPLE: Final = 4096
_HOPELESS: Final = 0.99
_CLEARLY: Final = 0.95
_GROUPED_FROM: Final = 2048
_LOST: Final = 8
_AGAIN: Final = 16
_SELDOM: Final = 128
_THREADS: Final = 2


class Codec(enum.IntEnum):
    """How a frame's bytes become the object's; the number is part of the format."""

    RAW = 0
    ZSTD = 1
    DELTA = 2
    GROUPED = 3
    FOREIGN = 4


class Against(NamedTuple):
    """What a delta may be made against: the ids of its bases and their bytes, one after the other."""

    bases: tuple[bytes, ...]
    dictionary: bytes


class Compressor:
    """Compresses many objects at a time on two threads; one instance serves one thread."""

    def __init__(self) -> None:
        self._full = zstandard.ZstdCompressor(level=_LEVEL)
        self._quick = zstandard.ZstdCompressor(level=1)
        self._seen = 0
        self._lost = 0
        self._won: int | None = None

    def compress(
        self, objects: Sequence[bytes], against: Mapping[int, Against] | None = None
    ) -> list[tuple[Codec, bytes]]:
        """Return each object's codec and stored bytes; `against` has what deltas may be made against, by position.

        Zstd and groups where they shrink by a sixteenth or more, a delta where it saves a quarter of what is best
        without, else raw. What does not shrink in a sample is not tried further: images and archives cost little.
        """
        chosen = [(Codec.RAW, data) for data in objects]
        deltas = {
            at: encode_delta(one.bases, compress_delta(objects[at], one.dictionary))
            for at, one in (against or {}).items()
        }
        for at, delta in deltas.items():
            if len(delta) + BASE_ROW <= len(objects[at]) // 32:
                chosen[at] = (Codec.DELTA, delta)
        groups = {at: split(data, self._stride(data)) for at, data in enumerate(objects) if chosen[at][0] is Codec.RAW}
        parts: list[bytes | bytearray | memoryview] = [part for own in groups.values() for part in own]
        packed = iter(self._full.multi_compress_to_buffer(parts, threads=_THREADS) if parts else ())
        for at, own in groups.items():
            if own:
                chosen[at] = _smaller(objects[at], own, [next(packed) for _ in own])
            if at in deltas and len(deltas[at]) + BASE_ROW <= len(chosen[at][1]) * 3 // 4:
                chosen[at] = (Codec.DELTA, deltas[at])
        return chosen

    def _stride(self, data: bytes) -> int:
        """Return how many groups to make of an object, judged by samples; 1: zstd as it is, 0: neither."""
        size = len(data)
        if size < _GROUPED_FROM:
            return 1 if size >= _LEAST else 0
        # The middle speaks for content whose beginning is a header of another nature.
        middle = data[size // 2 : size // 2 + _SAMPLE]
        whole = 1
        if size > _PROBED_FROM:
            sample = data[:_SAMPLE] + middle
            ratio = len(self._quick.compress(sample)) / len(sample)
            if ratio > _HOPELESS:
                return 0
            whole = 1 if ratio < 15 / 16 else 0
        self._seen += 1
        # Neighbours are alike: what won goes on alone, what lost is asked seldom.
        is_due = self._seen % (_AGAIN if self._lost < _SELDOM else _SELDOM) == 0
        if self._lost < _LOST or is_due:
            plain = min(len(middle), len(self._quick.compress(middle)))
            tried = STRIDES if self._won is None or is_due else (self._won,)
            sizes = {stride: self._grouped(middle, stride) for stride in tried}
            best = min(tried, key=sizes.__getitem__)
            if sizes[best] < plain * _CLEARLY:
                self._lost, self._won = 0, best
                return best
            self._won = None
        self._lost += 1
        return whole

    def _grouped(self, sample: bytes, stride: int) -> int:
        return sum(min(len(part), len(self._quick.compress(part))) for part in split(sample, stride))


def _smaller(data: bytes, groups: list[bytes], packed: list[zstandard.BufferSegment]) -> tuple[Codec, bytes]:
    """Return the object by whichever is worth it: raw, or its one group or several as they were packed."""
    most = len(data) - len(data) // 16
    # What is not worth it is not copied.
    if sum(min(len(group), len(part)) for group, part in zip(groups, packed, strict=True)) > most:
        return Codec.RAW, data
    if len(groups) == 1:
        return Codec.ZSTD, packed[0].tobytes()
    pairs = zip(groups, packed, strict=True)
    stored = encode_groups([group if len(group) <= len(part) else part.tobytes() for group, part in pairs])
    return (Codec.GROUPED, stored) if len(stored) <= most else (Codec.RAW, data)


def decompress(stored: bytes | memoryview, raw: int, dictionary: bytes | None = None) -> bytes:
    """Return the `raw` bytes of a zstd frame, made with `dictionary` where one is given.

    Raises `CorruptData` for a frame that is broken, is followed by anything, or does not say that it holds exactly
    `raw` bytes: nothing larger is ever allocated.
    """
    try:
        declared = zstandard.frame_content_size(bytes(stored[:32]))
        if declared != raw:
            raise CorruptData(f"frame declares {declared} bytes where its index says {raw}")
        return zstandard.ZstdDecompressor(dict_data=_prefix(dictionary)).decompress(
            stored, max_output_size=raw, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise CorruptData(f"frame cannot be decompressed: {error}") from error


def compress_delta(data: bytes | memoryview, dictionary: bytes) -> bytes:
    """Return `data` as a zstd frame against `dictionary`, the bytes of its bases one after the other."""
    # The window spans bases and object: a match may begin anywhere in them.
    window = min(_WINDOW[1], max(_WINDOW[0], (len(dictionary) + len(data)).bit_length()))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, source_size=len(data), dict_size=len(dictionary), window_log=window
    )
    return zstandard.ZstdCompressor(dict_data=_prefix(dictionary), compression_params=parameters).compress(data)


def encode_delta(bases: Sequence[bytes], compressed: bytes) -> bytes:
    """Return the stored bytes of a delta frame."""
    assert 1 <= len(bases) <= MAX_BASES
    return bytes([len(bases)]) + b"".join(bases) + compressed


def delta_bases(stored: bytes | memoryview) -> tuple[bytes, ...]:
    """Return the ids of a delta frame's bases; raises `CorruptData` for none or too many."""
    count = stored[0] if len(stored) else 0
    if not 1 <= count <= MAX_BASES or len(stored) < 1 + ID_SIZE * count:
        raise CorruptData("delta frame whose bases are not right")
    return tuple(bytes(stored[1 + ID_SIZE * at : 1 + ID_SIZE * (at + 1)]) for at in range(count))


def split(data: bytes, stride: int) -> list[bytes]:
    """Return the groups of `data`: every `stride`-th byte from the first on, from the second on, and so on."""
    return [data] if stride == 1 else [data[first::stride] for first in range(stride)]


def encode_groups(parts: list[bytes]) -> bytes:
    """Return the stored bytes of a grouped frame; each part is a group as it is or as a shorter zstd frame."""
    return b"".join([bytes([len(parts)]), *(_LENGTH.pack(len(part)) for part in parts), *parts])


def decode_groups(stored: bytes | memoryview, raw: int) -> bytes:
    """Return the `raw` bytes of a grouped frame; raises `CorruptData` unless its groups are just those."""
    stride = stored[0] if len(stored) else 0
    if stride not in STRIDES or len(stored) < 1 + _LENGTH.size * stride:
        raise CorruptData(f"grouped frame of stride {stride}")
    at = 1 + _LENGTH.size * stride
    data = bytearray(raw)
    for first in range(stride):
        (length,) = _LENGTH.unpack_from(stored, 1 + _LENGTH.size * first)
        part = stored[at : at + length]
        whole = len(range(first, raw, stride))
        if len(part) != length or not 0 < length <= whole:
            raise CorruptData("grouped frame whose groups are not right")
        data[first::stride] = part if length == whole else decompress(part, whole)
        at += length
    if at != len(stored):
        raise CorruptData("grouped frame that is followed by something")
    return bytes(data)


def _prefix(dictionary: bytes | None) -> zstandard.ZstdCompressionDict | None:
    return None if dictionary is None else zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT)
