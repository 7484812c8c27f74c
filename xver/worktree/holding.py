"""One at a time: a lock file that processes hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from xver.errors import Locked


@contextlib.contextmanager
def alone(path: Path, timeout: float, *, wait: Callable[[], None], refusal: Callable[[], str]) -> Iterator[None]:
    """Hold a lock file; where another process has it, call `wait`, then wait for it.

    Raises:
        Locked: it was not to be had for `timeout` seconds; `refusal` gives the message.
    """
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        wait()
        try:
            lock.acquire(timeout=timeout, poll_interval=0.02)
        except filelock.Timeout as error:
            raise Locked(refusal(), hint="wait for it, then try again") from error
    try:
        yield
    finally:
        lock.release()
