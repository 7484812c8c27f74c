"""Entries of a store's log and the checkpoint of its state, as canonical JSON.

An entry says which refs it moves (old and new value of each), which indexes it makes live or takes away, which
packs it removes, and which entry it follows. Its size is bounded, so that it is created in one request.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.canonical import Json, decode_json, encode_json
from xver.format.fields import array, check_version, id_bytes, integer, natural, optional, table, text
from xver.format.foreign import FEATURE
from xver.format.keys import check_key
from xver.format.packs import WHOLE_FEATURE
from xver.model.ids import parse_hex
from xver.model.refs import Target, parse_ref, parse_target

ENTRY_MAX: Final = 1024 * 1024
INLINE_MAX: Final = 256 * 1024
_FORMAT: Final = 1
_CHECKSUM_SIZE: Final = 8
KNOWN_FEATURES: Final = frozenset({FEATURE, WHOLE_FEATURE})
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
    check_version(record, _FORMAT, "log entry")
    try:
        # First of all: what is required may change the meaning of all the rest.
        require = _read_require(record)
        return LogEntry(
            n=natural(record["n"]),
            prev=optional(_digest, record["prev"]),
            nonce=text(record["nonce"]),
            operation=text(record["operation"]),
            client=text(record["client"]),
            author=text(record["author"]),
            time=integer(record["time"]),
            refs={parse_ref(name): _read_move(pair) for name, pair in table(record.get("refs", {})).items()},
            add_index=tuple(_read_index(index) for index in array(record.get("add_index", []))),
            remove_index=tuple(check_key(name) for name in array(record.get("remove_index", []))),
            remove_packs=tuple(check_key(name) for name in array(record.get("remove_packs", []))),
            fence=optional(natural, record.get("fence")),
            tombstones=tuple(_digest(id) for id in array(record.get("tombstones", []))),
            require=require,
            checkpoint=optional(_read_checkpoint, record.get("checkpoint")),
            moved_to=optional(text, record.get("moved_to")),
        )
    except (KeyError, InvalidInput) as error:
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
    require: frozenset[str] = frozenset()
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
            "require": list[Json](sorted(state.require)),
            "tombstones": list[Json](sorted(state.tombstones)),
        }
    )


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Return the checkpoint in `data`; raises `CorruptData` or `UnsupportedFormat` like `decode_entry`."""
    record = decode_json(data, "checkpoint")
    check_version(record, _FORMAT, "checkpoint")
    try:
        require = _read_require(record)
        return Checkpoint(
            n=natural(record["n"]),
            digest=_digest(record["digest"]),
            refs={parse_ref(name): parse_target(text(target)) for name, target in table(record["refs"]).items()},
            indexes={index.name: index for index in map(_read_index, array(record["indexes"]))},
            removed=frozenset(check_key(name) for name in array(record["removed"])),
            fence=natural(record["fence"]),
            tombstones=frozenset(_digest(id) for id in array(record["tombstones"])),
            require=frozenset(require),
            moved_to=optional(text, record["moved_to"]),
        )
    except (KeyError, InvalidInput) as error:
        raise CorruptData(f"checkpoint is damaged: {error}") from error


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


def _read_index(value: Any) -> LiveIndex:
    record = table(value)
    return LiveIndex(
        name=check_key(record["name"]),
        size=natural(record["size"]),
        checksum=int.from_bytes(parse_hex(text(record["checksum"]), _CHECKSUM_SIZE)),
        packs={check_key(name): natural(size) for name, size in table(record["packs"]).items()},
        inline=optional(_read_inline, record.get("inline")),
    )


def _read_inline(value: Any) -> bytes:
    encoded = text(value)
    # Base64 of INLINE_MAX bytes; what is longer is not decoded.
    if len(encoded) > (INLINE_MAX + 2) // 3 * 4:
        raise InvalidInput("an index too large to travel inside a record")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise InvalidInput("an index that is no base64") from error


def _read_move(value: Any) -> tuple[Target | None, Target | None]:
    old, new = _pair(value)
    return _read_target(old), _read_target(new)


def _read_target(value: Any) -> Target | None:
    return None if value is None else parse_target(text(value))


def _read_checkpoint(value: Any) -> tuple[int, str]:
    n, digest = _pair(value)
    return natural(n), _digest(digest)


def _read_require(record: dict[str, Any]) -> tuple[str, ...]:
    names = tuple(text(name) for name in array(record.get("require", [])))
    unknown = sorted(set(names) - KNOWN_FEATURES)
    if unknown:
        raise UnsupportedFormat(
            f"this store requires {', '.join(unknown)[:200]}, which is not known here", hint=UPGRADE
        )
    return names


def _pair(value: Any) -> list[Any]:
    if len(array(value)) != 2:
        raise InvalidInput(f"{len(value)} values where two belong")
    return array(value)


def _digest(value: Any) -> str:
    return id_bytes(value).hex()
