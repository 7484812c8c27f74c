"""What a remote keeps for this store: ids of objects that were here and were evicted, because it provably holds them.

    elsewhere/<remote>.<random>     ids, sorted, 32 bytes each, and the XXH3-64 of all of them

Only a local store has such files. They are written before anything is dropped and after the remote has a ref that
keeps it. Who loses them loses no data: what is not known to be promised is treated as lost, so it is not overwritten.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from xver.errors import NotFound
from xver.model.ids import ID_SIZE, checksum
from xver.storage.base import Storage

_PREFIX: Final = "elsewhere/"
_SUM: Final = 8


class Promises:
    """The promises a store has; read when first asked for."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._read: dict[str, _Ids] | None = None

    def __contains__(self, id: bytes) -> bool:
        """Tell whether a remote keeps the object for this store."""
        return any(id in ids for ids in self._all().values())

    def forget(self) -> None:
        """Read the promises anew when next asked for: another process may have written some."""
        self._read = None

    def of(self, remote: str) -> set[bytes]:
        """Return the ids that a remote keeps for this store."""
        return {id for key, ids in self._all().items() if _remote(key) == remote for id in ids}

    def remotes(self) -> list[str]:
        """Return the names of the remotes that keep anything."""
        return sorted({_remote(key) for key in self._all()})

    def replace(self, remote: str, ids: Iterable[bytes]) -> None:
        """Write down all that a remote keeps from now on; what was promised and still is, is so at every moment."""
        self._read = None
        before = [key for key in self._all() if _remote(key) == remote]
        data = b"".join(sorted(set(ids)))
        if data:
            self._storage.put(
                f"{_PREFIX}{remote}.{os.urandom(8).hex()}", data + checksum(data).to_bytes(_SUM, "little")
            )
        for key in before:
            self._storage.delete(key)
        self._read = None

    def _all(self) -> dict[str, _Ids]:
        while self._read is None:
            # What was listed and is gone was replaced this moment: what replaces it stands in the next list.
            with suppress(NotFound):
                self._read = self._read_all()
        return self._read

    def _read_all(self) -> dict[str, _Ids]:
        found = {}
        for stat in list(self._storage.list(_PREFIX)):
            data = self._storage.view(stat.key)
            body = data[:-_SUM]
            # A damaged file promises nothing: to know less is always safe.
            if len(body) % ID_SIZE == 0 and checksum(body).to_bytes(_SUM, "little") == data[-_SUM:]:
                found[stat.key] = _Ids(body)
        return found


class _Ids(Sequence[bytes]):
    """Sorted ids in one piece of memory."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data) // ID_SIZE

    def __getitem__(self, at: int) -> bytes:  # type: ignore[override]
        if not 0 <= at < len(self):
            raise IndexError(at)
        return bytes(self._data[at * ID_SIZE : (at + 1) * ID_SIZE])

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, bytes):
            return False
        at = bisect_left(self, id)
        return at < len(self) and self[at] == id


def _remote(key: str) -> str:
    return key.removeprefix(_PREFIX).rpartition(".")[0]
