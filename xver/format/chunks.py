"""Content-defined cuts: where a file of more than one chunk is cut, so that an edit moves few of its chunks.

FastCDC as in Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems"
(IEEE TPDS 2020), with 16 KiB, 64 KiB and 256 KiB as least, average and largest size, normalisation 1 and seed 0.
The only home of the cutter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from xver.errors import UnsupportedFormat
from xver.model.entries import CHUNK_MAX

CHUNK_MIN: Final = 16 * 1024
CHUNK_AVERAGE: Final = 64 * 1024


def cut(blocks: Iterable[bytes | memoryview]) -> Iterator[memoryview]:
    """Yield the chunks of the concatenated blocks; the same bytes give the same cuts however they are blocked.

    A chunk may share memory with its block. Blocks of some mebibytes make this fast; memory is bounded by one block
    and one chunk. Nothing is yielded for no bytes.

    Raises:
        UnsupportedFormat: the cutter's compiled core is missing; its fallback would be 200 times slower.
    """
    cutter = _cutter()
    rest = b""
    for block in blocks:
        buffer = memoryview(rest + bytes(block) if rest else block)
        start = 0
        # A cut is final unless it was forced by the buffer's end: more bytes may move that one.
        for chunk in cutter.cut_buf(buffer):
            if chunk.offset + chunk.length < len(buffer):
                yield buffer[chunk.offset : chunk.offset + chunk.length]
                start = chunk.offset + chunk.length
        rest = bytes(buffer[start:])
        while len(rest) >= CHUNK_MAX:
            yield memoryview(rest)[:CHUNK_MAX]
            rest = rest[CHUNK_MAX:]
    if rest:
        whole = memoryview(rest)
        for chunk in cutter.cut_buf(whole):
            yield whole[chunk.offset : chunk.offset + chunk.length]


def check_cutter() -> None:
    """Raise `UnsupportedFormat` unless the compiled cutter is there."""
    _cutter()


@cache
def _cutter() -> Any:
    try:
        from pyfastcdc.cy import FastCDC
    except ImportError as error:
        raise UnsupportedFormat(
            "pyfastcdc has no compiled core here: cutting would be 200 times slower",
            hint="install a wheel of pyfastcdc for this platform: pip install --only-binary :all: pyfastcdc",
        ) from error
    return FastCDC(min_size=CHUNK_MIN, avg_size=CHUNK_AVERAGE, max_size=CHUNK_MAX, normalized_chunking=1, seed=0)
