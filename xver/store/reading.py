"""A store read a little at a time, as by a reader without a clone: big indexes by ranges, objects remembered."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Final

from xver.storage.base import Storage
from xver.store.frames import Frames
from xver.store.index import StoreIndex
from xver.store.remembered import Remembered
from xver.store.store import Store, Wanted, repository_at

_GAP: Final = 4 * 1024
"""Bytes between two objects that are read with them, because a second request would cost more."""
_WHOLE: Final = 2 * 1024 * 1024
"""Indexes up to this size are fetched whole: 40,000 objects, for the price of a few requests."""


class ReadingStore(Store):
    """A `Store` for reading a part of much. One instance serves one thread; `twin` gives another thread its own."""

    def __init__(self, storage: Storage, *, repository: str, client: str, remembered: Remembered) -> None:
        self._remembered = remembered
        super().__init__(storage, repository=repository, client=client)
        self.index = StoreIndex(storage, self.log, whole=_WHOLE)

    def twin(self) -> ReadingStore:
        """Return the same store in the same state, for another thread, without asking the storage for anything."""
        twin = copy.copy(self)
        twin.log = copy.copy(self.log)
        for name, value in vars(self.log).items():
            if isinstance(value, dict | set):
                setattr(twin.log, name, value.copy())
        twin.index = StoreIndex(self.storage, twin.log, whole=_WHOLE)
        twin.index.share(self.index)
        return twin

    def get_many(self, wanted: Iterable[Wanted]) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """Yield (id, bytes) of each object, what is remembered first, the rest in the order of the packs."""
        lacking = []
        for one in wanted:
            data = self._remembered.get(one.kind, one.id)
            if data is None:
                lacking.append(one)
            else:
                yield one.id, data
        kinds = {one.id: one.kind for one in lacking}
        for id, found in super().get_many(lacking):
            whole = bytes(found)
            self._remembered.put(kinds[id], id, whole)
            yield id, whole

    @property
    def frames(self) -> Frames:
        """What reads the frames of this store: bases are remembered, and little is read for nothing."""
        return Frames(self.storage, self.index, self.log, remembered=self._remembered, gap=_GAP)


def open_reading(storage: Storage, *, client: str, remembered: Remembered) -> ReadingStore:
    """Open a store for reading; raises like `repository_at`."""
    return ReadingStore(storage, repository=repository_at(storage), client=client, remembered=remembered)
