"""Which versions of git's a collection at a remote would take data from: those that somebody made it forget."""

from __future__ import annotations

from typing import Final

from xver.git.command import CatFile, GitCommand
from xver.git.history import LOCK, refs
from xver.model.refs import SNAPSHOTS
from xver.repo import Repo
from xver.store.kept import Kept
from xver.store.store import Store
from xver.upkeep.roots import named_ids

_NAMES: Final = {"refs/heads/": "branch", "refs/tags/": "tag", "refs/remotes/": "remote branch"}


def who_loses(repo: Repo, store: Store, kept: Kept) -> list[str]:
    """Return the branches, tags and commits of git whose data the store holds now and would not hold any more.

    What a ref of the store keeps loses nothing, so only commits without one are looked at.
    """
    if repo.git is None:
        return []
    bare = [(commit, title) for commit, title in _commits(repo.git) if SNAPSHOTS + commit not in store.log.refs]
    losing: dict[str, str] = {}
    found: list[str] = []
    with CatFile(repo.git) as cat:

        def loses(commit: str) -> bool:
            ids = named_ids(cat.read(f"{commit}:{LOCK}") or b"")
            return any(id in store and id not in kept for id in ids)

        losing = {commit: title for commit, title in bare if loses(commit)}
        for name, commit in refs(repo.git).items():
            if losing and (commit in losing or (SNAPSHOTS + commit not in store.log.refs and loses(commit))):
                kind = next(word for prefix, word in _NAMES.items() if name.startswith(prefix))
                found.append(f"{kind} {name.split('/', 2)[2]}")
    return found + [f"commit {commit[:7]} {title}" for commit, title in losing.items()]


def _commits(git: GitCommand) -> list[tuple[str, str]]:
    lines = git.lines("--literal-pathspecs", "log", "--all", "--full-history", "--format=%H %s", "--", LOCK)
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]
