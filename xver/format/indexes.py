"""Index files: where every object of some containers lies; a cache of their footers, found by bisection.

"XVERINDX" u32 version, u32 containers, u32 rows, u32 bases
u32 x 256            fan-out: rows whose id begins with this byte or a lower one
rows, by id          id, u64 offset, u32 container, u32 stored, u32 raw, u8 kind, u8 codec
bases, by id         id of a delta, u8 number of bases, three ids (zero bytes where fewer)
containers           u8 kind, u64 size, u64 XXH3-64, u16 length, name
u64                  XXH3-64 of everything before
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from xver.errors import UPGRADE, CorruptData, UnsupportedFormat
from xver.format.codecs import MAX_BASES, Codec
from xver.format.cursor import Cursor
from xver.format.keys import check_key
from xver.format.packs import check_frame
from xver.model.ids import ID_SIZE, Kind, checksum

_MAGIC: Final = b"XVERINDX"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIII")
_FANOUT: Final = struct.Struct("<256I")
_ROW: Final = struct.Struct("<32sQIIIBB")
_BASE: Final = struct.Struct("<32sB96s")
_CONTAINER: Final = struct.Struct("<BQQH")
_SUM: Final = struct.Struct("<Q")
_PACK: Final = 1


@dataclass(frozen=True, slots=True)
class Container:
    """A file that holds objects: `kind` 1 is a pack of ours; its name (a key), size in bytes and XXH3-64."""

    name: str
    size: int
    checksum: int
    kind: int = _PACK


@dataclass(frozen=True, slots=True)
class Place:
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

    Of several places of one id the first is kept.
    """
    numbers: dict[Container, int] = {}
    rows: dict[bytes, bytes] = {}
    for one in places:
        number = numbers.setdefault(one.container, len(numbers))
        if one.id not in rows:
            rows[one.id] = _ROW.pack(one.id, one.offset, number, one.stored, one.raw, one.kind, one.codec)
    ordered = sorted(rows.values())
    counts = [0] * 256
    for row in ordered:
        counts[row[0]] += 1
    total = 0
    fanout = []
    for count in counts:
        total += count
        fanout.append(total)
    side = [_BASE.pack(id, len(bases[id]), b"".join(bases[id])) for id in sorted(bases) if id in rows]
    names = []
    for container in numbers:
        name = container.name.encode()
        names.append(_CONTAINER.pack(container.kind, container.size, container.checksum, len(name)) + name)
    body = b"".join(
        [
            _HEADER.pack(_MAGIC, _VERSION, len(names), len(ordered), len(side)),
            _FANOUT.pack(*fanout),
            *ordered,
            *side,
            *names,
        ]
    )
    return body + _SUM.pack(checksum(body))


class PackIndex:
    """An index read from bytes (or from a mapped file): look-ups by bisection, nothing decoded before it is asked for.

    The checksum is verified by `verify`, not on opening: a mapped index of gigabytes opens in microseconds, and every
    object is verified by its id when it is read.

    Raises:
        CorruptData: the sizes do not add up.
        UnsupportedFormat: a version of the future.
    """

    __slots__ = ("_bases", "_data", "_fanout", "_rows", "containers", "count")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        cursor = Cursor(self._data, "index")
        magic, version, containers, rows, bases = _HEADER.unpack(cursor.take(_HEADER.size))
        if magic != _MAGIC:
            raise CorruptData("this is no index: its first bytes are others")
        if version != _VERSION:
            raise UnsupportedFormat(f"index of format {version}", hint=UPGRADE)
        self._fanout = _FANOUT.unpack(cursor.take(_FANOUT.size))
        self.count = rows
        if self._fanout[-1] != rows or list(self._fanout) != sorted(self._fanout):
            raise CorruptData("index whose fan-out is not right")
        self._rows = cursor.take(_ROW.size * rows)
        self._bases = cursor.take(_BASE.size * bases)
        self.containers = [_read_container(cursor) for _ in range(containers)]
        cursor.take(_SUM.size)
        cursor.finish()

    def verify(self) -> None:
        """Raise `CorruptData` unless the checksum matches, rows and fan-out are in order, and every row can be."""
        if checksum(self._data[: -_SUM.size]) != _SUM.unpack(self._data[-_SUM.size :])[0]:
            raise CorruptData("index does not match its checksum")
        ids = list(self.ids())
        if any(one >= two for one, two in pairwise(ids)):
            raise CorruptData("index out of order")
        counts = Counter(id[0] for id in ids)
        if tuple(accumulate(counts[first] for first in range(256))) != self._fanout:
            raise CorruptData("index whose fan-out is not right")
        for place in self.places():
            if place.codec is Codec.DELTA:
                self.bases(place.id)

    def find(self, id: bytes) -> Place | None:
        """Return where the object lies, None if not here."""
        first = id[0]
        low = self._fanout[first - 1] if first else 0
        high = self._fanout[first]
        rows = self._rows
        while low < high:
            middle = (low + high) // 2
            at = middle * 54
            if rows[at : at + 32].tobytes() < id:
                low = middle + 1
            else:
                high = middle
        at = low * 54
        if low < self.count and rows[at : at + 32] == id:
            return self._place(low)
        return None

    def bases(self, id: bytes) -> tuple[bytes, ...]:
        """Return the ids of a delta's bases; raises `CorruptData` if the index names none."""
        count = len(self._bases) // _BASE.size
        at = bisect_left(range(count), id, key=lambda row: bytes(self._bases[row * _BASE.size :][:ID_SIZE]))
        if at < count:
            found, number, ids = _BASE.unpack(self._bases[at * _BASE.size : (at + 1) * _BASE.size])
            if found == id and 1 <= number <= MAX_BASES:
                return tuple(ids[ID_SIZE * one : ID_SIZE * (one + 1)] for one in range(number))
        raise CorruptData(f"index names no bases of the delta b3:{id.hex()[:16]}")

    def ids(self) -> Iterator[bytes]:
        """Yield every id, in order."""
        rows = self._rows
        for at in range(0, len(rows), _ROW.size):
            yield rows[at : at + ID_SIZE].tobytes()

    def places(self) -> Iterator[Place]:
        """Yield every row, by id."""
        for row in range(self.count):
            yield self._place(row)

    def _place(self, row: int) -> Place:
        fields = _ROW.unpack(self._rows[row * _ROW.size : (row + 1) * _ROW.size])
        id, offset, container, stored, raw, kind, codec = fields
        check_frame(kind, codec, stored, raw, 1 if codec == Codec.DELTA else 0)
        if container >= len(self.containers):
            raise CorruptData("index with a row in no container")
        home = self.containers[container]
        if offset + stored > home.size:
            raise CorruptData("index with a row beyond its container")
        return Place(id, home, offset, stored, raw, Kind(kind), Codec(codec))


def _read_container(cursor: Cursor) -> Container:
    kind, size, sum_, length = _CONTAINER.unpack(cursor.take(_CONTAINER.size))
    name = bytes(cursor.take(length)).decode("ascii", "replace")
    if kind != _PACK:
        raise UnsupportedFormat(f"container of kind {kind}", hint=UPGRADE)
    return Container(check_key(name), size, sum_)


def merge_indexes(indexes: Sequence[PackIndex], *, without: Collection[str] = ()) -> bytes:
    """Return one index of all rows of several but those in the containers `without`; of two of one id the first."""
    deltas: dict[bytes, tuple[bytes, ...]] = {}
    places: dict[bytes, Place] = {}
    for index in indexes:
        for place in index.places():
            if place.id not in places and place.container.name not in without:
                places[place.id] = place
                if place.codec == Codec.DELTA:
                    deltas[place.id] = index.bases(place.id)
    return encode_index(places.values(), deltas)


assert _ROW.size == 54
