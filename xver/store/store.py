"""A store: objects by id, and the refs that keep them, on any storage.

Store ── log      refs and live indexes
├─ index    id -> place
└─ storage  packs
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from xver.errors import (
    Collected,
    ContentNotFound,
    CorruptData,
    NotFound,
    Purged,
    RefConflict,
    RepositoryNotFound,
    UnsupportedFormat,
)
from xver.format.canonical import decode_json, encode_json
from xver.format.indexes import Place
from xver.format.log_entries import LiveIndex
from xver.format.nodes import decode_node
from xver.model.ids import Kind
from xver.model.refs import FORGOTTEN, HEADS, SHALLOW, Target
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.store.bases import Bases
from xver.store.foreign import ForeignReader
from xver.store.frames import Frames, checked, in_order
from xver.store.index import StoreIndex
from xver.store.log import Change, Log, pack_base
from xver.store.packing import CLOSING, OnPack, Packer
from xver.store.promises import Promises
from xver.store.relied import is_any_lost, lists_purged, new_bases, still_good
from xver.store.replacing import merge_small

MARKER: Final = "xver.json"
_FORMAT: Final = 1
_ALGORITHMS: Final = {"cut": "fastcdc-2020:16-64-256", "fingerprint": "xxh3-128", "id": "blake3"}
_REFS_SIZE: Final = 512 * 1024
"""Bytes of refs that one log entry moves: with an index inside it stays below its limit."""
_REF_SIZE: Final = 180
"""Bytes of a ref in an entry besides its name: two targets."""
_README: Final = """This folder or bucket is a store of xver (git for data and models).

xver.json    format version and repository id      log/      the numbered log: refs and live indexes
packs/       the content, in packs                 index/    where each object lies in which pack

`pip install xver` and `xver clone <this address>` give everything back. Without xver: each pack ends in a table of
its objects (id, offset, stored size, raw size, kind, codec; little-endian rows of 60 bytes); ids are BLAKE3 of the
content, frames are raw, zstd, zstd against up to three other objects, or zstd of their bytes in groups. The full
format: docs/format.md in xver's sources, and tests/format/second_reader.py there, a reader in one file that needs
nothing of xver.
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
        self.elsewhere: Callable[[], Iterable[Store]] | None = None
        """Gives the stores to read from what this one does not hold, in the order in which to ask; None: no other is
        asked. Called only when something lacks. What it fails with is raised if nobody before had what lacks."""
        self.reaches: Callable[[Iterable[Target], Collection[bytes]], Iterable[bytes]] | None = None
        """Gives the ids of all that targets reach, for rule R1 after a collection; None: nobody here can tell.

        Told with the targets are the ids of those whose data was left out so far, and no longer is."""
        self.foreign = ForeignReader(storage.url) if isinstance(storage, LocalStorage) else None
        """Reads the files and objects of others that chunks of this store lie in."""
        self.promises = Promises(storage)
        self.on_data_pack: OnPack | None = None
        """Is told of each data pack of a transfer to this store, once it is durable."""
        self._slots = threading.BoundedSemaphore(CLOSING)
        self.refresh()

    def refresh(self) -> None:
        """Read what others did since; what is decided from here on relies on the state this gives."""
        self.log.refresh()
        self._basis = self.log.n

    def __contains__(self, id: bytes) -> bool:
        """Tell whether the object is in a live pack of this store, whoever else has it."""
        return id in self.index

    def is_safe(self, id: bytes) -> bool:
        """Tell whether the object is here, or a remote keeps it for this store, so that no other copy is needed."""
        return id in self.index or id in self.promises

    def holds_whole(self, id: bytes) -> bool:
        """Tell whether content is safe to its last chunk.

        A fetch brings nodes without what they name, and a collection may leave some. One that cannot be read names
        nothing that is safe.
        """
        place = self.index.find(id)
        if place is None or place.kind is not Kind.NODE:
            return self.is_safe(id)
        try:
            node = decode_node(self.get(Kind.NODE, id))
        except (CorruptData, NotFound):
            return False
        children: set[bytes] = {child for child, _ in node.children}
        if node.level == 1 and self.index.holds_all(children):
            return True
        return all(map(self.holds_whole, children))

    def get(self, kind: Kind, id: bytes) -> bytes:
        """Return an object, verified.

        Raises:
            ContentNotFound: this store does not hold it, nor does any that `elsewhere` gives.
            CorruptData: its bytes have another id.
        """
        return bytes(next(self.get_many([Wanted(kind, id)]))[1])

    def get_many(self, wanted: Iterable[Wanted]) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """Yield (id, bytes) of each object, verified, in the order in which they lie in the packs, but deltas last.

        Neighbours are read together, and bases with them; the caller bounds memory by how much it asks for at a time.
        What is not here is read from `elsewhere`, all of it together, verified as well, and not kept.
        """
        places: list[Place] = []
        lacking: list[Wanted] = []
        wanted = list(wanted)
        found = self.index.find_many(one.id for one in wanted)
        for one in wanted:
            place = found.get(one.id)
            if place is None:
                lacking.append(one)
            else:
                places.append(checked(place, one.kind))
        if lacking and self.log.tombstones:
            for one in lacking:
                self._refuse_purged(one.id)
        if lacking and self.elsewhere is None:
            raise ContentNotFound(lacking[0].id)
        read: set[bytes] = set()
        try:
            for place, data in self.decoded(in_order(places)):
                yield place.id, data
                read.add(place.id)
        except ContentNotFound:
            # Somebody evicted it this moment.
            if self.elsewhere is None:
                raise
            lacking = [one for one in wanted if one.id not in read]
        if lacking and self.elsewhere is not None:
            yield from _read_elsewhere(self.elsewhere(), lacking)

    @property
    def frames(self) -> Frames:
        """What reads the frames of this store as it is now."""
        return Frames(self.storage, self.index, self.log, foreign=self.foreign)

    def decoded(self, places: list[Place]) -> Iterator[tuple[Place, bytes | memoryview]]:
        """Yield the objects at places in order, verified, deltas last; see `Frames.decoded`."""
        return self.frames.decoded(places)

    def read_frames(self, places: list[Place]) -> Iterator[tuple[Place, memoryview]]:
        """Yield the stored bytes of places in order, not decoded or verified; see `Frames.read`."""
        return self.frames.read(places)

    def decode(self, place: Place, stored: bytes | memoryview) -> bytes | memoryview:
        """Return the object in a frame; raises `CorruptData` unless its bytes have its id."""
        return self.frames.decode(place, stored)

    def locate(self, id: bytes) -> Place:
        """Return where an object lies; raises `ContentNotFound`."""
        place = self.index.find(id)
        if place is None:
            self._refuse_purged(id)
            raise ContentNotFound(id)
        return place

    def packer(self, *, anew: bool = False, fetches: bool = False, only: Collection[bytes] | None = None) -> Packer:
        """Return a packer for one transfer; use it as a context.

        `anew`: also what the store holds already is packed. `fetches`: also what a remote keeps for it, which need not
        be stored here otherwise. `only`: of all that is put it takes these ids alone.
        """
        return Packer(
            self.storage,
            self.index,
            base=self.log.n,
            slots=self._slots,
            bases=Bases(self.index, self.get),
            anew=anew,
            holds_whole=self.holds_whole,
            is_promised=(lambda _: False) if fetches else self.promises.__contains__,
            only=only,
            refuse=self._refuse_purged if self.log.tombstones else None,
            on_data_pack=self.on_data_pack,
        )

    def _refuse_purged(self, id: bytes) -> None:
        if (error := self.purged(id)) is not None:
            raise error

    def commit(self, change: Change, *, check: Callable[[Log], None] | None = None) -> int:
        """Append to the log, then merge small indexes where many have gathered.

        More refs than an entry takes go into several, branches last, so that none of them is early.

        Raises:
            RefConflict: a ref has not the value that was expected.
            Collected: a collection since `refresh` took something that this relies on (rule R1).
        """
        n = -1
        for part in _entries_of(change):
            n = self.log.append(part, check=partial(self._check, part, check))
        merge_small(self.storage, self.log, self.index)
        return n

    def discard(self, uploaded: Iterable[LiveIndex]) -> None:
        """Delete what was uploaded and can never become live (rule R3): purged content must not lie about in it."""
        live = {*self.log.live_packs(), *self.log.indexes}
        for one in uploaded:
            for name in (*one.packs, *([] if one.inline is not None else [one.name])):
                if name not in live and (name in self.log.removed or pack_base(name) < self.log.fence):
                    self.storage.delete(name)

    def still_good(self, uploaded: Iterable[LiveIndex]) -> list[LiveIndex]:
        """Return those of finished uploads that may still become live, after `Collected`; `refresh` first."""
        return still_good(self.log, self.index, uploaded)

    def move(self, operation: str, refs: Mapping[str, Target | None], *indexes: LiveIndex | None) -> int:
        """Point refs to new targets whatever they are now, making `indexes` live in the same entry."""
        added = tuple(index for index in indexes if index is not None)
        while True:
            changes = {name: (self.log.refs.get(name), new) for name, new in refs.items()}
            changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
            if not changes and not added:
                return self.log.n - 1
            try:
                return self.commit(Change(operation, refs=changes, add_index=added))
            except RefConflict:
                # Somebody else moved one at the same moment; the log has been read again by now.
                continue

    def lost_packs(self) -> dict[str, int | None]:
        """Return the live packs that are not there (None) or have not the size that was written (theirs)."""
        lost: dict[str, int | None] = {}
        for _ in range(2):
            # The first list may be older than the log, as it is asked for at the same time.
            sizes = {stat.key: stat.size for stat in self.storage.list("packs/")}
            lost = {name: sizes.get(name) for name, size in self.log.live_packs().items() if sizes.get(name) != size}
            if not lost:
                break
        return lost

    def _check(self, change: Change, check: Callable[[Log], None] | None, log: Log) -> None:
        """Apply rule R1: what the new refs reach, and the bases of new deltas, are live or become so in this entry.

        What was live at some moment since the last `refresh` is all that can be lacking.
        """
        if log.is_collected_since(self._basis):
            self.promises.forget()
            if self.reaches is None:
                raise Collected(self.storage.url)
            targets = [new for _, new in change.refs.values() if new is not None]
            lifted = [
                old
                for name, (old, new) in change.refs.items()
                if old is not None and new is None and name.startswith((FORGOTTEN, SHALLOW))
            ]
            with self.index.also(change.add_index):
                # A promise is enough for what a version names; a base has to be where its delta is.
                found = self.reaches([*targets, *lifted], [one.id for one in lifted])
                named = (id for id in found if not self.is_safe(id))
                relied = itertools.chain(named, new_bases(self.index, change.add_index))
                if is_any_lost(log, self.index, relied, since=self._basis):
                    raise Collected(self.storage.url)
        if lists_purged(log, self.index, change.add_index):
            raise Collected(self.storage.url)
        if check is not None:
            check(log)

    def purged(self, id: bytes) -> Purged | None:
        """Return the error that says that an object was purged, None if it was not."""
        if id.hex() not in self.log.tombstones:
            return None
        return Purged(id, entry=self.log.buried_in(id), url=self.storage.url)


def _read_elsewhere(stores: Iterable[Store], lacking: list[Wanted]) -> Iterator[tuple[bytes, bytes | memoryview]]:
    asked = []
    for store in stores:
        asked.append(store)
        if any(one.id not in store for one in lacking):
            store.refresh()  # it may have come since the store was opened
        there = {one.id for one in lacking if one.id in store}
        yield from store.get_many(one for one in lacking if one.id in there)
        # Not asked again: what came there meanwhile was not read.
        lacking = [one for one in lacking if one.id not in there]
        if not lacking:
            return
    for store in asked:
        for one in lacking:
            if (error := store.purged(one.id)) is not None:
                raise error
    raise ContentNotFound(lacking[0].id, hint="no remote has it: xver push where it was added")


def create_store(
    storage: Storage,
    *,
    client: str,
    author: str = "",
    repository: str | None = None,
    single_writer: bool = False,
) -> Store:
    """Make a store where there is none, or open the one that somebody made first.

    `repository` is the id it shall have: a new one is drawn where none is given. `single_writer` marks a store whose
    storage cannot tell two writers apart.
    """
    marker = {
        "algorithms": dict(_ALGORITHMS),
        "format": _FORMAT,
        "repository": repository or str(uuid.uuid4()),
    } | ({"writers": "one"} if single_writer else {})
    if storage.create(MARKER, encode_json(marker)):  # type: ignore[arg-type]
        storage.put("README.txt", _README.encode())
    return open_store(storage, client=client, author=author)


def open_store(storage: Storage, *, client: str, author: str = "") -> Store:
    """Open a store; raises like `repository_at`."""
    return Store(storage, repository=repository_at(storage), client=client, author=author)


def is_for_single_writer(storage: Storage) -> bool:
    """Tell whether the marker of a store says that it is safe only as long as nobody else writes to it."""
    return "writers" in decode_json(storage.get(MARKER), MARKER)


def repository_at(storage: Storage) -> str:
    """Return the id of the repository that a store is of.

    Raises:
        RepositoryNotFound: there is none.
        UnsupportedFormat: it is of a later format, or uses algorithms unknown here.
    """
    try:
        marker = decode_json(storage.get(MARKER), MARKER)
    except NotFound as error:
        raise RepositoryNotFound(
            f"there is no xver store at {storage.url}", hint="check the address; the first xver push to it makes one"
        ) from error
    if marker.get("format") != _FORMAT or marker.get("algorithms") != _ALGORITHMS:
        raise UnsupportedFormat(
            f"the store at {storage.url} has format {marker.get('format')!r}, {json.dumps(marker.get('algorithms'))}",
            hint="a newer xver reads it: pip install --upgrade xver",
        )
    repository = marker.get("repository")
    if not isinstance(repository, str) or not repository:
        raise CorruptData(f"the store at {storage.url} is damaged: {MARKER} names no repository")
    return repository


def _entries_of(change: Change) -> Iterator[Change]:
    """Yield the changes to append one after the other: the index with the first, branches in the last."""
    parts: list[dict[str, tuple[Target | None, Target | None]]] = [{}]
    size = 0
    for name in sorted(change.refs, key=lambda name: (name.startswith(HEADS), name)):
        size += len(name.encode()) + _REF_SIZE
        if size > _REFS_SIZE:
            parts.append({})
            size = len(name.encode()) + _REF_SIZE
        parts[-1][name] = change.refs[name]
    yield replace(change, refs=parts[0])
    for refs in parts[1:]:
        yield Change(change.operation, refs=refs)
