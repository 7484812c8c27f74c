"""`xver.lock`: the readable twin of the root listing; each is computed from the other.

One table a tracked path, sorted, one fact a line, LF everywhere, no time and no commit, so that git can merge and
diff it like any text. The comment before each table and the one at the end never change: two neighbours that changed
on two branches have a line between them that did not, and merge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.listings import MAX_ADDRESS, Row, check_prefix_free
from xver.model.entries import CHUNK_MAX, SIZE_MAX, Dataset, Entry, External, File, Link
from xver.model.ids import EMPTY_ID, FINGERPRINT_SIZE, SHA256_SIZE, ListingId, parse_hex, parse_id
from xver.model.paths import TrackedPath, parse_path

NAME: Final = "xver.lock"
MAX_LOCK: Final = 64 * 1024 * 1024
"""The most bytes of a lock: some 250,000 paths."""
_FORMAT: Final = 1
_Facts: TypeAlias = dict[str, str | int]
_HEAD: Final = "# Which data belongs here. Written by xver; after a merge conflict: xver merge\n"
_END: Final = "\n# end\n"
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_LETTERS: Final = {escape[1]: letter for letter, escape in _ESCAPES.items()}
_CONTROL: Final = re.compile(r'[\\"\x00-\x1f\x7f]')
_ESCAPED: Final = re.compile(r'\\(?:([\\"nrtbf])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))')
_STRING: Final = r'"((?:[^\\"\x00-\x1f\x7f]|\\(?:[\\"nrtbf]|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*)"'
_LINE: Final = re.compile(
    rf"(?:\[{_STRING}\]|([a-z0-9_]+)[ \t]*=[ \t]*(?:{_STRING}|(0|[1-9][0-9]{{0,18}})))?(?:[ \t]*#.*)?"
)
_CONFLICT: Final = re.compile(rb"^(<{7}|={7}|>{7})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lock:
    """What `xver.lock` says: which repository this is, every tracked path and what belongs there."""

    repository: str
    entries: Mapping[TrackedPath, Entry]


def encode_lock(lock: Lock) -> bytes:
    """Return the text of `xver.lock` in UTF-8: the same entries always give the same bytes.

    Raises `InvalidInput` if it is longer than `MAX_LOCK` bytes.
    """
    entries = lock.entries
    parts = [_HEAD, f"format = {_FORMAT}\nrepository = {_quoted(lock.repository)}\n"]
    for path in sorted(entries, key=lambda path: path.encode()):
        parts.append(f"\n# {_plain(path)}\n[{_quoted(path)}]\n")
        parts += [f"{key} = {value}\n" for key, value in _facts(entries[path]).items()]
    parts.append(_END)
    data = "".join(parts).encode()
    if len(data) > MAX_LOCK:
        raise InvalidInput(f"too many paths for {NAME}", hint="xver add the folder, not each file in it")
    return data


def decode_lock(data: bytes) -> Lock:
    """Return what `xver.lock` says; anything may stand in it, so everything is checked.

    Raises `InvalidInput` for unresolved merge conflicts, `CorruptData` for unsafe or overlapping paths and what is
    no lock, `UnsupportedFormat` for one of a later version or with facts unknown here, which rewriting would lose.
    """
    if _CONFLICT.search(data):
        raise InvalidInput(f"{NAME} has merge conflicts", hint="xver merge")
    if len(data) > MAX_LOCK:
        raise CorruptData(f"{NAME} of {len(data)} bytes: {MAX_LOCK} are allowed")
    try:
        head, tables = _read_tables(data.decode())
        version = head.pop("format", None)
        if not isinstance(version, int) or version < 1:
            raise InvalidInput("it names no format")
        if version > _FORMAT:
            raise UnsupportedFormat(f"{NAME} of format {version}", hint=UPGRADE)
        repository = head.pop("repository", None)
        if not isinstance(repository, str) or not repository:
            raise InvalidInput("it names no repository")
        _refuse_unknown(head)
        entries = {parse_path(text): _entry(facts) for text, facts in tables.items()}
        return Lock(repository, dict(_prefix_free(entries)))
    except (UnicodeDecodeError, InvalidInput, CorruptData) as error:
        raise CorruptData(f"{NAME} is damaged: {error}") from error


def committed(data: bytes | None) -> Mapping[TrackedPath, Entry]:
    """Return what the copy of a commit tracks: nothing where there is none, or where it is no lock.

    One that was committed by mistake, with the marks of a merge in it, say, stays in git's history for ever, and what
    came before and after is worth no less for it. Raises `UnsupportedFormat` like `decode_lock`.
    """
    try:
        return {} if data is None else decode_lock(data).entries
    except (CorruptData, InvalidInput):
        return {}


def _read_tables(text: str) -> tuple[_Facts, dict[str, _Facts]]:
    # A few forms of TOML are all that stands in a lock; reading only those is linear whatever somebody wrote there.
    head: _Facts = {}
    tables: dict[str, _Facts] = {}
    facts = head
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.fullmatch(line.strip(" \t\r"))
        if found is None:
            raise InvalidInput(f"line {number} is {line[:80]!r}")
        table, key, string, integer = found.groups()
        if table is not None:
            facts = {}
            if tables.setdefault(_unquoted(table), facts) is not facts:
                raise InvalidInput(f"line {number} names {line[:80]} again")
        elif key is not None:
            if key in facts:
                raise InvalidInput(f"line {number} says {key} again")
            facts[key] = int(integer) if string is None else _unquoted(string)
    return head, tables


def _prefix_free(entries: Mapping[TrackedPath, Entry]) -> list[tuple[TrackedPath, Entry]]:
    ordered = sorted(entries.items(), key=lambda item: item[0].encode())
    return [(row.path, row.entry) for row in check_prefix_free(Row(*item) for item in ordered)]


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


def _entry(facts: _Facts) -> Entry:
    entry = _known_entry(facts)
    _refuse_unknown(facts.keys() - _facts(entry).keys())
    return entry


def _known_entry(facts: _Facts) -> Entry:
    kind, size = _text(facts, "kind"), _natural(facts, "size")
    match kind:
        case "file" | "executable":
            if ("sha256" in facts) != (size > CHUNK_MAX):
                raise InvalidInput("SHA-256 belongs to files of more than one chunk, and only to them")
            id = parse_id(_text(facts, "id"))
            if not size and id != EMPTY_ID:
                raise InvalidInput("no bytes have another id")
            return File(
                id=id,  # type: ignore[arg-type]
                size=size,
                fingerprint=parse_hex(_text(facts, "fingerprint"), FINGERPRINT_SIZE),
                sha256=parse_hex(_text(facts, "sha256"), SHA256_SIZE) if "sha256" in facts else None,
                executable=kind == "executable",
            )
        case "link":
            if not 0 < size <= CHUNK_MAX:
                raise InvalidInput(f"link of {size} bytes")
            return Link(parse_id(_text(facts, "id")), size)  # type: ignore[arg-type]
        case "dataset":
            return Dataset(ListingId(parse_id(_text(facts, "id"))), size, _natural(facts, "files"))
        case "external":
            uri, etag = _text(facts, "uri"), _text(facts, "etag")
            if max(len(uri.encode()), len(etag.encode())) > MAX_ADDRESS:
                raise InvalidInput(f"address beyond {MAX_ADDRESS} bytes")
            return External(uri, etag, size)
        case _:
            raise UnsupportedFormat(f"{NAME} has an entry of kind {kind!r}", hint=UPGRADE)


def _refuse_unknown(names: Iterable[str]) -> None:
    unknown = sorted(names)
    if unknown:
        raise UnsupportedFormat(f"{NAME} says {', '.join(unknown[:5])}, which is not known here", hint=UPGRADE)


def _text(facts: _Facts, key: str) -> str:
    value = facts.get(key)
    if not isinstance(value, str):
        raise InvalidInput(f"it has no {key}")
    return value


def _natural(facts: _Facts, key: str) -> int:
    value = facts.get(key)
    if not isinstance(value, int) or value > SIZE_MAX:
        raise InvalidInput(f"{key} is no size")
    return value


def _quoted(text: str) -> str:
    return '"' + _CONTROL.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    letter, digits = match[1], match[2] or match[3]
    if digits is None:
        return _LETTERS[letter]
    code = int(digits, 16)
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        raise InvalidInput(f"{match[0]} is no character")
    return chr(code)


def _plain(text: str) -> str:
    return _CONTROL.sub("?", text)
