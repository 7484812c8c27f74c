"""The contract of storage: keys and bytes, no knowledge of what the bytes mean.

A key is a relative path of `/`-separated ASCII parts (`packs/0.9f3a-0.data`). Every object is written once
under a name that is never used for other bytes; the only synchronisation there is, is `create`.
"""

from __future__ import annotations

import contextlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Final

from xver.errors import StorageError

KEPT: Final = "kept:"
IS: Final = "is:"
"""How a pin begins: one of a version that the storage keeps, and one of what the object has to be still."""


@dataclass(frozen=True, slots=True)
class Part:
    """A byte range of an object: `length` bytes from `offset`; negative `offset` counts from the end.

    With a `pin` (`Stat.pin`) it is one of these very bytes, as far as the storage can be asked so; see `Storage.get`.
    """

    offset: int
    length: int
    pin: str = ""


@dataclass(frozen=True, slots=True)
class Stat:
    """What a listing says of an object: its key and its size in bytes.

    `version` is what the storage calls these bytes, an ETag for example; empty where it does not tell. `kept` is the
    name under which it gives them also when the object was overwritten or deleted; empty where it keeps none.
    """

    key: str
    size: int
    version: str = field(default="", compare=False)
    kept: str = field(default="", compare=False)

    @property
    def pin(self) -> str:
        """What a `Part` asks for these very bytes by; empty where the storage has no name for them."""
        if self.kept:
            return KEPT + self.kept
        return IS + self.version if self.version else ""


class Storage(ABC):
    """Where bytes live.

    Every backend guarantees:

    - *read after write*: once `put` or `create` returned, every later `get`, `stat` and `list` sees the object;
    - *all or nothing*: a reader sees the whole object or none of it, also after a crash of the writer;
    - *durability*: what `put` or `create` acknowledged survives a power cut, as far as the medium can promise it;
    - *atomic create*: of all `create` calls for a key, by whomever, exactly one returns True.

    Instances may be used from several threads. Errors: `NotFound` for a missing key, `StorageError` (or its
    `TransientStorageError`) for everything the backend refuses; nothing else escapes.
    """

    part_size: ClassVar[int] = 8 * 1024 * 1024
    """How much is best read at once of what lies together, in bytes: so much that a request for it hardly counts."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The address a person would type, without credentials."""

    @abstractmethod
    def get(self, key: str, part: Part | None = None) -> bytes:
        """Return the object's bytes, or those of `part`.

        Raises `NotFound` when there is no such object, `StorageError` when `part` reaches beyond its end. A part with a
        pin is of the version that is kept under that name, or raises `Conflict` when the object is another one now;
        where a storage cannot be asked so, it gives what is there.
        """

    @abstractmethod
    def get_many(self, parts: Sequence[tuple[str, Part]]) -> Iterator[bytes | memoryview]:
        """Yield the bytes of each part, in the order given, fetching several at a time where that helps.

        The caller coalesces; a backend sends one request per part and holds a bounded number in flight.
        """

    @abstractmethod
    def put(self, key: str, source: bytes | memoryview) -> None:
        """Store an object; idempotent, because the same name always means the same bytes."""

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        """Give a file to write the object into; it becomes visible when the block ends well, and never otherwise.

        Held in memory unless the backend can do better: for objects of a pack's size.
        """
        buffer = io.BytesIO()
        yield buffer
        self.put(key, buffer.getbuffer())

    def view(self, key: str) -> memoryview:
        """Return the object's bytes, mapped rather than read where the backend can."""
        return memoryview(self.get(key))

    def forget(self, key: str) -> bool:
        """Drop a remembered copy of the object, so that it is read anew; tell whether there was one."""
        del key
        return False

    def sweep(self) -> None:
        """Remove what writers that died more than a day ago left behind, as far as we may; the rest does no harm."""
        return

    def identity(self) -> str | None:
        """Return who the storage takes us for, without secrets; None where that is nobody's business."""
        return None

    def clock(self) -> float | None:
        """Return the storage's time in seconds since 1970, by a request that changes nothing; None if it tells none."""
        return None

    def old_versions(self, prefix: str) -> Sequence[str] | None:
        """Return the key of each version that is kept of an object below a prefix, also when it is deleted.

        Nothing where deleted objects are gone; None: this storage cannot tell.
        """
        del prefix
        return None

    @abstractmethod
    def create(self, key: str, body: bytes) -> bool:
        """Create the object if no object has that key: True for the one winner, False for everybody else.

        `body` is 1 byte to 8 MiB and holds a nonce, so that a writer whose answer was lost can read the object
        back and recognise its own bytes; backends do so before they return. A backend that cannot create
        atomically raises `StorageError`.
        """

    @abstractmethod
    def stat(self, key: str) -> Stat | None:
        """Return the object's size, or None when there is no such object."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield every object whose key starts with `prefix` (which ends in `/` or is empty), in any order."""

    def list_kept(self, prefix: str) -> Iterator[Stat]:
        """Yield every object whose key starts with `prefix`, whatever that ends with, with its `kept` name if any."""
        folder = prefix[: prefix.rfind("/") + 1]
        return (one for one in self.list(folder) if one.key.startswith(prefix))

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object; idempotent: no object, no error."""


def cut_part(data: bytes, part: Part, key: str) -> bytes:
    """Return the bytes of `part`; raises `StorageError` when it reaches beyond the end."""
    start = part.offset if part.offset >= 0 else len(data) + part.offset
    if start < 0 or start + part.length > len(data):
        raise StorageError(f"{key} ends before byte {start + part.length}: it was cut short")
    return data[start : start + part.length]
