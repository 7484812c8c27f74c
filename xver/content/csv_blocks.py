"""Text of rows cut into blocks of whole rows, which are parsed one by one: no other thread ever reads the file.

pyarrow's own reader of streams reads ahead in a thread, which goes on when the reader is closed: it would use a store
that serves one thread, and abort a process that ends meanwhile (https://github.com/apache/arrow/issues/34314).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, Final

from xver.content.tables import NotReadable, translated

BLOCK: Final = 4 * 1024 * 1024
_MARK: Final = codecs.BOM_UTF8


def row_blocks(file: Any, delimiter: str, encoding: str) -> Iterator[bytes]:
    """Yield a file's rows as UTF-8, about `BLOCK` bytes at a time; blank lines and a mark in front are left out.

    Raises `NotReadable` where a row is longer than two blocks, or what stands there is not in the encoding.
    """
    rows = _rows(delimiter.encode())
    decode = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
    rest, is_first = b"", True
    while True:
        with translated():
            data = bytes(file.read(BLOCK))
        try:
            text = data if decode is None else decode.decode(data, final=not data).encode(errors="surrogatepass")
        except UnicodeDecodeError as error:
            raise NotReadable(f"it is not all {encoding}: {error.reason}") from error
        rest += text
        if is_first:
            rest = rest.removeprefix(_MARK).lstrip(b"\r\n")
            is_first = not rest
        if not data:
            break
        # Behind a carriage return at the end its line feed may follow.
        end = _end(rows, rest[:-1] if rest.endswith(b"\r") else rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > 2 * BLOCK:
            raise NotReadable(f"one of its lines is longer than {2 * BLOCK:,} bytes, or a quotation never ends")
    if rest:
        yield rest


def _rows(delimiter: bytes) -> re.Pattern[bytes]:
    """Return what matches as many whole rows as there are; a quotation counts only where a cell begins."""
    plain = rb"[^" + re.escape(delimiter) + rb"\r\n]*+"
    cell = rb'(?:"(?:[^"]++|"")*+"' + plain + rb'|(?!")' + plain + rb")"
    return re.compile(rb"(?:" + cell + rb"(?:" + re.escape(delimiter) + cell + rb")*+(?:\r\n?|\n))*+")


def _end(rows: re.Pattern[bytes], data: bytes) -> int:
    """Return where the last whole row ends."""
    if b'"' not in data:
        return max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    found = rows.match(data)
    return 0 if found is None else found.end()
