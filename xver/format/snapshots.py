"""Snapshots as canonical JSON: {author, format, git, message, offset, parents, root, time}."""

from __future__ import annotations

from typing import Any, Final

from xver.errors import CorruptData, InvalidInput
from xver.format.canonical import decode_json, encode_json
from xver.format.fields import array, check_version, id_bytes, integer, optional, table, text
from xver.model.ids import SHA256_SIZE, ListingId, SnapshotId, parse_hex
from xver.model.snapshots import Author, Snapshot

_FORMAT: Final = 1
_SHA1_SIZE: Final = 20


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the bytes of a snapshot; its id is their hash."""
    return encode_json(
        {
            "author": {"email": snapshot.author.email, "name": snapshot.author.name},
            "format": _FORMAT,
            "git": snapshot.git,
            "message": snapshot.message,
            "offset": snapshot.offset,
            "parents": [parent.hex() for parent in snapshot.parents],
            "root": snapshot.root.hex(),
            "time": snapshot.time,
        }
    )


def decode_snapshot(data: bytes) -> Snapshot:
    """Return the snapshot in `data`; raises `CorruptData` or `UnsupportedFormat`."""
    record = decode_json(data, "snapshot")
    check_version(record, _FORMAT, "snapshot")
    try:
        author = table(record["author"])
        return Snapshot(
            root=ListingId(id_bytes(record["root"])),
            parents=tuple(SnapshotId(id_bytes(parent)) for parent in array(record["parents"])),
            author=Author(text(author["name"]), text(author["email"])),
            time=integer(record["time"]),
            offset=integer(record["offset"]),
            message=text(record["message"]),
            git=optional(_git_id, record["git"]),
        )
    except (KeyError, InvalidInput) as error:
        raise CorruptData(f"snapshot is damaged: {error}") from error


def _git_id(value: Any) -> str:
    digits = text(value)
    return parse_hex(digits, _SHA1_SIZE if len(digits) == 2 * _SHA1_SIZE else SHA256_SIZE).hex()
