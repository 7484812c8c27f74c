"""Copy objects from one store into packs of another: frames as they are, read in the order in which they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from xver.format.codecs import Codec
from xver.format.indexes import Place
from xver.format.packs import decode_frame
from xver.progress import SILENT, Meter
from xver.store.packing import Packer
from xver.store.store import Store

_BATCH: Final = 64 * 1024 * 1024


def copy_objects(source: Store, packer: Packer, ids: Iterable[bytes], *, verify: bool, meter: Meter = SILENT) -> int:
    """Copy the objects that the packer's store lacks; return the bytes copied, as stored.

    `verify` decodes each one and checks its id before it is taken: for what comes from elsewhere.

    Raises:
        ContentNotFound: the source does not hold one.
        CorruptData: an object's bytes are not its id's.
    """
    places = [source.locate(id) for id in ids if id not in packer]
    places.sort(key=lambda place: (place.container.name, place.offset))
    total = sum(place.stored for place in places)
    meter.start("Copying", total, "B")
    for batch in _batches(places):
        for place, stored in source.read_frames(batch):
            if place.codec is Codec.DELTA:
                # The other side need not have its bases: it goes whole.
                packer.put(place.kind, source.get(place.kind, place.id), place.id)
            else:
                if verify:
                    decode_frame(stored, id=place.id, kind=place.kind, codec=place.codec, raw=place.raw)
                packer.put_frame(place, bytes(stored))
            meter.advance(place.stored)
    meter.finish()
    return total


def _batches(places: list[Place]) -> Iterator[list[Place]]:
    batch: list[Place] = []
    size = 0
    for place in places:
        batch.append(place)
        size += place.stored
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
