"""Content that stays where it is: its bytes are read once, its nodes are stored, its chunks are named by frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from xver.format.chunks import cut
from xver.format.foreign import Foreign, ForeignPart, encode_foreign
from xver.format.nodes import NodeBuilder
from xver.model.entries import CHUNK_MAX
from xver.model.ids import EMPTY_ID, ContentId, Kind, NodeId, chunk_id, fingerprint, fingerprinter, sha256er
from xver.store.content import Content
from xver.store.packing import Packer


class Hasher(Protocol):
    """A hash that others know the content by."""

    def update(self, data: bytes, /) -> object:
        """Take the next bytes."""


def point_to(packer: Packer, whole: Foreign, blocks: Iterable[bytes], *, hashers: Iterable[Hasher] = ()) -> Content:
    """Return what the bytes of a file elsewhere are known by; `blocks` are all of them, each of some mebibytes.

    What the store has already is not pointed to. Each of `hashers` is given all bytes, too.
    """
    hashers = list(hashers)
    head = b""
    iterator = iter(blocks)
    for block in iterator:
        for one in hashers:
            one.update(block)
        head = head + block if head else block
        if len(head) > CHUNK_MAX:
            break
    else:
        if not head:
            return Content(EMPTY_ID, 0, fingerprint(b""), None)
        return Content(_point(packer, whole, 0, head), len(head), fingerprint(head), None)
    prints, sha256 = fingerprinter(), sha256er()

    def tee() -> Iterator[bytes]:
        prints.update(head)
        sha256.update(head)
        yield head
        for block in iterator:
            for one in (*hashers, prints, sha256):
                one.update(block)
            yield block

    tree = NodeBuilder(lambda data: NodeId(packer.put(Kind.NODE, data)))
    offset = 0
    for chunk in cut(tee()):
        tree.add(_point(packer, whole, offset, chunk), len(chunk))
        offset += len(chunk)
    root, size = tree.finish()
    return Content(root, size, prints.digest(), sha256.digest())


def _point(packer: Packer, whole: Foreign, offset: int, chunk: bytes | memoryview) -> ContentId:
    id = chunk_id(chunk)
    if id not in packer:
        packer.put_foreign(id, len(chunk), encode_foreign(ForeignPart(whole, offset)))
    return id
