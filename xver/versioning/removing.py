"""Stop tracking: entries leave `xver.lock`, files leave the disk if the store has them; history keeps every version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xver.errors import ContentNotFound, NotFound
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.model.entries import Dataset, Entry, External
from xver.model.paths import TrackedPath, is_below, typed
from xver.model.refs import Target, TargetKind
from xver.repo import Repo
from xver.store.listings import put_listing, read_listing
from xver.versioning.operations import noted
from xver.versioning.tracking import write_tracked
from xver.versioning.versions import put_local_root
from xver.worktree.checkout import NOTHING, Plan, execute_checkout, plan_removal
from xver.worktree.compare import is_there


@dataclass(frozen=True, slots=True)
class Removed:
    """What left: the paths as given below tracked ones, and how many files of theirs were removed from the disk."""

    paths: tuple[str, ...]
    files: int


def remove(repo: Repo, paths: Sequence[str], *, cached: bool = False) -> Removed:
    """Stop tracking paths, or parts of tracked folders, and remove their files; `cached` leaves the files.

    Files in there that were never added stay.

    Raises:
        NotFound: a path that is not tracked.
        DirtyWorktree: changed files, which would be lost.
    """
    words = " ".join(("rm", *(["--cached"] if cached else []), *paths))
    with repo.held(), noted(repo, words, paths=None if cached else paths):
        lock = repo.lock
        entries = dict(lock.entries)
        parts: dict[TrackedPath, list[str]] = {}
        for path in paths:
            for top, part in _parts(repo, entries, path):
                parts.setdefault(top, []).append(part)
        plans = [] if cached else [_plan(repo, top, entries[top], inner) for top, inner in parts.items()]
        with repo.store.packer() as packer:
            for top, inner in parts.items():
                entry = entries.pop(top)
                if "" not in inner and isinstance(entry, Dataset):
                    rows = (row for row in _rows(repo, top, entry) if not _any_above(row.path, inner))
                    entries[top] = put_listing(packer, rows, before=entry)
            root = put_local_root(packer, entries)
            index = packer.finish()
        repo.store.move("remove", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
        write_tracked(repo, Lock(lock.repository, entries))
        for plan in plans:
            execute_checkout(repo.root, plan, lambda _: iter(()))
        for top, inner in parts.items():
            record = repo.stat_index.tree(top)
            if "" in inner:
                repo.stat_index.remove(top)
            elif record is not None:
                for part in inner:
                    record = record.without(part)
                repo.stat_index.set(top, record)
        repo.stat_index.write()
        gone = {f"{top}/{part}" if part else str(top) for top, inner in parts.items() for part in inner}
        return Removed(tuple(sorted(gone)), sum(len(plan.remove) for plan in plans))


def _parts(repo: Repo, entries: dict[TrackedPath, Entry], path: str) -> list[tuple[TrackedPath, str]]:
    below = [(top, "") for top in entries if is_below(top, path)]
    if below:
        return below
    for top, entry in entries.items():
        if is_below(path, top) and isinstance(entry, Dataset):
            part = path[len(top) + 1 :]
            if any(is_below(row.path, part) for row in _rows(repo, top, entry)):
                return [(top, part)]
    raise NotFound(f"{path} is not tracked", hint="xver ls shows what is")


def _plan(repo: Repo, top: TrackedPath, entry: Entry, parts: list[str]) -> Plan:
    if isinstance(entry, External) or not is_there(repo.root, top):
        return Plan(top, NOTHING, (), (), gone=True)
    names = [row.path for row in _rows(repo, top, entry)] if isinstance(entry, Dataset) else [TrackedPath("")]
    return plan_removal(
        repo.root,
        top,
        [name for name in names if _any_above(name, parts)],
        record=repo.stat_index.known_at(top),
        in_store=repo.store.holds_whole,
        hint=f"xver add {typed(top)} to keep the changes, or xver rm --cached {typed(top)}",
        gone="" in parts,
    )


def _any_above(path: str, parts: Sequence[str]) -> bool:
    return any(is_below(path, part) for part in parts)


def _rows(repo: Repo, top: str, entry: Dataset) -> Iterator[Row]:
    try:
        yield from read_listing(repo.store, entry.id)
    except ContentNotFound as error:
        raise ContentNotFound(error.id, hint=f"xver fetch, or xver rm --cached {typed(top)}") from error
