"""Bytes of a file into objects, and back as a stream, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar

from xver.errors import ContentNotFound, CorruptData, InvalidInput
from xver.format.chunks import cut
from xver.format.listings import Row
from xver.format.nodes import NodeBuilder, decode_node
from xver.model.entries import CHUNK_MAX, File, Link
from xver.model.ids import (
    EMPTY_ID,
    ContentId,
    Kind,
    NodeId,
    chunk_id,
    fingerprint,
    fingerprinter,
    object_id,
    sha256er,
)
from xver.store.batches import batches, one_ahead
from xver.store.former import FormerContent
from xver.store.packing import Packer
from xver.store.store import Store, Wanted

_AHEAD: Final = 8 * 1024 * 1024
_BATCH_CHUNKS: Final = 4096

_Of = TypeVar("_Of")

Before: TypeAlias = Callable[[], "tuple[bytes, int] | None"]
"""Tells the id and size of the content that stood in a place before."""


class Content(NamedTuple):
    """What a file's bytes are known by: id, size in bytes, fingerprint, and SHA-256 beyond one chunk."""

    id: ContentId
    size: int
    fingerprint: bytes
    sha256: bytes | None


class Sink(Protocol):
    """Where the chunks and nodes of a content go."""

    def put_chunk(self, data: bytes | memoryview, id: bytes) -> None:
        """Take the next chunk."""

    def put_node(self, data: bytes) -> bytes:
        """Take a node of chunks taken before, or that come before `finish`; return its id."""

    def finish(self) -> None:
        """Hear that all chunks were given; the last nodes follow."""


class _Nowhere:
    def put_chunk(self, data: bytes | memoryview, id: bytes) -> None:
        """Drop it."""

    def put_node(self, data: bytes) -> bytes:
        """Only identify it."""
        return object_id(Kind.NODE, data)

    def finish(self) -> None:
        """Hold nothing back."""


def content_kind(size: int) -> Kind:
    """Return the kind of the object that content of this size is known by."""
    return Kind.CHUNK if size <= CHUNK_MAX else Kind.NODE


def put_bytes(packer: Packer, data: bytes, *, before: Before | None = None) -> Content:
    """Store content that is in memory; `before` as for `put_stream`."""
    if len(data) > CHUNK_MAX:
        return put_stream(packer, [data], before=before)
    id = chunk_id(data)
    if data and id not in packer:
        stood = None if before is None else before()
        if stood is None:
            packer.put(Kind.CHUNK, data, id)
        else:
            former = FormerContent(packer, stood)
            former.put_chunk(data, id)
            former.finish()
    return Content(id, len(data), fingerprint(data), None)


def put_stream(packer: Packer | None, blocks: Iterable[bytes], *, before: Before | None = None) -> Content:
    """Store content that comes in blocks (of some mebibytes, for speed); without a packer only identify it.

    `before` tells the id and size of the content that stood in its place, if any, and is asked only if that helps: of
    chunks that changed only the difference is stored. Blocks must not change once yielded.
    """
    iterator = iter(blocks)
    head = b""
    for block in iterator:
        head = head + block if head else block
        if len(head) > CHUNK_MAX:
            break
    else:
        if packer is not None:
            return put_bytes(packer, head, before=before)
        return Content(chunk_id(head), len(head), fingerprint(head), None)
    sink = _Nowhere() if packer is None else FormerContent(packer, None if before is None else before())
    # The only name of the first block: it is given up when it has been cut, and not when all has been read.
    first = [head]
    del head, block
    return put_long(sink, first, iterator)


def put_long(sink: Sink, first: list[bytes], rest: Iterator[bytes]) -> Content:
    """Give content of more than one chunk to `sink`, chunk by chunk, its nodes in between; return what it is known by.

    `first` has the first block and is emptied.
    """
    prints, sha256 = fingerprinter(), sha256er()
    tree = NodeBuilder(lambda data: NodeId(sink.put_node(data)))
    # SHA-256 is the slowest of the three hashes by far, so it has a thread of its own, one block behind at most.
    with ThreadPoolExecutor(1, "sha256") as hasher:

        def tee() -> Iterator[bytes]:
            block: bytes | None = first.pop()
            while block is not None:
                hashed = hasher.submit(sha256.update, block)
                prints.update(block)
                yield block
                hashed.result()
                block = next(rest, None)

        for chunk in cut(tee()):
            id = chunk_id(chunk)
            tree.add(id, len(chunk))
            sink.put_chunk(chunk, id)
    sink.finish()
    root, size = tree.finish()
    return Content(root, size, prints.digest(), sha256.digest())


def read_content(store: Store, id: ContentId, size: int) -> Iterator[bytes | memoryview]:
    """Yield the content's bytes from its beginning, a chunk at a time, each verified.

    Raises:
        ContentNotFound: the store does not hold all of it.
        CorruptData: an object's bytes are not its id's, or sizes do not add up.
    """
    for batch in _read(store, ((None, id, length) for id, length in leaves(store, id, size))):
        for _, data in batch:
            yield data


def is_here(store: Store, id: ContentId, size: int) -> bool:
    """Tell whether the store holds all of the content itself, to the last chunk: it may have been fetched in part."""
    try:
        return all(chunk in store for chunk, _ in leaves(store, id, size))
    except ContentNotFound:
        return False


def read_all(store: Store, id: ContentId, size: int) -> bytes:
    """Return the content whole: for what is known to be small."""
    return b"".join(read_content(store, id, size))


def read_rows(store: Store, rows: Iterable[Row]) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
    """Yield each file or link of a listing with its content, neighbours read together, and by a thread what comes next.

    The content of one row must be used up before the next is asked for, and nobody may use the store meanwhile.
    """
    pieces = chain.from_iterable(one_ahead(_read(store, _row_leaves(store, rows))))
    for row, parts in groupby(pieces, itemgetter(0)):
        yield row, map(itemgetter(1), parts)


def _row_leaves(store: Store, rows: Iterable[Row]) -> Iterator[tuple[Row, bytes, int]]:
    for row in rows:
        yield from ((row, id, length) for id, length in leaves(store, _content_id(row), row.entry.size))
        if not row.entry.size:
            yield row, EMPTY_ID, 0


def _content_id(row: Row) -> ContentId:
    if not isinstance(row.entry, File | Link):
        raise InvalidInput(f"{row.path} is no file")
    return row.entry.id


def _read(store: Store, wanted: Iterable[tuple[_Of, bytes, int]]) -> Iterator[list[tuple[_Of, bytes | memoryview]]]:
    """Yield the chunks that are wanted in batches, in their order, each with what it is of."""
    for batch in batches(wanted, itemgetter(2), _AHEAD, most_things=_BATCH_CHUNKS):
        found: dict[bytes, bytes | memoryview] = {EMPTY_ID: b""}
        found.update(store.get_many(Wanted(Kind.CHUNK, id) for id in {id for _, id, length in batch if length}))
        for _, id, length in batch:
            if len(found[id]) != length:
                raise CorruptData(f"chunk b3:{id.hex()[:16]} has not the size that its listing or node says")
        yield [(of, found[id]) for of, id, _ in batch]


def leaves(store: Store, id: ContentId, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield every chunk and its size, in order."""
    if size == 0:
        if id != EMPTY_ID:
            raise CorruptData("content of no bytes has another id")
        return
    if size <= CHUNK_MAX:
        yield id, size
        return
    yield from _below(store, NodeId(id), size, None)


def _below(store: Store, id: NodeId, size: int, level: int | None) -> Iterator[tuple[bytes, int]]:
    node = decode_node(store.get(Kind.NODE, id))
    if node.size != size or (level is not None and node.level != level):
        raise CorruptData(f"node b3:{id.hex()[:16]} is not what its parent says")
    for child, length in node.children:
        if node.level == 1:
            yield child, length
        else:
            yield from _below(store, NodeId(child), length, node.level - 1)
