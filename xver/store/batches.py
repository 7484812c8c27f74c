"""Work on many things in batches, so that what is in memory at once has a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


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
