"""Listing blocks made by somebody else: one form for each row, and whatever cannot be is refused."""

from __future__ import annotations

import struct

import pytest

from xver.errors import CorruptData, UnsupportedFormat
from xver.format.listings import MAX_ADDRESS, MAX_ROWS, Row, decode_block, encode_block
from xver.model.entries import CHUNK_MAX, SIZE_MAX, Dataset, External, File, Link
from xver.model.ids import EMPTY_ID, ListingId
from xver.model.paths import MAX_PATH, TrackedPath

ID = bytes(range(32))
PRINT = b"f" * 16


def block(
    paths: tuple[bytes, ...] = (b"a",),
    kind: int = 1,
    size: int = 5,
    id: bytes = ID,
    print: bytes = PRINT,
    rest: bytes = b"",
    count: int | None = None,
) -> bytes:
    """Write a block as docs/format.md says; every row alike but for its path."""
    ends = [0]
    for path in paths:
        ends.append(ends[-1] + len(path))
    number = len(paths)
    return b"".join(
        [
            struct.pack("<I", number if count is None else count),
            struct.pack(f"<{number + 1}I", *ends),
            *paths,
            bytes([kind]) * number,
            struct.pack("<Q", size) * number,
            id * number,
            print * number,
            rest,
        ]
    )


NO_PRINT = bytes(16)
EXTERNAL = {"kind": 5, "id": bytes(32), "print": NO_PRINT}


@pytest.mark.parametrize(
    ("data", "entry"),
    [
        (block(), File(ID, 5, PRINT)),  # type: ignore[arg-type]
        (block(kind=2), File(ID, 5, PRINT, executable=True)),  # type: ignore[arg-type]
        (block(size=0, id=EMPTY_ID), File(EMPTY_ID, 0, PRINT)),
        (block(size=CHUNK_MAX + 1, rest=b"s" * 32), File(ID, CHUNK_MAX + 1, PRINT, b"s" * 32)),  # type: ignore[arg-type]
        (block(kind=3, print=NO_PRINT), Link(ID, 5)),  # type: ignore[arg-type]
        (block(kind=4, print=NO_PRINT, rest=struct.pack("<Q", 7)), Dataset(ListingId(ID), 5, 7)),
        (block(**EXTERNAL, rest=b"\3\0\0\0u:v\0\0\0\0"), External("u:v", "", 5)),  # type: ignore[arg-type]
    ],
)
def test_a_row_of_each_kind_has_one_form(data: bytes, entry: object) -> None:
    rows = decode_block(data)
    assert rows == [Row(TrackedPath("a"), entry)]  # type: ignore[arg-type]
    assert encode_block(rows) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        block(paths=()),
        block(count=MAX_ROWS + 1),
        block(count=(1 << 32) - 1),
        block()[:-1],
        block() + b"\0",
        block(paths=(b"b", b"a")),
        block(paths=(b"a", b"a")),
        block(paths=(b"a", b"")),
        block(paths=(b"a" * (MAX_PATH + 1),)),
        block(paths=(b"../a",)),
        block(paths=(b"/a",)),
        block(paths=(b"a\0",)),
        block(paths=(b".git/config",)),
        block(paths=(b"\xff",)),
        block(size=0),
        block(size=SIZE_MAX + 1, rest=bytes(32)),
        block(paths=(b"a", b"b"), size=SIZE_MAX, rest=bytes(64)),
        block(size=CHUNK_MAX + 1),
        block(rest=bytes(32)),
        block(kind=3),
        block(kind=3, print=NO_PRINT, size=0, id=EMPTY_ID),
        block(kind=3, print=NO_PRINT, size=CHUNK_MAX + 1),
        block(kind=4, rest=bytes(8)),
        block(kind=4, print=NO_PRINT),
        block(kind=5, print=NO_PRINT, rest=bytes(8)),
        block(kind=5, id=bytes(32), rest=bytes(8)),
        block(**EXTERNAL, rest=b"\xff\xff\xff\xff"),  # type: ignore[arg-type]
        block(**EXTERNAL, rest=struct.pack("<I", MAX_ADDRESS + 1) + bytes(MAX_ADDRESS + 5)),  # type: ignore[arg-type]
        block(**EXTERNAL, rest=b"\1\0\0\0\xff\0\0\0\0"),  # type: ignore[arg-type]
    ],
)
def test_a_block_that_cannot_be_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_block(data)


def test_a_kind_of_the_future_needs_a_newer_xver() -> None:
    with pytest.raises(UnsupportedFormat, match="kind 6") as caught:
        decode_block(block(kind=6))
    assert caught.value.hint is not None
