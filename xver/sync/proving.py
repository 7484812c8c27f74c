"""Before commits of git go out: does the remote have the data they name? Its log alone says so.

A ref `snapshots/<commit>` at the remote proves that everything below that snapshot is there, its ancestors' included
(docs/format.md): one look at the nearest commit that changed `xver.lock` is enough, whatever the history's length.
"""

from __future__ import annotations

from collections.abc import Iterable

from xver.errors import RepositoryNotFound, RevisionNotFound
from xver.git.command import GitCommand
from xver.git.history import lock_commits, shallow_commits
from xver.model.refs import SNAPSHOTS
from xver.model.snapshots import Version
from xver.repo import Repo
from xver.settings import Remote
from xver.sync.remotes import open_remote


def unproven(repo: Repo, git: GitCommand, remote: Remote, tips: Iterable[str]) -> list[Version]:
    """Return, of each of `tips` (ids that git is about to push), the commit whose data the remote was not given.

    Raises:
        StorageError: the remote cannot be asked.
        Conflict: its address is not the one that this clone knows, or it holds another repository.
    """
    wanted: dict[str, Version] = {}
    edge = shallow_commits(git)
    for tip in tips:
        try:
            nearest = lock_commits(git, tip)[:1]
        except RevisionNotFound:  # a tag may name what is no commit
            continue
        # What lies at the edge of a shallow clone came from where it is pushed to.
        wanted |= {one.id: one for one in nearest if one.id not in edge}
    if not wanted:
        return []
    try:
        known = open_remote(repo, remote).log.refs
    except RepositoryNotFound:
        known = {}
    return [one for id, one in wanted.items() if SNAPSHOTS + id not in known]
