"""Things worked on in batches, and one ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from xver.store.batches import one_ahead


def test_the_next_is_made_while_one_is_worked_on() -> None:
    made = [threading.Event() for _ in range(3)]

    def make() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in one_ahead(make()):
        # Without a thread the next one would never be made in here.
        assert all(event.wait(10) for event in made[: number + 2])


def test_what_making_fails_with_comes_in_its_turn() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    things = one_ahead(make())
    assert next(things) == 1
    with pytest.raises(ValueError, match="no more"):
        next(things)


def test_nothing_is_left_running_when_somebody_stops() -> None:
    before = set(threading.enumerate())
    things = one_ahead(iter(range(10)))
    assert next(things) == 0
    things.close()  # type: ignore[attr-defined]
    assert not set(threading.enumerate()) - before
    assert list(one_ahead([])) == []
