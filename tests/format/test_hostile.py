"""Hostile bytes: whatever stands in a structure, its decoder says so, soon, and in little memory.

Every structure is damaged in many ways, at random and where it hurts (sizes, counts, offsets), from fixed seeds.
`pytest -m soak` goes on for longer.
"""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.support import samples
from xver.errors import CorruptData, InvalidInput, UnsupportedFormat
from xver.format.codecs import Codec, delta_bases
from xver.format.indexes import HEADER_SIZE, PackIndex, head_size, merge_indexes
from xver.format.listings import check_prefix_free, decode_block, decode_index
from xver.format.lockfile import decode_lock
from xver.format.log_entries import decode_checkpoint, decode_entry
from xver.format.nodes import decode_node
from xver.format.packs import (
    TAIL_SIZE,
    check_header,
    decode_footer,
    decode_frame,
    decode_rows,
    footer_size,
)
from xver.format.ranged_indexes import RangedIndex
from xver.format.runs import decode_run
from xver.format.snapshots import decode_snapshot
from xver.model.ids import Kind, checksum, chunk_id

MEMORY_MAX = 8 << 20
EXTREMES = (0, 1, 127, 128, 255, 1 << 15, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 53, 1 << 62, 1 << 63, (1 << 64) - 1)
WORDS = [
    b"null",
    b"-1",
    b"1e9",
    b"9" * 40,
    b'"',
    b"\\ud800",
    b"\\u0000",
    b"[" * 50,
    b"{",
    b"../",
    b".git/",
    b"true",
    b"NaN",
    b"\n",
]


def read_block(data: bytes) -> None:
    list(check_prefix_free(decode_block(data)))


def read_pack(data: bytes) -> None:
    check_header(data)
    size = footer_size(data[-TAIL_SIZE:])
    for frame in decode_footer(data[-size:], len(data)):
        stored = data[frame.offset : frame.offset + frame.stored]
        decode_frame(stored, id=frame.id, kind=frame.kind, codec=frame.codec, raw=frame.raw, dictionary=samples.CHUNK)


def read_rows(rows: bytes) -> None:
    """Read a footer whose checksum matches whatever its rows say."""
    footer = rows + struct.pack("<IQ8s", len(rows), checksum(rows), b"KCAPREVX")
    decode_footer(footer, len(samples.PACK) - len(ROWS) + len(rows))


def read_some_rows(rows: bytes) -> None:
    """Read a part of a footer, which nothing proves, as who asked for so many rows."""
    frames = list(decode_rows(rows, len(samples.PACK)))
    assert all(frame.offset + frame.stored <= len(samples.PACK) for frame in frames)
    if len(rows) < len(ROWS):
        raise CorruptData("fewer rows than were asked for")


def read_index(data: bytes) -> None:
    index = PackIndex(data)
    for id in [*index.ids(), bytes(32), b"\xff" * 32]:
        index.find(id)
    merge_indexes([index])
    index.verify()


def read_sealed_index(data: bytes) -> None:
    """Read an index whose checksum matches whatever it says."""
    read_index(data[:-8] + struct.pack("<Q", checksum(data[:-8])))


def read_index_by_ranges(data: bytes) -> None:
    """Read an index as who has a head and asks for buckets, of which some may come short."""

    def read(ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        assert sum(length for _, length in ranges) <= 2 * len(data)
        return [data[at : at + length] for at, length in ranges]

    index = RangedIndex(read, len(data), head=data[: head_size(data[:HEADER_SIZE], len(data))])
    index.find_many([bytes(32), b"\xff" * 32, samples.CHUNK_ID])
    for id in (samples.CHUNK_ID, chunk_id(samples.EDITED)):
        if (place := index.find(id)) is not None and place.codec is Codec.DELTA:
            index.bases(id)


def read_zstd(data: bytes) -> None:
    decode_frame(data, id=samples.CHUNK_ID, kind=Kind.CHUNK, codec=Codec.ZSTD, raw=len(samples.CHUNK))


def read_delta(data: bytes) -> None:
    delta_bases(data)
    id, raw = chunk_id(samples.EDITED), len(samples.EDITED)
    decode_frame(data, id=id, kind=Kind.CHUNK, codec=Codec.DELTA, raw=raw, dictionary=samples.CHUNK)


def read_grouped(data: bytes) -> None:
    raw = len(samples.FLOATS)
    decode_frame(data, id=chunk_id(samples.FLOATS), kind=Kind.CHUNK, codec=Codec.GROUPED, raw=raw)


ROWS = samples.PACK[-TAIL_SIZE - 240 : -TAIL_SIZE]
DELTA_FRAME = b"\1" + samples.CHUNK_ID + samples.DELTA
READERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "node": (samples.NODE, decode_node),
    "block": (samples.BLOCK, read_block),
    "listing": (samples.LISTING, decode_index),
    "snapshot": (samples.SNAPSHOT, decode_snapshot),
    "run": (samples.RUN, decode_run),
    "entry": (samples.ENTRY, decode_entry),
    "checkpoint": (samples.CHECKPOINT, decode_checkpoint),
    "pack": (samples.PACK, read_pack),
    "pack rows": (ROWS, read_rows),
    "some pack rows": (ROWS, read_some_rows),
    "index": (samples.INDEX, read_index),
    "index under its checksum": (samples.INDEX, read_sealed_index),
    "index by ranges": (samples.INDEX, read_index_by_ranges),
    "zstd frame": (samples.ZSTD, read_zstd),
    "delta frame": (DELTA_FRAME, read_delta),
    "grouped frame": (samples.GROUPED, read_grouped),
    "lock": (samples.LOCK, decode_lock),
}
EACH = pytest.mark.parametrize("kind", READERS)


def damaged(data: bytes, source: random.Random) -> bytes:
    """Return the bytes after one to three accidents."""
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(data) + 1)
        to = min(len(data), at + source.choice((1, 1, 4, 8, 32, 100)))
        match source.randrange(7):
            case 0:
                data = data[:at] + bytes([source.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + source.choice(EXTREMES).to_bytes(8, "little") + data[at + 8 :]
            case 2:
                data = data[:at] + (source.choice(EXTREMES) % (1 << 32)).to_bytes(4, "little") + data[at + 4 :]
            case 3:
                data = data[:at] + data[to:]
            case 4:
                data = data[:to] + data[at:to] * source.choice((1, 2, 50)) + data[to:]
            case 5:
                data = data[:at] + source.choice(WORDS) + data[to if source.random() < 0.5 else at :]
            case _:
                data = data[:at]
    return data


def hostile(kind: str, number: int, seed: int = 0) -> Iterator[bytes]:
    source = random.Random(f"{kind} {seed}")
    data = READERS[kind][0]
    for _ in range(number):
        yield damaged(data, source)


def try_all(kind: str, attempts: Iterator[bytes]) -> int:
    """Read every attempt; return how many were refused, which none may be in another way than these."""
    refused = 0
    for data in attempts:
        try:
            READERS[kind][1](data)
        except (CorruptData, UnsupportedFormat):
            refused += 1
        except InvalidInput:
            assert kind == "lock", "only a lock may ask its reader to resolve a merge"
            refused += 1
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} from {kind}: {data!r}") from error
    return refused


@EACH
def test_a_sample_is_read(kind: str) -> None:
    data, read = READERS[kind]
    read(data)


@EACH
def test_damage_is_refused_and_nothing_else_happens(kind: str) -> None:
    assert try_all(kind, hostile(kind, 4_000)) > 1_000


@EACH
def test_every_shorter_structure_is_refused(kind: str) -> None:
    data, read = READERS[kind]
    if kind in ("lock", "pack rows"):
        return  # some beginnings of these are whole
    for end in range(0, len(data), 1 + len(data) // 700):
        with pytest.raises((CorruptData, UnsupportedFormat)):
            read(data[:end])


@EACH
def test_a_declared_size_takes_no_memory(kind: str) -> None:
    data, read = READERS[kind]
    read(data)
    tracemalloc.start()
    try:
        for at in range(0, len(data), 1 + len(data) // 400):
            for extreme in ((1 << 63).to_bytes(8, "little"), b"\xff" * 8, b"\xff" * 4, b"\0\0\0\x40"):
                wrong = data[:at] + extreme + data[at + len(extreme) :]
                try_all(kind, iter([wrong]))
        assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 9))
@EACH
def test_damage_for_longer(kind: str, seed: int) -> None:
    try_all(kind, hostile(kind, 60_000, seed))
