"""Memory for large reads."""

from __future__ import annotations

import pytest

from xver.storage.buffers import new_buffer


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
