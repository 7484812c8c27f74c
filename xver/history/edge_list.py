"""Many edges in little memory: a push of gigabytes meets a hundred thousand chunks, and keeps what lacks of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from xver.history.reach import Edge
from xver.model.ids import ID_SIZE, Kind


class EdgeList:
    """Edges in the order in which they were added, but chunks first; of a chunk about 40 bytes are kept.

    Where chunks were met is kept once for those that follow one another, as those of a file do. A chunk without a
    known size is kept like any other edge.
    """

    def __init__(self, edges: Iterable[Edge] = ()) -> None:
        self._ids = bytearray()
        self._sizes = array("I")
        self._places = array("I")
        self._where: list[str] = []
        self.others: list[Edge] = []
        """All but the chunks."""
        for edge in edges:
            self.add(edge)

    def __len__(self) -> int:
        return len(self._sizes) + len(self.others)

    def __iter__(self) -> Iterator[Edge]:
        for at, size in enumerate(self._sizes):
            id = bytes(self._ids[at * ID_SIZE : (at + 1) * ID_SIZE])
            yield Edge(Kind.CHUNK, id, self._where[self._places[at]], size)
        yield from self.others

    def add(self, edge: Edge) -> None:
        """Append an edge."""
        if edge.kind is not Kind.CHUNK or edge.size is None:
            self.others.append(edge)
            return
        if not self._where or self._where[-1] != edge.where:
            self._where.append(edge.where)
        self._ids += edge.id
        self._sizes.append(edge.size)
        self._places.append(len(self._where) - 1)
