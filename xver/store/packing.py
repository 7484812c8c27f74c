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
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, TypeAlias

from xver.format.codecs import Codec
from xver.format.indexes import Container, Place, encode_index
from xver.format.log_entries import INLINE_MAX, LiveIndex
from xver.format.packs import TAIL_SIZE, WHOLE, decode_rows, end_footer
from xver.model.ids import Kind, checksum, object_id
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.store.bases import Bases, Tally
from xver.store.index import StoreIndex
from xver.store.pack_writer import Batch, FinishedPack, NewObject, PackWriter, places_of

_BATCH: Final = 4 * 1024 * 1024
_IN_FLIGHT: Final = 2
CLOSING: Final = 2
"""Packs of one store on their way to its storage at once, however many packers are at work."""
_INLINE_PACKS: Final = 3
_WHOLES_MAX: Final = 4000
"""Whole files of one transfer: a log entry names them all."""
_UNKNOWN: Final = 0
"""The checksum of a pack whose bytes did not come in their order: its frames have their own."""

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
        self._batches = {"data": Batch(), "meta": Batch()}
        self._writers = {"data": PackWriter(self, "data"), "meta": PackWriter(self, "meta")}
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
        # They hold this packer, as it holds them: what they know of a transfer would stay until such rings are sought.
        self._writers.clear()

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
            self._add(NewObject(id, kind, bytes(data), None, len(data), against, tally))
        return id

    def is_base(self, id: bytes) -> bool:
        """Tell whether a frame may be a delta of this object: it lies here whole, or was added to this transfer so."""
        return (id in self._new and id not in self._deltas) or id in self._index.find_whole([id])

    def put_frame(self, place: Place, stored: bytes | memoryview) -> None:
        """Add an object that this store lacks as another one holds it, without packing it; of a delta see `is_base`."""
        if place.id not in self._new and (self._only is None or place.id in self._only):
            if place.codec is Codec.DELTA:
                self._deltas.add(place.id)
            self._add(NewObject(place.id, place.kind, stored, place.codec, place.raw))

    def put_foreign(self, id: bytes, size: int, frame: bytes) -> None:
        """Add a chunk of `size` bytes that lies elsewhere, where `frame` says."""
        if id not in self:
            self._add(NewObject(id, Kind.CHUNK, frame, Codec.FOREIGN, size))

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
        sizes = {frame.id: frame.raw for frame in decode_rows(footer[:-TAIL_SIZE], container.size)}
        if self._refuse is not None:
            for id in sizes:
                self._refuse(id)
        self._new |= sizes.keys()
        self.added += sum(sizes.values())
        self._wholes.append((container, footer, self.close_pack(stack.pop_all(), FinishedPack(container, footer, {}))))

    def keep_whole(self, rows: bytes, size: int, make: Callable[[str, bytes], None]) -> str:
        """Add a file of `size` bytes that was written elsewhere as a whole one; return the key of the pack.

        `rows` are those of its footer. `make` is told the key and the footer by a thread, and makes that pack durable.
        Raises `Purged` for one with a chunk that must not come back.
        """
        key, footer = f"packs/{self._name}-{len(self._wholes)}{WHOLE}", end_footer(rows)
        with ExitStack() as stack:
            stack.callback(make, key, footer)
            self.add_whole(Container(key, size + len(footer), _UNKNOWN), footer, stack)
        return key

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
        data = encode_index((place for pack in finished for place in places_of(*pack)), bases)
        name = f"index/{self._name}"
        # A small transfer costs one request less when its index travels inside the log entry.
        inline = data if len(data) <= INLINE_MAX and len(packs) <= _INLINE_PACKS else None
        if inline is None:
            self._storage.put(name, data)
        return LiveIndex(name, len(data), checksum(data), packs, inline)

    def _add(self, one: NewObject) -> None:
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
            self._batches[family] = Batch()
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
