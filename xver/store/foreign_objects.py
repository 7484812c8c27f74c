"""Objects of buckets that foreign chunks lie in: read by ranges, of the version that was adopted where it is kept.

Where it keeps none, whatever is there is read, and the chunk's id decides: what was only written again is still good.
Credentials are those of the environment, as for a remote.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from xver.errors import ForeignChanged, NotFound, StorageError, TransientStorageError
from xver.format.foreign import Foreign, ObjectName, Where, decode_object_name, encode_object_name
from xver.storage.base import KEPT, Part, Stat, Storage
from xver.store.foreign_spans import Seen, Span


class ForeignObjects:
    """The objects that chunks lie in, by their addresses; one connection a bucket. For several threads."""

    def __init__(self) -> None:
        self._storages: dict[tuple[str, str | None], Storage] = {}
        self._lock = threading.Lock()

    def read(self, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield the bytes of each span, several ranges on their way at a time.

        Raises:
            ForeignChanged: an object is gone or shorter now, or may not be read.
            TransientStorageError: a server cannot be reached.
        """
        for (bucket, endpoint_url), group in groupby(spans, key=lambda span: _home(span.whole)):
            some = list(group)
            found = self._storage(bucket, endpoint_url).get_many([_asked(span) for span in some])
            for span in some:
                try:
                    data = bytes(next(found))
                except TransientStorageError:
                    raise
                except (NotFound, StorageError) as error:
                    harm = self.look(span.whole).harm or error.message
                    raise ForeignChanged(span.id, self.name(span.whole), harm) from error
                yield data

    def look(self, whole: Foreign) -> Seen:
        """Return what can be seen of an object without reading it; raises `TransientStorageError`."""
        name = decode_object_name(whole.address)
        storage = self._storage(name.bucket, name.endpoint_url)
        try:
            if whole.pin.startswith(KEPT):
                # A version is what it was, as long as there is one.
                storage.get(name.key, Part(0, 1, whole.pin))
                return Seen(None, is_touched=False)
            found = storage.stat(name.key)
        except TransientStorageError:
            raise
        except NotFound:
            found = None
        except StorageError as error:
            return Seen(f"cannot be read: {error.message}", is_touched=True)
        if found is None:
            return Seen("is gone", is_touched=True)
        if found.size < whole.size:
            return Seen(f"has {found.size:,} bytes where {whole.size:,} were read", is_touched=True)
        return Seen(None, is_touched=found.pin != whole.pin or not whole.pin)

    def name(self, whole: Foreign) -> str:
        """Return the address of an object as a person types it."""
        name = decode_object_name(whole.address)
        return f"{name.bucket}/{name.key}"

    def describe(self, bucket: str, stat: Stat, endpoint_url: str | None) -> Foreign:
        """Return an object as frames name it; the key is the whole one below the bucket."""
        address = encode_object_name(ObjectName(bucket, stat.key, endpoint_url))
        return Foreign(Where.OBJECT, address, stat.size, stat.pin)

    def _storage(self, bucket: str, endpoint_url: str | None) -> Storage:
        # The clients of servers are of no use to most commands, which begin faster without.
        from xver.storage.locate import locate

        with self._lock:
            known = self._storages.get((bucket, endpoint_url))
            if known is None:
                known = locate(bucket, base=Path("/"), endpoint_url=endpoint_url)
                self._storages[bucket, endpoint_url] = known
        return known


def _home(whole: Foreign) -> tuple[str, str | None]:
    name = decode_object_name(whole.address)
    return name.bucket, name.endpoint_url


def _asked(span: Span) -> tuple[str, Part]:
    pin = span.whole.pin if span.whole.pin.startswith(KEPT) else ""
    return decode_object_name(span.whole.address).key, Part(span.start, span.length, pin)
