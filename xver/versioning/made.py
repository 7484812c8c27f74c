"""What a run made, as a version: `run:brisk-heron-17`.

It is the first commit here that holds all that the run kept; where none does, the one that the run began from. Of the
paths that it made, it has what it made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from xver.errors import ContentNotFound, RevisionNotFound
from xver.model.entries import Entries, Entry, entry_id
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath, overlaps
from xver.model.refs import KEPT
from xver.model.snapshots import Version
from xver.repo import Repo
from xver.store.listings import read_listing

if TYPE_CHECKING:
    from xver.model.runs import Run

PREFIX: Final = "run:"
_OUTPUTS: Final = "outputs/"


def made_by(repo: Repo, run: Run) -> dict[TrackedPath, Entry]:
    """Return what a run made and kept, by the paths it gave them; nothing where that was forgotten."""
    target = repo.store.log.refs.get(KEPT + run.ulid)
    if target is None:
        return {}
    try:
        rows = list(read_listing(repo.store, ListingId(target.id)))
    except ContentNotFound:
        return {}
    return {TrackedPath(row.path.removeprefix(_OUTPUTS)): row.entry for row in rows if row.path.startswith(_OUTPUTS)}


def require_made(run: Run, made: Entries, base: Entries) -> None:
    """Refuse to take what another version has at a path that a run made, and kept, for what the run made there.

    Raises:
        ContentNotFound: it is not kept here, as in a run that was forgotten, and `base` has another there.
    """
    for one in run.outputs:
        there = [entry for top, entry in base.items() if overlaps(top, one.path)]
        if one.path not in made and there and [one.id] != [entry_id(entry) for entry in there]:
            raise ContentNotFound(
                one.id, hint=f"what run {run.name} made of {one.path} is not kept: xver runs show {run.name}"
            )


def laid_over(entries: Entries, made: Entries) -> dict[TrackedPath, Entry]:
    """Return what was tracked with what a run made in its places; of what overlaps these, what it made counts."""
    kept = {top: entry for top, entry in entries.items() if not any(overlaps(top, path) for path in made)}
    return {**kept, **made}


def commit_of(run: Run, made: Entries, versions: Iterable[Version], at: Callable[[str], Entries]) -> str:
    """Return the commit that stands for a run; `versions` come newest first, `at` gives what is tracked in one.

    Raises:
        RevisionNotFound: nothing was committed when it began, and what it made never was.
    """
    base, holding = run.code.commit, None
    for version in versions:
        if made and all(at(version.id).get(path) == entry for path, entry in made.items()):
            holding = version.id
        if base is None and version.time * 1000 <= run.started:
            base = version.id
    if (found := holding or base) is None:
        raise RevisionNotFound(
            f"run {run.name} began before there was a commit, and what it made is in none",
            hint=f"xver runs show {run.name}",
        )
    return found
