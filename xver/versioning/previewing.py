"""What an `add` would do, file by file: nothing is stored or written, and no file is read that would only be new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xver.model.entries import Dataset, Entry
from xver.model.paths import TrackedPath, is_below
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.versioning.membership import rules
from xver.versioning.partly import refuse_never_here, refuse_reference
from xver.versioning.takeable import targets
from xver.worktree.checkout import NOTHING
from xver.worktree.compare import Difference, Differs, compare
from xver.worktree.ingest import nameable
from xver.worktree.steady import Skip, refuse


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a tracked path, or of one to be tracked (`before` is None): which files would change.

    `special` are neither files nor links nor folders, and would be left out.
    """

    path: TrackedPath
    before: Entry | None
    differences: tuple[Difference, ...]
    special: tuple[str, ...]


def preview(
    repo: Repo,
    paths: Sequence[str],
    *,
    rehash: bool = False,
    force: bool = False,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> list[Preview]:
    """Return what `tracking.add` would do with these paths; arguments and errors as there."""
    entries = repo.lock.entries
    wanted = targets(repo, paths, entries, repo.ignore.lifted() if force else rules(repo))
    return [
        _preview(repo, top, entries.get(top), parts, rehash=rehash, force=force, skip=skip, meter=meter)
        for top, parts in wanted.items()
    ]


def _preview(
    repo: Repo,
    top: TrackedPath,
    before: Entry | None,
    parts: Sequence[str],
    *,
    rehash: bool,
    force: bool,
    skip: Skip,
    meter: Meter,
) -> Preview:
    comparison = compare(
        repo.root,
        top,
        NOTHING if before is None else before,
        record=None if rehash or before is None else repo.stat_index.known_at(top),
        ignore=repo.ignore.lifted() if force else repo.ignore,
        read_rows=lambda id_: iter(()) if before is None else read_listing(repo.store, id_),
        skip=skip,
        meter=meter,
    )
    inner = [part[len(top) + 1 :] for part in parts]
    differences = tuple(
        one
        for one in comparison.differences
        if (not inner or any(is_below(one.path, part) for part in inner))
        and (one.differs is not Differs.DELETED or repo.sparse.holds(f"{top}/{one.path}" if one.path else top))
    )
    if isinstance(before, Dataset) and differences:
        refuse_reference(repo, top, before)
        gone = {one.path for one in differences if one.differs is Differs.DELETED}
        refuse_never_here(
            repo,
            top,
            parts,
            before,
            is_dataset=all(one.path for one in differences),
            has=lambda path: path not in gone,
        )
    special = tuple(one for one in comparison.special if not parts or any(is_below(one, part) for part in parts))
    return Preview(top, before, differences, nameable(special))
