"""Entries of a store's log and the checkpoint of its state, as canonical JSON.

An entry says which refs it moves (old and new value of each), which indexes it makes live or takes away, which
packs it removes, and which entry it follows. Its size is bounded, so that it is created in one request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.canonical import Json, decode_json, encode_json
from xver.model.refs import Target, parse_ref, parse_target

ENTRY_MAX: Final = 1024 * 1024
INLINE_MAX: Final = 256 * 1024
_FORMAT: Final = 1
KNOWN_FEATURES: Final = frozenset[str]()
"""What this version of xver understands beyond format 1: an entry that requires anything else is refused."""


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """An index that a store relies on: its key, size, XXH3-64, the packs it covers with their sizes.

    `inline` is the index itself where it is small; then there is no object of that key.
    """

    name: str
    size: int
    checksum: int
    packs: Mapping[str, int]
    inline: bytes | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry: number, the digest of the entry before (None for the first), and what it changes.

    `time` (seconds since 1970), `client` and `author` are information only.
    """

    n: int
    prev: str | None
    nonce: str
    operation: str
    client: str
    author: str
    time: int
    refs: Mapping[str, tuple[Target | None, Target | None]] = field(default_factory=dict)
    add_index: tuple[LiveIndex, ...] = ()
    remove_index: tuple[str, ...] = ()
    remove_packs: tuple[str, ...] = ()
    fence: int | None = None
    tombstones: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    checkpoint: tuple[int, str] | None = None
    moved_to: str | None = None


def encode_entry(entry: LogEntry) -> bytes:
    """Return the bytes of an entry; raises `InvalidInput` if they exceed `ENTRY_MAX`."""
    record: dict[str, Json] = {
        "author": entry.author,
        "client": entry.client,
        "format": _FORMAT,
        "n": entry.n,
        "nonce": entry.nonce,
        "operation": entry.operation,
        "prev": entry.prev,
        "time": entry.time,
    }
    if entry.refs:
        record["refs"] = {
            name: [None if old is None else str(old), None if new is None else str(new)]
            for name, (old, new) in entry.refs.items()
        }
    if entry.add_index:
        record["add_index"] = [_index_record(index) for index in entry.add_index]
    for key in ("remove_index", "remove_packs", "tombstones", "require"):
        names: tuple[str, ...] = getattr(entry, key)
        if names:
            record[key] = list(names)
    if entry.fence is not None:
        record["fence"] = entry.fence
    if entry.checkpoint is not None:
        record["checkpoint"] = list(entry.checkpoint)
    if entry.moved_to is not None:
        record["moved_to"] = entry.moved_to
    data = encode_json(record)
    if len(data) > ENTRY_MAX:
        raise InvalidInput(f"log entry of {len(data)} bytes: {ENTRY_MAX} are allowed")
    return data


def decode_entry(data: bytes) -> LogEntry:
    """Return the entry in `data`.

    Raises `CorruptData` for what is no entry, `UnsupportedFormat` for one that requires what is not known here.
    """
    if len(data) > ENTRY_MAX:
        raise CorruptData(f"log entry of {len(data)} bytes")
    record = decode_json(data, "log entry")
    if record.get("format") != _FORMAT:
        raise UnsupportedFormat(f"log entry of format {record.get('format')!r}", hint=UPGRADE)
    try:
        unknown = set(_names(record, "require")) - KNOWN_FEATURES
        if unknown:
            raise UnsupportedFormat(
                f"this store requires {', '.join(sorted(unknown))}, which xver does not know here",
                hint=UPGRADE,
            )
        checkpoint = record.get("checkpoint")
        return LogEntry(
            n=int(record["n"]),
            prev=record["prev"],
            nonce=str(record["nonce"]),
            operation=str(record["operation"]),
            client=str(record["client"]),
            author=str(record["author"]),
            time=int(record["time"]),
            refs={parse_ref(name): (_target(old), _target(new)) for name, (old, new) in record.get("refs", {}).items()},
            add_index=tuple(_read_index(index) for index in record.get("add_index", ())),
            remove_index=_names(record, "remove_index"),
            remove_packs=_names(record, "remove_packs"),
            fence=record.get("fence"),
            tombstones=_names(record, "tombstones"),
            require=_names(record, "require"),
            checkpoint=None if checkpoint is None else (int(checkpoint[0]), str(checkpoint[1])),
            moved_to=record.get("moved_to"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptData(f"log entry is damaged: {error}") from error


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after entry `n`, whose digest is `digest`: what folding all entries up to it gives."""

    n: int
    digest: str
    refs: Mapping[str, Target]
    indexes: Mapping[str, LiveIndex]
    removed: frozenset[str]
    fence: int
    tombstones: frozenset[str]
    moved_to: str | None = None


def encode_checkpoint(state: Checkpoint) -> bytes:
    """Return the bytes of a checkpoint."""
    return encode_json(
        {
            "digest": state.digest,
            "fence": state.fence,
            "format": _FORMAT,
            "indexes": [_index_record(index) for index in state.indexes.values()],
            "moved_to": state.moved_to,
            "n": state.n,
            "refs": {name: str(target) for name, target in state.refs.items()},
            "removed": list[Json](sorted(state.removed)),
            "tombstones": list[Json](sorted(state.tombstones)),
        }
    )


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Return the checkpoint in `data`; raises `CorruptData`."""
    record = decode_json(data, "checkpoint")
    try:
        if record["format"] != _FORMAT:
            raise UnsupportedFormat(f"checkpoint of format {record['format']!r}")
        return Checkpoint(
            n=int(record["n"]),
            digest=str(record["digest"]),
            refs={parse_ref(name): parse_target(target) for name, target in record["refs"].items()},
            indexes={index.name: index for index in map(_read_index, record["indexes"])},
            removed=frozenset(_names(record, "removed")),
            fence=int(record["fence"]),
            tombstones=frozenset(_names(record, "tombstones")),
            moved_to=record["moved_to"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptData(f"checkpoint is damaged: {error}") from error


def check_key(name: str) -> str:
    """Return a key found in a record if it is one: relative, ASCII, without `..`; else raise `CorruptData`."""
    parts = name.split("/")
    if not name.isascii() or not name.isprintable() or "\\" in name or ":" in name or not 2 <= len(parts) <= 3:
        raise CorruptData(f"a record names no key: {name[:80]!r}")
    if any(part.startswith(".") or not part for part in parts):
        raise CorruptData(f"a record names no key: {name[:80]!r}")
    return name


def _index_record(index: LiveIndex) -> Json:
    record: dict[str, Json] = {
        "checksum": f"{index.checksum:016x}",
        "name": index.name,
        "packs": dict[str, Json](index.packs),
        "size": index.size,
    }
    if index.inline is not None:
        record["inline"] = base64.b64encode(index.inline).decode()
    return record


def _read_index(record: dict[str, Any]) -> LiveIndex:
    inline = record.get("inline")
    try:
        data = None if inline is None else base64.b64decode(inline, validate=True)
    except binascii.Error as error:
        raise CorruptData("log entry with an index that is no base64") from error
    return LiveIndex(
        name=check_key(record["name"]),
        size=int(record["size"]),
        checksum=int(record["checksum"], 16),
        packs={check_key(name): int(size) for name, size in record["packs"].items()},
        inline=data,
    )


def _target(text: Any) -> Target | None:
    return None if text is None else parse_target(text)


def _names(record: dict[str, Any], key: str) -> tuple[str, ...]:
    names = record.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CorruptData(f"log entry is damaged: {key} is no list of names")
    return tuple(names)
