"""Copy objects from one store to another: frames as they are, read in the order in which they lie, each verified.

Deltas come last, after all that they may be based on, and stay deltas where the other side has their bases whole, or
gets them in this very copy. Else they go whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, TypeAlias

from xver.format.codecs import Codec, delta_bases
from xver.format.indexes import Container, Place
from xver.format.log_entries import LiveIndex
from xver.format.packs import CODECS, KINDS, is_whole
from xver.history.reach import Edge
from xver.model.ids import Kind
from xver.progress import SILENT, Meter
from xver.storage.buffers import reused
from xver.storage.local import LocalStorage
from xver.store.batches import batches
from xver.store.frames import Frames, in_order, stored_size
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.spool import Spool
from xver.store.store import Store

_BATCH: Final = 64 * 1024 * 1024
_BATCH_OBJECTS: Final = 8192
"""So many that what is on its way never runs dry for long: between batches it does."""
_PART_SIZE: Final = 2 * 1024 * 1024 * 1024
_PART_OBJECTS: Final = 100_000
_ROW: Final = struct.Struct(">?IQIIBB32s")
_WEIGHT: Final = struct.Struct(">13xIIxB")


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: bytes as stored, packs, and the index that is not live yet (None: nothing was lacking)."""

    size: int
    packs: int
    index: LiveIndex | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a copy is a part of: `operation` names its entries in the log, `meter` is told of its bytes.

    `spool` is given each chunk besides; what it keeps need not be packed.

    `uploaded` has the indexes that are finished and not live, and gets each further one.
    """

    operation: str
    uploaded: list[LiveIndex] = field(default_factory=list)
    meter: Meter = SILENT
    spool: Spool | None = None


CopyObjects: TypeAlias = Callable[[Store, Store, Iterable[Edge], Transfer], Copied]
"""What copies objects from a store to another, as `copy_objects` does."""


def copy_objects(source: Store, target: Store, edges: Iterable[Edge], transfer: Transfer) -> Copied:
    """Copy the objects that `target` lacks; the caller makes the index live in the entry that moves its refs.

    Much content goes in parts that become live one by one, so that an interrupted copy goes on where it was. What
    names content always comes last: in every state of the log, whatever is there has all below it there.

    Raises:
        ContentNotFound: the source does not hold one.
        CorruptData: an object's bytes are not its id's.
        Collected: a collection ran at the target; ask anew what it lacks. What was finished and
            is not live need not be sent again: it is in `transfer.uploaded`, also when all went well.
    """
    uploaded, meter = transfer.uploaded, transfer.meter
    chunks, metadata = _Places(), _Places()
    spool = transfer.spool
    for edge in edges:
        if edge.id not in target and not (spool is not None and spool.has(edge.id)):
            (chunks if edge.kind is Kind.CHUNK else metadata).add(source.locate(edge.id))
    for store in (source, target):
        store.index.relax()
    frames = _frames(source, target)
    meter.start("Copying", chunks.sort() + metadata.sort(), "B")
    size = packs = 0
    index: LiveIndex | None = None
    try:
        parts = list(chunks.parts()) or [[]]
        for number, part in enumerate(parts, 1):
            with reused(), target.packer(fetches=True) as packer:
                if spool is not None:
                    spool.give(packer)
                size += _copy(frames, packer, chunks.read(part), transfer)
                if number == len(parts):
                    if spool is not None:
                        spool.flush()
                    size += _copy(frames, packer, metadata.read(), transfer)
                index = packer.finish()
            packs += 0 if index is None else len(index.packs)
            uploaded += [] if index is None else [index]
            if number < len(parts) and uploaded:
                target.commit(Change(f"{transfer.operation}, part {number}", add_index=tuple(uploaded)))
                uploaded.clear()
    finally:
        meter.finish()
    return Copied(size, packs, index)


def _copy(frames: Frames, packer: Packer, places: Iterable[Place], transfer: Transfer) -> int:
    size, spool = 0, transfer.spool
    for batch in batches(places, _held, _BATCH, most_things=_BATCH_OBJECTS):
        # Also what we stored ourselves: a damaged frame must not pass for good at the other side.
        for place, stored, data in frames.verified(in_order(batch)):
            is_kept = spool is not None and place.kind is Kind.CHUNK and spool.take(place.id, data, packer)
            if is_kept:
                pass
            elif place.codec is Codec.FOREIGN or is_whole(place.container.name):
                # It was never packed: who takes it packs it.
                packer.put(place.kind, data, place.id)
            elif place.codec is not Codec.DELTA or all(map(packer.is_base, delta_bases(stored))):
                packer.put_frame(place, stored)
            else:
                packer.put(place.kind, data, place.id)
            transfer.meter.advance(stored_size(place))
            size += stored_size(place)
    return size


def _frames(source: Store, target: Store) -> Frames:
    """Return what reads the source's frames; bases are taken from the target where that is the nearer one."""
    if isinstance(source.storage, LocalStorage):
        return source.frames
    return Frames(source.storage, source.index, source.log, remembered=_Held(target))


class _Held:
    """The objects that a store has whole."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, kind: Kind, id: bytes) -> bytes | None:
        return self._store.get(kind, id) if self._store.index.find_whole([id]) else None

    def put(self, kind: Kind, id: bytes, data: bytes) -> None:
        """Keep nothing: what is to be kept is copied."""


class _Places:
    """Where many objects lie, in the order in which they are read: by container and offset, deltas last.

    A row of bytes each, which sort as they are read: with an object each, memory would grow with what is copied.
    """

    def __init__(self) -> None:
        self._containers: dict[Container, int] = {}
        self._rows: list[bytes] = []

    def add(self, place: Place) -> None:
        number = self._containers.setdefault(place.container, len(self._containers))
        is_delta = place.codec is Codec.DELTA
        _, _, offset, stored, raw, kind, codec = place
        self._rows.append(_ROW.pack(is_delta, number, offset, stored, raw, kind, codec, place.id))

    def sort(self) -> int:
        """Put them in order, each once; return the bytes to be read."""
        self._rows.sort()
        self._rows = [row for row, _ in groupby(self._rows)]
        return sum(map(_weight, self._rows))

    def parts(self) -> Iterator[list[bytes]]:
        """Yield rows that go live together."""
        return batches(self._rows, _weight, _PART_SIZE, most_things=_PART_OBJECTS)

    def read(self, rows: Iterable[bytes] | None = None) -> Iterator[Place]:
        """Yield what rows say; by default all."""
        containers = list(self._containers)
        for row in self._rows if rows is None else rows:
            _, number, offset, stored, raw, kind, codec, id = _ROW.unpack(row)
            yield Place(id, containers[number], offset, stored, raw, KINDS[kind], CODECS[codec])


def _weight(row: bytes) -> int:
    """Return the bytes that are read for an object, as `stored_size` does."""
    stored, raw, codec = _WEIGHT.unpack_from(row)
    weight: int = raw if codec == Codec.FOREIGN else stored
    return weight


def _held(place: Place) -> int:
    """Return about how many bytes stay in memory until a batch is done: of a delta with its bases, of others none."""
    return 4 * place.raw if place.codec is Codec.DELTA else 0
