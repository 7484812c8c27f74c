"""A merge outside git that was cut off before its commit: what it was to join, so that the commit which ends it does.

.xver/MERGE_HEAD      where HEAD was, and the version that was to be merged: two ids
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xver.model.ids import SnapshotId
from xver.repo import Repo
from xver.versioning.heads import head_entries
from xver.versioning.versions import head_id, write_word

_IDS: Final = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{64})\n")


def begin(repo: Repo, ours: SnapshotId, theirs: SnapshotId) -> None:
    """Note a merge, before anything of it is in `xver.lock` or on the disk."""
    write_word(_path(repo), f"{ours.hex()} {theirs.hex()}")


def end(repo: Repo) -> None:
    """Forget it: it has its commit, or was given up."""
    _path(repo).unlink(missing_ok=True)


def pending(repo: Repo) -> SnapshotId | None:
    """Return what was to be merged into HEAD, None if no merge was cut off here."""
    try:
        found = _IDS.fullmatch(_path(repo).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    head = head_id(repo)
    if found is None or head is None or found[1] != head.hex():
        return None
    return SnapshotId(bytes.fromhex(found[2]))


def settle(repo: Repo) -> None:
    """Forget a merge of which nothing is in `xver.lock`, or whose HEAD is another one now."""
    if _path(repo).exists() and (pending(repo) is None or head_entries(repo) == repo.lock.entries):
        end(repo)


def _path(repo: Repo) -> Path:
    return repo.places.own / "MERGE_HEAD"
