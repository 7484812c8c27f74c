"""A store: objects by id, and the refs that keep them, on any storage.

Store ── log      refs and live indexes
├─ index    id -> place
└─ storage  packs
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xver.errors import ContentNotFound, CorruptData, NotFound, RepositoryNotFound, UnsupportedFormat
from xver.format.canonical import decode_json, encode_json
from xver.format.codecs import Codec
from xver.format.indexes import Place, merge_indexes
from xver.format.log_entries import LiveIndex
from xver.format.packs import decode_frame
from xver.model.ids import Kind, checksum
from xver.model.refs import Target
from xver.storage.base import Part, Storage
from xver.store.index import StoreIndex
from xver.store.log import Change, Log
from xver.store.packing import Packer

MARKER: Final = "xver.json"
_FORMAT: Final = 1
_ALGORITHMS: Final = {"cut": "fastcdc-2020:16-64-256", "fingerprint": "xxh3-128", "id": "blake3"}
_GAP: Final = 1024 * 1024
_RANGE: Final = 8 * 1024 * 1024
_MERGE_AT: Final = 16
_README: Final = """This folder or bucket is a store of xver (git for data and models).

xver.json    format version and repository id      log/      the numbered log: refs and live indexes
packs/       the content, in packs                 index/    where each object lies in which pack

`pip install xver` and `xver clone <this address>` give everything back. Without xver: each pack ends in a table of
its objects (id, offset, stored size, raw size, kind, codec; little-endian rows of 60 bytes); ids are BLAKE3 of the
content, frames are raw or zstd. The full format stands in docs/format.md of xver's sources.
Do not delete, rename or edit single files here: `xver gc` removes what is no longer needed.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to be read: its kind and id."""

    kind: Kind
    id: bytes


class Store:
    """Objects and refs on one storage. Open one with `open_store`; one instance serves one thread."""

    def __init__(self, storage: Storage, *, repository: str, client: str, author: str = "") -> None:
        self.storage = storage
        self.repository = repository
        self.log = Log(storage, client=client, author=author)
        self.index = StoreIndex(storage, self.log)
        self.log.refresh()

    def __contains__(self, id: bytes) -> bool:
        return id in self.index

    def get(self, kind: Kind, id: bytes) -> bytes:
        """Return an object, verified.

        Raises:
            ContentNotFound: this store does not hold it.
            CorruptData: its bytes have another id.
        """
        return bytes(next(self.get_many([Wanted(kind, id)]))[1])

    def get_many(self, wanted: Iterable[Wanted]) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """Yield (id, bytes) of each object, verified, in the order in which they lie in the packs.

        Neighbours are read together; the caller bounds memory by how much it asks for at a time.
        """
        places = [(self._place(one), one.kind) for one in wanted]
        places.sort(key=lambda pair: (pair[0].container.name, pair[0].offset))
        for place, stored in self.read_frames([place for place, _ in places]):
            yield place.id, self._decode(place, stored)

    def read_frames(self, places: list[Place]) -> Iterator[tuple[Place, memoryview]]:
        """Yield the stored bytes of places that are sorted by container and offset, not decoded or verified."""
        groups = list(_coalesce(places))
        parts = [(group[0].container.name, Part(group[0].offset, _end(group) - group[0].offset)) for group in groups]
        for group, data in zip(groups, self.storage.get_many(parts), strict=True):
            view = memoryview(data)
            start = group[0].offset
            for place in group:
                yield place, view[place.offset - start : place.offset - start + place.stored]

    def locate(self, id: bytes) -> Place:
        """Return where an object lies; raises `ContentNotFound`."""
        place = self.index.find(id)
        if place is None:
            raise ContentNotFound(id)
        return place

    def packer(self) -> Packer:
        """Return a packer for one transfer; use it as a context."""
        return Packer(self.storage, self.index, base=self.log.n)

    def commit(self, change: Change, *, check: Callable[[Log], None] | None = None) -> int:
        """Append to the log, then merge small indexes where many have gathered."""
        n = self.log.append(change, check=check)
        self._merge_indexes()
        return n

    def move(self, operation: str, refs: Mapping[str, Target | None], index: LiveIndex | None = None) -> int:
        """Point refs to new targets whatever they are now, making `index` live in the same entry."""
        changes = {name: (self.log.refs.get(name), new) for name, new in refs.items()}
        changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
        if not changes and index is None:
            return self.log.n - 1
        return self.commit(Change(operation, refs=changes, add_index=() if index is None else (index,)))

    def _place(self, one: Wanted) -> Place:
        place = self.locate(one.id)
        if place.kind is not one.kind:
            raise CorruptData(f"b3:{one.id.hex()[:16]} is a {place.kind.name.lower()}, no {one.kind.name.lower()}")
        return place

    def _decode(self, place: Place, stored: memoryview) -> bytes | memoryview:
        dictionary = None
        if place.codec is Codec.DELTA:
            dictionary = b"".join(self.get(place.kind, base) for base in self.index.bases(place.id))
        return decode_frame(
            stored, id=place.id, kind=place.kind, codec=place.codec, raw=place.raw, dictionary=dictionary
        )

    def _merge_indexes(self) -> None:
        """Keep look-ups short: sixteen indexes of one size class (powers of four) become one."""
        classes: dict[int, list[LiveIndex]] = {}
        for live in self.log.indexes.values():
            classes.setdefault(live.size.bit_length() // 2, []).append(live)
        for group in classes.values():
            if len(group) < _MERGE_AT:
                continue
            data = merge_indexes([self.index.open(live) for live in group])
            name = f"index/{self.log.n}.{uuid.uuid4().hex[:16]}"
            self.storage.put(name, data)
            packs = {pack: size for live in group for pack, size in live.packs.items()}
            merged = LiveIndex(name, len(data), checksum(data), packs)
            names = {live.name for live in group}

            def still_live(log: Log, names: set[str] = names) -> None:
                if not names <= log.indexes.keys():
                    raise _Superseded

            try:
                self.log.append(
                    Change("merge indexes", add_index=(merged,), remove_index=tuple(sorted(names))), check=still_live
                )
            except _Superseded:
                # Another writer merged them first; ours is garbage that the collection removes.
                return


class _Superseded(Exception):
    """Somebody else did it."""


def create_store(storage: Storage, *, client: str, author: str = "", repository: str | None = None) -> Store:
    """Make a store where there is none, or open the one that somebody made first.

    `repository` is the id it shall have: a new one is drawn where none is given.
    """
    marker = {
        "algorithms": dict(_ALGORITHMS),
        "format": _FORMAT,
        "repository": repository or str(uuid.uuid4()),
    }
    if storage.create(MARKER, encode_json(marker)):  # type: ignore[arg-type]
        storage.put("README.txt", _README.encode())
    return open_store(storage, client=client, author=author)


def open_store(storage: Storage, *, client: str, author: str = "") -> Store:
    """Open a store.

    Raises:
        RepositoryNotFound: there is none.
        UnsupportedFormat: it is of a later format, or uses algorithms unknown here.
    """
    try:
        marker = decode_json(storage.get(MARKER), MARKER)
    except NotFound as error:
        raise RepositoryNotFound(f"there is no xver store at {storage.url}") from error
    if marker.get("format") != _FORMAT or marker.get("algorithms") != _ALGORITHMS:
        raise UnsupportedFormat(
            f"the store at {storage.url} has format {marker.get('format')!r}, {json.dumps(marker.get('algorithms'))}",
            hint="a newer xver reads it: pip install --upgrade xver",
        )
    return Store(storage, repository=str(marker["repository"]), client=client, author=author)


def _coalesce(places: list[Place]) -> Iterator[list[Place]]:
    group: list[Place] = []
    for place in places:
        near = (
            group
            and group[-1].container.name == place.container.name
            and place.offset - (group[-1].offset + group[-1].stored) <= _GAP
            and place.offset + place.stored - group[0].offset <= _RANGE
        )
        if group and not near:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _end(group: list[Place]) -> int:
    return max(place.offset + place.stored for place in group)
