"""Memory for large reads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from xver.storage.buffers import new_buffer, reused

LARGE = 8 << 20


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (2 << 20) - 1, 2 << 20, (8 << 20) + 3])
def test_a_buffer_is_of_the_size_asked_for_and_may_be_written(size: int) -> None:
    buffer = new_buffer(size)
    assert len(buffer) == size
    assert not any(buffer[-100:])
    buffer[-3:] = b"end"[:size]
    assert bytes(buffer[-3:]) == b"end"[:size]


def test_no_two_buffers_are_the_same_memory() -> None:
    one, two = new_buffer(3 << 20), new_buffer(3 << 20)
    one[0] = 1
    assert two[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no large buffer is of huge pages, nor used again")
def test_a_large_buffer_is_used_again_once_nobody_looks_at_it() -> None:
    with reused():
        first = new_buffer(LARGE)
        first[:4] = b"mark"
        part = first[2:4]
        del first
        second = new_buffer(LARGE)
        assert bytes(second[:4]) != b"mark", "a part of it is still looked at"
        assert bytes(part) == b"rk"
        del part
        assert bytes(new_buffer(LARGE - 1)[:4]) == b"mark"
    assert bytes(new_buffer(LARGE)[:4]) != b"mark", "nothing is kept afterwards"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no large buffer is of huge pages, nor used again")
def test_few_are_kept_and_those_that_are_too_small_go() -> None:
    with reused():
        many = [new_buffer(LARGE) for _ in range(20)]
        for number, one in enumerate(many):
            one[0] = number + 1
        assert [one[0] for one in many] == [*range(1, 21)]
        del one, many
        larger = [new_buffer(2 * LARGE) for _ in range(20)]
        for one in larger:
            one[0] = 99
        del one, larger
        assert new_buffer(LARGE)[0] == 99


def test_threads_never_share_a_buffer() -> None:
    def work(number: int) -> bool:
        for _ in range(50):
            buffer = new_buffer(1 << 20)
            buffer[::4096] = bytes([number]) * 256
            if bytes(buffer[::4096]) != bytes([number]) * 256:
                return False
        return True

    with reused(), ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(1, 17)))
