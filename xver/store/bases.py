"""What deltas are made against: the objects that stood in a new one's place before, as far as they are here.

    new chunk ──► near: what stood there ──► whole here: itself        ──► up to three bases, and their bytes
                                         └─► a delta here: its bases

So a base is never a delta. It lies in a live pack: what only travels in the same transfer is none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from xver.errors import ContentNotFound, CorruptData, NotFound, StorageError
from xver.format.codecs import MAX_BASES, Against, Codec
from xver.format.packs import RECORD_MAX
from xver.model.ids import Kind
from xver.store.index import StoreIndex

_KEPT: Final = 4 * 1024 * 1024
_LEAST: Final = 256
_TIMES: Final = 16
"""Bytes of bases for a byte of the object at most: whoever reads many small ones must not hold far more than these."""
_LOST: Final = 8
_AGAIN: Final = 16


class Tally:
    """Counts what deltas of one content gained, so that one rewritten from end to end costs little more than a new one.

    `note` is called by the thread that compresses.
    """

    def __init__(self) -> None:
        self._lost = 0
        self._asked = 0

    def is_due(self) -> bool:
        """Tell whether to try: always while deltas gain something, seldom after they did not several times in a row."""
        self._asked += 1
        return self._lost < _LOST or self._asked % _AGAIN == 0

    def note(self, *, gained: bool) -> None:
        """Say whether one that was tried became a delta."""
        self._lost = 0 if gained else self._lost + 1


class Bases:
    """Finds and reads bases for the packer of one transfer, in the caller's thread."""

    def __init__(self, index: StoreIndex, read: Callable[[Kind, bytes], bytes]) -> None:
        self._index = index
        self._read = read
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def read(self, kind: Kind, id: bytes) -> bytes:
        """Return an object that lies here, verified: nothing is fetched for the sake of a delta.

        Raises:
            ContentNotFound: it does not.
            CorruptData: its bytes have another id.
        """
        data = self._kept.get(id)
        if data is not None:
            self._kept.move_to_end(id)
            return data
        if id not in self._index:
            raise ContentNotFound(id)
        data = self._kept[id] = self._read(kind, id)
        self._size += len(data)
        while self._size > _KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])
        return data

    def against(self, kind: Kind, near: Sequence[bytes], size: int) -> Against | None:
        """Return what a delta of an object of `size` bytes may be made against; None where nothing near is here.

        An object that cannot be read is no base, and its damage is told by `fsck`.
        """
        if size < _LEAST:
            return None
        names: dict[bytes, None] = {}
        for id in near:
            place = self._index.find(id)
            if place is not None and place.kind is kind and place.codec is not Codec.FOREIGN:
                names |= dict.fromkeys(self._index.bases(place) if place.codec is Codec.DELTA else (id,))
        chosen: list[bytes] = []
        dictionary = b""
        for id in names:
            try:
                data = self.read(kind, id)
            except (CorruptData, NotFound, StorageError):
                continue
            if len(dictionary) + len(data) <= min(RECORD_MAX, _TIMES * size) and len(chosen) < MAX_BASES:
                chosen.append(id)
                dictionary += data
        return Against(tuple(chosen), dictionary) if chosen else None
