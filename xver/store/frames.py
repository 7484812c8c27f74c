"""Frames out of packs: neighbours in one read, bases with their deltas, and on where a collection moved them to.

places ──► frames of deltas ──► where their bases lie ──► whole objects and bases, in the order of packs ──► deltas

Frames of foreign chunks say where these lie; the files and objects they lie in are read after all else of a pack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

from xver.errors import ContentNotFound, CorruptData, NotFound
from xver.format.codecs import Codec, delta_bases
from xver.format.indexes import Place
from xver.format.packs import decode_frame
from xver.model.ids import Kind
from xver.storage.base import Part, Storage
from xver.store.batches import batches, worked_ahead
from xver.store.foreign import ForeignReader
from xver.store.index import StoreIndex
from xver.store.log import Log

_Deltas: TypeAlias = Sequence[tuple[Place, "bytes | memoryview"]]
_Decoded: TypeAlias = "bytes | memoryview | CorruptData | None"
"""An object, verified; what is wrong with it; or None where it takes more than its frame to tell."""
_GAP: Final = 1024 * 1024
_NOT_ALONE: Final = frozenset({Codec.FOREIGN, Codec.DELTA})
_AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes that a thread verifies before it gives them on."""


class Memory(Protocol):
    """What has some objects nearer than the store."""

    def get(self, kind: Kind, id: bytes) -> bytes | None:
        """Return an object, None if it is not there."""

    def put(self, kind: Kind, id: bytes, data: bytes) -> None:
        """Take an object that was verified."""


class Frames:
    """Reads and decodes the frames of one store; bases are taken from what is `remembered`, and remembered there.

    `foreign` reads what others made and chunks lie in; without it such chunks are refused.

    Frames that lie no more than `gap` bytes apart are read together, with what lies between them.
    """

    def __init__(
        self,
        storage: Storage,
        index: StoreIndex,
        log: Log,
        *,
        foreign: ForeignReader | None = None,
        remembered: Memory | None = None,
        gap: int = _GAP,
    ) -> None:
        self._storage = storage
        self._index = index
        self._log = log
        self._foreign = foreign
        self._remembered = remembered
        self._gap = gap

    def read(self, places: list[Place]) -> Iterator[tuple[Place, memoryview]]:
        """Yield the stored bytes of places in order (`in_order`), not decoded or verified.

        What a collection moved meanwhile is read from where it is now, and yielded with that place.

        Raises:
            NotFound: a live pack is not there.
            ContentNotFound: a collection took the object: it was in no version any more.
        """
        while places:
            done = 0
            try:
                for pair in self._read(places):
                    yield pair
                    done += 1
            except NotFound:
                before = places[done:]
                self._log.refresh()
                places = in_order(self._locate(place) for place in before)
                if places == before:
                    raise
            else:
                return

    def decoded(self, places: list[Place]) -> Iterator[tuple[Place, bytes | memoryview]]:
        """Yield the objects at places in order, verified; deltas after all others; raises as `verified`."""
        for place, _, data in self.verified(places):
            yield place, data

    def verified(self, places: list[Place]) -> Iterator[tuple[Place, bytes | memoryview, bytes | memoryview]]:
        """Yield each place with its frame and its object, verified; foreign chunks after others, deltas last.

        Frames of deltas are read first: they name their bases, which are read with all else, each once, and held
        until the last delta.

        Raises:
            ContentNotFound: a base, or a file that a foreign chunk lies in, is not here.
            CorruptData: an object's, or its base's, bytes have another id.
        """
        while places:
            done: Counter[bytes] = Counter()
            try:
                for place, stored, data in self._verified(places):
                    yield place, stored, data
                    done[place.id] += 1
            except ContentNotFound as error:
                left = _without(places, done)
                if any(place.id == error.id for place in left):
                    raise
                # A base went while it was read: what was a delta of it is elsewhere by now, and made otherwise.
                self._log.refresh()
                places = in_order(map(self._locate, left))
                if places == left:
                    raise
            else:
                return

    def _verified(self, places: list[Place]) -> Iterator[tuple[Place, bytes | memoryview, bytes | memoryview]]:
        deltas = [place for place in places if place.codec is Codec.DELTA]
        if not deltas:
            yield from self._verified_whole(places)
            return
        # Copies: a view would keep all that was read with it.
        frames = [(place, bytes(stored)) for place, stored in self.read(deltas)]
        known = self._recall(frames)
        bases = self._bases(frames, known)
        whole = [place for place in places if place.codec is not Codec.DELTA]
        wanted = {place.id for place in whole}
        besides = [base for id, base in bases.items() if id not in wanted]
        for place, stored, data in self._verified_whole(in_order([*whole, *besides])):
            if place.id in bases:
                known[place.id] = self._remember(place, data)
            if place.id in wanted:
                yield place, stored, data
        for place, frame in frames:
            is_delta = place.codec is Codec.DELTA
            yield place, frame, _decode(place, frame, known) if is_delta else self.decode(place, frame)

    def _verified_whole(self, places: list[Place]) -> Iterator[tuple[Place, bytes | memoryview, bytes | memoryview]]:
        foreign: list[tuple[Place, bytes]] = []
        for batch in worked_ahead(_decoded, batches(self.read(places), _raw, _AT_ONCE)):
            for place, stored, data in batch:
                if isinstance(data, CorruptData):
                    raise data
                if place.codec is Codec.FOREIGN:
                    foreign.append((place, bytes(stored)))
                else:
                    # What was whole may be a delta where a collection moved it meanwhile.
                    yield place, stored, self.decode(place, stored) if data is None else data
        for (place, frame), data in zip(foreign, self._read_foreign(foreign), strict=True):
            yield place, frame, data

    def _read_foreign(self, frames: Sequence[tuple[Place, bytes | memoryview]]) -> Iterator[bytes]:
        if frames and self._foreign is None:
            raise CorruptData(f"b3:{frames[0][0].id.hex()[:16]} lies in a file of another machine")
        return iter(()) if self._foreign is None else self._foreign.read(frames)

    def decode(self, place: Place, stored: bytes | memoryview) -> bytes | memoryview:
        """Return the object in a frame; raises as `decoded`."""
        if place.codec is Codec.FOREIGN:
            return next(self._read_foreign([(place, stored)]))
        if place.codec is not Codec.DELTA:
            return _decode(place, stored, {})
        known = self._recall([(place, stored)])
        bases = self._bases([(place, stored)], known)
        for one, frame in self.read(in_order(bases.values())):
            known[one.id] = self._remember(one, _decode(one, frame, {}))
        return _decode(place, stored, known)

    def _recall(self, deltas: _Deltas) -> dict[bytes, bytes]:
        """Return those of the bases of deltas that are remembered."""
        if self._remembered is None:
            return {}
        found = ((id, self._remembered.get(delta.kind, id)) for id, delta in _named(deltas))
        return {id: data for id, data in found if data is not None}

    def _remember(self, base: Place, data: bytes | memoryview) -> bytes:
        whole = bytes(data)
        if self._remembered is not None:
            self._remembered.put(base.kind, base.id, whole)
        return whole

    def _bases(self, deltas: _Deltas, known: dict[bytes, bytes]) -> dict[bytes, Place]:
        """Return where the bases of deltas lie whole that are not known yet."""
        named = [(id, delta) for id, delta in _named(deltas) if id not in known]
        found = self._index.find_whole(id for id, _ in named)
        for id, delta in named:
            base = found.get(id) or self._index.find(id)
            if base is None:
                raise ContentNotFound(id)
            if base.codec is Codec.DELTA:
                # It could lead in circles, and no writer makes one.
                raise CorruptData(f"b3:{delta.id.hex()[:16]} is a delta of a delta")
            checked(base, delta.kind)
        return found

    def _locate(self, place: Place) -> Place:
        """Return where an object is now; whole if it was, for it may be a base."""
        found = None if place.codec is Codec.DELTA else self._index.find_whole([place.id]).get(place.id)
        found = found or self._index.find(place.id)
        if found is None:
            raise ContentNotFound(place.id)
        return found

    def _read(self, places: list[Place]) -> Iterator[tuple[Place, memoryview]]:
        groups = list(_coalesce(places, self._gap, self._storage.part_size))
        parts = [(group[0].container.name, Part(group[0].offset, _end(group) - group[0].offset)) for group in groups]
        for group, data in zip(groups, self._storage.get_many(parts), strict=True):
            view = memoryview(data)
            start = group[0].offset
            is_sparse = 2 * sum(place.stored for place in group) < len(view)
            for place in group:
                stored = view[place.offset - start : place.offset - start + place.stored]
                # A view keeps all that was read with it: where little of that is wanted, a copy takes less memory.
                yield place, memoryview(bytes(stored)) if is_sparse else stored


def _without(places: list[Place], done: Counter[bytes]) -> list[Place]:
    """Return the places but for as many of each object as are done: one object may be asked for twice."""
    done = done.copy()
    left = []
    for place in places:
        if done[place.id]:
            done[place.id] -= 1
        else:
            left.append(place)
    return left


def _raw(read: tuple[Place, memoryview]) -> int:
    return read[0].raw


def _decoded(batch: list[tuple[Place, memoryview]]) -> list[tuple[Place, memoryview, _Decoded]]:
    return [(place, stored, _try_to_decode(place, stored)) for place, stored in batch]


def _try_to_decode(place: Place, stored: memoryview) -> _Decoded:
    if place.codec in _NOT_ALONE:
        return None
    try:
        return _decode(place, stored, {})
    except CorruptData as error:
        return error


def _named(deltas: _Deltas) -> Iterator[tuple[bytes, Place]]:
    """Yield the id of each base of each delta, with the delta."""
    for place, stored in deltas:
        if place.codec is Codec.DELTA:
            for id in delta_bases(stored):
                yield id, place


def in_order(places: Iterable[Place]) -> list[Place]:
    """Return places as they lie: by pack and offset."""
    return sorted(places, key=lambda place: (place.container.name, place.offset))


def stored_size(place: Place) -> int:
    """Return the bytes of an object as it is stored, here or elsewhere."""
    return place.raw if place.codec is Codec.FOREIGN else place.stored


def checked(place: Place, kind: Kind) -> Place:
    """Return the place; raises `CorruptData` if what lies there is of another kind."""
    if place.kind is not kind:
        raise CorruptData(f"b3:{place.id.hex()[:16]} is a {place.kind.name.lower()}, no {kind.name.lower()}")
    return place


def _decode(place: Place, stored: bytes | memoryview, bases: dict[bytes, bytes]) -> bytes | memoryview:
    dictionary = None
    if place.codec is Codec.DELTA:
        if any(id not in bases for id in delta_bases(stored)):
            raise CorruptData(f"b3:{place.id.hex()[:16]} is a delta of a delta")
        dictionary = b"".join(bases[id] for id in delta_bases(stored))
    return decode_frame(stored, id=place.id, kind=place.kind, codec=place.codec, raw=place.raw, dictionary=dictionary)


def _coalesce(places: list[Place], gap: int, most: int) -> Iterator[list[Place]]:
    group: list[Place] = []
    for place in places:
        near = (
            group
            and group[-1].container.name == place.container.name
            and place.offset - (group[-1].offset + group[-1].stored) <= gap
            and place.offset + place.stored - group[0].offset <= most
        )
        if group and not near:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _end(group: list[Place]) -> int:
    return max(place.offset + place.stored for place in group)
