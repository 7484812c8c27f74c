"""Frames: the stored bytes of a pack against their checksums, and what they hold against its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from xver.errors import CorruptData, TransientStorageError, XverError
from xver.format.indexes import Place
from xver.format.packs import Frame
from xver.model.ids import checksum
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE

_AHEAD: Final = 32 * 1024 * 1024
"""Bytes asked for at a time: several ranges of a remote are on their way together."""


def check_frames(
    store: Store, places: list[Place], frames: Mapping[bytes, Frame]
) -> Iterator[tuple[Place, XverError | None, int]]:
    """Yield each object of one pack with what is wrong with it, and its size in bytes.

    `places` lie in one pack, by offset; `frames` are those of its footer, none where it has no footer.

    Raises:
        TransientStorageError: the storage cannot be asked now.
    """
    for batch in _batches(places):
        try:
            found = list(store.read_frames(batch))
        except TransientStorageError:
            raise
        except DAMAGE:
            # Some of them cannot be read: one by one tells which.
            for place in batch:
                yield _check_alone(store, place, frames)
            continue
        for place, stored in found:
            yield _check(store, place, stored, frames)


def _check_alone(store: Store, place: Place, frames: Mapping[bytes, Frame]) -> tuple[Place, XverError | None, int]:
    try:
        ((_, stored),) = store.read_frames([place])
    except TransientStorageError:
        raise
    except DAMAGE as error:
        return place, error, 0
    return _check(store, place, stored, frames)


def _check(
    store: Store, place: Place, stored: memoryview, frames: Mapping[bytes, Frame]
) -> tuple[Place, XverError | None, int]:
    try:
        data = store.decode(place, stored)
        if place.id in frames and checksum(stored) != frames[place.id].checksum:
            raise CorruptData("its frame does not match its checksum")
    except TransientStorageError:
        raise
    except DAMAGE as error:
        return place, error, 0
    return place, None, len(data)


def _batches(places: list[Place]) -> Iterator[list[Place]]:
    batch: list[Place] = []
    for place in places:
        if batch and place.offset + place.stored - batch[0].offset > _AHEAD:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
