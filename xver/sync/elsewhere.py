"""Objects that are not here: read from the remotes that have them, when a read needs them and not before.

A store that was cloned in part, or from which content was evicted, lacks what its remotes hold. Whoever reads content
for somebody (`cat`, `diff`, an open file) calls `read_through` once; whoever asks what is *here* (`status`, `add`,
`checkout`, `gc`) does not, and so never waits for a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from xver.errors import ContentNotFound, RepositoryNotFound, StorageError
from xver.history.edge_list import EdgeList
from xver.history.reach import Edge
from xver.repo import Repo
from xver.settings import Remote
from xver.store.store import Store
from xver.sync.remotes import open_remote, ordered_remotes
from xver.sync.transfer import Copied, CopyObjects, Transfer


def read_through(repo: Repo, *, tell: Callable[[Remote], None] = lambda _: None) -> None:
    """From now on let reads of this repository's store go on at its remotes, the default one first.

    Nothing is opened and no server is asked until an object is really lacking; then `tell` is called, once for each
    remote. What is read is verified and not kept. A remote that cannot be reached is passed over while another one
    has what lacks.
    """
    repo.store.elsewhere = opener(repo, tell)


def opener(
    repo: Repo, tell: Callable[[Remote], None] = lambda _: None, *, without: str | None = None
) -> Callable[[], Iterator[Store]]:
    """Return what `Store.elsewhere` needs: a function that opens each remote at most once, as far as is asked for.

    The remote called `without` is left out.
    """
    opened: dict[str, Store] = {}

    def stores() -> Iterator[Store]:
        failure: StorageError | None = None
        for remote in ordered_remotes(repo):
            if remote.name == without:
                continue
            if remote.name not in opened:
                tell(remote)
                try:
                    opened[remote.name] = open_remote(repo, remote)
                except RepositoryNotFound:
                    continue  # nothing was pushed there yet
                except StorageError as error:
                    failure = failure or error
                    continue
            yield opened[remote.name]
        if failure is not None:
            raise failure

    return stores


def copy_through(copy: CopyObjects, others: Callable[[], Iterable[Store]]) -> CopyObjects:
    """Return `copy` that takes what the source lacks, because it was evicted, from the first of `others` that has it.

    It raises `ContentNotFound` where none has.
    """

    def copy_from_all(source: Store, target: Store, edges: Iterable[Edge], transfer: Transfer) -> Copied:
        size = packs = 0
        here = EdgeList()
        away: list[Edge] = []
        for edge in edges:
            if edge.id in source or edge.id in target:
                here.add(edge)
            else:
                away.append(edge)
        for store in others() if away else ():
            there = [edge for edge in away if edge.id in store]
            if there:
                copied = copy(store, target, there, transfer)
                size, packs = size + copied.size, packs + copied.packs
            # Not asked again: what came there meanwhile was not copied.
            held = {edge.id for edge in there}
            away = [edge for edge in away if edge.id not in held]
            if not away:
                break
        if away:
            where = away[0].where or "a commit"
            raise ContentNotFound(away[0].id, hint=f"{where} is here no more, and at no remote that can be reached")
        copied = copy(source, target, here, transfer)
        return Copied(size + copied.size, packs + copied.packs, copied.index)

    return copy_from_all
