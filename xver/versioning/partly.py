"""Tracked paths that are only partly here, or wanted here: what is away stays in its version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from xver.errors import ContentNotFound, DirtyWorktree, InvalidInput, NotFound
from xver.format.codecs import Codec
from xver.format.foreign import Where, decode_foreign
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.paths import TrackedPath, typed
from xver.repo import Repo
from xver.store.content import is_here, leaves
from xver.store.listings import read_listing
from xver.worktree.checkout import Plan
from xver.worktree.compare import is_there
from xver.worktree.records import TreeRecord


def rows_away(repo: Repo, top: TrackedPath, before: Entry | None) -> list[Row]:
    """Return the rows of a dataset that the sparse profile does not want on the disk.

    Raises:
        ContentNotFound: its listing is not here.
    """
    if repo.sparse.holds(top) or not isinstance(before, Dataset):
        return []
    return [row for row in rows_of(repo, top, before) if not repo.sparse.holds(f"{top}/{row.path}")]


def refuse_outside(repo: Repo, path: TrackedPath) -> None:
    """Refuse to take a path that is not on the disk for removed, if the sparse profile wants nothing of it there."""
    if not repo.sparse.meets(path) and not is_there(repo.root, path):
        raise InvalidInput(
            f"{path} lies outside of the sparse profile, and is not on this disk",
            hint=f"xver rm {typed(path)} removes it, xver sparse add {typed(path)} brings it",
        )


def refuse_never_here(
    repo: Repo,
    top: TrackedPath,
    parts: Sequence[str],
    before: Dataset,
    *,
    is_dataset: bool,
    has: Callable[[str], object],
) -> None:
    """Refuse to drop files that were never on this disk: where only a part was pulled, that is no wish of the user.

    `is_dataset` tells whether `top` will still be one, `has` whether it will have a file.

    Raises:
        DirtyWorktree: there are some in what the dataset was, `before`, and is no more.
        ContentNotFound: which files it had is not known here.
    """
    record = repo.stat_index.known_at(top) or TreeRecord(None, {})
    if not is_dataset:
        _refuse_replacing(repo, top, before)
    # Where nothing of the old version ever was here, and all of it is added, it is replaced on purpose.
    if (record.id == before.id and record.is_whole) or not (
        parts or any(one.names for one in record.directories.values())
    ):
        return
    meant = frozenset(parts or [top])
    try:
        never = [
            f"{top}/{row.path}"
            for row in read_listing(repo.store, before.id)
            if row.entry.size
            and not (has(row.path) or record.was_here(row.path))
            and (record.find(row.path) or not is_near(repo, row.entry))
            and not meant.isdisjoint(accumulate(f"{top}/{row.path}".split("/"), "{}/{}".format))
        ]
    except ContentNotFound as error:
        hint = f"xver pull {typed(top)}; or xver rm --cached {typed(top)}, which drops what xver.lock names there"
        raise ContentNotFound(error.id, hint=hint) from error
    if never:
        raise DirtyWorktree(
            f"{len(never):,} files of {top} were never on this disk, and would leave it",
            never,
            hint=f"xver pull {typed([*parts, top][0])}, or xver add only what changed in it; xver rm drops them",
        )


def _refuse_replacing(repo: Repo, top: TrackedPath, before: Dataset) -> None:
    """Refuse to let a file be what was a dataset, if some of that was not wanted on the disk."""
    away = rows_away(repo, top, before)
    if away:
        raise DirtyWorktree(
            f"{len(away):,} files of {top} lie outside of the sparse profile, and would leave it",
            [f"{top}/{row.path}" for row in away],
            hint=f"xver rm --cached {typed(top)} first",
        )


def is_local(repo: Repo, entry: Entry) -> bool:
    """Tell whether the store has all content of a row itself."""
    return not isinstance(entry, File | Link) or is_here(repo.store, entry.id, entry.size)


def is_near(repo: Repo, entry: Entry) -> bool:
    """Tell whether all content of a row is on this machine: what lies in a bucket is not."""
    return is_local(repo, entry) and not lies_in_bucket(repo, entry)


def lies_in_bucket(repo: Repo, entry: Entry) -> bool:
    """Tell whether an entry was adopted from a bucket and lies there, as its first content shows.

    It comes to the disk when it is named, for it may be more than that holds; hooks do not fetch it.
    """
    try:
        if isinstance(entry, Dataset):
            first = next((row.entry for row in read_listing(repo.store, entry.id) if row.entry.size), None)
            return first is not None and lies_in_bucket(repo, first)
        if not isinstance(entry, File) or not entry.size:
            return False
        place = repo.store.index.find(next(leaves(repo.store, entry.id, entry.size))[0])
        if place is None or place.codec is not Codec.FOREIGN:
            return False
        [(place, frame)] = repo.store.read_frames([place])
        return place.codec is Codec.FOREIGN and decode_foreign(frame, place.raw).whole.where is Where.OBJECT
    except ContentNotFound:
        return False


def refuse_reference(repo: Repo, top: TrackedPath, before: Dataset) -> None:
    """Refuse to change a dataset that only refers to files elsewhere; raises `InvalidInput`."""
    if is_reference(repo, before):
        raise InvalidInput(
            f"{top} refers to what lies elsewhere, and takes in nothing from the disk",
            hint=f"xver update {typed(top)} asks there; xver rm {typed(top)} first, to add other files",
        )


def is_reference(repo: Repo, entry: Dataset) -> bool:
    """Tell whether the files of a dataset are known and not stored, as the first of them shows."""
    try:
        first = next(iter(read_listing(repo.store, entry.id)), None)
    except ContentNotFound:
        return False
    return first is not None and isinstance(first.entry, External)


def require_content(repo: Repo, plans: Iterable[Plan]) -> None:
    """Refuse before anything is written if content is not here; raises `NotFound`."""
    lacking, size = 0, 0
    for plan in plans:
        for row in plan.write:
            if not is_local(repo, row.entry):
                lacking += 1
                size += row.entry.size
    if lacking:
        files = "1 file" if lacking == 1 else f"{lacking:,} files"
        raise NotFound(f"{files} ({size:,} bytes) not local", hint="xver pull")


def rows_of(repo: Repo, top: str, entry: Dataset) -> Iterator[Row]:
    """Yield the rows of a tracked dataset.

    Raises:
        ContentNotFound: its listing is not here; the hint says how it comes.
    """
    try:
        yield from read_listing(repo.store, entry.id)
    except ContentNotFound as error:
        raise ContentNotFound(error.id, hint=f"xver pull {typed(top)}") from error
