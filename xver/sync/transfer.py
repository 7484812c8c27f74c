"""Copy objects from one store to another: frames as they are, read in the order in which they lie, each verified.

Deltas come last, after all that they may be based on, and stay deltas where the other side has their bases whole, or
gets them in this very copy. Else they go whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from xver.format.codecs import Codec, delta_bases
from xver.format.indexes import Place
from xver.format.log_entries import LiveIndex
from xver.history.reach import Edge
from xver.model.ids import Kind
from xver.progress import SILENT, Meter
from xver.storage.local import LocalStorage
from xver.store.batches import batches
from xver.store.frames import Frames, in_order, stored_size
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.store import Store

_BATCH: Final = 64 * 1024 * 1024
_PART_SIZE: Final = 2 * 1024 * 1024 * 1024
_PART_OBJECTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: bytes as stored, packs, and the index that is not live yet (None: nothing was lacking)."""

    size: int
    packs: int
    index: LiveIndex | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a copy is a part of: `operation` names its entries in the log, `meter` is told of its bytes.

    `uploaded` has the indexes that are finished and not live, and gets each further one.
    """

    operation: str
    uploaded: list[LiveIndex] = field(default_factory=list)
    meter: Meter = SILENT


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
    chunks: list[Place] = []
    metadata: list[Place] = []
    for edge in edges:
        if edge.id not in target:
            (chunks if edge.kind is Kind.CHUNK else metadata).append(source.locate(edge.id))
    frames = _frames(source, target)
    meter.start("Copying", sum(place.stored for place in (*chunks, *metadata)), "B")
    size = packs = 0
    index: LiveIndex | None = None
    try:
        parts = list(batches(_in_order(chunks), stored_size, _PART_SIZE, most_things=_PART_OBJECTS)) or [[]]
        for number, part in enumerate(parts, 1):
            with target.packer(fetches=True) as packer:
                size += _copy(frames, packer, part, meter)
                if number == len(parts):
                    size += _copy(frames, packer, _in_order(metadata), meter)
                index = packer.finish()
            packs += 0 if index is None else len(index.packs)
            uploaded += [] if index is None else [index]
            if number < len(parts) and uploaded:
                target.commit(Change(f"{transfer.operation}, part {number}", add_index=tuple(uploaded)))
                uploaded.clear()
    finally:
        meter.finish()
    return Copied(size, packs, index)


def _copy(frames: Frames, packer: Packer, places: list[Place], meter: Meter) -> int:
    for batch in batches(places, _held, _BATCH):
        # Also what we stored ourselves: a damaged frame must not pass for good at the other side.
        for place, stored, data in frames.verified(in_order(batch)):
            if place.codec is not Codec.DELTA or all(map(packer.is_base, delta_bases(stored))):
                packer.put_frame(place, bytes(stored))
            else:
                packer.put(place.kind, data, place.id)
            meter.advance(place.stored)
    return sum(place.stored for place in places)


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


def _in_order(places: list[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place.codec is Codec.DELTA, place.container.name, place.offset))


def _held(place: Place) -> int:
    """Return about how many bytes are in memory while an object is copied: of a delta its bases, too."""
    return place.stored if place.codec is not Codec.DELTA else 4 * place.raw
