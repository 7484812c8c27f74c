"""Who does the heavy loops: threads or processes of this machine, a Dask cluster, or any executor that is handed in.

    threads[:N]  processes[:N]  dask://HOST:PORT       as a person writes them

Tasks are given out a window at a time and their results handed back in order, so neither piles up here. The only home
of Dask.
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import pydoc
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, TypeVar

from xver import __version__
from xver.errors import InvalidInput, WorkersFailed

FORMS: Final = "threads[:N], processes[:N] or dask://HOST:PORT"
_LOCAL: Final = re.compile(r"(threads|processes)(?::([1-9][0-9]{0,3}))?")
_DASK: Final = re.compile(r"dask://([^/:@\[\]]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})/?")
_THREADS: Final = 2
"""Each holds a pack and what it reads, about 70 MiB; the packs on their way to a bucket are two for all together."""
_WINDOW: Final = 64
_A_WORKER: Final = 4
"""Tasks given out for each worker: one it does, and some that wait, so that none waits for us."""
_POOLS: Final = 3
_PATIENCE_S: Final = 10

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Crew:
    """Workers ready to take tasks. Open one with `crew`; `is_near` tells that they run on this machine.

    A process that dies takes its whole pool along: there is a new one, and the tasks that were not done run again, up
    to three times. Dask does the same on its own.
    """

    def __init__(
        self, start: Callable[[], Executor], *, window: int, is_near: bool, lives: int = 1, is_ours: bool = True
    ) -> None:
        self._start = start
        self._executor = start()
        self._window = window
        self._lives = lives
        self._is_ours = is_ours
        self.is_near = is_near

    def map(self, do: Callable[[_Task], _Result], tasks: Iterable[_Task]) -> Generator[tuple[_Task, _Result]]:
        """Yield each task with its result, in the order of the tasks; `do` and the tasks may be pickled.

        Raises:
            WorkersFailed: workers died again and again, or the executor was shut down.
            XverError: what a task raised; what was not begun is not done any more.
        """
        waiting = iter(tasks)
        flying: deque[tuple[_Task, Future[_Result]]] = deque()
        try:
            while True:
                for task in islice(waiting, self._window - len(flying)):
                    flying.append((task, self._submit(do, task)))
                if not flying:
                    return
                task, future = flying[0]
                try:
                    result = future.result()
                except BrokenExecutor as error:
                    self._revive(error)
                    flying = deque((one, self._again(do, one, old)) for one, old in flying)
                    continue
                except CancelledError as error:
                    raise WorkersFailed("the executor was shut down, or its cluster is gone") from error
                except Exception as error:
                    if (failure := _of_workers(error)) is None:
                        raise
                    raise failure from error
                flying.popleft()
                yield task, result
        finally:
            for _, future in flying:
                future.cancel()

    def close(self) -> None:
        """Let the workers go; waits for what they are in the middle of, and for nothing else."""
        if self._is_ours:
            self._executor.shutdown(wait=True)

    def _submit(self, do: Callable[[_Task], _Result], task: _Task) -> Future[_Result]:
        while True:
            try:
                return self._executor.submit(do, task)
            except BrokenExecutor as error:
                self._revive(error)
            except RuntimeError as error:
                raise WorkersFailed(f"the executor takes no tasks: {error}") from error

    def _again(self, do: Callable[[_Task], _Result], task: _Task, old: Future[_Result]) -> Future[_Result]:
        return old if old.done() and not old.cancelled() and old.exception() is None else self._submit(do, task)

    def _revive(self, error: BaseException) -> None:
        self._lives -= 1
        if self._lives <= 0:
            raise WorkersFailed(
                "worker processes die in the middle of their work",
                hint="out of memory? Use fewer: --executor processes:1; then look into the system's log",
            ) from error
        self._executor.shutdown(wait=True)
        self._executor = self._start()


@contextlib.contextmanager
def crew(spec: str | Executor) -> Iterator[Crew]:
    """Give the workers that a person's words name, or an executor's own, checked to have this version of xver.

    An executor that was handed in is used as it is, and left open.

    Raises:
        InvalidInput: words that name no executor; Dask is not installed.
        WorkersFailed: the cluster cannot be reached or has no workers, or one has no xver, or another version.
    """
    if isinstance(spec, Executor):
        is_near = isinstance(spec, ThreadPoolExecutor | ProcessPoolExecutor)
        found = Crew(lambda: spec, window=_WINDOW, is_near=is_near, is_ours=False)
        with _translating("the executor"):
            _check({"a worker": spec.submit(pydoc.locate, _VERSION).result()})
        yield found
        return
    if (cluster := _DASK.fullmatch(spec)) is not None:
        with _dask(f"tcp://{cluster[1]}:{cluster[2]}") as found:
            yield found
        return
    local = _LOCAL.fullmatch(spec)
    if local is None:
        raise InvalidInput(f"no executor: {spec!r}", hint=f"--executor {FORMS}")
    kind, count = local[1], int(local[2] or 0)
    if kind == "threads":
        count = count or _THREADS
        found = Crew(lambda: ThreadPoolExecutor(count, "task"), window=count * _A_WORKER, is_near=True)
    else:
        count = count or os.cpu_count() or 1
        found = Crew(lambda: _processes(count), window=count * _A_WORKER, is_near=True, lives=_POOLS)
    try:
        yield found
    finally:
        found.close()


_VERSION: Final = "xver.__version__"


def here() -> str:
    """Return what people call the worker that asks: Dask's address of it, else its process and machine."""
    module = sys.modules.get("distributed.worker")
    if module is not None:
        with contextlib.suppress(ValueError):  # not in a task of Dask
            return f"worker {module.get_worker().address}"
    return f"process {os.getpid()} on {platform.node()}"


def _processes(count: int) -> Executor:
    # Spawned: threads and connections of a bucket's client do not survive a fork.
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    # Ctrl-C reaches every process of a terminal; ours ends them in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(100_000)


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Crew]:
    try:
        import distributed
    except ImportError as error:
        raise InvalidInput("dask:// needs the package distributed", hint="pip install 'xver[dask]'") from error
    open_client: Any = distributed.Client
    try:
        client = open_client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise WorkersFailed(f"there is no Dask scheduler at {address}", hint="dask scheduler; dask worker") from error
    try:
        with _translating(f"the cluster at {address}"):
            if not client.nthreads():
                client.wait_for_workers(1, timeout=_PATIENCE_S)
            # A function of the standard library: workers without xver can load it, and say so.
            _check(client.run(pydoc.locate, _VERSION, on_error="return"))
            window = max(_WINDOW, sum(client.nthreads().values()) * _A_WORKER)
        yield Crew(lambda: client.get_executor(pure=False), window=window, is_near=False, is_ours=False)
    finally:
        client.close()


def _check(versions: dict[str, Any]) -> None:
    for worker, version in sorted(versions.items()):
        if version != __version__:
            has = f"xver {version}" if isinstance(version, str) else "no xver"
            raise WorkersFailed(f"{worker} has {has}, this is {__version__}", hint=f"pip install xver=={__version__}")


@contextlib.contextmanager
def _translating(whose: str) -> Iterator[None]:
    try:
        yield
    except (OSError, TimeoutError, RuntimeError) as error:  # BrokenExecutor is one of the last
        raise WorkersFailed(f"{whose} has no workers that answer: {error}".rstrip(": ")) from error


def _of_workers(error: Exception) -> WorkersFailed | None:
    """Return what to raise where it is Dask that failed, and not the task."""
    kind = type(error)
    if kind.__module__.partition(".")[0] != "distributed":
        return None
    if kind.__name__ == "KilledWorker":
        return WorkersFailed(
            "a task's workers died, each time it was tried", hint="out of memory? See the workers' log"
        )
    return WorkersFailed(f"the cluster failed: {error}")
