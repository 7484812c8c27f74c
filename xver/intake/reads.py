"""What was read to be adopted, and what it is known by since: a line each, so that none of it is read twice.

    <cache>/adopted      XXH3-64 of the rest, hex ␣ where ␣ size ␣ id ␣ fingerprint ␣ SHA-256 or - ␣ pin ␣ address

A file or object that still has its size and pin is what it was. Written when the content is live in the store; whoever
believes a line asks the store whether it still is. It is a cache: who loses it reads again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from xver.format.foreign import Foreign, Where
from xver.model.entries import CHUNK_MAX
from xver.model.ids import FINGERPRINT_SIZE, ChunkId, ContentId, NodeId, checksum, parse_hex
from xver.store.content import Content

_FIELDS: Final = 8
_DIGITS: Final = 16


class Reads:
    """The lines of one repository, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, wholes: Collection[Foreign]) -> dict[Foreign, Content]:
        """Return what some files and objects were known by when they were read; those never read are left out."""
        wanted = frozenset(whole for whole in wholes if whole.pin)
        found: dict[Foreign, Content] = {}
        if not wanted or not self._path.exists():
            return found
        with self._path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                if (read := _decode(line)) is not None and read[0] in wanted:
                    found[read[0]] = read[1]
        return found

    def note(self, reads: Iterable[tuple[Foreign, Content]]) -> None:
        """Write down what was read; what has no pin could be another any time, and is not."""
        lines = [_encode(whole, content) for whole, content in reads if whole.pin]
        if lines:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii", newline="\n") as file:
                file.writelines(lines)


def _encode(whole: Foreign, content: Content) -> str:
    sha256 = "-" if content.sha256 is None else content.sha256.hex()
    known = f"{content.id.hex()} {content.fingerprint.hex()} {sha256}"
    text = f"{int(whole.where)} {whole.size} {known} {quote(whole.pin, safe='')} {quote(whole.address, safe='/')}"
    return f"{checksum(text.encode()):0{_DIGITS}x} {text}\n"


def _decode(line: str) -> tuple[Foreign, Content] | None:
    """Return what a line says; None for one that was torn."""
    sum_, _, text = line.rstrip("\n").partition(" ")
    fields = [sum_, *text.split(" ")]
    if len(fields) != _FIELDS or sum_ != f"{checksum(text.encode()):0{_DIGITS}x}":
        return None
    _, where, size, id, fingerprint, sha256, pin, address = fields
    try:
        whole = Foreign(Where(int(where)), unquote(address), int(size), unquote(pin))
        its_id: ContentId = (ChunkId if whole.size <= CHUNK_MAX else NodeId)(parse_hex(id))
        hashed = None if sha256 == "-" else parse_hex(sha256)
        return whole, Content(its_id, whole.size, parse_hex(fingerprint, FINGERPRINT_SIZE), hashed)
    except ValueError:
        return None
