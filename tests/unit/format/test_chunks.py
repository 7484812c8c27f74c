"""Where content is cut: as docs/format.md says, whatever the blocks, and moved little by an edit."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xver.format.chunks import CHUNK_AVERAGE, CHUNK_MIN, cut
from xver.model.entries import CHUNK_MAX

MIB = 1 << 20
NOISE = random.Random(7).randbytes(3 * MIB)
ZEROS = bytes(MIB + 12345)

GEAR = [int.from_bytes(hashlib.md5(bytes([byte]) * 64).digest()[:8], "big") for byte in range(256)]
SMALL_MASK, LARGE_MASK = 0x0000D90703537000, 0x0000D90F03530000


def cut_by_the_book(data: bytes) -> Iterator[bytes]:
    """Cut as docs/format.md says, one byte at a time."""
    while data:
        end = min(len(data), CHUNK_MAX)
        at, hash = CHUNK_MIN, 0
        while at < end - end % 2:
            hash = ((hash << 1) + GEAR[data[at]]) & ((1 << 64) - 1)
            if not hash & (SMALL_MASK if at < CHUNK_AVERAGE else LARGE_MASK):
                break
            at += 1
        else:
            at = end
        yield data[:at]
        data = data[at:]


def in_blocks(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@pytest.mark.parametrize("data", [NOISE[: MIB + 1], ZEROS[: MIB // 2], b"ab" * 200_000, NOISE[:20_001]])
def test_cuts_are_those_of_the_specification(data: bytes) -> None:
    assert list(map(bytes, cut([data]))) == list(cut_by_the_book(data))


@given(st.lists(st.integers(0, 400_000), max_size=12), st.sampled_from([NOISE[: 3 * MIB // 2], ZEROS]))
@settings(max_examples=40)
def test_cuts_do_not_depend_on_blocks(sizes: list[int], data: bytes) -> None:
    assert list(map(bytes, cut(in_blocks(data, sizes)))) == list(map(bytes, cut([data])))


@pytest.mark.parametrize("around", [CHUNK_MIN, CHUNK_AVERAGE, CHUNK_MAX, 2 * CHUNK_MAX])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_cuts_at_the_sizes_where_rules_change_do_not_depend_on_blocks(around: int, more: int) -> None:
    for data in (NOISE[: around + more], ZEROS[: around + more]):
        whole = list(map(bytes, cut([data])))
        assert b"".join(whole) == data
        assert list(map(bytes, cut(in_blocks(data, [around - 1])))) == whole
        assert list(map(bytes, cut(in_blocks(data, [around])))) == whole


def test_chunks_have_the_sizes_of_the_format() -> None:
    sizes = [len(chunk) for chunk in cut([NOISE])]
    assert sum(sizes) == len(NOISE)
    assert all(CHUNK_MIN <= size <= CHUNK_MAX for size in sizes[:-1])
    assert 0 < sizes[-1] <= CHUNK_MAX
    assert CHUNK_AVERAGE / 2 < sum(sizes) / len(sizes) < CHUNK_AVERAGE * 2


@given(st.integers(0, len(NOISE)), st.binary(min_size=1, max_size=50))
@settings(max_examples=20)
def test_an_insertion_changes_few_chunks(at: int, inserted: bytes) -> None:
    before = {bytes(chunk) for chunk in cut([NOISE])}
    after = {bytes(chunk) for chunk in cut([NOISE[:at] + inserted + NOISE[at:]])}
    assert len(after - before) <= 4


def test_no_bytes_make_no_chunk() -> None:
    assert list(cut([])) == list(cut([b"", b""])) == []
