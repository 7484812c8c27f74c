"""Files that others made and chunks lie in: looked at, and read where they may have been exchanged; never touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from xver.errors import TransientStorageError
from xver.format.codecs import Codec
from xver.format.foreign import Foreign, decode_foreign
from xver.format.indexes import Place
from xver.model.ids import checksum
from xver.store.frames import in_order
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE, frames_of, read_footers
from xver.upkeep.findings import harm_of


def check_foreign(store: Store, places: Sequence[Place]) -> Iterator[tuple[Place, str]]:
    """Yield each of some objects that lies in a file which is gone or another now, with what is wrong with it.

    A file that was not written to since it was adopted is not read. What cannot be told here, as the frame itself is
    damaged, is left to who reads the frames.
    """
    found, reader = dict(_files(store, places)), store.foreign
    if reader is None:
        lost = "cannot be read: the file where it lies is on another machine"
        yield from ((place, lost) for some in found.values() for place in some)
        return
    for whole, seen in reader.look(found):
        if seen.harm is not None:
            harm = f"cannot be read: {reader.name(whole)}, where it lies, {seen.harm}"
            yield from ((place, harm) for place in found[whole])
        elif seen.is_touched:
            for place in found[whole]:
                try:
                    store.get(place.kind, place.id)
                except TransientStorageError:
                    raise
                except DAMAGE as error:
                    yield place, harm_of(error)


def still_said(store: Store, places: Sequence[Place]) -> Iterator[Place]:
    """Yield those of some chunks whose frames are as they were written: where they lie, or lay, is still said."""
    footers = read_footers(store.storage, {one.container.name: one.container.size for one in places})
    for place in places:
        try:
            name, size = place.container.name, place.container.size
            written = {frame.id: frame.checksum for frame in frames_of(footers[name], name, size)}
            ((_, stored),) = store.read_frames([place])
        except TransientStorageError:
            raise
        except DAMAGE:
            continue
        if written.get(place.id) == checksum(stored):
            yield place


def foreign_files(store: Store, ids: Iterable[bytes]) -> list[str]:
    """Return the paths and addresses of what others made and some of a store's objects lie in."""
    places = list(store.index.find_many(ids).values())
    reader = store.foreign
    return [] if reader is None else sorted({reader.name(whole) for whole, _ in _files(store, places)})


def _files(store: Store, places: Sequence[Place]) -> Iterator[tuple[Foreign, list[Place]]]:
    """Yield each file with the chunks that lie in it, as far as their frames can be read."""
    found: dict[Foreign, list[Place]] = {}
    try:
        for place, stored in store.read_frames(in_order(one for one in places if one.codec is Codec.FOREIGN)):
            found.setdefault(decode_foreign(stored, place.raw).whole, []).append(place)
    except TransientStorageError:
        raise
    except DAMAGE:
        return
    yield from found.items()
