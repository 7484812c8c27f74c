"""Take paths in and out of version control: files into the store, entries into `xver.lock`, lines into .gitignore."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xver.errors import DirtyWorktree, InvalidInput, NotFound
from xver.format.lockfile import Lock
from xver.git.ignore_block import write_block
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import Dataset, Entry
from xver.model.paths import TrackedPath, is_below, parse_path
from xver.model.refs import Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.store.packing import Packer
from xver.versioning.state import compare_path
from xver.versioning.versions import put_root
from xver.worktree.ingest import Ingested, ingest, ingest_part


@dataclass(frozen=True, slots=True)
class Added:
    """What one path became: its entry before and now, bytes new to the store, what can never be versioned."""

    path: str
    before: Entry | None
    entry: Entry
    new: int
    special: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddResult:
    """All paths of one `add`, and the bytes the store grew by, as stored."""

    added: tuple[Added, ...]
    stored: int


def add(
    repo: Repo, paths: Sequence[str], *, rehash: bool = False, meter: Meter = SILENT, hold: bool = True
) -> AddResult:
    """Take files and folders (relative to the root) under version control as they are now.

    A path inside a tracked dataset updates that part of it. A path that is gone from the disk inside a tracked
    dataset leaves it. Content is in the store and kept by the log before `xver.lock` names it.

    Raises:
        InvalidInput: nothing is there, git tracks it, or it overlaps what is tracked.
        Conflict: a file changed while it was read.
    """
    if not hold:
        return _add(repo, paths, rehash=rehash, meter=meter)
    with repo.held():
        return _add(repo, paths, rehash=rehash, meter=meter)


def _add(repo: Repo, paths: Sequence[str], *, rehash: bool, meter: Meter) -> AddResult:
    lock = repo.lock
    entries = dict(lock.entries)
    wanted = _targets(repo, paths, entries)
    added: list[Added] = []
    with repo.store.packer() as packer:
        meter.start("Adding", None, "files")
        for top, parts in wanted.items():
            before = entries.get(top)
            new = packer.added
            taken = _ingest(repo, top, parts, before, packer, rehash=rehash, meter=meter)
            entries[top] = taken.entry
            repo.stat_index.set(top, taken.record)
            added.append(Added(top, before, taken.entry, packer.added - new, taken.special))
        root = put_root(packer, entries)
        index = packer.finish()
        meter.finish()
    repo.store.move("add", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
    write_tracked(repo, Lock(lock.repository, entries))
    repo.stat_index.write()
    return AddResult(tuple(added), sum(index.packs.values()) if index is not None else 0)


def remove(repo: Repo, paths: Sequence[str], *, cached: bool = False) -> list[str]:
    """Stop tracking paths and remove their files; `cached` leaves the files. Return the tracked paths removed.

    Raises:
        NotFound: a path that is not tracked.
        DirtyWorktree: files that differ from what was added, and would be lost.
    """
    with repo.held():
        lock = repo.lock
        gone: list[TrackedPath] = []
        for path in paths:
            below = [top for top in lock.entries if is_below(top, path)]
            if not below:
                raise NotFound(f"{path} is not tracked", hint="xver ls shows what is")
            gone += below
        if not cached:
            for top in gone:
                _refuse_changes(repo, top, lock.entries[top])
        entries = {top: entry for top, entry in lock.entries.items() if top not in gone}
        move_lock(repo, entries)
        write_tracked(repo, Lock(lock.repository, entries))
        for top in gone:
            if not cached:
                shutil.rmtree(repo.root / top) if (repo.root / top).is_dir() else (repo.root / top).unlink()
            repo.stat_index.remove(top)
        repo.stat_index.write()
    return sorted(gone)


def move_lock(repo: Repo, entries: dict[TrackedPath, Entry]) -> None:
    """Let the store keep what `xver.lock` is about to name."""
    with repo.store.packer() as packer:
        root = put_root(packer, entries)
        index = packer.finish()
    repo.store.move("lock", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)


def write_tracked(repo: Repo, lock: Lock) -> None:
    """Write `xver.lock` and, beside git, the block of .gitignore that keeps git's hands off the data."""
    repo.write_lock(lock)
    if repo.git is not None:
        datasets = [path for path, entry in lock.entries.items() if isinstance(entry, Dataset)]
        files = [path for path, entry in lock.entries.items() if not isinstance(entry, Dataset)]
        write_block(repo.root, datasets, files)


def expand(repo: Repo, patterns: Iterable[str], *, start: Path) -> list[str]:
    """Return the paths, relative to the root, that a user's words name from folder `start`: names and globs.

    Raises:
        NotFound: a glob that matches nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if not os.path.lexists(start / pattern) and glob.has_magic(pattern):
            matches = sorted(glob.glob(pattern, root_dir=start, recursive=True))
            if not matches:
                raise NotFound(f"nothing matches {pattern}", hint="quote the pattern, and check the folder you are in")
            for match in matches:
                found[repo.relative(match, start=start)] = None
        else:
            found[repo.relative(pattern, start=start)] = None
    return list(found)


def _ingest(
    repo: Repo,
    top: TrackedPath,
    parts: list[str],
    before: Entry | None,
    packer: Packer,
    *,
    rehash: bool,
    meter: Meter,
) -> Ingested:
    record = repo.stat_index.tree(top)
    whole = not parts or not isinstance(before, Dataset)
    taken = ingest(repo.root, top, packer, record=record, ignore=repo.ignore, rehash=rehash, meter=meter)
    if whole or not isinstance(before, Dataset):
        return taken
    old = list(read_listing(repo.store, before.id))
    inside = [part[len(top) + 1 :] for part in parts]
    return ingest_part(taken, old=old, inside=lambda path: any(is_below(path, part) for part in inside), packer=packer)


def _targets(repo: Repo, paths: Sequence[str], entries: dict[TrackedPath, Entry]) -> dict[TrackedPath, list[str]]:
    """Return the tracked paths to take in; for one that only in parts changes, those parts."""
    wanted: dict[TrackedPath, list[str]] = {}
    fresh: list[str] = []
    for path in paths:
        if not path:
            raise InvalidInput("the whole repository cannot be one dataset", hint="xver add data models")
        above = next((top for top in entries if is_below(path, top)), None)
        if above is None:
            tops = [top for top in entries if is_below(top, path)]
            if tops:
                raise InvalidInput(
                    f"{path} holds {tops[0]}, which is tracked by itself",
                    hint=f"xver add {tops[0]}, or xver rm it first",
                )
            top = parse_path(path)
            if any(is_below(top, one) or is_below(one, top) for one in wanted if one != top):
                raise InvalidInput(f"{path} overlaps another of the paths given", hint="give the outer one alone")
            fresh.append(top)
            wanted[top] = []
        elif above == path:
            wanted[above] = []
        elif wanted.get(above) != [] or above not in wanted:
            if not os.path.lexists(repo.root / path) and not _was_tracked(repo, entries[above], path[len(above) + 1 :]):
                raise InvalidInput(f"there is no {path}", hint="give the path of a file or folder that exists")
            wanted.setdefault(above, []).append(path)
    if repo.git is not None and fresh and (tracked := git_tracks_any(repo.git, fresh)):
        raise InvalidInput(f"git tracks {tracked[0]}", hint=f"git rm -r --cached '{tracked[0]}', then xver add it")
    return wanted


def _refuse_changes(repo: Repo, top: TrackedPath, entry: Entry) -> None:
    if not os.path.lexists(repo.root / top):
        return
    comparison = compare_path(repo, top, entry)
    if not comparison.is_clean or comparison.special:
        names = [f"{top}/{one.path}".rstrip("/") for one in comparison.differences] + list(comparison.special)
        raise DirtyWorktree(
            f"{top} holds what was not added, and would be lost",
            names,
            hint=f"xver add {top}, or xver rm --cached {top}",
        )


def _was_tracked(repo: Repo, entry: Entry, inner: str) -> bool:
    return isinstance(entry, Dataset) and any(is_below(row.path, inner) for row in read_listing(repo.store, entry.id))
