"""Actors that take turns: each in its own thread, held ahead of a storage call until the stage lets it go on.

One thread runs at a time and the order is drawn from a seed, so a run that fails fails again. An actor may crash at a
stop, or be told that a write failed which was done.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from xver.errors import TransientStorageError
from xver.storage.base import Part, Stat, Storage


class Crash(BaseException):
    """The process of an actor ends here."""


class Actor:
    """A thread that runs `act` on a storage of its own; `step` lets it go on to its next stop."""

    def __init__(
        self, inner: Storage, name: str, act: Callable[[Storage], None], *, stops: Callable[[], bool] = lambda: True
    ) -> None:
        self.name = name
        self.stops = stops
        """Tells of each read whether there is a stop ahead of it."""
        self.error: BaseException | None = None
        self.is_done = False
        self.stop = ""
        self._crashes = False
        self._loses = False
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._act = act
        self._storage = SteppedStorage(inner, self)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def step(self, *, crashes: bool = False, loses: bool = False) -> None:
        """Let the actor go on; `crashes`: it ends instead; `loses`: the answer to its next call, if that writes."""
        self._crashes, self._loses = crashes, loses
        self._go.release()
        self._stopped.acquire()

    def wait(self, what: str) -> None:
        """Stop, in the actor's own thread; calls of its workers go with its own."""
        if threading.current_thread() is not self._thread:
            return
        self.stop = what
        self._stopped.release()
        self._go.acquire()
        if self._crashes:
            raise Crash

    def loses_answer(self) -> bool:
        """Tell, once, whether the answer to the call just made is lost."""
        loses, self._loses = self._loses, False
        return loses and threading.current_thread() is self._thread

    def _run(self) -> None:
        try:
            self.wait("start")
            self._act(self._storage)
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 - the stage raises it
            self.error = error
        self.is_done = True
        self._stopped.release()


class SteppedStorage(Storage):
    """`inner`, with a stop ahead of every write, and of the reads that the stage wants one of.

    Log entries are read without one: they are never rewritten, so reading several is like reading all at once.
    """

    def __init__(self, inner: Storage, actor: Actor) -> None:
        self._inner = inner
        self._actor = actor

    @property
    def url(self) -> str:
        return self._inner.url

    def get(self, key: str, part: Part | None = None) -> bytes:
        if not key.startswith("log/") and self._actor.stops():
            self._actor.wait(f"get {key}")
        return self._inner.get(key, part)

    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes]:
        for key, part in parts:
            yield self.get(key, part)

    def put(self, key: str, source: bytes | memoryview) -> None:
        with self._writing(f"put {key}"):
            self._inner.put(key, source)

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with self._writing(f"put {key}"), self._inner.writer(key) as file:
            yield file

    def create(self, key: str, body: bytes) -> bool:
        with self._writing(f"create {key}"):
            return self._inner.create(key, body)

    def stat(self, key: str) -> Stat | None:
        if self._actor.stops():
            self._actor.wait(f"stat {key}")
        return self._inner.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        if self._actor.stops():
            self._actor.wait(f"list {prefix}")
        return iter(list(self._inner.list(prefix)))

    def delete(self, key: str) -> None:
        with self._writing(f"delete {key}"):
            self._inner.delete(key)

    def pause(self, what: str) -> None:
        """Stop here: what the actor is about to look up may change before."""
        self._actor.wait(what)

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        self._actor.wait(what)
        yield
        if self._actor.loses_answer():
            raise TransientStorageError(f"injected: the answer to {what} was lost")
