"""What others keep, where it lies: files of this machine, objects of buckets, each read once from end to end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from xver.errors import InvalidInput
from xver.format.foreign import BUCKETS, Foreign
from xver.storage.base import Part, Stat
from xver.storage.locate import locate
from xver.store.foreign import ForeignReader

_BLOCK: Final = 4 * 1024 * 1024
_RANGE: Final = 8 * 1024 * 1024
_ASKED: Final = 8
_SINGLE: Final = 256
"""So many objects, at most, are asked for by their names; more by listing their folders."""


class BucketPlace:
    """The objects below an address; their keys are whole, below the bucket. Nothing is contacted yet.

    Raises:
        InvalidInput: it is no address of a bucket, or what reads it is not installed.
    """

    def __init__(self, url: str, endpoint_url: str | None) -> None:
        scheme, _, rest = url.partition("://")
        if scheme not in BUCKETS:
            raise InvalidInput(
                f"{url} is no bucket", hint="s3://bucket/folder; other addresses: xver import ADDRESS PATH"
            )
        locate(url.rstrip("/"), base=Path("/"), endpoint_url=endpoint_url)  # refuses an address that cannot be one
        bucket, _, prefix = rest.partition("/")
        self.url = url.rstrip("/")
        self.bucket = f"{scheme}://{bucket}"
        self.prefix = prefix.rstrip("/")
        self.endpoint_url = endpoint_url
        self.storage = locate(self.bucket, base=Path("/"), endpoint_url=endpoint_url)

    def key(self, name: str) -> str:
        """Return the key of what is called so below the address."""
        return f"{self.prefix}/{name}".strip("/")

    def list(self) -> Iterator[Stat]:
        """Yield every object below the address, but what only marks a folder."""
        prefix = f"{self.prefix}/" if self.prefix else ""
        return (one for one in self.storage.list_kept(prefix) if not one.key.endswith("/"))

    def find(self, keys: Collection[str]) -> dict[str, Stat]:
        """Return those of some objects that there are, several requests on their way at a time."""
        prefixes = keys if len(keys) <= _SINGLE else {key.rpartition("/")[0] + "/" for key in keys}
        wanted = frozenset(keys)
        with ThreadPoolExecutor(_ASKED, "find") as pool:
            found = pool.map(
                lambda prefix: [one for one in self.storage.list_kept(prefix) if one.key in wanted], prefixes
            )
            return {one.key: one for some in found for one in some}


class HeldFile(NamedTuple):
    """A file of this machine."""

    path: str


class HeldObject(NamedTuple):
    """An object of a bucket."""

    place: BucketPlace
    stat: Stat


Held: TypeAlias = HeldFile | HeldObject


def describe(held: Held, reader: ForeignReader, *, project: str) -> Foreign:
    """Return what is held as frames name it; `project` is the folder inside of which files are named relatively."""
    if isinstance(held, HeldFile):
        return reader.files.describe(held.path, project=project)
    return reader.objects.describe(held.place.bucket, held.stat, held.place.endpoint_url)


def read_small(held: Held) -> bytes:
    """Return all bytes of what is known to be small."""
    return Path(held.path).read_bytes() if isinstance(held, HeldFile) else held.place.storage.get(held.stat.key)


def in_turn(helds: Iterable[tuple[str, Held]]) -> list[tuple[str, Held]]:
    """Return named things in the order in which they are read best: files, then the objects of one bucket together."""
    return sorted(helds, key=lambda one: ("", "") if isinstance(one[1], HeldFile) else _where(one[1]))


def read_each(helds: Sequence[Held]) -> Iterator[Iterator[bytes]]:
    """Yield the blocks of each, which must be used up before the next is asked for; objects are read ahead.

    Raises, while blocks are read:
        OSError: a file cannot be read.
        NotFound, Conflict: an object is gone, or another one than was listed.
        StorageError: a server refuses, or cannot be reached.
    """
    for place, group in groupby(helds, key=lambda one: None if isinstance(one, HeldFile) else one.place):
        if place is None:
            yield from (_blocks_of(one.path) for one in group if isinstance(one, HeldFile))
            continue
        stats = [one.stat for one in group if isinstance(one, HeldObject)]
        blocks = place.storage.get_many([(one.key, part) for one in stats for part in _parts(one)])
        for one in stats:
            yield (next(blocks) for _ in _parts(one))


def _blocks_of(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            yield block


def _parts(stat: Stat) -> list[Part]:
    starts = range(0, stat.size, _RANGE)
    return [Part(start, min(_RANGE, stat.size - start), stat.pin) for start in starts]


def _where(held: HeldObject) -> tuple[str, str]:
    return held.place.url, held.stat.key
