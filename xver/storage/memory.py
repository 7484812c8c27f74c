"""Storage in a dictionary: for tests, and for trying things out; gone with the process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence

from xver.errors import NotFound, StorageError
from xver.storage.base import Part, Stat, Storage, cut_part

_numbers = itertools.count(1)


class MemoryStorage(Storage):
    """A dictionary of bytes behind a lock."""

    def __init__(self, name: str | None = None) -> None:
        self._url = f"memory://{name or next(_numbers)}"
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self._url

    def get(self, key: str, part: Part | None = None) -> bytes:
        with self._lock:
            data = self._objects.get(key)
        if data is None:
            raise NotFound(f"{self._url} has no {key}")
        return data if part is None else cut_part(data, part, key)

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        for key, part in parts:
            yield self.get(key, part)

    def put(self, key: str, source: bytes | memoryview) -> None:
        with self._lock:
            self._objects[key] = bytes(source)

    def create(self, key: str, body: bytes) -> bool:
        if not body:
            raise StorageError(f"an empty object cannot be created: {key}")
        with self._lock:
            return self._objects.setdefault(key, body) is body

    def stat(self, key: str) -> Stat | None:
        with self._lock:
            data = self._objects.get(key)
        return None if data is None else Stat(key, len(data))

    def list(self, prefix: str) -> Iterator[Stat]:
        with self._lock:
            found = [Stat(key, len(data)) for key, data in self._objects.items() if key.startswith(prefix)]
        yield from found

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def old_versions(self, prefix: str) -> Sequence[str]:
        del prefix
        return []
