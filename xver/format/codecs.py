"""The three ways a frame stores an object: raw, zstd, or zstd against the objects that stood in its place before.

    raw     the object's bytes
    zstd    one zstd frame with its content size
    delta   u8 number of bases, their ids, one zstd frame whose raw-content dictionary is the bases' bytes in order

Compression levels are the writer's choice and no part of the format. The only home of zstandard.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import zstandard

from xver.errors import CorruptData

MAX_BASES: Final = 3
_LEVEL: Final = 3
_LEAST: Final = 64
_PROBED_FROM: Final = 16 * 1024
_SAMPLE: Final = 4096
_THREADS: Final = 2


class Codec(enum.IntEnum):
    """How a frame's bytes become the object's; the number is part of the format."""

    RAW = 0
    ZSTD = 1
    DELTA = 2


class Compressor:
    """Compresses many objects at a time on two threads; one instance serves one thread."""

    def __init__(self) -> None:
        self._full = zstandard.ZstdCompressor(level=_LEVEL)
        self._quick = zstandard.ZstdCompressor(level=1)

    def compress(self, objects: Sequence[bytes | memoryview]) -> list[tuple[Codec, bytes | memoryview]]:
        """Return each object's codec and stored bytes: zstd where it shrinks by a sixteenth or more, else raw.

        What does not shrink in a sample is not tried further: model weights, images and archives cost little.
        """
        chosen: list[tuple[Codec, bytes | memoryview]] = [(Codec.RAW, data) for data in objects]
        likely = [at for at, data in enumerate(objects) if self._may_shrink(data)]
        if not likely:
            return chosen
        packed = self._full.multi_compress_to_buffer([objects[at] for at in likely], threads=_THREADS)
        for number, at in enumerate(likely):
            segment = packed[number]
            if len(segment) <= len(objects[at]) - len(objects[at]) // 16:
                chosen[at] = (Codec.ZSTD, segment.tobytes())
        return chosen

    def _may_shrink(self, data: bytes | memoryview) -> bool:
        size = len(data)
        if size <= _PROBED_FROM:
            return size >= _LEAST
        # The middle speaks for content whose beginning is a header of another nature.
        sample = bytes(data[:_SAMPLE]) + bytes(data[size // 2 : size // 2 + _SAMPLE])
        return len(self._quick.compress(sample)) < len(sample) * 15 // 16


def decompress(stored: bytes | memoryview, raw: int, dictionary: bytes | None = None) -> bytes:
    """Return the `raw` bytes of a zstd frame, made with `dictionary` where one is given.

    Raises `CorruptData` for a frame that is broken, is followed by anything, or does not say that it holds exactly
    `raw` bytes: nothing larger is ever allocated.
    """
    try:
        declared = zstandard.frame_content_size(bytes(stored[:32]))
        if declared != raw:
            raise CorruptData(f"frame declares {declared} bytes where its index says {raw}")
        prefix = (
            None if dictionary is None else zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT)
        )
        return zstandard.ZstdDecompressor(dict_data=prefix).decompress(
            stored, max_output_size=raw, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise CorruptData(f"frame cannot be decompressed: {error}") from error


def compress_delta(data: bytes | memoryview, dictionary: bytes) -> bytes:
    """Return `data` as a zstd frame against `dictionary`, the bytes of its bases one after the other."""
    prefix = zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=prefix).compress(data)
