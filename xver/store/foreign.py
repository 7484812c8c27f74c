"""Bytes of files and objects that others made: read where they lie, proven by the ids of their chunks, never changed.

    frame of a chunk ─► address, offset ─► neighbours in one read ─► the id decides

What becomes of such a file is its owner's business: where it is gone or another now, the chunk is not in this store
any more, and is looked for where whatever lacks is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Final

from xver.format.foreign import Foreign, Where
from xver.format.indexes import Place
from xver.store.foreign_files import ForeignFiles
from xver.store.foreign_objects import ForeignObjects
from xver.store.foreign_spans import Seen, chunks_of, spans_of

_LOOKS: Final = 8


class ForeignReader:
    """Reads what the chunks of one store lie in; relative addresses are taken from the store's `folder`."""

    def __init__(self, folder: str) -> None:
        self.files = ForeignFiles(folder)
        self.objects = ForeignObjects()

    def read(self, frames: Sequence[tuple[Place, bytes | memoryview]]) -> Iterator[bytes]:
        """Yield the chunk behind each frame, verified, in this order; neighbours are read together.

        Raises:
            ForeignChanged: a file is gone, cannot be read, or has other bytes now.
            TransientStorageError: a server cannot be reached.
            CorruptData: a frame is none.
        """
        for where, group in groupby(spans_of(frames), key=lambda span: span.whole.where):
            spans = list(group)
            found = self._source(where).read(spans)
            for span, data in zip(spans, found, strict=True):
                yield from chunks_of(span, data, self.name(span.whole))

    def look(self, wholes: Iterable[Foreign]) -> Iterator[tuple[Foreign, Seen]]:
        """Yield what can be seen of each file without reading it; servers are asked for several at a time.

        Raises `TransientStorageError` where one cannot be reached.
        """
        wholes = list(wholes)
        yield from ((one, self.files.look(one)) for one in wholes if one.where is Where.FILE)
        objects = [one for one in wholes if one.where is Where.OBJECT]
        if objects:
            with ThreadPoolExecutor(_LOOKS, "look") as pool:
                yield from zip(objects, pool.map(self.objects.look, objects), strict=True)

    def name(self, whole: Foreign) -> str:
        """Return what a person calls a file: its path on this machine, or its address."""
        return self._source(whole.where).name(whole)

    def _source(self, where: Where) -> ForeignFiles | ForeignObjects:
        return self.files if where is Where.FILE else self.objects
