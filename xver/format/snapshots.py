"""Snapshots as canonical JSON: {author, format, git, message, offset, parents, root, time}."""

from __future__ import annotations

from typing import Any, Final

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.canonical import decode_json, encode_json
from xver.model.ids import ID_SIZE, ListingId, SnapshotId, parse_hex
from xver.model.snapshots import Author, Snapshot

_FORMAT: Final = 1
_PARENTS_MAX: Final = 64


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
        author, parents, git = record["author"], record["parents"], record["git"]
        if len(parents) > _PARENTS_MAX:
            raise CorruptData(f"snapshot with {len(parents)} parents")
        return Snapshot(
            root=ListingId(read_id(record["root"])),
            parents=tuple(SnapshotId(read_id(parent)) for parent in parents),
            author=Author(_text(author["name"]), _text(author["email"])),
            time=_integer(record["time"]),
            offset=_integer(record["offset"]),
            message=_text(record["message"]),
            git=None if git is None else parse_hex(_text(git)).hex(),
        )
    except (KeyError, TypeError, InvalidInput) as error:
        raise CorruptData(f"snapshot is damaged: {error}") from error


def check_version(record: dict[str, Any], newest: int, what: str) -> None:
    """Raise `UnsupportedFormat` for a record of a later format, `CorruptData` for one without a format."""
    version = record.get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CorruptData(f"{what} is damaged: it names no format")
    if version > newest:
        raise UnsupportedFormat(f"{what} of format {version}", hint=UPGRADE)


def read_id(value: Any) -> bytes:
    """Return the id in a record's field; raises `InvalidInput`."""
    id = parse_hex(_text(value))
    if len(id) != ID_SIZE:
        raise InvalidInput(f"an id of {len(id)} bytes")
    return id


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{value!r} is no text")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"{value!r} is no integer")
    return value
