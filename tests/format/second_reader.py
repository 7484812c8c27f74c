"""A reader of xver stores written from docs/format.md alone; it imports nothing of xver.

    python second_reader.py STORE [REF]       prints the files of a branch (heads/main) with size and id

If it could not be written without looking into xver, the page would be wrong.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import xxhash
import zstandard
from blake3 import blake3

CHUNK, NODE, BLOCK, LISTING, SNAPSHOT, RUN = range(1, 7)
CONTEXTS = {NODE + at: f"xver {name} v1" for at, name in enumerate(("node", "block", "listing", "snapshot", "run"))}
CHUNK_MAX, OBJECT_MAX = 262_144, 16_777_216
ALGORITHMS = {"cut": "fastcdc-2020:16-64-256", "fingerprint": "xxh3-128", "id": "blake3"}
IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class Damaged(Exception):
    """The store is not what the page says."""


class Newer(Exception):
    """The store needs a newer reader."""


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise Damaged(what)


@dataclass
class State:
    """What folding the log gives."""

    n: int = 0
    digest: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    fence: int = 0


@dataclass
class Place:
    """Where an object lies."""

    pack: str
    offset: int
    stored: int
    raw: int
    kind: int
    codec: int


@dataclass
class Row:
    """A row of a listing."""

    path: str
    kind: int
    size: int
    id: bytes
    fingerprint: bytes
    sha256: bytes | None = None
    files: int | None = None
    uri: str | None = None
    etag: str | None = None


class Reader:
    """Reads the store in a folder; the log from its beginning, or from the newest checkpoint that an entry names."""

    def __init__(self, folder: Path, *, from_checkpoint: bool = False) -> None:
        self.folder = folder
        marker = json.loads((folder / "xver.json").read_bytes())
        if marker["format"] != 1 or marker["algorithms"] != ALGORITHMS:
            raise Newer(f"store of format {marker['format']}, {marker['algorithms']}")
        self.repository = marker["repository"]
        self.state = self._checkpoint() if from_checkpoint else State()
        while (path := folder / "log" / f"{self.state.n:010}").exists():
            self._fold(path.read_bytes())
        self.indexes = [self._index(live) for live in self.state.indexes.values()]

    # The log

    def _checkpoint(self) -> State:
        for path in sorted((self.folder / "checkpoints").iterdir(), reverse=True):
            number, digest = path.name.split(".")
            named = self.folder / "log" / f"{int(number) + 1:010}"
            if named.exists() and json.loads(named.read_bytes()).get("checkpoint") == [int(number), digest]:
                data = path.read_bytes()
                expect(blake3(data).hexdigest() == digest, "checkpoint with another digest")
                said = json.loads(data)
                known(said, 1)
                indexes = {one["name"]: one for one in said["indexes"]}
                return State(said["n"] + 1, said["digest"], said["refs"], indexes, set(said["removed"]), said["fence"])
        raise Damaged("no checkpoint that an entry names")

    def _fold(self, data: bytes) -> None:
        expect(len(data) <= 1_048_576, "log entry too long")
        entry, state = json.loads(data), self.state
        known(entry, 1)
        expect((entry["n"], entry["prev"]) == (state.n, state.digest), "log entry that does not follow")
        refs = state.refs | {name: new for name, (_, new) in entry.get("refs", {}).items()}
        state.refs = {name: target for name, target in refs.items() if target is not None}
        for name in entry.get("remove_index", []):
            state.indexes.pop(name, None)
        state.indexes |= {one["name"]: one for one in entry.get("add_index", [])}
        state.removed |= set(entry.get("remove_packs", []))
        state.fence = max(state.fence, entry.get("fence") or 0)
        listed = {name for one in state.indexes.values() for name in one["packs"]}
        state.removed = {name for name in state.removed if name in listed or int(name[6:].split(".")[0]) >= state.fence}
        state.n, state.digest = state.n + 1, blake3(data).hexdigest()

    # Objects

    def _index(self, live: dict[str, Any]) -> tuple[bytes, tuple[int, ...], int, dict[int, str]]:
        data = base64.b64decode(live["inline"]) if "inline" in live else (self.folder / live["name"]).read_bytes()
        expect(len(data) == live["size"] and f"{xxhash.xxh3_64_intdigest(data):016x}" == live["checksum"], "bad index")
        magic, version, containers, names_size, rows, deltas, bits = struct.unpack_from("<8sIIIIIB", data)
        expect(magic == b"XVERINDX", "no index")
        if version != 1:
            raise Newer(f"index of version {version}")
        expect(bits == 0 or 1 << bits <= rows, "fan-out beyond the rows")
        at = 29 + 4 * (1 << bits)
        fanout = struct.unpack_from(f"<{1 << bits}I", data, 29)
        rows_at = at + names_size
        expect(len(data) == rows_at + 54 * rows + 129 * deltas + 8, "index too long or too short")
        names = {}
        for number in range(containers):
            kind, size, _, length = struct.unpack_from("<BQQH", data, at)
            if kind != 1:
                raise Newer(f"container of kind {kind}")
            name = data[at + 19 : at + 19 + length].decode("ascii")
            expect(live["packs"].get(name) == size, "index of a pack that the log does not name")
            names[number] = name
            at += 19 + length
        expect(at == rows_at and fanout[-1] == rows, "index whose parts do not add up")
        expect(xxhash.xxh3_64_intdigest(data[:-8]) == int.from_bytes(data[-8:], "little"), "index checksum")
        return data[rows_at : rows_at + 54 * rows], (0, *fanout), bits, names

    def find(self, id: bytes) -> Place:
        """Return where an object lies in a live pack, of several places one where it is no delta."""
        places = sorted(self._places(id), key=lambda place: {4: 1, 2: 2}.get(place.codec, 0))
        expect(bool(places), f"no object {id.hex()}")
        return places[0]

    def _places(self, id: bytes) -> Iterator[Place]:
        for rows, fanout, bits, names in self.indexes:
            bucket = int.from_bytes(id[:4], "big") >> (32 - bits)
            bucket_rows = rows[54 * fanout[bucket] : 54 * fanout[bucket + 1]]
            for found, offset, container, stored, raw, kind, codec in struct.iter_unpack("<32sQIIIBB", bucket_rows):
                if found != id:
                    continue
                if names[container] not in self.state.removed:
                    yield Place(names[container], offset, stored, raw, kind, codec)

    def get(self, kind: int, id: bytes) -> bytes:
        """Return an object, verified by its id."""
        place = self.find(id)
        expect(place.kind == kind, "object of another kind")
        expect(0 < place.raw <= (CHUNK_MAX if kind == CHUNK else OBJECT_MAX), "object beyond the maximum")
        with (self.folder / place.pack).open("rb") as pack:
            if not place.pack.endswith(".whole") and (head := pack.read(12)) != b"XVERPACK\1\0\0\0":
                raise Newer("pack of a later version") if head[:8] == b"XVERPACK" else Damaged("no pack")
            pack.seek(place.offset)
            stored = pack.read(place.stored)
        if place.codec == 0:
            data = stored
        elif place.codec == 1:
            data = unpacked(stored, place.raw, None)
        elif place.codec == 2:
            ids = [stored[1 + 32 * at : 33 + 32 * at] for at in range(stored[0])]
            expect(1 <= len(ids) <= 3 and all(self.find(base).codec not in (2, 4) for base in ids), "delta of deltas")
            data = unpacked(stored[1 + 32 * len(ids) :], place.raw, b"".join(self.get(kind, base) for base in ids))
        elif place.codec == 3:
            data = ungrouped(stored, place.raw)
        elif place.codec == 4 and kind == CHUNK:
            data = self._foreign(stored, place.raw)
        else:
            raise Newer(f"codec {place.codec}")
        expect(len(data) == place.raw and id_of(kind, data) == id, f"object {id.hex()} with another id")
        return data

    def _foreign(self, stored: bytes, raw: int) -> bytes:
        where, size, offset, pin, address = struct.unpack_from("<BQQHH", stored)
        expect(len(stored) == 21 + pin + address <= 8192 and offset + raw <= size, "foreign frame of the wrong size")
        path = self.folder / stored[21 + pin :].decode()
        expect(where == 1 and path.is_file() and path.stat().st_size == size, "file that is another now, or an object")
        return path.read_bytes()[offset : offset + raw]

    def footer(self, name: str) -> dict[bytes, Place]:
        """Return where every object of a pack lies, from the pack alone."""
        data = (self.folder / name).read_bytes()
        length, checksum, end = struct.unpack("<IQ8s", data[-20:])
        expect(end == b"KCAPREVX" and length % 60 == 0 and length + 32 <= len(data), "no footer")
        rows = data[len(data) - 20 - length : -20]
        expect(xxhash.xxh3_64_intdigest(rows) == checksum, "footer checksum")
        found, at = dict[bytes, Place](), 0 if name.endswith(".whole") else 12
        for id, offset, stored, raw, kind, codec, _, frame in struct.iter_unpack("<32sQIIBBBxQ", rows):
            expect(offset == at and xxhash.xxh3_64_intdigest(data[at : at + stored]) == frame, "frame checksum")
            expect(not name.endswith(".whole") or (kind, codec) == (CHUNK, 0), "frames that are not chunks")
            found.setdefault(id, Place(name, offset, stored, raw, kind, codec))
            at += stored
        expect(at == len(data) - 20 - length, "frames that do not fill the pack")
        return found

    # What objects mean

    def snapshot(self, ref: str) -> dict[str, Any]:
        """Return the snapshot that a ref points to."""
        kind, id = self.state.refs[ref].split(":")
        expect(kind == "snapshot", "ref to something else")
        record: dict[str, Any] = json.loads(self.get(SNAPSHOT, bytes.fromhex(id)))
        known(record, 1)
        return record

    def rows(self, listing: bytes) -> Iterator[Row]:
        """Yield the rows of a listing."""
        last = b""
        folders: set[bytes] = set()
        for row in self._rows(listing, None):
            path = row.path.encode()
            expect(path > last, "rows out of order")
            parts = path.split(b"/")
            expect(not any(b"/".join(parts[:end]) in folders for end in range(1, len(parts))), "path below a file")
            folders.add(path)
            last = path
            yield row

    def _rows(self, id: bytes, expected: tuple[int, bytes, int, int] | None) -> Iterator[Row]:
        data = self.get(LISTING, id)
        level, count = struct.unpack_from("<BI", data)
        expect(1 <= level <= 8 and count <= 4096 and (count > 0 or level == 1), "listing index that cannot be")
        at, children = 5, []
        for _ in range(count):
            (length,) = struct.unpack_from("<I", data, at)
            expect(0 < length <= 4096, "path too long")
            first = data[at + 4 : at + 4 + length]
            rows, size, child = struct.unpack_from("<QQ32s", data, at + 4 + length)
            children.append((first, rows, size, child))
            at += 4 + length + 48
        expect(at == len(data), "listing index too long")
        if expected is not None:
            sums = (level, children[0][0], sum(one[1] for one in children), sum(one[2] for one in children))
            expect(sums == expected, "listing index that is not what its parent says")
        for first, rows, size, child in children:
            if level > 1:
                yield from self._rows(child, (level - 1, first, rows, size))
            else:
                block = read_block(self.get(BLOCK, child))
                sums_ = (block[0].path.encode(), len(block), sum(row.size for row in block))
                expect(sums_ == (first, rows, size), "block that is not what its index says")
                yield from block

    def content(self, id: bytes, size: int) -> Iterator[bytes]:
        """Yield the chunks of content."""
        if size == 0:
            expect(id == blake3(b"").digest(), "no bytes with an id")
        elif size <= CHUNK_MAX:
            data = self.get(CHUNK, id)
            expect(len(data) == size, "chunk of another size")
            yield data
        else:
            yield from self._below(id, size, None)

    def _below(self, id: bytes, size: int, expected: int | None) -> Iterator[bytes]:
        data = self.get(NODE, id)
        level, count, total = struct.unpack_from("<BIQ", data)
        expect(1 <= level <= 8 and 1 <= count <= 4096 and len(data) == 13 + 40 * count, "node that cannot be")
        children = list(struct.iter_unpack("<32sQ", data[13:]))
        expect(total == size == sum(length for _, length in children), "sizes that do not add up")
        expect(expected in (None, level), "node of another level")
        for child, length in children:
            if level > 1:
                yield from self._below(child, length, level - 1)
            else:
                chunk = self.get(CHUNK, child)
                expect(len(chunk) == length, "chunk of another size")
                yield chunk

    def files(self, listing: bytes, folder: str = "") -> Iterator[tuple[str, Row]]:
        """Yield every file below a listing with its whole path, through the datasets in it."""
        for row in self.rows(listing):
            if row.kind == 4:
                yield from self.files(row.id, f"{folder}{row.path}/")
            else:
                yield f"{folder}{row.path}", row


def known(record: dict[str, Any], version: int) -> None:
    if record["format"] > version:
        raise Newer(f"record of format {record['format']}")
    if not {"foreign", "whole"}.issuperset(record.get("require", ())):
        raise Newer(f"store that requires {record['require']}")


def id_of(kind: int, data: bytes) -> bytes:
    return blake3(data).digest() if kind == CHUNK else blake3(data, derive_key_context=CONTEXTS[kind]).digest()


def unpacked(stored: bytes, raw: int, dictionary: bytes | None) -> bytes:
    expect(zstandard.frame_content_size(stored) == raw, "frame that declares another size")
    prefix = dictionary and zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT)
    data: bytes = zstandard.ZstdDecompressor(dict_data=prefix or None).decompress(stored, allow_extra_data=False)
    return data


def ungrouped(stored: bytes, raw: int) -> bytes:
    stride, at, data = stored[0], 1 + 4 * stored[0], bytearray(raw)
    expect(stride in (2, 4, 8), "groups of a stride that is none")
    for first, length in enumerate(struct.unpack_from(f"<{stride}I", stored, 1)):
        whole = len(range(first, raw, stride))
        expect(0 < length <= whole, "group longer than its bytes")
        group = stored[at : at + length]
        data[first::stride] = group if length == whole else unpacked(group, whole, None)
        at += length
    expect(at == len(stored), "groups that do not fill their frame")
    return bytes(data)


def read_block(data: bytes) -> list[Row]:
    at = 0

    def take(layout: str) -> tuple[Any, ...]:
        nonlocal at
        expect(at + struct.calcsize("<" + layout) <= len(data), "block that ends early")
        values = struct.unpack_from("<" + layout, data, at)
        at += struct.calcsize("<" + layout)
        return values

    (count,) = take("I")
    expect(1 <= count <= 8192, "block of too many rows")
    ends = take(f"{count + 1}I")
    expect(ends[0] == 0 and all(0 < two - one <= 4096 for one, two in pairwise(ends)), "path lengths")
    (text,) = take(f"{ends[-1]}s")
    kinds, sizes = take(f"{count}B"), take(f"{count}Q")
    ids, prints = take("32s" * count), take("16s" * count)
    rows = [
        Row(checked(text[one:two]), kind, size, id, print_)
        for (one, two), kind, size, id, print_ in zip(pairwise(ends), kinds, sizes, ids, prints, strict=True)
    ]
    for row in rows:
        if row.kind not in range(1, 6):
            raise Newer(f"row of kind {row.kind}")
        if row.kind in (1, 2) and row.size > CHUNK_MAX:
            (row.sha256,) = take("32s")
    for row in rows:
        if row.kind == 4:
            (row.files,) = take("Q")
    for row in rows:
        if row.kind == 5:
            row.uri = take(f"{take('I')[0]}s")[0].decode()
            row.etag = take(f"{take('I')[0]}s")[0].decode()
    expect(at == len(data), "block too long")
    return rows


def checked(encoded: bytes) -> str:
    path = encoded.decode()
    expect("\0" not in path, "NUL in a path")
    for part in path.split("/"):
        expect(part not in ("", ".", ".."), "path that leads elsewhere")
        plain = IGNORABLE.sub("", part)
        plain = IGNORABLE.sub("", unicodedata.normalize("NFKC", plain).upper().casefold())
        pieces = [piece.split(":")[0] for piece in plain.split("\\")]
        expect(len(pieces) == 1 or ".." not in pieces, "path that leads elsewhere on Windows")
        names = {piece.rstrip(". ") for piece in pieces}
        expect(not names & {".git", ".xver", "git~1", "xver~1"}, "path of git's or xver's own")
    return path


def main(store: str, ref: str = "heads/main") -> None:
    """Print the files of a branch."""
    reader = Reader(Path(store))
    for path, row in reader.files(bytes.fromhex(reader.snapshot(ref)["root"])):
        print(f"{row.size:>12}  b3:{row.id.hex()[:16]}  {path!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
