"""Which of a store's objects are to be kept: a mark for each object of its live indexes, in columns.

About sixty bytes an object, whatever is kept: a store may hold many millions. Of an object in two packs one row
counts, its home; the other pack can go. A delta that stays needs its bases, whoever reaches it or nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xver.format.codecs import Codec
from xver.format.columns import read_columns
from xver.format.indexes import PackIndex, rank_of
from xver.store.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS: Final = 4
_ROW: Final = [("id", "u8", (_WORDS,)), ("pack", "u4"), ("stored", "u4"), ("rank", "u1")]
_DELTA: Final = [("row", "i8"), ("pack", "u4"), ("bases", "i8", (3,))]
_RANKS: Final = np.zeros(256, dtype="u1")
_RANKS[Codec.FOREIGN], _RANKS[Codec.DELTA] = rank_of(Codec.FOREIGN), rank_of(Codec.DELTA)
_STEP: Final = 1 << 16


class Kept:
    """Marks on the objects that a store held when this was made. Use `mark`, then ask by pack.

    `lost` are packs that the log calls live and that are not there: an object that another pack has too is kept by
    that one. `without` are ids that nothing may keep: not even as the base of a delta.
    """

    def __init__(self, store: Store, *, lost: Collection[str] = (), without: Collection[bytes] = ()) -> None:
        self.absent: set[bytes] = set()
        """Ids that were to be marked and that no live pack holds."""
        opened = store.index.opened()[::-1]
        self.n = store.log.n
        self.packs = list(dict.fromkeys(container.name for index in opened for container in index.containers))
        self._numbers = {name: number for number, name in enumerate(self.packs)}
        self._is_removed = np.array([name in store.log.removed for name in self.packs] or [False])
        is_lost = np.array([name in lost for name in self.packs] or [False])
        self._rows = _homes([self._read(index) for index in opened], is_lost)
        self._keys = np.ascontiguousarray(self._rows["id"][:, 0])
        self._marks = np.zeros(len(self._rows), dtype="u4")
        self._marked = 0
        self._reached: int | None = None
        self._deltas = np.concatenate([self._read_deltas(index) for index in opened] or [np.empty(0, dtype=_DELTA)])
        self._banned = np.zeros(len(self._rows) + 1, dtype=bool)  # the last is for "no such row", -1
        if without:
            self._banned[self._find(list(without))] = True
            self._banned[-1] = False

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
        at = self._find(ids)
        answers: list[bool] = self._mark_rows(at).tolist()
        for number in np.flatnonzero(at < 0).tolist():
            answers[number] = ids[number] not in self.absent
            self.absent.add(ids[number])
        return answers

    def mark_bases(self) -> None:
        """Mark what the marked deltas are stored against: a base is no delta, so once is enough.

        What is below a base is not kept for that; so nothing is marked by `mark` afterwards.
        """
        if self._reached is None:
            self._reached = self._marked
        bases = self._homed_deltas()["bases"].ravel()
        self._mark_rows(bases[(bases >= 0) & ~self._banned[bases]])

    def take_over(self, older: Kept) -> None:
        """Mark what was marked in an older state of the same store, but for what only deltas kept.

        A ref may lead to such a base by now, and then what is below it has to be marked as well.
        """
        last = older._marked if older._reached is None else older._reached
        old = np.flatnonzero((older._marks > 0) & (older._marks <= last))
        old = old[np.argsort(older._marks[old])]
        for low in range(0, len(old), _STEP):
            self.mark(older._ids(old[low : low + _STEP]))

    def sizes(self) -> dict[str, int]:
        """Return how many stored bytes of each pack are to be kept, of the objects that have their home there."""
        chosen = self._rows[self._marks > 0]
        totals = np.bincount(chosen["pack"], weights=chosen["stored"], minlength=len(self.packs))
        return dict(zip(self.packs, map(int, totals.tolist()), strict=True)) if self.packs else {}

    def counts(self) -> dict[str, int]:
        """Return how many objects of each pack are to be kept that have their home there."""
        totals = np.bincount(self._rows["pack"][self._marks > 0], minlength=len(self.packs))
        return dict(zip(self.packs, totals.tolist(), strict=True)) if self.packs else {}

    def homed_in(self, packs: Collection[str]) -> list[bytes]:
        """Return the ids to be kept that have their home in these packs, in the order of marks: that of paths."""
        at = np.flatnonzero((self._marks > 0) & self._of(packs)[self._rows["pack"]])
        return self._ids(at[np.argsort(self._marks[at])])

    def packs_with_banned(self) -> set[str]:
        """Return the packs that hold what nothing may keep, or a marked delta that is stored against it."""
        deltas = self._homed_deltas()
        bound = deltas["pack"][self._banned[deltas["bases"]].any(axis=1)]
        return {self.packs[number] for number in (*self._rows["pack"][self._banned[:-1]].tolist(), *bound.tolist())}

    def orphans(self, gone: Collection[str], moved: Sequence[bytes]) -> set[tuple[str, bytes]]:
        """Return the deltas, by pack and id, that would stay when these packs go and whose bases would not.

        `moved` are the ids that other packs hold by then. Nothing needs such a row: it must not stay listed, or
        somebody would take the delta for one that can be read.
        """
        is_gone = self._of(gone)
        vanishes = np.append(is_gone[self._rows["pack"]], False)
        vanishes[self._find(moved)] = False
        vanishes[-1] = False
        stays = self._deltas[~is_gone[self._deltas["pack"]]]
        orphaned = stays[vanishes[stays["bases"]].any(axis=1)]
        packs = (self.packs[number] for number in orphaned["pack"].tolist())
        return set(zip(packs, self._ids(orphaned["row"]), strict=True))

    def _homed_deltas(self) -> NDArray[Any]:
        """Return the deltas that are marked and are stored in their home."""
        rows = self._deltas["row"]
        chosen: NDArray[Any] = self._deltas[
            (self._marks[rows] > 0) & (self._rows["pack"][rows] == self._deltas["pack"])
        ]
        return chosen

    def _mark_rows(self, at: NDArray[Any]) -> NDArray[Any]:
        news = at >= 0
        news[news] = self._marks[at[news]] == 0
        first = np.zeros(len(at), dtype=bool)
        first[np.unique(at, return_index=True)[1]] = True
        news &= first
        fresh = at[news]
        self._marks[fresh] = np.arange(self._marked + 1, self._marked + 1 + len(fresh), dtype="u4")
        self._marked += len(fresh)
        return news

    def _read(self, index: PackIndex) -> NDArray[Any]:
        table, _ = read_columns(index)
        rows = np.empty(len(table), dtype=_ROW)
        rows["id"] = _words(table["id"])
        rows["pack"] = self._packs_of(index)[table["container"]]
        rows["stored"] = table["stored"]
        rows["rank"] = _RANKS[table["codec"]]
        live: NDArray[Any] = rows[~self._is_removed[rows["pack"]]]
        return live

    def _read_deltas(self, index: PackIndex) -> NDArray[Any]:
        table, side = read_columns(index)
        deltas = table[table["codec"] == Codec.DELTA]
        # Both are sorted by id, and each delta has its row in both: an index that says otherwise keeps what it can.
        found = np.empty(len(deltas), dtype=_DELTA)
        found["row"] = self._look_up(_words(deltas["id"]))
        found["pack"] = self._packs_of(index)[deltas["container"]]
        found["bases"] = -1
        named = _Finder(_words(side["id"]))
        at = named.find(_words(deltas["id"]))
        for one in range(3):
            has = (at >= 0) & (side["count"][at] > one) if len(side) else np.zeros(len(deltas), dtype=bool)
            if has.any():
                found["bases"][has, one] = self._look_up(_words(side["bases"][at[has], one]))
        return found[found["row"] >= 0]

    def _packs_of(self, index: PackIndex) -> NDArray[Any]:
        return np.array([self._numbers[container.name] for container in index.containers] or [0], dtype="u4")

    def _of(self, packs: Collection[str]) -> NDArray[Any]:
        chosen = set(packs)
        return np.array([name in chosen for name in self.packs] or [False])

    def _ids(self, at: NDArray[Any]) -> list[bytes]:
        data = self._rows["id"][at].astype(">u8").tobytes()
        return [data[low : low + 32] for low in range(0, len(data), 32)]

    def _find(self, ids: Sequence[bytes]) -> NDArray[Any]:
        """Return the row of each id, -1 where there is none."""
        return self._look_up(np.frombuffer(b"".join(ids), dtype=">u8").astype("u8").reshape(-1, _WORDS))

    def _look_up(self, wanted: NDArray[Any]) -> NDArray[Any]:
        return _Finder(self._rows["id"], self._keys).find(wanted)


def purged_yet_here(store: Store) -> frozenset[bytes]:
    """Return what was purged and lies in live packs all the same, as whoever purged it was cut off."""
    return frozenset(id for id in map(bytes.fromhex, store.log.tombstones) if id in store)


class _Finder:
    """Finds ids among sorted ones, by their first words; others that begin alike are stepped over."""

    def __init__(self, ids: NDArray[Any], keys: NDArray[Any] | None = None) -> None:
        self._ids = ids
        self._keys = np.ascontiguousarray(ids[:, 0]) if keys is None else keys

    def find(self, wanted: NDArray[Any]) -> NDArray[Any]:
        at = np.searchsorted(self._keys, wanted[:, 0]).astype("i8")
        found = np.full(len(wanted), -1, dtype="i8")
        rest = np.arange(len(wanted))
        while len(rest):
            rest = rest[at[rest] < len(self._keys)]
            rest = rest[self._keys[at[rest]] == wanted[rest, 0]]
            same = (self._ids[at[rest]] == wanted[rest]).all(axis=1)
            found[rest[same]] = at[rest[same]]
            rest = rest[~same]
            at[rest] += 1
        return found


def _words(ids: NDArray[Any]) -> NDArray[Any]:
    """Return ids as four numbers each, whose order is that of the bytes."""
    return np.frombuffer(ids.tobytes(), dtype=">u8").astype("u8").reshape(-1, _WORDS)


def _homes(tables: list[NDArray[Any]], is_lost: NDArray[Any]) -> NDArray[Any]:
    """Return one row of each id, sorted: of a pack that is there, where it is whole, if any is; of the newest index.

    Where it is whole it can be a base, whatever else was stored as a delta at the same moment.
    """
    rows = np.concatenate(tables or [np.empty(0, dtype=_ROW)])
    words = [rows["id"][:, word] for word in reversed(range(_WORDS))]
    # What comes last counts most; equal rows stay in order, the newest index in front.
    rows = rows[np.lexsort((rows["rank"], is_lost[rows["pack"]], *words))]
    is_home = np.ones(len(rows), dtype=bool)
    is_home[1:] = (rows["id"][1:] != rows["id"][:-1]).any(axis=1)
    return rows[is_home]
