"""What is read of a file of others at a time: neighbouring chunks together, each proven by its id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from xver.errors import CorruptData, ForeignChanged
from xver.format.codecs import Codec
from xver.format.foreign import Foreign, decode_foreign
from xver.format.indexes import Place
from xver.format.packs import decode_frame

_GAP: Final = 1024 * 1024
_RANGE: Final = 8 * 1024 * 1024


class Span(NamedTuple):
    """Bytes of a file from `start` on, and the chunks in them, each with its offset in the file."""

    whole: Foreign
    start: int
    length: int
    chunks: tuple[tuple[Place, int], ...]

    @property
    def id(self) -> bytes:
        """The id of one of the chunks: what lacks, where the bytes cannot be read."""
        return self.chunks[-1][0].id


class Seen(NamedTuple):
    """What can be seen of a file without reading it.

    `harm` says what is wrong, None if nothing; `is_touched` tells that it may have been exchanged since it was read, so
    that only its bytes tell.
    """

    harm: str | None
    is_touched: bool


def spans_of(frames: Sequence[tuple[Place, bytes | memoryview]]) -> Iterator[Span]:
    """Yield what to read for the chunks behind frames, in their order; raises as `decode_foreign`."""
    span: Span | None = None
    for place, stored in frames:
        part = decode_foreign(stored, place.raw)
        end = part.offset + place.raw
        if span is not None and span.whole == part.whole and _is_near(span, part.offset, end):
            length = max(span.length, end - span.start)
            span = Span(span.whole, span.start, length, (*span.chunks, (place, part.offset)))
        else:
            if span is not None:
                yield span
            span = Span(part.whole, part.offset, place.raw, ((place, part.offset),))
    if span is not None:
        yield span


def chunks_of(span: Span, data: bytes, name: str) -> Iterator[bytes]:
    """Yield the chunks in the bytes of a span of the file `name`; raises `ForeignChanged` for one that is not there."""
    view = memoryview(data)
    for place, offset in span.chunks:
        piece = view[offset - span.start : offset - span.start + place.raw]
        try:
            chunk = decode_frame(piece, id=place.id, kind=place.kind, codec=Codec.RAW, raw=place.raw)
        except CorruptData:
            raise ForeignChanged(place.id, name, "was changed since it was adopted") from None
        yield bytes(chunk)


def _is_near(span: Span, offset: int, end: int) -> bool:
    last, its_offset = span.chunks[-1]
    return 0 <= offset - (its_offset + last.raw) <= _GAP and end - span.start <= _RANGE
