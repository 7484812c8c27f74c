"""Whole files: a large one that is new and hardly shrinks is kept as a clone of itself, which takes no room of its own.

    in    file ──► clone ──► read, cut, identified ──► all new: a footer behind it, a pack │ else: let go, and packed
    out   pack ──► clone, cut off before the footer ──► each chunk proven by its id        │ else: let go, and written

What is read and proven is always the clone: whoever writes to the file meanwhile changes nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from typing import Final, TypeAlias

from xver.errors import CorruptData, NotFound
from xver.format.chunks import CHUNK_AVERAGE
from xver.format.codecs import Codec, Compressor
from xver.format.indexes import Container
from xver.format.packs import (
    MAX_FRAMES,
    ROW_SIZE,
    TAIL_SIZE,
    Frame,
    decode_footer,
    encode_row,
    end_footer,
    footer_size,
    is_whole,
)
from xver.model.entries import Entry, File
from xver.model.ids import Kind, checksum, checksummer, chunk_id, object_id
from xver.progress import Meter
from xver.storage.base import Part
from xver.storage.cloning import NoClone, clone
from xver.storage.local import LocalStorage
from xver.store.content import Content, leaves, put_long
from xver.store.packing import Packer
from xver.store.store import Store

WHOLE_MIN: Final = 16 * 1024 * 1024
"""Smaller files are packed: each whole one waits for the disk by itself, and is named in the log."""
_SAMPLES: Final = 16
_SAMPLE: Final = 32 * 1024
_REPEATED: Final = 16
"""More than every sixteenth byte in chunks that the file has twice: packed, it takes less."""
_BUFFER: Final = 1024 * 1024

Blocks: TypeAlias = Callable[[int, int], Generator[bytes, None, None]]
"""Yields the bytes of an open file, which has about so many."""


def put_whole(packer: Packer, handle: int, size: int, blocks: Blocks) -> Content | None:
    """Keep an open file of `size` bytes as a clone of it; None: it is to be packed, and stands at its beginning again.

    So it is where no clones can be made, where it shrinks, and where the store has any of its chunks already: then its
    new chunks alone take less.

    Raises:
        Purged: it has a chunk that must not come back.
        StorageError: the disk is full or refuses.
    """
    if size > MAX_FRAMES * CHUNK_AVERAGE or not packer.takes_wholes() or _shrinks(handle, size):
        return None
    rows = _Rows(packer, size)
    try:
        with ExitStack() as stack:
            key, context = packer.begin_whole(handle)
            file = stack.enter_context(context)
            if os.fstat(file.fileno()).st_size != size:
                raise _Packed  # it changes, and who reads it sees to that
            # A read that is under way ends before the file is closed.
            with closing(blocks(file.fileno(), size)) as read:
                content = put_long(rows, [next(read)], read)
            footer = end_footer(bytes(rows.rows))
            file.seek(size)
            file.write(footer)
            rows.sum.update(footer)
            packer.add_whole(Container(key, size + len(footer), rows.sum.intdigest()), footer, stack)
    except (NoClone, _Packed):
        return None
    for node in rows.nodes:
        packer.put(Kind.NODE, node)
    return content


def clone_whole(store: Store, meter: Meter, entry: Entry, path: str, dir_fd: int | None, mode: int) -> bool:
    """Make a new file of an entry's content as a clone of what the store keeps of it; tell whether that could be done.

    If not, nothing is there: the content is not kept so, not whole, or elsewhere. `meter` is told of its bytes. Raises
    `OSError` where the disk refuses the new file.
    """
    if not isinstance(entry, File) or not isinstance(store.storage, LocalStorage):
        return False
    found = _kept_whole(store, entry)
    if found is None:
        return False
    key, frames = found
    handle = clone_pack(store.storage, key, path, dir_fd, mode)
    if handle is None:
        return False
    is_right = False
    try:
        with open(handle, "r+b", buffering=_BUFFER) as file:
            file.truncate(entry.size)
            is_right = all(chunk_id(file.read(frame.raw)) == frame.id for frame in frames)
    finally:
        if not is_right:
            os.unlink(path, dir_fd=dir_fd)
    meter.advance(entry.size if is_right else 0)
    return is_right


def clone_pack(storage: LocalStorage, key: str, path: str, dir_fd: int | None, mode: int) -> int | None:
    """Make a new file as a clone of a pack, and return its descriptor; None, and no file, where that cannot be done."""
    try:
        source = os.open(storage.path(key), os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None  # collected this moment, or closed to us: who reads it finds out
    try:
        return clone(source, path, mode=mode, dir_fd=dir_fd)
    except NoClone:
        return None
    finally:
        os.close(source)


def is_better_whole(size: int, sizes: Mapping[bytes, int], stored: int) -> bool:
    """Tell whether content that arrives is to be kept whole, by the rules by which `put_whole` decides.

    It has chunks of these `sizes`, which take `stored` bytes where it comes from.
    """
    repeated = size - sum(sizes.values())
    return len(sizes) <= MAX_FRAMES and 4 * stored >= 3 * size and repeated <= size // _REPEATED


class _Packed(Exception):
    """The file is better packed."""


class _Rows:
    """Takes the chunks of a file as frames of a pack that is the file; raises `_Packed` once it should be none."""

    def __init__(self, packer: Packer, size: int) -> None:
        self._packer = packer
        self._ids: set[bytes] = set()
        self._left = size // _REPEATED
        self._offset = 0
        self.rows = bytearray()
        self.nodes: list[bytes] = []
        self.sum = checksummer()

    def put_chunk(self, data: bytes | memoryview, id: bytes) -> None:
        size = len(data)
        if id in self._ids:
            self._left -= size
        elif id in self._packer:
            raise _Packed
        if self._left < 0 or len(self.rows) == MAX_FRAMES * ROW_SIZE:
            raise _Packed
        self._ids.add(id)
        self.rows += encode_row(Frame(id, self._offset, size, size, Kind.CHUNK, Codec.RAW, 0, checksum(data)))
        self._offset += size
        self.sum.update(data)

    def put_node(self, data: bytes) -> bytes:
        self.nodes.append(data)
        return object_id(Kind.NODE, data)

    def finish(self) -> None:
        """Hold nothing back."""


def _shrinks(handle: int, size: int) -> bool:
    """Tell whether a file takes less than three quarters of its size when it is packed, judged by samples."""
    samples = []
    for number in range(_SAMPLES):
        os.lseek(handle, (size - _SAMPLE) * number // (_SAMPLES - 1), os.SEEK_SET)
        samples.append(os.read(handle, _SAMPLE))
    os.lseek(handle, 0, os.SEEK_SET)
    stored = sum(len(data) for _, data in Compressor().compress(samples))
    return 4 * stored < 3 * sum(map(len, samples))


def _kept_whole(store: Store, entry: File) -> tuple[str, list[Frame]] | None:
    """Return the key of the pack that begins with the bytes of a file and has nothing else, and its frames."""
    assert isinstance(store.storage, LocalStorage)
    chunks = leaves(store, entry.id, entry.size)
    first, _ = next(chunks)
    place = store.index.find(first)
    if place is None or place.offset or not is_whole(place.container.name):
        return None
    key, size = place.container.name, place.container.size
    try:
        length = footer_size(store.storage.get(key, Part(-TAIL_SIZE, TAIL_SIZE)))
        if size - length != entry.size:
            return None
        frames = decode_footer(store.storage.get(key, Part(-length, length)), size, whole=True)
    except (CorruptData, NotFound):
        return None  # `fsck` tells of it; chunks may still be readable
    same = [(frame.id, frame.raw) for frame in frames] == [(first, frames[0].raw), *chunks]
    return (key, frames) if same else None
