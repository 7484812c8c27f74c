"""Objects into packs: what is new is batched, compressed and appended by a worker while the caller goes on reading.

    put ──► batch of 4 MiB ──► worker: compress, append ──► pack full ──► closer: footer, fsync or upload
            (two in flight)                                 (two in flight, of all packers of a store)

What stood in an object's place before is read here and compressed against there. Memory is bounded by the batches
and packs in flight, whatever is put. Data and metadata go to packs of their own,
each in the order in which it was put, so what belongs together lies together.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self, TypeAlias

from xver.format.codecs import Against, Codec, Compressor, delta_bases
from xver.format.indexes import Container, Place, encode_index
from xver.format.log_entries import INLINE_MAX, LiveIndex
from xver.format.packs import (
    DATA_PACK_SIZE,
    HEADER,
    META_PACK_SIZE,
    WHOLE,
    Frame,
    decode_footer,
    encode_footer,
    is_whole,
)
from xver.model.ids import Kind, checksum, checksummer, object_id
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.store.bases import Bases, Tally
from xver.store.index import StoreIndex

_BATCH: Final = 4 * 1024 * 1024
_IN_FLIGHT: Final = 2
CLOSING: Final = 2
"""Packs of one store on their way to its storage at once, however many packers are at work."""
_INLINE_PACKS: Final = 3
_WHOLES_MAX: Final = 4000
"""Whole files of one transfer: a log entry names them all."""
_FRAMES_MAX: Final = 1 << 16
"""Objects of a pack at most: very small ones would else make a footer of many mebibytes."""


class _Object(NamedTuple):
    """An object on its way into a pack; `codec` None: still to be compressed, perhaps as a delta."""

    id: bytes
    kind: Kind
    data: bytes
    codec: Codec | None
    raw: int
    against: Against | None = None
    tally: Tally | None = None


@dataclass(slots=True)
class _Batch:
    """Objects on their way into one family of packs, and the bytes they hold in memory."""

    objects: list[_Object] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class FinishedPack:
    """A pack that is durable and not live yet: its footer says what is in it, `bases` what its deltas need."""

    container: Container
    footer: bytes
    bases: Mapping[bytes, tuple[bytes, ...]]

    def places(self) -> Iterator[Place]:
        """Yield where each object lies."""
        return _places(self.container, self.footer)


OnPack: TypeAlias = Callable[[FinishedPack], None]
"""Is told of packs as soon as they are durable, from any thread."""


class Packer:
    """Takes objects of one transfer and makes packs of those that the store does not hold yet.

    Nothing is live before the index that `finish` returns stands in the log. Used as a context: leaving it by an
    exception ends the threads and leaves at most packs that no log entry names. Packers that work at once share
    `slots`, of which each pack on its way to the storage takes one, for a bucket's lie whole in memory.
    """

    def __init__(
        self,
        storage: Storage,
        index: StoreIndex,
        *,
        base: int,
        slots: threading.Semaphore,
        bases: Bases | None = None,
        anew: bool = False,
        is_promised: Callable[[bytes], bool] = lambda _: False,
        holds_whole: Callable[[bytes], bool],
        only: Collection[bytes] | None = None,
        refuse: Callable[[bytes], None] | None = None,
        on_data_pack: OnPack | None = None,
    ) -> None:
        self._storage = storage
        self._index = index
        self._anew = anew
        self._is_promised = is_promised
        self._holds_whole = holds_whole
        self._only = only
        self._refuse = refuse
        self._on_data_pack = on_data_pack
        self.bases = bases
        """What deltas are made against; without it none are made."""
        self._name = f"{base}.{os.urandom(8).hex()}"
        self._new: set[bytes] = set()
        self._deltas: set[bytes] = set()
        self._batches = {"data": _Batch(), "meta": _Batch()}
        self._writers = {"data": _PackWriter(self, "data"), "meta": _PackWriter(self, "meta")}
        self._worker = ThreadPoolExecutor(1, "pack")
        self._closer = ThreadPoolExecutor(CLOSING, "close")
        self._slots = slots
        self._pending: deque[Future[None]] = deque()
        self._wholes: list[tuple[Container, bytes, Future[None]]] = []
        self.added = 0
        """Bytes of content that were new, before compression; what describes it does not count."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)
        for writer in self._writers.values():
            writer.abandon()
        self._closer.shutdown(wait=True, cancel_futures=True)

    def __contains__(self, id: bytes) -> bool:
        """Tell whether the object need not be put.

        It is here, or on its way, or a remote keeps it for this store, or it is none of those that are wanted.
        """
        if self._only is not None and id not in self._only:
            return True
        return id in self._new or (not self._anew and (id in self._index or self._is_promised(id)))

    def holds(self, id: bytes, *, whole: bool = False) -> bool:
        """Tell whether content that is known by its id need not be read again: it is here, on its way, or promised.

        `whole`: it has more than one chunk, so what is below its node counts as well.
        """
        return id in self._new or (self._holds_whole(id) if whole else id in self)

    def holds_all(self, ids: set[bytes]) -> bool:
        """Tell whether `holds` is true of all of these, of which each is one chunk; quicker where it is."""
        return (not self._anew and self._index.holds_all(ids)) or all(map(self.holds, ids))

    def put(
        self,
        kind: Kind,
        data: bytes | memoryview,
        id: bytes | None = None,
        *,
        near: Sequence[bytes] = (),
        tally: Tally | None = None,
    ) -> bytes:
        """Add an object unless it is known; return its id, which the caller may hand in.

        `near` names objects of the same kind that stood in its place before: where they help, a delta is stored, and
        `tally` hears whether they did. `data` must not change afterwards. Raises `Purged` for what must not come
        back, and what a pack written earlier failed with.
        """
        if id is None:
            id = object_id(kind, data)
        if id not in self:
            against = self.bases.against(kind, near, len(data)) if near and self.bases is not None else None
            # A view is copied: it would keep its whole block in memory, of which in an edited file little else is new.
            self._add(_Object(id, kind, bytes(data), None, len(data), against, tally))
        return id

    def is_base(self, id: bytes) -> bool:
        """Tell whether a frame may be a delta of this object: it lies here whole, or was added to this transfer so."""
        return (id in self._new and id not in self._deltas) or id in self._index.find_whole([id])

    def put_frame(self, place: Place, stored: bytes) -> None:
        """Add an object as another store holds it, without packing it anew; of a delta see `is_base`."""
        if place.id not in self:
            if place.codec is Codec.DELTA:
                self._deltas.add(place.id)
            self._add(_Object(place.id, place.kind, stored, place.codec, place.raw))

    def put_foreign(self, id: bytes, size: int, frame: bytes) -> None:
        """Add a chunk of `size` bytes that lies elsewhere, where `frame` says."""
        if id not in self:
            self._add(_Object(id, Kind.CHUNK, frame, Codec.FOREIGN, size))

    def takes_wholes(self) -> bool:
        """Tell whether files can be taken as they are: by clones, into a store on this machine's own disk."""
        if self._anew or len(self._wholes) >= _WHOLES_MAX:
            return False
        return isinstance(self._storage, LocalStorage) and self._storage.can_clone

    def begin_whole(self, source: int) -> tuple[str, AbstractContextManager[BinaryIO]]:
        """Give the key of a pack that begins as a clone of an open file, and the context of its file."""
        assert isinstance(self._storage, LocalStorage)
        key = f"packs/{self._name}-{len(self._wholes)}{WHOLE}"
        return key, self._storage.cloner(key, source)

    def add_whole(self, container: Container, footer: bytes, stack: ExitStack) -> None:
        """Add a whole file that is written: `stack`, which is taken over, ends its context.

        Raises `Purged` for one with a chunk that must not come back.
        """
        sizes = {place.id: place.raw for place in _places(container, footer)}
        if self._refuse is not None:
            for id in sizes:
                self._refuse(id)
        self._new |= sizes.keys()
        self.added += sum(sizes.values())
        self._wholes.append((container, footer, self.close_pack(stack.pop_all(), FinishedPack(container, footer, {}))))

    def finish(self) -> LiveIndex | None:
        """Write what is left; return the index of all packs, None if nothing was new."""
        for family in self._batches:
            self._submit(family)
        self._wait(0)
        for writer in self._writers.values():
            self._worker.submit(writer.close).result()
        self._closer.shutdown(wait=True)
        bases = {id: names for writer in self._writers.values() for id, names in writer.bases.items()}
        finished = [pack for writer in self._writers.values() for pack in writer.finished()]
        for container, footer, closed in self._wholes:
            closed.result()
            finished.append((container, footer))
        if not finished:
            return None
        packs = {container.name: container.size for container, _ in finished}
        data = encode_index((place for pack in finished for place in _places(*pack)), bases)
        name = f"index/{self._name}"
        # A small transfer costs one request less when its index travels inside the log entry.
        inline = data if len(data) <= INLINE_MAX and len(packs) <= _INLINE_PACKS else None
        if inline is None:
            self._storage.put(name, data)
        return LiveIndex(name, len(data), checksum(data), packs, inline)

    def _add(self, one: _Object) -> None:
        if self._refuse is not None:
            self._refuse(one.id)
        self._new.add(one.id)
        family = "data" if one.kind is Kind.CHUNK else "meta"
        if family == "data":
            self.added += one.raw
        batch = self._batches[family]
        batch.objects.append(one)
        batch.size += len(one.data) + (0 if one.against is None else len(one.against.dictionary))
        if batch.size >= _BATCH:
            self._submit(family)

    def _submit(self, family: str) -> None:
        batch = self._batches[family]
        if batch.objects:
            self._batches[family] = _Batch()
            self._wait(_IN_FLIGHT - 1)
            self._pending.append(self._worker.submit(self._writers[family].append, batch))

    def _wait(self, left: int) -> None:
        while len(self._pending) > left:
            self._pending.popleft().result()

    def open_pack(self, family: str, number: int) -> tuple[str, Any]:
        """Give the key of the next pack and the context of the file to write it to."""
        key = f"packs/{self._name}-{number}.{family}"
        return key, self._storage.writer(key)

    def close_pack(self, stack: ExitStack, pack: FinishedPack | None) -> Future[None]:
        """Make a pack durable in the background, and tell of a data pack; blocks while too many are on their way."""
        self._slots.acquire()

        def close() -> None:
            stack.close()
            if pack is not None and self._on_data_pack is not None:
                self._on_data_pack(pack)

        done = self._closer.submit(close)
        # Called also where it is cancelled: a slot that nobody gives back would stop the next packer for ever.
        done.add_done_callback(lambda _: self._slots.release())
        return done


class _PackWriter:
    """The packs of one family, one open at a time. Runs in the worker thread."""

    def __init__(self, packer: Packer, family: str) -> None:
        self._packer = packer
        self._family = family
        self._limit = DATA_PACK_SIZE if family == "data" else META_PACK_SIZE
        self._compressor = Compressor()
        self._stack: ExitStack | None = None
        self._file: BinaryIO | None = None
        self._key = ""
        self._number = 0
        self._offset = 0
        self._sum = checksummer()
        self._frames: list[Frame] = []
        # Of a closed pack its footer is kept, not a frame an object: a transfer may have many millions.
        self._closed: list[tuple[Container, bytes, Future[None]]] = []
        self.bases: dict[bytes, tuple[bytes, ...]] = {}

    def append(self, batch: _Batch) -> None:
        packed = iter(self._compress([one for one in batch.objects if one.codec is None]))
        out: list[bytes] = []
        for one in batch.objects:
            codec, stored = next(packed) if one.codec is None else (one.codec, one.data)
            is_full = self._offset + len(stored) > self._limit or len(self._frames) == _FRAMES_MAX
            if is_full and self._frames:
                self._write(out)
                out = []
                self.close()
            if self._file is None:
                self._open()
            names = delta_bases(stored) if codec is Codec.DELTA else ()
            if names:
                self.bases[one.id] = names
            size = len(stored)
            self._frames.append(
                Frame(one.id, self._offset, size, one.raw, one.kind, codec, len(names), checksum(stored))
            )
            self._offset += size
            out.append(stored)
        self._write(out)

    def _compress(self, fresh: list[_Object]) -> list[tuple[Codec, bytes]]:
        against = {at: one.against for at, one in enumerate(fresh) if one.against is not None}
        packed = self._compressor.compress([one.data for one in fresh], against)
        for at in against:
            if (tally := fresh[at].tally) is not None:
                tally.note(gained=packed[at][0] is Codec.DELTA)
        return packed

    def close(self) -> None:
        if self._file is None or self._stack is None:
            return
        for _, _, earlier in self._closed:
            # What a pack failed with is told at once, not when all others have been uploaded.
            if earlier.done():
                earlier.result()
        footer = encode_footer(self._frames)
        self._write([footer])
        container = Container(self._key, self._offset + len(footer), self._sum.intdigest())
        names = {one.id: self.bases[one.id] for one in self._frames if one.codec is Codec.DELTA}
        pack = FinishedPack(container, footer, names) if self._family == "data" else None
        self._closed.append((container, footer, self._packer.close_pack(self._stack, pack)))
        self._stack, self._file, self._frames = None, None, []

    def abandon(self) -> None:
        """Drop the pack that is open: its file goes as for any writer that failed."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            stack.__exit__(_Abandoned, _Abandoned(), None)

    def finished(self) -> list[tuple[Container, bytes]]:
        """Return the packs with their footers, all durable now; raises what making one durable failed with."""
        for _, _, future in self._closed:
            future.result()
        return [(container, footer) for container, footer, _ in self._closed]

    def _open(self) -> None:
        self._key, context = self._packer.open_pack(self._family, self._number)
        self._number += 1
        self._stack = ExitStack()
        self._file = self._stack.enter_context(context)
        self._sum = checksummer()
        self._offset = 0
        self._write([HEADER])
        self._offset = len(HEADER)

    def _write(self, parts: list[bytes]) -> None:
        if parts and self._file is not None:
            data = b"".join(parts)
            self._sum.update(data)
            self._file.write(data)


class _Abandoned(Exception):
    """Tells a storage's writer that its object is not wanted."""


def _places(container: Container, footer: bytes) -> Iterator[Place]:
    for frame in decode_footer(footer, container.size, whole=is_whole(container.name)):
        yield Place(frame.id, container, frame.offset, frame.stored, frame.raw, frame.kind, frame.codec)
