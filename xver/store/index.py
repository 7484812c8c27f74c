"""Where every object of a store lies: one question over all live indexes.

An index is opened when it is first needed and mapped where the storage can; a remote's are fetched once, because
their names are never used again. Who reads a little of a big remote has big ones read by ranges instead: the head
once, then about 1 KiB an object.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from xver.errors import ContentNotFound, CorruptData, NotFound
from xver.format.indexes import HEADER_SIZE, PackIndex, Place, head_guess, head_size, rank_of
from xver.format.log_entries import LiveIndex
from xver.format.ranged_indexes import RangedIndex
from xver.model.ids import checksum
from xver.storage.base import Part, Storage
from xver.store.footers import Footers
from xver.store.log import Log

_Answer = TypeVar("_Answer")
_ANEW: Final = "xver fsck --rebuild-index (at a remote: --remote NAME --rebuild-index) makes it anew from the packs"
_SET_AFTER: Final = 2_000
_SET_ROWS: Final = 2_000_000


class StoreIndex:
    """Finds objects by id in whatever the log says is live now.

    Indexes of more than `whole` bytes are searched by ranges; None searches all whole, as whoever asks for much must.
    """

    def __init__(self, storage: Storage, log: Log, *, whole: int | None = None) -> None:
        self._storage = storage
        self._log = log
        self._whole = whole
        self._opened: dict[str, PackIndex] = {}
        self._ranged: dict[str, RangedIndex] = {}
        self._footers = Footers(storage)
        self._asked = 0
        self._known: tuple[int, frozenset[bytes]] | None = None
        self._lost: frozenset[str] = frozenset()
        self._added: tuple[LiveIndex, ...] = ()

    def find(self, id: bytes) -> Place | None:
        """Return where the object lies, None if this store does not hold it."""
        return self._following(lambda: self._find(id))

    def find_in(self, id: bytes, packs: frozenset[str]) -> Place:
        """Return where the object lies in one of these packs, whole if it can be; raises `ContentNotFound`."""
        place = self._following(lambda: self._find_in(id, packs))
        if place is None:
            raise ContentNotFound(id)
        return place

    def find_many(self, ids: Iterable[bytes]) -> dict[bytes, Place]:
        """Return where those of the objects lie that this store holds; by ranges, far fewer reads than one by one."""
        wanted = list(dict.fromkeys(ids))
        return self._following(lambda: self._find_many(wanted, self._holds))

    def find_whole(self, ids: Iterable[bytes]) -> dict[bytes, Place]:
        """Return where those of the objects lie that this store holds whole: what can be a base.

        Two writers at once may have stored an object, one as a delta, the other whole, and based another on it.
        """
        wanted = list(dict.fromkeys(ids))
        return self._following(lambda: self._find_many(wanted, self._holds_whole))

    def _find(self, id: bytes) -> Place | None:
        for index in self._live():
            place = index.find(id)
            if place is not None and self._holds(place):
                return place
        return None

    def _find_in(self, id: bytes, packs: frozenset[str]) -> Place | None:
        found = (index.find(id) for index in self._live())
        places = [place for place in found if place and self._holds(place) and place.container.name in packs]
        return min(places, key=lambda place: rank_of(place.codec), default=None)

    def _find_many(self, lacking: list[bytes], holds: Callable[[Place], bool]) -> dict[bytes, Place]:
        found: dict[bytes, Place] = {}
        for index in self._live():
            if not lacking:
                break
            if isinstance(index, PackIndex):
                places = index.find_many(lacking)
            else:
                places = self._footers.search(index, lacking, holds)
            found |= {id: place for id, place in places.items() if holds(place)}
            lacking = [id for id in lacking if id not in found]
        return found

    def is_listed(self, id: bytes) -> bool:
        """Tell whether a live index lists the object, were it in a pack that was removed."""
        return any(index.find(id) is not None for index in self._whole_ones())

    def bases(self, delta: Place) -> tuple[bytes, ...]:
        """Return the ids of a delta's bases."""
        return self._following(lambda: self._bases(delta))

    def _bases(self, delta: Place) -> tuple[bytes, ...]:
        for index in self._live():
            if index.find(delta.id) == delta:
                return index.bases(delta.id)
        raise CorruptData(f"no index names the bases of b3:{delta.id.hex()[:16]}")

    def only_in(self, packs: frozenset[str]) -> set[str]:
        """Return those of `packs` that have an object which no other pack holds."""
        if not packs:
            return set()
        self.avoid(packs)
        return {
            place.container.name
            for index in self._whole_ones()
            for place in index.places()
            if place.container.name in packs and self.find(place.id) is None
        }

    def share(self, other: StoreIndex) -> None:
        """Use what another one has opened: indexes are never changed."""
        self._opened |= other._opened
        self._ranged |= other._ranged
        self._footers = other._footers

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing that the log says is live has to be avoided."""
        return not self._lost

    def avoid(self, packs: frozenset[str]) -> None:
        """From now on take nothing from these packs: they are live and yet not there, or not whole."""
        self._lost = packs
        self._known = None

    @contextlib.contextmanager
    def also(self, added: Iterable[LiveIndex]) -> Iterator[None]:
        """While the block runs, count what these indexes list as if they were live: they are about to be."""
        before, self._added = self._added, (*added, *self._added)
        self._known = None
        try:
            yield
        finally:
            self._added, self._known = before, None

    def __contains__(self, id: bytes) -> bool:
        """Tell whether the store holds the object; made for asking very often."""
        self._asked += 1
        known = self._known
        if known is not None and known[0] == self._log.n:
            return id in known[1]
        if self._asked > _SET_AFTER and self._whole is None and self.rows() <= _SET_ROWS:
            # Two microseconds a bisection, a tenth of that a set: pays from a few thousand questions on.
            self._known = (self._log.n, frozenset(self.ids()))
            return id in self._known[1]
        return self.find(id) is not None

    def relax(self) -> None:
        """Forget what makes very many questions quick: it takes 100 bytes a row, and is made anew when it is needed."""
        self._known, self._asked = None, 0

    def holds_all(self, ids: set[bytes]) -> bool:
        """Tell whether the store holds all of these objects; where these are very many, faster than one by one."""
        known = self._known
        return ids <= known[1] if known is not None and known[0] == self._log.n else all(id in self for id in ids)

    def rows(self) -> int:
        """Return the number of rows of all live indexes; an object in two packs counts twice."""
        return self._following(lambda: sum(index.count for index in self._live()))

    def ids(self) -> Iterator[bytes]:
        """Yield the id of every row whose pack is there."""
        for index in self._whole_ones():
            gone = {one.name for one in index.containers if one.name in self._log.removed or one.name in self._lost}
            yield from (
                (place.id for place in index.places() if place.container.name not in gone) if gone else index.ids()
            )

    def opened(self) -> list[PackIndex]:
        """Return every live index, oldest first, in the state of the log that there is then.

        Raises:
            CorruptData: one is damaged or missing.
        """
        return self._following(lambda: [self.open(live) for live in self._log.indexes.values()])

    def open(self, live: LiveIndex) -> PackIndex:
        """Return one index, checked against the log when it is first read."""
        found = self._opened.get(live.name)
        if found is None:
            data = memoryview(live.inline) if live.inline is not None else self._storage.view(live.name)
            if not _is_whole(data, live) and self._storage.forget(live.name):
                data = self._storage.view(live.name)
            if not _is_whole(data, live):
                raise CorruptData(f"{live.name} of {self._storage.url} is damaged", hint=_ANEW)
            found = PackIndex(data)
            _check_packs(found, live, self._storage)
            self._opened[live.name] = found
        return found

    def _holds_whole(self, place: Place) -> bool:
        return rank_of(place.codec) == 0 and self._holds(place)

    def _holds(self, place: Place) -> bool:
        return place.container.name not in self._log.removed and place.container.name not in self._lost

    def _following(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask; once more of the present state where an index was merged or collected since the log was read."""
        while True:
            before = self._log.n
            try:
                return ask()
            except ContentNotFound:
                raise
            except NotFound as error:
                self._log.refresh()
                if self._log.n == before:
                    raise CorruptData(f"an index is missing: {error.message}", hint=_ANEW) from error

    def _whole_ones(self) -> list[PackIndex]:
        return self._following(lambda: [self.open(live) for live in (*self._added, *self._log.indexes.values())])

    def _live(self) -> Iterator[PackIndex | RangedIndex]:
        for live in (*self._added, *reversed(self._log.indexes.values())):
            if self._whole is None or live.size <= self._whole or live.inline is not None:
                yield self.open(live)
            else:
                yield self._open_ranged(live)

    def _open_ranged(self, live: LiveIndex) -> RangedIndex:
        found = self._ranged.get(live.name)
        if found is None:
            try:
                found = self._read_head(live)
            except CorruptData:
                if not self._storage.forget(live.name):
                    raise
                found = self._read_head(live)
            _check_packs(found, live, self._storage)
            self._ranged[live.name] = found
        return found

    def _read_head(self, live: LiveIndex) -> RangedIndex:
        def read(ranges: Sequence[tuple[int, int]]) -> Iterator[bytes | memoryview]:
            return self._storage.get_many([(live.name, Part(*one)) for one in ranges])

        head = self._storage.get(live.name, Part(0, head_guess(live.size, live.packs)))
        size = head_size(head[:HEADER_SIZE], live.size)
        if size > len(head):
            head = self._storage.get(live.name, Part(0, size))
        return RangedIndex(read, live.size, head=head)


def _check_packs(index: PackIndex | RangedIndex, live: LiveIndex, storage: Storage) -> None:
    if any(live.packs.get(one.name) != one.size for one in index.containers):
        raise CorruptData(f"{live.name} of {storage.url} speaks of packs that the log does not name")


def _is_whole(data: memoryview, live: LiveIndex) -> bool:
    return len(data) == live.size and checksum(data) == live.checksum
