"""The work tree as a source: what lies in its files is as good a copy as any, where the ids are those that are lost."""

from __future__ import annotations

from collections.abc import Iterable

from xver.errors import Conflict, InvalidInput
from xver.format.log_entries import LiveIndex
from xver.model.paths import TrackedPath, is_below
from xver.repo import Repo
from xver.upkeep.findings import Damage
from xver.versioning.membership import rules
from xver.worktree.ingest import ingest


def take_files(repo: Repo, damage: Iterable[Damage], lost: frozenset[bytes]) -> LiveIndex | None:
    """Put those of the `lost` objects into packs that the files of damaged paths hold; return the index of these packs.

    Reads every file of the tracked paths that `damage` names, and the datasets' listings come with them.
    """
    with repo.store.packer(anew=True, only=lost) as packer:
        for top in _tops(repo, damage):
            try:
                ingest(repo.root, top, packer, record=None, ignore=rules(repo), rehash=True)
            except (InvalidInput, Conflict):
                continue  # it is not there, or changes right now: then it is no copy
        return packer.finish()


def _tops(repo: Repo, damage: Iterable[Damage]) -> list[TrackedPath]:
    paths = {one.path.rpartition(":")[2] for one in damage if one.path} | {one.path for one in damage}
    return [top for top in repo.lock.entries if any(path and (path == top or is_below(path, top)) for path in paths)]
