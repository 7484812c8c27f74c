"""A dataset's listing: rows sorted by path, in columnar blocks under index nodes, split by path.

    rows         a b c d e f g h i j k …          a row: path, kind, size, id, fingerprint, …
    blocks       [a b c d] [e f g] [h i j k] …    closed after a row whose path's hash ends in seven zero bits
    level 1      [B B B]                          index: first path, rows, bytes and id of each block
    level 2      …                                until one index is left: its id is the listing's

Boundaries depend on paths alone, so a change of content moves none, and the id depends on the rows alone. A block
holds 32 to 8,192 rows, an index 32 to 4,096 children, either about 160; fewer are held by the last of a level, and by
one whose text (paths, addresses) reaches 4 MiB. A listing's id is always that of an index; an empty listing is an
index without children.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from operator import ge, sub
from typing import AnyStr, Final, NamedTuple

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.cursor import Cursor
from xver.model.entries import CHUNK_MAX, SIZE_MAX, Dataset, Entry, EntryKind, External, File, Link, kind_of
from xver.model.ids import (
    EMPTY_ID,
    FINGERPRINT_SIZE,
    ID_SIZE,
    NO_FINGERPRINT,
    SHA256_SIZE,
    ListingId,
)
from xver.model.paths import MAX_PATH, TrackedPath, decode_path

MIN_ROWS: Final = 32
MAX_ROWS: Final = 8192
MAX_CHILDREN: Final = 4096
MAX_LEVEL: Final = 8
MAX_TEXT: Final = 4 * 1024 * 1024
"""Closes a part whatever its rows or children: with the longest names it stays below the largest object."""
MAX_ADDRESS: Final = 4096
"""The longest address of an external file, in bytes, and the longest version its server calls it."""

_COUNT: Final = struct.Struct("<I")
_INDEX: Final = struct.Struct("<BI")
_CHILD: Final = struct.Struct("<QQ32s")
# Plain integers: a comparison with an enumeration costs more than the rest of reading a row.
_FILE_KINDS: Final = frozenset(map(int, (EntryKind.FILE, EntryKind.EXECUTABLE)))
_EXECUTABLE: Final = int(EntryKind.EXECUTABLE)
_PLAIN_KINDS: Final = bytes((*sorted(_FILE_KINDS), EntryKind.LINK))


class Row(NamedTuple):
    """One row: a tracked path and what is there."""

    path: TrackedPath
    entry: Entry


@dataclass(frozen=True, slots=True)
class Child:
    """What an index knows of a block or of a lower index: its first path, number of rows, bytes and id."""

    first: bytes
    rows: int
    size: int
    id: bytes


@dataclass(frozen=True, slots=True)
class ListingNode:
    """An index of a listing; at level 1 the children are blocks."""

    level: int
    children: tuple[Child, ...]

    @property
    def first(self) -> bytes:
        """The first path below; empty if there is none."""
        return self.children[0].first if self.children else b""

    @property
    def rows(self) -> int:
        """Rows below."""
        return sum(child.rows for child in self.children)

    @property
    def size(self) -> int:
        """Bytes of content below."""
        return sum(child.size for child in self.children)


def encode_block(rows: Sequence[Row]) -> bytes:
    """Return the bytes of a block: columns one after the other.

    Raises `InvalidInput` for a row that `decode_block` would refuse.
    """
    paths = [row.path.encode() for row in rows]
    kinds = bytes(kind_of(row.entry) for row in rows)
    ends = list(accumulate(map(len, paths), initial=0))
    count = len(rows)
    ids: list[bytes] = []
    fingerprints, hashes, files, texts = [], [], [], []
    for _, entry in rows:
        match entry:
            case File():
                ids.append(entry.id)
                fingerprints.append(entry.fingerprint)
                if (entry.sha256 is None) == (entry.size > CHUNK_MAX):
                    raise InvalidInput("SHA-256 belongs to files of more than one chunk, and only to them")
                if entry.sha256 is not None:
                    hashes.append(entry.sha256)
            case Link():
                ids.append(entry.id)
                fingerprints.append(NO_FINGERPRINT)
            case Dataset():
                ids.append(entry.id)
                fingerprints.append(NO_FINGERPRINT)
                files.append(entry.files)
            case External():
                ids.append(bytes(ID_SIZE))
                fingerprints.append(NO_FINGERPRINT)
                texts += [entry.uri.encode(), entry.etag.encode()]
    if sum(row.entry.size for row in rows) > SIZE_MAX or max(map(len, texts), default=0) > MAX_ADDRESS:
        raise InvalidInput("a listing block with sizes or addresses beyond the maxima")
    return b"".join(
        [
            _COUNT.pack(count),
            struct.pack(f"<{count + 1}I", *ends),
            *paths,
            kinds,
            struct.pack(f"<{count}Q", *(row.entry.size for row in rows)),
            *ids,
            *fingerprints,
            *hashes,
            struct.pack(f"<{len(files)}Q", *files),
            *(_COUNT.pack(len(text)) + text for text in texts),
        ]
    )


def decode_block(data: bytes | memoryview) -> list[Row]:
    """Return the rows of a block.

    Raises `CorruptData` for anything but rows in order with safe paths, each in its one form, `UnsupportedFormat` for
    a kind of the future. Whether a path lies below another's is asked of the whole listing: `check_prefix_free`.
    """
    return BlockColumns(data).rows()


class BlockColumns:
    """A block whose rows are not made yet: `sizes` as they are stored; a path is checked with its row."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Raises `CorruptData` where the columns do not fit."""
        cursor = Cursor(data, "listing block")
        (count,) = cursor.unpack(_COUNT)
        if not 1 <= count <= MAX_ROWS:
            raise CorruptData(f"listing block of {count} rows")
        self._ends = ends = struct.unpack(f"<{count + 1}I", cursor.take(4 * count + 4))
        lengths = list(map(sub, ends[1:], ends))
        if ends[0] != 0 or min(lengths) <= 0 or max(lengths) > MAX_PATH:
            raise CorruptData("listing block whose path lengths are not right")
        self._text = bytes(cursor.take(ends[-1]))
        self._kinds = bytes(cursor.take(count))
        self.sizes = struct.unpack(f"<{count}Q", cursor.take(8 * count))
        self._ids = bytes(cursor.take(ID_SIZE * count))
        self._prints = bytes(cursor.take(FINGERPRINT_SIZE * count))
        self._hashes = {}
        if max(self.sizes) > CHUNK_MAX:
            large = (at for at, size in enumerate(self.sizes) if size > CHUNK_MAX and self._kinds[at] in _FILE_KINDS)
            self._hashes = {at: bytes(cursor.take(SHA256_SIZE)) for at in large}
        datasets = self._kinds.count(EntryKind.DATASET)
        self._files = iter(struct.unpack(f"<{datasets}Q", cursor.take(8 * datasets)))
        if sum(self.sizes) > SIZE_MAX:
            raise CorruptData("listing block whose sizes are not right")
        self._cursor = cursor

    @cached_property
    def paths(self) -> list[bytes]:
        """The paths, as they are stored."""
        return [self._text[low:high] for low, high in pairwise(self._ends)]

    @property
    def first(self) -> bytes:
        """The first path."""
        return self._text[: self._ends[1]]

    @property
    def is_in_order(self) -> bool:
        """Whether each path sorts after the one before it."""
        return not any(map(ge, self.paths, self.paths[1:]))

    def unlike(self, other: BlockColumns) -> list[int] | None:
        """Return where two plain blocks with the same paths have different rows, None if their paths are not the same.

        Columns are compared as bytes, in halves as long as they differ: what is equal costs next to nothing.
        """
        if self._text != other._text or self._ends != other._ends:
            return None
        found = set(_unlike(self._kinds, other._kinds, 1, 0, len(self._kinds)))
        found.update(_unlike(self.sizes, other.sizes, 1, 0, len(self.sizes)))
        found.update(_unlike(self._ids, other._ids, ID_SIZE, 0, len(self._kinds)))
        found.update(_unlike(self._prints, other._prints, FINGERPRINT_SIZE, 0, len(self._kinds)))
        if self._hashes != other._hashes:
            found |= {at for at, _ in self._hashes.items() ^ other._hashes.items()}
        return sorted(found)

    @property
    def is_plain(self) -> bool:
        """Whether there are only files and links, whose rows can be made in any order; others come one by one."""
        return not self._kinds.translate(None, _PLAIN_KINDS)

    def cells(self) -> Iterator[tuple[bytes, int, int, bytes, bytes]]:
        """Yield all that tells one row of a plain block from another."""
        starts = range(0, len(self._ids), ID_SIZE)
        ids = (self._ids[at : at + ID_SIZE] for at in starts)
        prints = (self._prints[at : at + FINGERPRINT_SIZE] for at in range(0, len(self._prints), FINGERPRINT_SIZE))
        return zip(self.paths, self._kinds, self.sizes, ids, prints, strict=True)

    def row(self, at: int) -> Row:
        """Return a row; where the block is not plain, each has to be asked for once, and in order.

        Raises like `decode_block`.
        """
        path = decode_path_safely(self.paths[at])
        kind, size = self._kinds[at], self.sizes[at]
        id = self._ids[ID_SIZE * at : ID_SIZE * (at + 1)]
        print_ = self._prints[FINGERPRINT_SIZE * at : FINGERPRINT_SIZE * (at + 1)]
        if kind in _FILE_KINDS:
            if not size and id != EMPTY_ID:
                raise CorruptData(f"{path!r} is listed with an id and no bytes")
            file = File(id, size, print_, self._hashes.get(at), kind == _EXECUTABLE)  # type: ignore[arg-type]
            return Row(path, file)
        entry = _read_other(self._cursor, kind, id, size, self._files)
        if print_ != NO_FINGERPRINT or not _has_its_form(entry, id):
            raise CorruptData(f"{path!r} is listed with what its kind does not have")
        return Row(path, entry)

    def rows(self) -> list[Row]:
        """Return all rows, in order; raises like `decode_block`."""
        self._check_order()
        rows = [self.row(at) for at in range(len(self.paths))]
        self._cursor.finish()
        return rows

    def rows_at(self, paths: Collection[bytes]) -> list[Row]:
        """Return the rows of these paths, in order; of a plain block no others are made. Raises like `decode_block`."""
        if not self.is_plain:
            return [row for row in self.rows() if row.path.encode() in paths]
        self._check_order()
        self._cursor.finish()
        return [self.row(at) for at, path in enumerate(self.paths) if path in paths]

    def _check_order(self) -> None:
        if not self.is_in_order:
            raise CorruptData("listing block out of order")


def _unlike(one: Sequence[object], two: Sequence[object], width: int, low: int, high: int) -> Iterator[int]:
    """Yield which cells from `low` to `high`, each `width` long, are not the same in two columns."""
    if one[low * width : high * width] == two[low * width : high * width]:
        return
    if high - low == 1:
        yield low
        return
    middle = (low + high) // 2
    yield from _unlike(one, two, width, low, middle)
    yield from _unlike(one, two, width, middle, high)


def encode_index(level: int, children: Sequence[Child]) -> bytes:
    """Return the bytes of an index."""
    body = b"".join(
        _COUNT.pack(len(child.first)) + child.first + _CHILD.pack(child.rows, child.size, child.id)
        for child in children
    )
    return _INDEX.pack(level, len(children)) + body


def decode_index(data: bytes | memoryview) -> ListingNode:
    """Return the index in `data`; raises `CorruptData` for what exceeds the maxima or is out of order."""
    cursor = Cursor(data, "listing index")
    level, count = cursor.unpack(_INDEX)
    if not 1 <= level <= MAX_LEVEL or count > MAX_CHILDREN or (level > 1 and not count):
        raise CorruptData(f"listing index of level {level} with {count} children")
    children = []
    for _ in range(count):
        (length,) = cursor.unpack(_COUNT)
        if not 0 < length <= MAX_PATH:
            raise CorruptData("listing index whose path lengths are not right")
        first = bytes(cursor.take(length))
        decode_path_safely(first)
        rows, size, id = _CHILD.unpack(cursor.take(_CHILD.size))
        if not 0 < rows <= MAX_ROWS * MAX_CHILDREN ** (level - 1):
            raise CorruptData("listing index whose rows are not right")
        children.append(Child(first, rows, size, id))
    cursor.finish()
    if any(one.first >= two.first for one, two in pairwise(children)):
        raise CorruptData("listing index out of order")
    node = ListingNode(level, tuple(children))
    if node.size > SIZE_MAX or node.rows > SIZE_MAX:
        raise CorruptData("listing index whose sizes are not right")
    return node


def decode_path_safely(encoded: bytes) -> TrackedPath:
    """Return a path found in a listing; an unsafe one is corrupt data here, not a user's mistake."""
    try:
        return decode_path(encoded)
    except InvalidInput as error:
        raise CorruptData(f"unsafe path in a listing: {error.message}") from error


def climb(above: list[AnyStr], path: AnyStr, slash: AnyStr) -> None:
    """Make `above` the paths before this one that it starts with, and itself; refuse it below one of them."""
    # What sorts between `a` and `a/c` starts with `a` (`a-b`): so only what the present one starts with may still turn
    # out to be a folder. Each of those starts with the one before it, so only the last can be this one's.
    while above:
        last = above[-1]
        if path.startswith(last):
            if path[len(last) : len(last) + 1] == slash:
                raise InvalidInput(f"{path!r} lies below what is a file")
            break
        above.pop()
    above.append(path)


def check_prefix_free(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows; raise `CorruptData` at one whose path does not come after the last, or lies below another's."""
    above: list[str] = []
    last = ""
    for row in rows:
        # Code points and the bytes of UTF-8 sort alike.
        if row.path <= last:
            raise CorruptData(f"listing out of order at {row.path!r}")
        last = row.path
        try:
            climb(above, last, "/")
        except InvalidInput as error:
            raise CorruptData(error.message) from error
        yield row


def _read_other(cursor: Cursor, kind: int, id: bytes, size: int, files: Iterator[int]) -> Entry:
    match kind:
        case EntryKind.LINK:
            return Link(id, size)  # type: ignore[arg-type]
        case EntryKind.DATASET:
            return Dataset(ListingId(id), size, next(files))
        case EntryKind.EXTERNAL:
            return External(_decode_text(cursor), _decode_text(cursor), size)
        case _:
            raise UnsupportedFormat(f"listing row of kind {kind}", hint=UPGRADE)


def _has_its_form(entry: Entry, id: bytes) -> bool:
    match entry:
        case Link():
            return 0 < entry.size <= CHUNK_MAX
        case External():
            return not any(id)
        case _:
            return True


def _decode_text(cursor: Cursor) -> str:
    (length,) = cursor.unpack(_COUNT)
    if length > MAX_ADDRESS:
        raise CorruptData(f"external row with an address of {length} bytes")
    try:
        return bytes(cursor.take(length)).decode()
    except UnicodeDecodeError as error:
        raise CorruptData("external row whose address is not UTF-8") from error
