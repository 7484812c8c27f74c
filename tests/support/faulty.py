"""Storage that fails when it is told to: the n-th call not done, or done and its answer lost; or held at a gate."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from xver.errors import TransientStorageError
from xver.storage.base import Part, Stat, Storage


class FaultyStorage(Storage):
    """`inner`, with call number `fail_at` (from 1) failing; `loses_answer`: after it was performed.

    `calls` lists (method, key) of all calls so far. `before` is called with them ahead of each call: it may wait.
    """

    def __init__(
        self,
        inner: Storage,
        *,
        fail_at: int | None = None,
        loses_answer: bool = False,
        before: Callable[[str, str], None] | None = None,
    ) -> None:
        self.inner = inner
        self.calls: list[tuple[str, str]] = []
        self.fired = False
        self._fail_at = fail_at
        self._loses_answer = loses_answer
        self._before = before
        self._loses_next = False
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.inner.url

    def lose_next_answer(self) -> None:
        """Let the call that is about to be made, or the next one, be done and its answer lost."""
        self._loses_next = True

    @contextlib.contextmanager
    def _call(self, method: str, key: str) -> Iterator[None]:
        if self._before is not None:
            self._before(method, key)
        with self._lock:
            self.calls.append((method, key))
            fails = len(self.calls) == self._fail_at
            self.fired = self.fired or fails
            loses, self._loses_next = self._loses_next, False
        if fails and not self._loses_answer:
            raise TransientStorageError(f"injected: {method} {key} was not done")
        yield
        if fails or loses:
            raise TransientStorageError(f"injected: the answer to {method} {key} was lost")

    def get(self, key: str, part: Part | None = None) -> bytes:
        with self._call("get", key):
            return self.inner.get(key, part)

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        for key, part in parts:
            with self._call("get", key):
                data = self.inner.get(key, part)
            yield data

    def put(self, key: str, source: bytes | memoryview) -> None:
        with self._call("put", key):
            self.inner.put(key, source)

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with self._call("put", key), self.inner.writer(key) as file:
            yield file

    def view(self, key: str) -> memoryview:
        with self._call("get", key):
            return self.inner.view(key)

    def create(self, key: str, body: bytes) -> bool:
        with self._call("create", key):
            return self.inner.create(key, body)

    def stat(self, key: str) -> Stat | None:
        with self._call("stat", key):
            return self.inner.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        with self._call("list", prefix):
            found = list(self.inner.list(prefix))
        yield from found

    def delete(self, key: str) -> None:
        with self._call("delete", key):
            self.inner.delete(key)
