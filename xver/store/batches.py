"""Work on many things in batches, so that what is in memory at once has a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, cast

_T = TypeVar("_T")
_NO_MORE: Final = object()


def batches(
    things: Iterable[_T], weigh: Callable[[_T], int], most: int, *, most_things: int | None = None
) -> Iterator[list[_T]]:
    """Yield things in their order, together as many as it takes to reach the weight `most`, or the number given."""
    batch: list[_T] = []
    weight = 0
    for one in things:
        batch.append(one)
        weight += weigh(one)
        if weight >= most or len(batch) == most_things:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def one_ahead(things: Iterable[_T]) -> Iterator[_T]:
    """Yield things in their order; a thread makes the next while one is worked on. Nobody else may use their source."""
    iterator = iter(things)
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, iterator, _NO_MORE)
        while (one := coming.result()) is not _NO_MORE:
            coming = thread.submit(next, iterator, _NO_MORE)
            yield cast("_T", one)
