"""Files as they are inside a compression that their name tells: `labels.csv.gz` is read as `labels.csv`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa

from xver.content.sources import Source

CODECS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


def inner_name(name: str) -> str:
    """Return a file's name without the suffix of its compression, in small letters."""
    small = name.lower()
    for suffix in CODECS:
        small = small.removesuffix(suffix)
    return small


@contextmanager
def opened(name: str, source: Source) -> Iterator[Any]:
    """Open a file for reading from its beginning on, unpacked where its name says that it is compressed."""
    codec = next((codec for suffix, codec in CODECS.items() if name.lower().endswith(suffix)), None)
    with source.open() as file:
        if codec is None:
            yield file
            return
        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec) as stream:
            yield stream
