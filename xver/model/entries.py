"""What a listing holds: one entry a path, of five closed kinds."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from xver.model.ids import ContentId, ListingId
from xver.model.paths import TrackedPath

CHUNK_MAX: Final = 256 * 1024
"""The largest chunk, in bytes; a file up to this size is one chunk and its id is the chunk's."""


SIZE_MAX: Final = (1 << 63) - 1
"""The largest size, in bytes, of content or of all of a listing; also the most rows of one."""


class EntryKind(enum.IntEnum):
    """The kind of a listing's row; the number is part of the format."""

    FILE = 1
    EXECUTABLE = 2
    LINK = 3
    DATASET = 4
    EXTERNAL = 5


@dataclass(frozen=True, slots=True)
class File:
    """A regular file: its bytes' id, size in bytes, fingerprint, and SHA-256 when it has more than one chunk."""

    id: ContentId
    size: int
    fingerprint: bytes
    sha256: bytes | None = None
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link: its content is the target's bytes, stored and never followed."""

    id: ContentId
    size: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A directory: the id of its listing, its size in bytes and its number of files."""

    id: ListingId
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class External:
    """A file that is known and not stored: where it is, and what its server calls this version."""

    uri: str
    etag: str
    size: int


Entry: TypeAlias = File | Link | Dataset | External

Entries: TypeAlias = Mapping[TrackedPath, Entry]
"""What is tracked in one version, by path."""


def kind_of(entry: Entry) -> EntryKind:
    """Return the kind of an entry."""
    match entry:
        case File():
            return EntryKind.EXECUTABLE if entry.executable else EntryKind.FILE
        case Link():
            return EntryKind.LINK
        case Dataset():
            return EntryKind.DATASET
        case External():
            return EntryKind.EXTERNAL


def entry_id(entry: Entry) -> bytes | None:
    """Return the id an entry's content is known by, None for what is not stored."""
    return None if isinstance(entry, External) else entry.id
