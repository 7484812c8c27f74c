"""What workers hand back, judged before anything relies on it, and made live in entries of the target's log.

A worker is trusted with the bytes it was given, and not with its word: its index has to hold what it says it stored,
its packs have to be at the target in the size it says, and they go live as every writer's do (rule R1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from xver.errors import Collected, CorruptData
from xver.format.indexes import PackIndex
from xver.format.log_entries import LiveIndex
from xver.format.nodes import decode_node
from xver.model.ids import Kind
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.store import Store, Wanted

_TOGETHER: Final = 16
_INLINE: Final = 512 * 1024
"""An entry makes so many indexes live, or so many bytes of them that it carries: base64 keeps it below 1 MiB."""
_NODES: Final = 64


class Arrivals:
    """Collects the indexes of one transfer; `size` and `packs` count what was made live, in stored bytes.

    `is_local`: the target may rely on what a remote keeps for it.
    """

    def __init__(self, target: Store, operation: str, *, is_local: bool = False) -> None:
        self._target = target
        self._holds = target.is_safe if is_local else target.__contains__
        self._operation = operation
        self._pending: list[LiveIndex] = []
        self._entries = 0
        self.size = 0
        self.packs = 0

    def accept(self, worker: str, index: LiveIndex | None, ids: Iterable[tuple[bytes, str]]) -> None:
        """Take over what a worker uploaded; `ids` are those it says are stored now, with what they are to people.

        Raises:
            CorruptData: one is neither in its index nor live at the target, or a pack is not there as it says.
            Collected: a collection ran at the target since the transfer began.
        """
        found: PackIndex | None = None
        if index is not None:
            found = self._target.index.open(index)
            for name, size in index.packs.items():
                stat = self._target.storage.stat(name)
                if stat is None or stat.size != size:
                    raise CorruptData(
                        f"{worker} says that it wrote {name}, which {self._target.storage.url} does not hold",
                        hint="does the worker see another folder or bucket under this address?",
                    )
        for id, what in ids:
            if (found is None or found.find(id) is None) and not self.is_there(id):
                raise CorruptData(f"{worker} says that it stored {what}, and its index does not have it")
        if index is not None:
            self._pending.append(index)
            inline = sum(len(one.inline) for one in self._pending if one.inline is not None)
            if len(self._pending) >= _TOGETHER or inline >= _INLINE:
                self.commit()

    def is_there(self, id: bytes) -> bool:
        """Tell whether the target holds an object; also one that a worker, whose log is newer, relied on.

        Raises:
            Collected: a collection ran since the transfer began: what was relied on until now may be gone.
        """
        if self._holds(id):
            return True
        before = self._target.log.collected
        self._target.refresh()
        if self._target.log.collected != before:
            raise Collected(self._target.storage.url)
        return self._holds(id)

    def commit(self) -> None:
        """Make everything accepted so far live; no ref leads to it yet. Raises `Collected`."""
        if not self._pending:
            return
        self._entries += 1
        added, self._pending = tuple(self._pending), []
        self._target.commit(Change(f"{self._operation}, part {self._entries}", add_index=added))
        self.packs += sum(len(one.packs) for one in added)
        self.size += sum(sum(one.packs.values()) for one in added)


def bring_nodes(
    source: Store, arrivals: Arrivals, packer: Packer, roots: Iterable[tuple[bytes, str]]
) -> Iterator[bytes]:
    """Copy the nodes below the roots of large files; yield the ids of their chunks, each of which the source holds.

    Raises:
        CorruptData: a node is not what its id says, or a chunk that it names is not there.
        Collected: a collection ran at the source.
    """
    for root, what in roots:
        waiting = [root]
        while waiting:
            batch, waiting = waiting[-_NODES:], waiting[:-_NODES]
            for id, data in source.get_many(Wanted(Kind.NODE, one) for one in batch):
                node = decode_node(bytes(data))
                for child, _ in node.children:
                    if not arrivals.is_there(child):
                        raise CorruptData(f"{source.storage.url} does not hold all of {what}")
                below = [child for child, _ in node.children]
                if node.level > 1:
                    waiting += below
                else:
                    yield from below
                packer.put(Kind.NODE, data, id)
