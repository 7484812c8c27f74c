"""Objects of a bucket, or of any place that lists and reads them, as an origin: one of them, or all below an address.

Of a folder the record holds what the server calls each object's version, so an update reads only those that moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from xver.errors import Conflict, ContentNotFound, CorruptData, NotFound
from xver.format.listings import Row
from xver.intake.origin import Known, Taken, Wanted, counted, file_of, stood
from xver.model.entries import Entry, File
from xver.model.ids import EMPTY_ID, ListingId
from xver.model.runs import Attachment, Source
from xver.repo import Repo
from xver.storage.base import Part, Stat, Storage
from xver.storage.foreign import locate_foreign
from xver.storage.locate import SCHEMES, locate
from xver.store.content import put_bytes, put_stream
from xver.store.listings import put_listing, read_listing
from xver.store.packing import Packer
from xver.sync.sources import paths_of
from xver.versioning.runs import read_attachment

_BLOCK: Final = 8 * 1024 * 1024
_LEAST_PARTS: Final = 3


class _Object(NamedTuple):
    """One object: where it lies, and what its server says of it."""

    storage: Storage
    stat: Stat


class ObjectsOrigin:
    """The object at an address, or all objects below it; `endpoint_url` names the server of an S3-compatible bucket.

    Raises:
        InvalidInput: an address that cannot be one, or what reads it is not installed.
    """

    def __init__(self, uri: str, endpoint_url: str | None) -> None:
        self.uri = uri
        self.name = uri.rstrip("/").rpartition("/")[2]
        self._endpoint_url = endpoint_url
        self._locate(uri.rstrip("/"))

    def is_same(self, repo: Repo, known: Known) -> bool | None:  # noqa: ARG002 - the servers know
        """Compare what its server calls each object."""
        one = self._one()
        version = one.stat.version if one is not None else digest_of(self._list()) or ""
        return version == known.source.version if version and known.source.version else None

    def take(self, repo: Repo, wanted: Wanted) -> Taken | None:
        """Read what moved since it was read before."""
        one = self._one()
        return self._take_one(repo, wanted, one) if one is not None else self._take_all(repo, wanted)

    def _take_one(self, repo: Repo, wanted: Wanted, one: _Object) -> Taken | None:
        stat = one.stat
        if wanted.known is not None and stat.version and stat.version == wanted.known.source.version:
            return None
        wanted.meter.start("Importing", stat.size, "B")
        try:
            with repo.store.index.also(wanted.uploaded), repo.store.packer() as packer:
                blocks = counted(map(bytes, one.storage.get_many(_parts(stat))), wanted.meter)
                content = put_stream(packer, blocks, before=stood(repo, wanted.before))
                index = packer.finish()
        finally:
            wanted.meter.finish()
        now = one.storage.stat(stat.key)
        if now is None or _differ(now, stat):
            raise self._changed("")
        wanted.uploaded.extend([] if index is None else [index])
        source = Source(wanted.top, self.uri, stat.version, endpoint_url=self._endpoint_url)
        return Taken(file_of(content), source)

    def _take_all(self, repo: Repo, wanted: Wanted) -> Taken | None:
        storage, found = self._locate(self.uri.rstrip("/")), self._list()
        names = paths_of(self.uri.rstrip("/"), found)
        version = digest_of(found)
        if wanted.known is not None and version and version == wanted.known.source.version:
            return None
        same = {} if wanted.known is None else _unchanged(repo, wanted.known, found)
        lacking = [found[key] for key in names.values() if key not in same]
        wanted.meter.start("Importing", sum(one.size for one in lacking), "B")
        try:
            with repo.store.index.also(wanted.uploaded), repo.store.packer() as packer:
                parts = [part for one in lacking for part in _parts(one)]
                blocks = counted(map(bytes, storage.get_many(parts)), wanted.meter)
                rows = (
                    Row(path, same[key] if key in same else _stored(packer, blocks, found[key]))
                    for path, key in names.items()
                )
                entry = put_listing(packer, rows, before=wanted.before)
                self._refuse_changed(found)
                members = put_bytes(packer, encode_objects(found.values()))
                index = packer.finish()
        finally:
            wanted.meter.finish()
        wanted.uploaded.extend([] if index is None else [index])
        listed = Attachment(members.id, members.size)
        source = Source(wanted.top, self.uri, version or "", endpoint_url=self._endpoint_url, members=listed)
        return Taken(entry, source)

    def _one(self) -> _Object | None:
        """Return the object at the address itself, None if none is there."""
        if self.uri.endswith("/"):
            return None
        scheme = self.uri.partition("://")[0]
        if scheme in SCHEMES:
            above, _, name = self.uri.rpartition("/")
            if self.uri.count("/") < _LEAST_PARTS or not name:
                return None  # a bucket
            storage = self._locate(above)
        else:
            storage, name = self._locate(self.uri), ""
        stat = storage.stat(name)
        return None if stat is None else _Object(storage, stat)

    def _list(self) -> dict[str, Stat]:
        found = {one.key: one for one in self._locate(self.uri.rstrip("/")).list("") if not one.key.endswith("/")}
        if not found:
            raise NotFound(f"there is nothing at {self.uri}", hint="check the address, and who may list it")
        return found

    def _locate(self, uri: str) -> Storage:
        if uri.partition("://")[0] in SCHEMES:
            return locate(uri, base=Path("/"), endpoint_url=self._endpoint_url)
        return locate_foreign(uri)

    def _refuse_changed(self, before: Mapping[str, Stat]) -> None:
        now = self._list()
        changed = next((key for key, stat in before.items() if key not in now or _differ(now[key], stat)), None)
        if changed is not None:
            raise self._changed(f"/{changed}")

    def _changed(self, key: str) -> Conflict:
        return Conflict(
            f"{self.uri.rstrip('/')}{key} changes while it is read", hint="wait until it is done, then try again"
        )


def encode_objects(stats: Iterable[Stat]) -> bytes:
    """Return a line for each object: its size, what its server calls this version, and its key."""
    lines = (f"{one.size} {quote(one.version, safe='')} {quote(one.key)}\n" for one in sorted(stats, key=_key))
    return "".join(lines).encode()


def decode_objects(data: bytes) -> dict[str, Stat]:
    """Return the objects by key; raises `CorruptData`."""
    found = {}
    for line in data.decode(errors="replace").splitlines():
        size, _, rest = line.partition(" ")
        version, blank, key = rest.partition(" ")
        if not (size.isdecimal() and blank and key):
            raise CorruptData(f"{line[:80]!r} is no line of a list of objects")
        found[unquote(key)] = Stat(unquote(key), int(size), unquote(version))
    return found


def digest_of(found: Mapping[str, Stat]) -> str | None:
    """Return what stands for the versions of all objects, None where a server does not name each one's."""
    if not all(one.version for one in found.values()):
        return None
    return blake2b(encode_objects(list(found.values())), digest_size=16).hexdigest()


def _unchanged(repo: Repo, known: Known, found: Mapping[str, Stat]) -> dict[str, Entry]:
    """Return what the objects are that have not moved since they were read, as far as their content is safe."""
    if known.files is None or known.source.members is None:
        return {}
    try:
        before = decode_objects(read_attachment(repo, known.source.members))
        rows = {str(row.path): row.entry for row in read_listing(repo.store, ListingId(known.id))}
    except (ContentNotFound, CorruptData):
        return {}  # what is not here can be read again
    return {
        key: rows[key]
        for key, now in found.items()
        if now.version and key in before and not _differ(before[key], now) and _is_safe(repo, rows.get(key))
    }


def _is_safe(repo: Repo, entry: Entry | None) -> bool:
    if not isinstance(entry, File):
        return False
    return entry.id == EMPTY_ID or repo.store.holds_whole(entry.id)


def _stored(packer: Packer, blocks: Iterator[bytes], stat: Stat) -> File:
    return file_of(put_stream(packer, (next(blocks) for _ in _parts(stat))))


def _parts(stat: Stat) -> list[tuple[str, Part]]:
    starts = range(0, stat.size, _BLOCK)
    return [(stat.key, Part(start, min(_BLOCK, stat.size - start))) for start in starts]


def _differ(one: Stat, other: Stat) -> bool:
    return (one.size, one.version) != (other.size, other.version)


def _key(one: Stat) -> bytes:
    return one.key.encode()
