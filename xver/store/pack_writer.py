"""Packs of one family on their way into a storage: one open at a time, those that are full closed in the background."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, Final, NamedTuple, Protocol

from xver.format.codecs import Against, Codec, Compressor, delta_bases
from xver.format.indexes import Container, Place
from xver.format.packs import (
    DATA_PACK_SIZE,
    HEADER,
    META_PACK_SIZE,
    Frame,
    decode_footer,
    encode_footer,
    is_whole,
)
from xver.model.ids import Kind, checksum, checksummer
from xver.store.bases import Tally

_FRAMES_MAX: Final = 1 << 16
"""Objects of a pack at most: very small ones would else make a footer of many mebibytes."""
_JOINED: Final = 16 * 1024
"""Frames below this size on average are joined before they are written; larger ones are not worth the copy."""


class NewObject(NamedTuple):
    """An object on its way into a pack; `codec` None: still to be compressed, perhaps as a delta."""

    id: bytes
    kind: Kind
    data: bytes | memoryview
    codec: Codec | None
    raw: int
    against: Against | None = None
    tally: Tally | None = None


@dataclass(slots=True)
class Batch:
    """Objects on their way into one family of packs, and the bytes they hold in memory."""

    objects: list[NewObject] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class FinishedPack:
    """A pack that is durable and not live yet: its footer says what is in it, `bases` what its deltas need."""

    container: Container
    footer: bytes
    bases: Mapping[bytes, tuple[bytes, ...]]

    def places(self) -> Iterator[Place]:
        """Yield where each object lies."""
        return places_of(self.container, self.footer)


class Packs(Protocol):
    """Where packs are opened and closed."""

    def open_pack(self, family: str, number: int) -> tuple[str, AbstractContextManager[BinaryIO]]:
        """Give the key of the next pack and the context of the file to write it to."""

    def close_pack(self, stack: ExitStack, pack: FinishedPack | None) -> Future[None]:
        """Make a pack durable in the background, and tell of a data pack; blocks while too many are on their way."""


class PackWriter:
    """The packs of one family, one open at a time. Runs in the worker thread."""

    def __init__(self, packs: Packs, family: str) -> None:
        self._packs = packs
        self._family = family
        self._limit = DATA_PACK_SIZE if family == "data" else META_PACK_SIZE
        self._compressor = Compressor()
        self._stack: ExitStack | None = None
        self._file: BinaryIO | None = None
        self._key = ""
        self._number = 0
        self._offset = 0
        self._sum = checksummer()
        self._frames: list[Frame] = []
        # Of a closed pack its footer is kept, not a frame an object: a transfer may have many millions.
        self._closed: list[tuple[Container, bytes, Future[None]]] = []
        self.bases: dict[bytes, tuple[bytes, ...]] = {}

    def append(self, batch: Batch) -> None:
        """Compress and write objects, closing each pack that is full; raises what closing one before failed with."""
        packed = iter(self._compress([one for one in batch.objects if one.codec is None]))
        out: list[bytes | memoryview] = []
        for one in batch.objects:
            codec, stored = next(packed) if one.codec is None else (one.codec, one.data)
            is_full = self._offset + len(stored) > self._limit or len(self._frames) == _FRAMES_MAX
            if is_full and self._frames:
                self._write(out)
                out = []
                self.close()
            if self._file is None:
                self._open()
            names = delta_bases(stored) if codec is Codec.DELTA else ()
            if names:
                self.bases[one.id] = names
            size = len(stored)
            self._frames.append(
                Frame(one.id, self._offset, size, one.raw, one.kind, codec, len(names), checksum(stored))
            )
            self._offset += size
            out.append(stored)
        self._write(out)

    def _compress(self, fresh: list[NewObject]) -> list[tuple[Codec, bytes]]:
        against = {at: one.against for at, one in enumerate(fresh) if one.against is not None}
        packed = self._compressor.compress([bytes(one.data) for one in fresh], against)
        for at in against:
            if (tally := fresh[at].tally) is not None:
                tally.note(gained=packed[at][0] is Codec.DELTA)
        return packed

    def close(self) -> None:
        """End the pack that is open, if one is."""
        if self._file is None or self._stack is None:
            return
        for _, _, earlier in self._closed:
            # What a pack failed with is told at once, not when all others have been uploaded.
            if earlier.done():
                earlier.result()
        footer = encode_footer(self._frames)
        self._write([footer])
        container = Container(self._key, self._offset + len(footer), self._sum.intdigest())
        names = {one.id: self.bases[one.id] for one in self._frames if one.codec is Codec.DELTA}
        pack = FinishedPack(container, footer, names) if self._family == "data" else None
        self._closed.append((container, footer, self._packs.close_pack(self._stack, pack)))
        self._stack, self._file, self._frames = None, None, []

    def abandon(self) -> None:
        """Drop the pack that is open: its file goes as for any writer that failed."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            stack.__exit__(_Abandoned, _Abandoned(), None)

    def finished(self) -> list[tuple[Container, bytes]]:
        """Return the packs with their footers, all durable now; raises what making one durable failed with."""
        for _, _, future in self._closed:
            future.result()
        return [(container, footer) for container, footer, _ in self._closed]

    def _open(self) -> None:
        self._key, context = self._packs.open_pack(self._family, self._number)
        self._number += 1
        self._stack = ExitStack()
        self._file = self._stack.enter_context(context)
        self._sum = checksummer()
        self._offset = 0
        self._write([HEADER])
        self._offset = len(HEADER)

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        if parts and self._file is not None:
            joined = parts if len(parts) * _JOINED < sum(map(len, parts)) else [b"".join(parts)]
            for data in joined:
                self._sum.update(data)
            self._file.writelines(joined)


class _Abandoned(Exception):
    """Tells a storage's writer that its object is not wanted."""


def places_of(container: Container, footer: bytes) -> Iterator[Place]:
    """Yield where each object of a pack lies, from its footer."""
    for frame in decode_footer(footer, container.size, whole=is_whole(container.name)):
        yield Place(frame.id, container, frame.offset, frame.stored, frame.raw, frame.kind, frame.codec)
