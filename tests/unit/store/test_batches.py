"""Things worked on in batches, and one ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain

import pytest

from xver.store.batches import batches, one_ahead, worked_ahead


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


def test_two_are_worked_on_at_once_and_come_in_their_order() -> None:
    started = [threading.Event() for _ in range(6)]

    def work(number: int) -> int:
        started[number].set()
        # The first is done only when the second is under way, which the caller's own thread would never begin.
        assert number % 2 or started[number + 1].wait(10)
        return number * 10

    assert list(worked_ahead(work, range(6))) == [0, 10, 20, 30, 40, 50]


def test_one_thing_alone_is_worked_on_by_the_caller() -> None:
    assert list(worked_ahead(lambda _: threading.current_thread(), ["alone"])) == [threading.current_thread()]
    assert list(worked_ahead(lambda _: threading.current_thread(), [])) == []


def test_no_more_is_asked_for_than_is_worked_on() -> None:
    asked: list[int] = []
    things = worked_ahead(lambda one: one, (asked.append(number) or number for number in range(10)))  # type: ignore[func-returns-value]
    assert next(things) == 0
    assert len(asked) <= 4
    things.close()  # type: ignore[attr-defined]
    assert len(asked) <= 4


def test_what_work_fails_with_comes_in_its_turn_and_nothing_is_left_running() -> None:
    before = set(threading.enumerate())

    def work(number: int) -> int:
        if number == 1:
            raise ValueError("no second")
        return number

    things = worked_ahead(work, range(5))
    assert next(things) == 0
    with pytest.raises(ValueError, match="no second"):
        next(things)
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("made", range(4))
def test_what_was_made_before_a_failure_is_worked_on_first(made: int) -> None:
    def make() -> Iterator[int]:
        yield from range(made)
        raise ValueError("no more")

    flat = chain.from_iterable(worked_ahead(lambda batch: batch, batches(make(), lambda _: 1, 2)))
    assert [next(flat) for _ in range(made)] == list(range(made))
    with pytest.raises(ValueError, match="no more"):
        next(flat)
