"""What of `xver.lock` the disk was brought to, or xver itself wrote there: git's hooks follow only what is other.

.git/xver/followed      a text as that of `xver.lock`, of each work tree
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from xver.errors import CorruptData, InvalidInput
from xver.format.lockfile import Lock, decode_lock, encode_lock
from xver.model.entries import Entries
from xver.model.paths import TrackedPath
from xver.patience import replace
from xver.repo import Repo
from xver.worktree.records import TreeRecord


def followed(repo: Repo) -> Entries:
    """Return what was noted last; nothing where nothing was, or it cannot be read."""
    try:
        return decode_lock(_path(repo).read_bytes()).entries
    except (FileNotFoundError, CorruptData, InvalidInput):
        return {}


def is_left_behind(repo: Repo, tops: Iterable[str]) -> bool:
    """Tell whether git gave `xver.lock` another version of one of these paths, and the disk was not brought there."""
    known = {} if repo.git is None else followed(repo)
    return any(top in known and known[top] != repo.lock.entries.get(top) for top in map(TrackedPath, tops))


def note_followed(repo: Repo, entries: Entries) -> None:
    """Note it, for one who holds the work tree."""
    if repo.git is None:
        return
    path = _path(repo)
    data = encode_lock(Lock(repo.store.repository, dict(entries)))
    if path.exists() and path.read_bytes() == data:
        return
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_bytes(data)
    replace(beside, path)


def note_brought(repo: Repo, entries: Entries, brought: Collection[str]) -> None:
    """Note that the disk was brought to some of the entries; of the others what was noted stays, where it is true."""
    if repo.git is not None:
        known = followed(repo)
        note_followed(repo, {top: one for top, one in entries.items() if top in brought or known.get(top) == one})


def let_go(repo: Repo) -> bool:
    """Note that another tool has the disk at this commit: what was seen there is true of files, of no version.

    None of its files leaves. Tells whether the disk was ours until now.
    """
    with repo.held():
        was_ours = bool(followed(repo))
        for top in repo.stat_index.paths():
            if (record := repo.stat_index.tree(top)) is not None:
                repo.stat_index.set(top, TreeRecord(None, record.directories))
        repo.stat_index.write()
        note_followed(repo, {})
        return was_ours


def _path(repo: Repo) -> Path:
    return repo.places.own / "followed"
