"""Copy by workers: the heavy loop of a push, spread over an executor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from xver.history.reach import Edge
from xver.model.ids import Kind
from xver.repo import Repo
from xver.settings import Remote
from xver.store.store import Store
from xver.sync.arrivals import Arrivals
from xver.sync.executors import Crew
from xver.sync.tasks import Copy, copy, local_address, remote_address, split, this_process
from xver.sync.transfer import Copied, CopyObjects, Transfer, copy_objects


def spread_copy(repo: Repo, remote: Remote, workers: Crew) -> CopyObjects:
    """Return what copies objects as `copy_objects` does, file content by workers, which have to see the local store.

    Raises, when it is called, `WorkersFailed`, and `CorruptData` where a worker's answer does not hold.
    """

    def spread(source: Store, target: Store, edges: Iterable[Edge], transfer: Transfer) -> Copied:
        edges = list(edges)
        chunks = [edge for edge in edges if edge.kind is Kind.CHUNK and edge.id not in target]
        places = {edge.id: source.locate(edge.id) for edge in chunks}
        # In the order in which they lie, as any copy reads them.
        chunks.sort(key=lambda edge: (places[edge.id].container.name, places[edge.id].offset))
        here, there = local_address(repo), remote_address(repo, remote, target, is_near=workers.is_near)
        tasks = (Copy(this_process(), here, part, there) for part in split(chunks, lambda edge: places[edge.id].stored))
        arrivals = Arrivals(target, transfer.operation)
        transfer.meter.start("Copying", sum(place.stored for place in places.values()), "B")
        sizes = 0
        try:
            with contextlib.closing(workers.map(copy, tasks)) as results:
                for task, sent in results:
                    arrivals.accept(sent.worker, sent.index, ((one.id, one.where or "an object") for one in task.edges))
                    transfer.meter.advance(sum(places[one.id].stored for one in task.edges))
                    sizes += sent.size
        finally:
            transfer.meter.finish()
        arrivals.commit()
        # What names content always comes last, and so does what workers left.
        rest = copy_objects(source, target, edges, transfer)
        return Copied(rest.size + sizes, rest.packs + arrivals.packs, rest.index)

    return spread
