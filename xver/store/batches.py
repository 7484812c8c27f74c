"""Work on many things in batches, so that what is in memory at once has a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar, cast

_T = TypeVar("_T")
_Result = TypeVar("_Result")
_NO_MORE: Final = object()
_THREADS: Final = 2


def batches(
    things: Iterable[_T], weigh: Callable[[_T], int], most: int, *, most_things: int | None = None
) -> Iterator[list[_T]]:
    """Yield things in their order, together as many as it takes to reach the weight `most`, or the number given.

    What making them fails with is raised behind the last of those that were made.
    """
    batch: list[_T] = []
    weight = 0
    failed: list[Exception] = []
    for one in _until_failure(things, failed):
        batch.append(one)
        weight += weigh(one)
        if weight >= most or len(batch) == most_things:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch
    for error in failed:
        raise error


def worked_ahead(work: Callable[[_T], _Result], things: Iterable[_T]) -> Iterator[_Result]:
    """Yield what `work` makes of each thing, in their order; threads are at work on those that come next.

    Things are asked for by the caller's own thread; a single one is worked on there, too. What making or working
    fails with comes in its turn.
    """
    failed: list[Exception] = []
    iterator = _until_failure(things, failed)
    first = list(islice(iterator, 2))
    if len(first) < 2:
        yield from map(work, first)
    else:
        with ThreadPoolExecutor(_THREADS, "work") as threads:
            flying = deque(threads.submit(work, one) for one in first)
            try:
                while flying:
                    flying += (threads.submit(work, one) for one in islice(iterator, 1 + _THREADS - len(flying)))
                    yield flying.popleft().result()
            finally:
                for one in flying:
                    one.cancel()
    for error in failed:
        raise error


def _until_failure(things: Iterable[_T], failed: list[Exception]) -> Iterator[_T]:
    try:
        yield from things
    except Exception as error:  # noqa: BLE001 - it is raised by the caller, later
        failed.append(error)


def one_ahead(things: Iterable[_T]) -> Iterator[_T]:
    """Yield things in their order; a thread makes the next while one is worked on. Nobody else may use their source."""
    iterator = iter(things)
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, iterator, _NO_MORE)
        while (one := coming.result()) is not _NO_MORE:
            coming = thread.submit(next, iterator, _NO_MORE)
            yield cast("_T", one)
