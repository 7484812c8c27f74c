"""`xver.lock`: the readable twin of the root listing; each is computed from the other.

One table a tracked path, sorted, one fact a line, LF everywhere, no time and no commit, so that git can merge and
diff it like any text. The comment before each table never changes: two neighbours that changed on two branches have
a line between them that did not, and merge.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.model.entries import CHUNK_MAX, Dataset, Entry, External, File, Link
from xver.model.ids import FINGERPRINT_SIZE, SHA256_SIZE, ListingId, parse_hex, parse_id
from xver.model.paths import TrackedPath, parse_path

NAME: Final = "xver.lock"
_FORMAT: Final = 1
_HEAD: Final = "# Which data belongs here. Written by xver; after a merge conflict: xver merge\n"
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_CONTROL: Final = re.compile(r'[\\"\x00-\x1f\x7f]')
_CONFLICT: Final = re.compile(rb"^(<{7}|={7}|>{7})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lock:
    """What `xver.lock` says: which repository this is, every tracked path and what belongs there."""

    repository: str
    entries: Mapping[TrackedPath, Entry]


def encode_lock(lock: Lock) -> bytes:
    """Return the text of `xver.lock` in UTF-8: the same entries always give the same bytes."""
    entries = lock.entries
    parts = [_HEAD, f"format = {_FORMAT}\nrepository = {_quoted(lock.repository)}\n"]
    for path in sorted(entries, key=lambda path: path.encode()):
        parts.append(f"\n# {_plain(path)}\n[{_quoted(path)}]\n")
        parts += [f"{key} = {value}\n" for key, value in _facts(entries[path]).items()]
    return "".join(parts).encode()


def decode_lock(data: bytes) -> Lock:
    """Return what `xver.lock` says; anything may stand in it, so everything is checked.

    Raises `InvalidInput` for unresolved merge conflicts, `CorruptData` for unsafe or overlapping paths and what is
    no lock, `UnsupportedFormat` for one of a later version.
    """
    if _CONFLICT.search(data):
        raise InvalidInput(f"{NAME} has merge conflicts", hint="xver merge")
    try:
        record = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CorruptData(f"{NAME} is damaged: {error}", hint=f"git checkout {NAME}") from error
    version = record.pop("format", None)
    if not isinstance(version, int) or version < 1:
        raise CorruptData(f"{NAME} is damaged: it names no format", hint=f"git checkout {NAME}")
    if version > _FORMAT:
        raise UnsupportedFormat(f"{NAME} of format {version}", hint=UPGRADE)
    repository = record.pop("repository", None)
    if not isinstance(repository, str) or not repository:
        raise CorruptData(f"{NAME} is damaged: it names no repository", hint=f"git checkout {NAME}")
    entries: dict[TrackedPath, Entry] = {}
    for text, facts in sorted(record.items(), key=lambda item: item[0].encode()):
        try:
            entries[parse_path(text)] = _entry(facts)
        except (InvalidInput, KeyError, TypeError) as error:
            raise CorruptData(f"{NAME} is damaged at {text!r}: {error}", hint=f"git checkout {NAME}") from error
    for path in entries:
        folder = path.rpartition("/")[0]
        while folder:
            if folder in entries:
                raise CorruptData(f"{NAME} is damaged: {path!r} lies below {folder!r}")
            folder = folder.rpartition("/")[0]
    return Lock(repository, entries)


def _facts(entry: Entry) -> dict[str, str]:
    match entry:
        case File():
            facts = {
                "kind": '"executable"' if entry.executable else '"file"',
                "id": f'"b3:{entry.id.hex()}"',
                "size": str(entry.size),
                "fingerprint": f'"{entry.fingerprint.hex()}"',
            }
            if entry.sha256 is not None:
                facts["sha256"] = f'"{entry.sha256.hex()}"'
            return facts
        case Link():
            return {"kind": '"link"', "id": f'"b3:{entry.id.hex()}"', "size": str(entry.size)}
        case Dataset():
            return {
                "kind": '"dataset"',
                "id": f'"b3:{entry.id.hex()}"',
                "size": str(entry.size),
                "files": str(entry.files),
            }
        case External():
            return {
                "kind": '"external"',
                "uri": _quoted(entry.uri),
                "etag": _quoted(entry.etag),
                "size": str(entry.size),
            }


def _entry(facts: dict[str, Any]) -> Entry:
    kind, size = facts["kind"], _natural(facts["size"])
    match kind:
        case "file" | "executable":
            sha256 = facts.get("sha256")
            if (sha256 is None) == (size > CHUNK_MAX):
                raise InvalidInput("SHA-256 belongs to files of more than one chunk, and only to them")
            return File(
                id=parse_id(facts["id"]),  # type: ignore[arg-type]
                size=size,
                fingerprint=_hex(facts["fingerprint"], FINGERPRINT_SIZE),
                sha256=None if sha256 is None else _hex(sha256, SHA256_SIZE),
                executable=kind == "executable",
            )
        case "link":
            return Link(parse_id(facts["id"]), size)  # type: ignore[arg-type]
        case "dataset":
            return Dataset(ListingId(parse_id(facts["id"])), size, _natural(facts["files"]))
        case "external":
            return External(str(facts["uri"]), str(facts["etag"]), size)
        case _:
            raise InvalidInput(f"unknown kind {kind!r}")


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise InvalidInput(f"{value!r} is no size")
    return value


def _hex(value: Any, size: int) -> bytes:
    found = parse_hex(value)
    if len(found) != size:
        raise InvalidInput(f"{value!r} has not {2 * size} hex digits")
    return found


def _quoted(text: str) -> str:
    return '"' + _CONTROL.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def _plain(text: str) -> str:
    return _CONTROL.sub("?", text)
