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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
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
    cursor = Cursor(data, "listing block")
    (count,) = cursor.unpack(_COUNT)
    if not 1 <= count <= MAX_ROWS:
        raise CorruptData(f"listing block of {count} rows")
    ends = struct.unpack(f"<{count + 1}I", cursor.take(4 * count + 4))
    if ends[0] != 0 or any(not 0 < high - low <= MAX_PATH for low, high in pairwise(ends)):
        raise CorruptData("listing block whose path lengths are not right")
    text = bytes(cursor.take(ends[-1]))
    paths = _decode_paths([text[low:high] for low, high in pairwise(ends)])
    kinds = bytes(cursor.take(count))
    sizes = struct.unpack(f"<{count}Q", cursor.take(8 * count))
    ids = bytes(cursor.take(ID_SIZE * count))
    fingerprints = bytes(cursor.take(FINGERPRINT_SIZE * count))
    rows = []
    hashed = [kind in _FILE_KINDS and size > CHUNK_MAX for kind, size in zip(kinds, sizes, strict=True)]
    hashes = cursor.take(SHA256_SIZE * sum(hashed))
    datasets = kinds.count(EntryKind.DATASET)
    files = iter(struct.unpack(f"<{datasets}Q", cursor.take(8 * datasets)))
    if sum(sizes) > SIZE_MAX:
        raise CorruptData("listing block whose sizes are not right")
    used = 0
    for at, (path, kind, size) in enumerate(zip(paths, kinds, sizes, strict=True)):
        id = ids[ID_SIZE * at : ID_SIZE * (at + 1)]
        print_ = fingerprints[FINGERPRINT_SIZE * at : FINGERPRINT_SIZE * (at + 1)]
        entry: Entry
        if kind in _FILE_KINDS:
            if not size and id != EMPTY_ID:
                raise CorruptData(f"{path!r} is listed with an id and no bytes")
            sha256 = None
            if hashed[at]:
                sha256 = bytes(hashes[used : used + SHA256_SIZE])
                used += SHA256_SIZE
            entry = File(id, size, print_, sha256, kind == _EXECUTABLE)  # type: ignore[arg-type]
        else:
            entry = _read_other(cursor, kind, id, size, files)
            if print_ != NO_FINGERPRINT or not _has_its_form(entry, id):
                raise CorruptData(f"{path!r} is listed with what its kind does not have")
        rows.append(Row(path, entry))
    cursor.finish()
    return rows


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


def _decode_paths(encoded: list[bytes]) -> list[TrackedPath]:
    paths = [decode_path_safely(one) for one in encoded]
    for one, two in pairwise(encoded):
        if one >= two:
            raise CorruptData("listing block out of order")
    return paths


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
