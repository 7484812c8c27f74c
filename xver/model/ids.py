"""Ids, fingerprints and SHA-256: the only home of the hash libraries.

An *id* is BLAKE3-256 and decides identity: a chunk's id is the plain hash of its bytes, every other kind has a
derive-key context of its own, so that no file can pass for a record. A *fingerprint* is XXH3-128 and decides
*unchanged* against accident, at memory speed; it is never trusted against intent.

Sources: the BLAKE3 specification (derive_key mode, section 2.3); the XXH3 specification (xxHash 0.8).
"""

from __future__ import annotations

import enum
import re
from typing import Any, Final, NewType, TypeAlias

import blake3
import xxhash

from xver.errors import InvalidInput

ChunkId = NewType("ChunkId", bytes)
NodeId = NewType("NodeId", bytes)
BlockId = NewType("BlockId", bytes)
ListingId = NewType("ListingId", bytes)
SnapshotId = NewType("SnapshotId", bytes)
RunId = NewType("RunId", bytes)

ContentId: TypeAlias = ChunkId | NodeId
"""What a file's bytes are known by: a chunk up to 256 KiB, else the top node of its tree."""

ID_SIZE: Final = 32
FINGERPRINT_SIZE: Final = 16
SHA256_SIZE: Final = 32
NO_FINGERPRINT: Final = bytes(FINGERPRINT_SIZE)
_HEX: Final = re.compile("[0-9a-f]*")


class Kind(enum.IntEnum):
    """What an object is; the number is part of the pack and index formats."""

    CHUNK = 1
    NODE = 2
    BLOCK = 3
    LISTING = 4
    SNAPSHOT = 5
    RUN = 6


_CONTEXTS: Final = {
    Kind.NODE: "xver node v1",
    Kind.BLOCK: "xver block v1",
    Kind.LISTING: "xver listing v1",
    Kind.SNAPSHOT: "xver snapshot v1",
    Kind.RUN: "xver run v1",
}


def chunk_id(data: bytes | memoryview) -> ChunkId:
    """Return the id of a chunk: what `b3sum` prints for a file of the same bytes."""
    return ChunkId(blake3.blake3(data).digest())


def object_id(kind: Kind, data: bytes | memoryview) -> bytes:
    """Return the id of an object of any kind from its encoded bytes."""
    if kind is Kind.CHUNK:
        return blake3.blake3(data).digest()
    return blake3.blake3(data, derive_key_context=_CONTEXTS[kind]).digest()


EMPTY_ID: Final = chunk_id(b"")
"""The id of no bytes: an empty file, never stored."""


def fingerprint(data: bytes | memoryview) -> bytes:
    """Return the XXH3-128 of the bytes, 16 bytes big-endian (the canonical form)."""
    return xxhash.xxh3_128_digest(data)


def checksum(data: bytes | memoryview) -> int:
    """Return the XXH3-64 of the bytes: frames, footers and files carry it against accident."""
    return xxhash.xxh3_64_intdigest(data)


def path_hash(path: bytes, level: int) -> int:
    """Return the XXH3-64 that decides where listings are cut; `level` is the seed."""
    return xxhash.xxh3_64_intdigest(path, seed=level)


def fingerprinter() -> Any:
    """Return a streaming XXH3-128: `update(bytes)`, `digest()`."""
    return xxhash.xxh3_128()


def checksummer() -> Any:
    """Return a streaming XXH3-64: `update(bytes)`, `intdigest()`."""
    return xxhash.xxh3_64()


def sha256er() -> Any:
    """Return a streaming SHA-256; releases the interpreter lock on large updates."""
    import hashlib  # which loads all of OpenSSL: a tenth of what an idle status loads

    return hashlib.sha256()


def digest_hex(data: bytes) -> str:
    """Return the plain BLAKE3 of a log entry or checkpoint, hex: the links of the log's chain."""
    return blake3.blake3(data).hexdigest()


def parse_id(text: str) -> bytes:
    """Parse a full id: 64 hex digits, with or without `b3:`.

    Raises `InvalidInput` for anything else.
    """
    return parse_hex(text.removeprefix("b3:"))


def parse_hex(digits: str, size: int = ID_SIZE) -> bytes:
    """Parse the hex digits of `size` bytes (an id's, if nothing is said) as they stand in records: lower case, no more.

    Raises `InvalidInput` for anything else.
    """
    # bytes.fromhex alone would take capitals and pass over spaces.
    if len(digits) != 2 * size or not _HEX.fullmatch(digits):
        raise InvalidInput(f"no {2 * size} hex digits in lower case: {digits[:80]!r}")
    return bytes.fromhex(digits)


def short_id(id: bytes) -> str:
    """Return the form shown to people: `b3:` and the first eight digits."""
    return f"b3:{id.hex()[:8]}"
