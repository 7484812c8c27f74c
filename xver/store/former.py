"""What stood in a new object's place in the version before: hints for deltas, found while the new version is written.

    before   [a][b][c][d][e][f]          an unchanged chunk says where in the version before we are; what changed
    now      [x][a][b][y][e][f]          between two of them stood between the same two: y in the place of c and d

So hints stay right after an insertion, a deletion, or where a block was moved. Nodes and the parts of listings follow:
one stood where most of what is below it stood. The version before is walked as far as needed; what is not here of it
gives no hints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from xver.errors import CorruptData, NotFound, StorageError
from xver.format.codecs import MAX_BASES
from xver.format.listings import Child, decode_index
from xver.format.nodes import decode_node
from xver.model.entries import CHUNK_MAX
from xver.model.ids import Kind
from xver.store.bases import Tally
from xver.store.packing import Packer

_Read: TypeAlias = Callable[[Kind, bytes], bytes]
_UNREADABLE: Final = (CorruptData, NotFound, StorageError)
_AHEAD: Final = 16_384
"""Chunks of the version before that are looked at in advance: about 1 GiB of content, 6 MB of memory."""
_BEHIND: Final = 8_192
"""So many at least stay known behind us: a block may have been moved from there."""
_WAITING: Final = 4 * 1024 * 1024
"""Bytes of changed chunks that wait for the next unchanged one."""
_OVERLAP: Final = 512


class _Leaf(NamedTuple):
    """A chunk of the version before: its id, where it began, its size, and the nodes above it from the lowest on."""

    id: bytes
    start: int
    size: int
    above: tuple[bytes, ...]


class _Above:
    """Counts which parts of the version before stood above what was met since the last part of a level was written."""

    def __init__(self) -> None:
        self._levels: dict[int, Counter[bytes]] = {}

    def note(self, above: Sequence[bytes]) -> None:
        for level, id in enumerate(above, 1):
            self._levels.setdefault(level, Counter())[id] += 1

    def take(self, level: int) -> tuple[bytes, ...]:
        met = self._levels.pop(level, None)
        return () if met is None else tuple(id for id, _ in met.most_common(MAX_BASES))


class FormerContent:
    """The version of a content before: new chunks and nodes are put through it, and take hints along."""

    def __init__(self, packer: Packer, before: tuple[bytes, int] | None) -> None:
        self._packer = packer
        self._tally = Tally()
        self._above = _Above()
        self._coming = iter(()) if before is None or packer.bases is None else _leaves(packer.bases.read, *before)
        self._leaves: list[_Leaf] = []
        self._first = 0
        self._where: dict[bytes, int] = {}
        self._at = 0
        self._since = 0
        self._waiting: list[tuple[bytes, bytes | None, int]] = []
        self._held = 0
        self._fill()

    def put_chunk(self, data: bytes | memoryview, id: bytes) -> None:
        """Add the next chunk; one that is new may wait until an unchanged one follows."""
        if not self._leaves:
            self._packer.put(Kind.CHUNK, data, id)
            return
        at = self._find(id)
        if at is not None:
            self._settle(at)
            # What stood there before need not be here: damaged and given up, or left at a remote.
            self._packer.put(Kind.CHUNK, data, id)
            self._above.note(self._leaf(at).above)
            self._at, self._since = at + 1, 0
            self._fill()
            return
        is_new = id not in self._packer
        self._waiting.append((id, bytes(data) if is_new else None, len(data)))
        self._held += len(data)
        if self._held >= _WAITING:
            self._settle(None)

    def put_node(self, data: bytes) -> bytes:
        """Add a node and return its id."""
        return self._packer.put(Kind.NODE, data, near=self._above.take(data[0]))

    def finish(self) -> None:
        """Add what still waits."""
        self._settle(None)

    def _find(self, id: bytes) -> int | None:
        if self._first <= self._at < self._first + len(self._leaves) and self._leaf(self._at).id == id:
            return self._at
        at = self._where.get(id, -1)
        return at if at >= 0 else None

    def _leaf(self, at: int) -> _Leaf:
        return self._leaves[at - self._first]

    def _settle(self, at: int | None) -> None:
        """Put what waits: it stood after the unchanged chunk before it, and before the one that follows, at `at`."""
        if not self._waiting:
            return
        starts = []
        end = 0
        for _, _, size in self._waiting:
            starts.append(end)
            end += size
        for (id, data, size), start in zip(self._waiting, starts, strict=True):
            if data is None:
                continue
            near: Counter[int] = Counter()
            self._overlaps(near, self._at, self._since + start, size)
            if at is not None:
                self._overlaps_before(near, at, end - start - size, size)
            best = [self._leaf(number) for number, _ in near.most_common(MAX_BASES)]
            for leaf in best:
                self._above.note(leaf.above)
            ids = [leaf.id for leaf in best] if best and self._tally.is_due() else []
            self._packer.put(Kind.CHUNK, data, id, near=ids, tally=self._tally)
        self._since += end
        self._waiting, self._held = [], 0

    def _overlaps(self, near: Counter[int], at: int, after: int, size: int) -> None:
        """Note the leaves that overlap `size` bytes which begin `after` bytes behind the beginning of leaf `at`."""
        last = self._first + len(self._leaves)
        if not self._first <= at < last:
            return
        low = self._leaf(at).start + after
        while at < last and (leaf := self._leaf(at)).start < low + size:
            _note(near, at, leaf, low, size)
            at += 1

    def _overlaps_before(self, near: Counter[int], at: int, until: int, size: int) -> None:
        """Note the leaves that overlap `size` bytes which end `until` bytes before the beginning of leaf `at`."""
        low = self._leaf(at).start - until - size
        at -= 1
        while at >= self._first and (leaf := self._leaf(at)).start + leaf.size > low:
            _note(near, at, leaf, low, size)
            at -= 1

    def _fill(self) -> None:
        while self._first + len(self._leaves) < self._at + _AHEAD:
            leaf = next(self._coming, None)
            if leaf is None:
                break
            number = self._first + len(self._leaves)
            # What occurs twice, zeros for instance, says nothing about where we are.
            self._where[leaf.id] = number if self._where.setdefault(leaf.id, number) == number else -1
            self._leaves.append(leaf)
        if self._at - self._first > 2 * _BEHIND:
            gone = self._at - self._first - _BEHIND
            for leaf in self._leaves[:gone]:
                self._where.pop(leaf.id, None)
            del self._leaves[:gone]
            self._first += gone


def _note(near: Counter[int], at: int, leaf: _Leaf, low: int, size: int) -> None:
    shared = min(leaf.start + leaf.size, low + size) - max(leaf.start, low)
    if shared > min(_OVERLAP, size // 2, leaf.size // 2):
        near[at] = max(near[at], shared)


def _leaves(read: _Read, id: bytes, size: int) -> Iterator[_Leaf]:
    if not size:
        return
    if size <= CHUNK_MAX:
        yield _Leaf(id, 0, size, ())
        return
    try:
        yield from _leaves_below(read, id, 0, (), None)
    except _UNREADABLE:
        return


def _leaves_below(read: _Read, id: bytes, start: int, above: tuple[bytes, ...], level: int | None) -> Iterator[_Leaf]:
    node = decode_node(read(Kind.NODE, id))
    if level is not None and node.level != level:
        raise CorruptData(f"node b3:{id.hex()[:16]} is not what its parent says")
    above = (id, *above)
    for child, size in node.children:
        if node.level == 1:
            yield _Leaf(child, start, size, above)
        else:
            yield from _leaves_below(read, child, start, above, node.level - 1)
        start += size


class FormerListing:
    """The listing of a dataset before: what each of its files was, and what stood in the place of a new part."""

    def __init__(self, read: _Read, id: bytes) -> None:
        self._read = read
        self._id = id
        self._above = _Above()
        self._blocks = self._walk()
        self._present: list[tuple[Child, tuple[bytes, ...]]] = []
        self._next = next(self._blocks, None)

    def near_block(self, first: bytes, last: bytes) -> tuple[bytes, ...]:
        """Return the blocks that held the paths from `first` to `last`; ask in the order of paths."""
        while self._next is not None and self._next[0].first <= last:
            self._present.append(self._next)
            self._next = next(self._blocks, None)
        # The last block that begins at or before `first` is the first that may hold it.
        while len(self._present) > 1 and self._present[1][0].first <= first:
            del self._present[0]
        for _, above in self._present:
            self._above.note(above)
        return tuple(child.id for child, _ in self._present[:MAX_BASES])

    def near_index(self, level: int) -> tuple[bytes, ...]:
        """Return the indexes that stood above most of the blocks asked for since the last index of this level."""
        return self._above.take(level)

    def _walk(self) -> Iterator[tuple[Child, tuple[bytes, ...]]]:
        try:
            yield from self._below(self._id, (), None)
        except _UNREADABLE:
            return

    def _below(
        self, id: bytes, above: tuple[bytes, ...], level: int | None
    ) -> Iterator[tuple[Child, tuple[bytes, ...]]]:
        node = decode_index(self._read(Kind.LISTING, id))
        if level is not None and node.level != level:
            raise CorruptData(f"listing index b3:{id.hex()[:16]} is not what its parent says")
        above = (id, *above)
        for child in node.children:
            if node.level == 1:
                yield child, above
            else:
                yield from self._below(child.id, above, node.level - 1)
