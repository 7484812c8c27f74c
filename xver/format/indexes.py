"""Index files: where every object of some containers lies; a cache of their footers, read whole or by ranges.

"XVERINDX" u32 version, u32 containers, u32 bytes of theirs, u32 rows, u32 bases, u8 bits
u32 x 2^bits         fan-out: rows whose id begins with these bits or lower ones
containers           u8 kind, u64 size, u64 XXH3-64, u16 length, name
rows, by id          id, u64 offset, u32 container, u32 stored, u32 raw, u8 kind, u8 codec
bases, by id         id of a delta, u8 number of bases, three ids (zero bytes where fewer)
u64                  XXH3-64 of everything before

A bucket of the fan-out has 32 to 64 rows, so whoever has the head finds an object by one read of 2 to 3 KiB, however
many millions there are.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from xver.errors import UPGRADE, CorruptData, UnsupportedFormat
from xver.format.codecs import MAX_BASES, Codec
from xver.format.cursor import Cursor
from xver.format.keys import check_key
from xver.format.packs import CODECS, KINDS, check_frame
from xver.model.ids import ID_SIZE, Kind, checksum

_MAGIC: Final = b"XVERINDX"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIIIIB")
HEADER_SIZE: Final = _HEADER.size
_FANOUT: Final = struct.Struct("<I")
_ROW: Final = struct.Struct("<32sQIIIBB")
ROW_SIZE: Final = _ROW.size
_BASE: Final = struct.Struct("<32sB96s")
BASE_SIZE: Final = _BASE.size
_CONTAINER: Final = struct.Struct("<BQQH")
_SUM: Final = struct.Struct("<Q")
_PACK: Final = 1
_FOREIGN, _DELTA = 1, 2
_BUCKET_BITS: Final = 5
"""A bucket has as many rows as this says, to twice as many."""


class Container(NamedTuple):
    """A file that holds objects: `kind` 1 is a pack of ours; its name (a key), size in bytes and XXH3-64."""

    name: str
    size: int
    checksum: int
    kind: int = _PACK


class Place(NamedTuple):
    """Where an object lies: in which container, from which offset, and how it is stored."""

    id: bytes
    container: Container
    offset: int
    stored: int
    raw: int
    kind: Kind
    codec: Codec


def encode_index(places: Iterable[Place], bases: dict[bytes, tuple[bytes, ...]]) -> bytes:
    """Return the index of `places`; `bases` names those of every delta among them.

    Of several places of one id the first is kept where the object is whole; else the first foreign one; else the first.
    """
    numbers: dict[Container, int] = {}
    rows: dict[bytes, bytes] = {}
    ranks: dict[bytes, int] = {}
    for id, container, offset, stored, raw, kind, codec in places:
        number = numbers.setdefault(container, len(numbers))
        if id in ranks and ranks[id] <= rank_of(codec):
            continue
        ranks[id] = rank_of(codec)
        rows[id] = _ROW.pack(id, offset, number, stored, raw, kind, codec)
    ordered = sorted(rows.values())
    bits = bits_for(len(ordered))
    counts = [0] * (1 << bits)
    for row in ordered:
        counts[bucket_of(row, bits)] += 1
    fanout = list(accumulate(counts))
    side = [_BASE.pack(id, len(bases[id]), b"".join(bases[id])) for id in sorted(bases) if ranks.get(id) == _DELTA]
    names = []
    for container in numbers:
        name = container.name.encode()
        names.append(_CONTAINER.pack(container.kind, container.size, container.checksum, len(name)) + name)
    body = b"".join(
        [
            _HEADER.pack(_MAGIC, _VERSION, len(names), sum(map(len, names)), len(ordered), len(side), bits),
            struct.pack(f"<{len(fanout)}I", *fanout),
            *names,
            *ordered,
            *side,
        ]
    )
    return body + _SUM.pack(checksum(body))


def rank_of(codec: Codec) -> int:
    """Return a number by which rows of one object are chosen, the lowest first: what is whole needs nothing else."""
    return {Codec.FOREIGN: _FOREIGN, Codec.DELTA: _DELTA}.get(codec, 0)


def bits_for(rows: int) -> int:
    """Return how many leading bits of an id choose its bucket in an index of so many rows."""
    return max(0, rows.bit_length() - 1 - _BUCKET_BITS)


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the rows, checked against the size of the file, so that no count makes us allocate more."""

    bits: int
    rows: int
    bases: int
    fanout: memoryview
    containers: tuple[Container, ...]
    rows_at: int

    @property
    def bases_at(self) -> int:
        """Where the bases begin in the file."""
        return self.rows_at + ROW_SIZE * self.rows

    def bucket(self, number: int) -> tuple[int, int]:
        """Return the first row of a bucket, and the first behind it."""
        (high,) = _FANOUT.unpack_from(self.fanout, 4 * number)
        low = _FANOUT.unpack_from(self.fanout, 4 * number - 4)[0] if number else 0
        if not low <= high <= self.rows:
            raise CorruptData("index whose fan-out is not right")
        return low, high

    def place(self, row: bytes | memoryview) -> Place:
        """Return what a row says; raises `CorruptData` for what cannot be."""
        id, offset, container, stored, raw, kind, codec = _ROW.unpack(row)
        check_frame(kind, codec, stored, raw, 1 if codec == Codec.DELTA else 0)
        if container >= len(self.containers):
            raise CorruptData("index with a row in no container")
        home = self.containers[container]
        if offset + stored > home.size:
            raise CorruptData("index with a row beyond its container")
        return Place(id, home, offset, stored, raw, KINDS[kind], CODECS[codec])


def head_size(data: bytes | memoryview, size: int) -> int:
    """Return how many bytes stand before the rows, from the first `HEADER_SIZE` of an index of `size` bytes.

    Raises:
        CorruptData: the sizes do not add up.
        UnsupportedFormat: a version of the future.
    """
    if len(data) < _HEADER.size:
        raise CorruptData("index ends early")
    magic, version, containers, names, rows, bases, bits = _HEADER.unpack(data[: _HEADER.size])
    if magic != _MAGIC:
        raise CorruptData("this is no index: its first bytes are others")
    if version != _VERSION:
        raise UnsupportedFormat(f"index of format {version}", hint=UPGRADE)
    if bits and 1 << bits > rows:
        raise CorruptData("index whose fan-out is not right")
    head = int(_HEADER.size + _FANOUT.size * (1 << bits) + names)
    if head + ROW_SIZE * rows + BASE_SIZE * bases + _SUM.size != size or containers * _CONTAINER.size > names:
        raise CorruptData("index of the wrong size")
    return head


def read_head(data: memoryview, size: int) -> Head:
    """Return what stands before the rows of an index of `size` bytes; raises as `head_size` does."""
    at = head_size(data, size)
    _, _, containers, names, rows, bases, bits = _HEADER.unpack(data[: _HEADER.size])
    cursor = Cursor(data[at - names : at], "index")
    homes = tuple(_read_container(cursor) for _ in range(containers))
    cursor.finish()
    head = Head(bits, rows, bases, data[_HEADER.size : at - names], homes, at)
    if head.bucket((1 << bits) - 1)[1] != rows:
        raise CorruptData("index whose fan-out is not right")
    return head


class PackIndex:
    """An index read from bytes (or from a mapped file): look-ups by bisection, nothing decoded before it is asked for.

    The checksum is verified by `verify`, not on opening: a mapped index of gigabytes opens in microseconds, and every
    object is verified by its id when it is read.

    Raises:
        CorruptData: the sizes do not add up.
        UnsupportedFormat: a version of the future.
    """

    __slots__ = ("_bases", "_data", "_head", "_rows", "containers", "count")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._head = read_head(self._data, len(self._data))
        self.count = self._head.rows
        self.containers = self._head.containers
        self._rows = self._data[self._head.rows_at : self._head.bases_at]
        self._bases = self._data[self._head.bases_at : -_SUM.size]

    @property
    def row_bytes(self) -> memoryview:
        """The rows as they stand in the file."""
        return self._rows

    @property
    def base_bytes(self) -> memoryview:
        """The bases of deltas as they stand in the file."""
        return self._bases

    def verify(self) -> None:
        """Raise `CorruptData` unless the checksum matches, rows and fan-out are in order, and every row can be."""
        if checksum(self._data[: -_SUM.size]) != _SUM.unpack(self._data[-_SUM.size :])[0]:
            raise CorruptData("index does not match its checksum")
        if any(one >= two for one, two in pairwise(self.ids())):
            raise CorruptData("index out of order")
        counts = [0] * (1 << self._head.bits)
        for id in self.ids():
            counts[bucket_of(id, self._head.bits)] += 1
        for number, total in enumerate(accumulate(counts)):
            if self._head.bucket(number)[1] != total:
                raise CorruptData("index whose fan-out is not right")
        for place in self.places():
            if place.codec is Codec.DELTA:
                self.bases(place.id)

    def find(self, id: bytes) -> Place | None:
        """Return where the object lies, None if not here."""
        low, high = self._head.bucket(bucket_of(id, self._head.bits))
        return find_row(self._head, self._rows[ROW_SIZE * low : ROW_SIZE * high], id)

    def find_many(self, ids: Iterable[bytes]) -> dict[bytes, Place]:
        """Return where those of the objects lie that are here."""
        return {id: place for id in ids if (place := self.find(id)) is not None}

    def bases(self, id: bytes) -> tuple[bytes, ...]:
        """Return the ids of a delta's bases; raises `CorruptData` if the index names none."""
        return find_bases(id, self._head.bases, lambda row: self._bases[row * BASE_SIZE : (row + 1) * BASE_SIZE])

    def ids(self) -> Iterator[bytes]:
        """Yield every id, in order."""
        rows = self._rows
        for at in range(0, len(rows), ROW_SIZE):
            yield rows[at : at + ID_SIZE].tobytes()

    def places(self) -> Iterator[Place]:
        """Yield every row, by id."""
        for at in range(0, len(self._rows), ROW_SIZE):
            yield self._head.place(self._rows[at : at + ROW_SIZE])


def head_guess(size: int, packs: Iterable[str]) -> int:
    """Return how many bytes to read at the front of an index of `size` bytes so that its head is among them.

    `packs` are the names of the containers it may have. A good guess, not a promise: `head_size` tells.
    """
    names = sum(_CONTAINER.size + len(name) for name in packs)
    return min(size, _HEADER.size + _FANOUT.size * (1 << bits_for(size // ROW_SIZE)) + names)


def bucket_of(id: bytes | memoryview, bits: int) -> int:
    """Return the bucket of an id (or of a row, which begins with one) where `bits` choose it."""
    return int.from_bytes(id[:4], "big") >> (32 - bits)


def find_row(head: Head, rows: memoryview, id: bytes) -> Place | None:
    """Return what the row of an object says, None where it is not among these rows."""
    low, high = 0, len(rows) // ROW_SIZE
    while low < high:
        middle = (low + high) // 2
        at = middle * ROW_SIZE
        if rows[at : at + ID_SIZE].tobytes() < id:
            low = middle + 1
        else:
            high = middle
    at = low * ROW_SIZE
    if rows[at : at + ID_SIZE] == id:
        return head.place(rows[at : at + ROW_SIZE])
    return None


def find_bases(id: bytes, count: int, read: Callable[[int], bytes | memoryview]) -> tuple[bytes, ...]:
    """Return the ids of a delta's bases, of `count` entries that `read` gives; raises `CorruptData` if none has it."""
    at = bisect_left(range(count), id, key=lambda row: bytes(read(row)[:ID_SIZE]))
    if at < count:
        found, number, ids = _BASE.unpack(read(at))
        if found == id and 1 <= number <= MAX_BASES:
            return tuple(ids[ID_SIZE * one : ID_SIZE * (one + 1)] for one in range(number))
    raise CorruptData(f"index names no bases of the delta b3:{id.hex()[:16]}")


def _read_container(cursor: Cursor) -> Container:
    kind, size, sum_, length = _CONTAINER.unpack(cursor.take(_CONTAINER.size))
    name = bytes(cursor.take(length)).decode("ascii", "replace")
    if kind != _PACK:
        raise UnsupportedFormat(f"container of kind {kind}", hint=UPGRADE)
    return Container(check_key(name), size, sum_)


def merge_indexes(
    indexes: Sequence[PackIndex], *, without: Collection[str] = (), forget: Collection[tuple[str, bytes]] = ()
) -> bytes:
    """Return one index of all rows of several; of two of one id the whole one, of two that are alike in this the first.

    Rows in the containers `without` are left out, and those that `forget` names by container and id.
    """
    deltas: dict[bytes, tuple[bytes, ...]] = {}
    places: dict[bytes, Place] = {}
    for index in indexes:
        for place in index.places():
            known, name = places.get(place.id), place.container.name
            if name in without or (name, place.id) in forget:
                continue
            if known is None or rank_of(place.codec) < rank_of(known.codec):
                places[place.id] = place
                if place.codec is Codec.DELTA:
                    deltas[place.id] = index.bases(place.id)
    return encode_index(places.values(), deltas)
