"""Which of a store's objects are to be kept: a mark for each row of its live indexes, in columns.

About fifty bytes an object, whatever is kept: a store may hold many millions. Of an object in two packs one row
counts, its home; the other pack can go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from xver.format.codecs import Codec
from xver.format.indexes import Place
from xver.store.store import Store

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_WORDS: Final = 4


class Kept:
    """Marks on the objects that a store held when this was made. Use `mark`, then ask by pack.

    `lost` are packs that the log calls live and that are not there: an object that another pack has too is kept by
    that one.
    """

    def __init__(self, store: Store, *, lost: Collection[str] = ()) -> None:
        import numpy

        self._np = numpy
        self.n = store.log.n
        self.packs: list[str] = []
        numbers: dict[str, int] = {}
        columns: list[NDArray[Any]] = []
        for live in reversed(store.log.indexes.values()):
            table = store.index.open(live).table()
            names = [container.name for container in store.index.open(live).containers]
            for name in names:
                if name not in numbers:
                    numbers[name] = len(self.packs)
                    self.packs.append(name)
            rows = numpy.empty(len(table), dtype=_row_type(numpy))
            rows["id"] = numpy.frombuffer(table["id"].tobytes(), dtype=">u8").reshape(-1, _WORDS)
            rows["pack"] = numpy.array([numbers[name] for name in names] or [0], dtype="u4")[table["container"]]
            rows["stored"] = table["stored"]
            rows["delta"] = table["codec"] == Codec.DELTA
            removed = numpy.array([name in store.log.removed for name in names] or [False])[table["container"]]
            columns.append(rows[~removed])
        rows = numpy.concatenate(columns) if columns else numpy.empty(0, dtype=_row_type(numpy))
        missing = numpy.array([name in lost for name in self.packs] or [False])[rows["pack"]]
        # The last key counts most; of equal ids those that are there come first, the newest index in front.
        order = numpy.lexsort(
            (numpy.arange(len(rows)), missing, *(rows["id"][:, word] for word in reversed(range(_WORDS))))
        )
        rows = rows[order]
        is_home = numpy.ones(len(rows), dtype=bool)
        is_home[1:] = (rows["id"][1:] != rows["id"][:-1]).any(axis=1)
        self._rows = rows[is_home]
        self._keys = numpy.ascontiguousarray(self._rows["id"][:, 0])
        self._marks = numpy.zeros(len(self._rows), dtype="u4")
        self._marked = 0
        self.absent: set[bytes] = set()
        """Ids that were to be marked and are in no live pack."""

    def __len__(self) -> int:
        """Return the number of objects that are marked."""
        return self._marked

    def __contains__(self, id: bytes) -> bool:
        at = self._find([id])[0]
        return bool(at >= 0 and self._marks[at])

    def mark(self, ids: Sequence[bytes]) -> list[bool]:
        """Mark objects; tell of each whether that is news."""
        if not ids:
            return []
        np = self._np
        at = self._find(ids)
        news = at >= 0
        news[news] = self._marks[at[news]] == 0
        first = np.zeros(len(at), dtype=bool)
        first[np.unique(at, return_index=True)[1]] = True
        news &= first
        fresh = at[news]
        self._marks[fresh] = np.arange(self._marked + 1, self._marked + 1 + len(fresh), dtype="u4")
        self._marked += len(fresh)
        answers: list[bool] = news.tolist()
        for number in np.flatnonzero(at < 0).tolist():
            id = ids[number]
            answers[number] = id not in self.absent
            self.absent.add(id)
        return answers

    def mark_bases(self, store: Store) -> None:
        """Mark what the marked deltas are stored against: depth is one, so once is enough."""
        np = self._np
        for at in np.flatnonzero(self._rows["delta"] & (self._marks > 0)).tolist():
            place = store.index.find(self._id(at))
            if place is not None and place.codec is Codec.DELTA:
                self.mark(store.index.bases(place))

    def take_over(self, other: Kept) -> None:
        """Mark what `other` has marked: an older state of the same store."""
        np = self._np
        old = np.flatnonzero(other._marks)
        old = old[np.argsort(other._marks[old])]
        step = 1 << 16
        for low in range(0, len(old), step):
            self.mark([other._id(at) for at in old[low : low + step].tolist()])

    def sizes(self) -> dict[str, int]:
        """Return how many stored bytes of each pack are to be kept, of objects that have their home there."""
        totals = self._np.bincount(
            self._rows["pack"][self._marks > 0],
            weights=self._rows["stored"][self._marks > 0],
            minlength=len(self.packs),
        )
        return {name: int(size) for name, size in zip(self.packs, totals.tolist(), strict=False)}

    def homed_in(self, packs: Collection[str]) -> list[bytes]:
        """Return the ids to be kept that have their home in these packs, in the order of marks: of paths."""
        np = self._np
        chosen = np.array([name in packs for name in self.packs] or [False])
        at = np.flatnonzero((self._marks > 0) & chosen[self._rows["pack"]])
        return [self._id(one) for one in at[np.argsort(self._marks[at])].tolist()]

    def unmarked(self) -> Iterable[bytes]:
        """Yield the ids of the objects that are not marked."""
        return (self._id(at) for at in self._np.flatnonzero(self._marks == 0).tolist())

    def _id(self, at: int) -> bytes:
        return bytes(self._rows["id"][at].astype(">u8").tobytes())

    def _find(self, ids: Sequence[bytes]) -> NDArray[numpy.int64]:
        """Return the row of each id, -1 where there is none."""
        np = self._np
        wanted = np.frombuffer(b"".join(ids), dtype=">u8").astype("u8").reshape(-1, _WORDS)
        at = np.searchsorted(self._keys, wanted[:, 0]).astype(np.int64)
        found = np.full(len(ids), -1, dtype=np.int64)
        open_ = np.arange(len(ids))
        # One step, but for ids that somebody made to begin alike.
        while len(open_):
            inside = at[open_] < len(self._keys)
            open_ = open_[inside]
            open_ = open_[self._keys[at[open_]] == wanted[open_, 0]]
            same = (self._rows["id"][at[open_]] == wanted[open_]).all(axis=1)
            found[open_[same]] = at[open_[same]]
            open_ = open_[~same]
            at[open_] += 1
        return found


def _row_type(numpy: Any) -> Any:
    return numpy.dtype([("id", "u8", (_WORDS,)), ("pack", "u4"), ("stored", "u4"), ("delta", "?")])


def place_of(store: Store, id: bytes, lost: Collection[str]) -> Place:
    """Return where an object is read from: raises `ContentNotFound`."""
    del lost
    return store.locate(id)
