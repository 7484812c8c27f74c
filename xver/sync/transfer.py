"""Copy objects from one store to another: frames as they are, read in the order in which they lie, each verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from xver.format.codecs import Codec
from xver.format.indexes import Place
from xver.format.log_entries import LiveIndex
from xver.format.packs import decode_frame
from xver.history.reach import Edge
from xver.model.ids import Kind
from xver.progress import SILENT, Meter
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


class CopyObjects(Protocol):
    """What copies objects from store to store, as `copy_objects` does."""

    def __call__(
        self,
        source: Store,
        target: Store,
        edges: Iterable[Edge],
        *,
        operation: str,
        uploaded: list[LiveIndex] | None = None,
        meter: Meter = SILENT,
    ) -> Copied:
        """Copy what lacks; return what was copied, the last index still to be made live, also in `uploaded`."""


def copy_objects(
    source: Store,
    target: Store,
    edges: Iterable[Edge],
    *,
    operation: str,
    uploaded: list[LiveIndex] | None = None,
    meter: Meter = SILENT,
) -> Copied:
    """Copy the objects that `target` lacks; the caller makes the index live in the entry that moves its refs.

    Much content goes in parts that become live one by one, so that an interrupted copy goes on where it was. What
    names content always comes last: in every state of the log, whatever is there has all below it there.

    Raises:
        ContentNotFound: the source does not hold one.
        CorruptData: an object's bytes are not its id's.
        Collected: a collection ran at the target; ask anew what it lacks. `uploaded` gets the index of what was
            finished and is not live, so that it need not be sent again; also when all went well.
    """
    uploaded = [] if uploaded is None else uploaded
    chunks: list[Place] = []
    metadata: list[Place] = []
    for edge in edges:
        if edge.id not in target:
            (chunks if edge.kind is Kind.CHUNK else metadata).append(source.locate(edge.id))
    meter.start("Copying", sum(place.stored for place in (*chunks, *metadata)), "B")
    size = packs = 0
    index: LiveIndex | None = None
    try:
        parts = list(_batches(_in_order(chunks), _PART_SIZE, _PART_OBJECTS)) or [[]]
        for number, part in enumerate(parts, 1):
            with target.packer(fetches=True) as packer:
                size += _copy(source, packer, part, meter)
                if number == len(parts):
                    size += _copy(source, packer, _in_order(metadata), meter)
                index = packer.finish()
            packs += 0 if index is None else len(index.packs)
            uploaded += [] if index is None else [index]
            if number < len(parts) and uploaded:
                target.commit(Change(f"{operation}, part {number}", add_index=tuple(uploaded)))
                uploaded.clear()
    finally:
        meter.finish()
    return Copied(size, packs, index)


def _copy(source: Store, packer: Packer, places: list[Place], meter: Meter) -> int:
    for batch in _batches(places, _BATCH, len(places)):
        for place, stored in source.read_frames(batch):
            if place.codec is Codec.DELTA:
                # The other side need not have its bases: it goes whole.
                packer.put(place.kind, source.get(place.kind, place.id), place.id)
            else:
                # Also what we stored ourselves: a damaged frame must not pass for good at the other side.
                decode_frame(stored, id=place.id, kind=place.kind, codec=place.codec, raw=place.raw)
                packer.put_frame(place, bytes(stored))
            meter.advance(place.stored)
    return sum(place.stored for place in places)


def _in_order(places: list[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place.container.name, place.offset))


def _batches(places: list[Place], most_bytes: int, most: int) -> Iterator[list[Place]]:
    batch: list[Place] = []
    size = 0
    for place in places:
        batch.append(place)
        size += place.stored
        if size >= most_bytes or len(batch) >= most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
