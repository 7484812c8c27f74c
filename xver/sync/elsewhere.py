"""Objects that are not here: read from the remotes that have them, when a read needs them and not before.

A store that was cloned in part, or from which content was evicted, lacks what its remotes hold. Whoever reads content
for somebody (`cat`, `diff`, an open file) calls `read_through` once; whoever asks what is *here* (`status`, `add`,
`checkout`, `gc`) does not, and so never waits for a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xver.errors import RepositoryNotFound, StorageError
from xver.repo import Repo
from xver.settings import Remote
from xver.store.store import Store
from xver.sync.remotes import open_remote, ordered_remotes


def read_through(repo: Repo, *, tell: Callable[[Remote], None] = lambda _: None) -> None:
    """From now on let reads of this repository's store go on at its remotes, the default one first.

    Nothing is opened and no server is asked until an object is really lacking; then `tell` is called, once for each
    remote. What is read is verified and not kept. A remote that cannot be reached is passed over while another one
    has what lacks.
    """
    repo.store.elsewhere = opener(repo, tell)


def opener(repo: Repo, tell: Callable[[Remote], None] = lambda _: None) -> Callable[[], Iterator[Store]]:
    """Return what `Store.elsewhere` needs: a function that opens each remote at most once, as far as is asked for."""
    opened: dict[str, Store] = {}

    def stores() -> Iterator[Store]:
        failure: StorageError | None = None
        for remote in ordered_remotes(repo):
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
