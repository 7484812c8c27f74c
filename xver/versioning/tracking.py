"""Take paths in and out of version control: files into the store, entries into `xver.lock`, lines into .gitignore."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from xver.errors import Collected, Conflict, ContentNotFound, InvalidInput, NotFound
from xver.format.listings import Row
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import Lock
from xver.format.log_entries import LiveIndex
from xver.git.commit import stage_if_free
from xver.git.ignore_block import FILE as GIT_IGNORE
from xver.git.ignore_block import write_block
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import CHUNK_MAX, Dataset, Entry
from xver.model.paths import PathSet, TrackedPath, is_below, overlaps, parse_path
from xver.model.refs import Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.settings import NAME as SETTINGS_NAME
from xver.store.content import Before
from xver.store.listings import put_listing, read_listing
from xver.store.packing import Packer
from xver.versioning.operations import noted
from xver.versioning.partly import refuse_never_here, refuse_outside, rows_away
from xver.versioning.versions import put_local_root
from xver.worktree.compare import find_link_above, is_there
from xver.worktree.ignore import NAME as IGNORE_NAME
from xver.worktree.ingest import Ingested, Read, ingest, ingest_parts, unread
from xver.worktree.reading import Reading, read_file
from xver.worktree.records import TreeRecord

_ATTEMPTS: Final = 10
_OWN_FILES: Final = frozenset({LOCK_NAME, SETTINGS_NAME, GIT_IGNORE, ".gitattributes", IGNORE_NAME})


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


class Reader(Protocol):
    """How an `add` reads files: by itself, or with the help of workers."""

    def expect(self, files: Iterator[tuple[str, bytes]]) -> None:
        """Hear which files will probably be read, with their stats, in this order; more or fewer may be."""

    def lacks(self, id: bytes, size: int) -> bool:
        """Tell whether content which the store need not be given is to be read all the same."""

    def read(
        self, path: str, packer: Packer | None, *, stat: bytes | None = None, before: Before | None = None
    ) -> Reading:
        """Return what a file is, its content stored by `packer` or elsewhere; `before` as for `read_file`."""

    def settle(self, packer: Packer, entries: Mapping[TrackedPath, Entry], fresh: Collection[TrackedPath]) -> None:
        """Hear that everything is read, what will be tracked and what of it was read now; nothing is kept yet."""

    def keep(self) -> None:
        """Hear that the store keeps its part: what lies elsewhere has to be kept there before `xver.lock` names it."""


class Here:
    """Reads every file in this process into the local store."""

    read = staticmethod(read_file)

    def expect(self, files: Iterator[tuple[str, bytes]]) -> None:
        """Need not know."""

    def lacks(self, id: bytes, size: int) -> bool:  # noqa: ARG002 - nothing else is asked
        """Need nothing more than the store."""
        return False

    def settle(self, packer: Packer, entries: Mapping[TrackedPath, Entry], fresh: Collection[TrackedPath]) -> None:
        """Leave nothing open."""

    def keep(self) -> None:
        """Have nothing elsewhere."""


def add(
    repo: Repo, paths: Sequence[str], *, rehash: bool = False, reader: Reader | None = None, meter: Meter = SILENT
) -> AddResult:
    """Take files and folders (relative to the root) under version control as they are now.

    A path inside a tracked dataset updates that part of it. A path that is gone from the disk inside a tracked
    dataset leaves it. Content is in the store and kept by the log before `xver.lock` names it.

    Raises:
        InvalidInput: nothing is there, git tracks it, or it overlaps what is tracked.
        Conflict: a file changed while it was read.
        DirtyWorktree: files that were never on this disk would leave a dataset.
    """
    with repo.held(), noted(repo, " ".join(("add", *paths))):
        if reader is not None:
            return _add_once(repo, paths, [], rehash=rehash, reader=reader, meter=meter)
        return _add(repo, paths, rehash=rehash, meter=meter)


def _add(repo: Repo, paths: Sequence[str], *, rehash: bool, meter: Meter) -> AddResult:
    """Take in; where another process' collection took what was here already, take that in again."""
    uploaded: list[LiveIndex] = []
    for _ in range(_ATTEMPTS):
        try:
            return _add_once(repo, paths, uploaded, rehash=rehash, reader=Here(), meter=meter)
        except Collected:
            repo.store.refresh()
            uploaded = repo.store.still_good(uploaded)
    raise Conflict("the store is collected faster than this adds", hint="xver add again")


def _add_once(
    repo: Repo, paths: Sequence[str], uploaded: list[LiveIndex], *, rehash: bool, reader: Reader, meter: Meter
) -> AddResult:
    lock = repo.lock
    entries = dict(lock.entries)
    wanted = _targets(repo, paths, entries)
    added: list[Added] = []
    records: dict[TrackedPath, TreeRecord] = {}
    with repo.store.index.also(uploaded), repo.store.packer() as packer:
        reader.expect(_unread(repo, wanted, packer, reader, rehash=rehash))
        meter.start("Adding", None, "files")
        for top, parts in wanted.items():
            before = entries.get(top)
            new = packer.added
            taken = _ingest(repo, top, parts, before, packer, rehash=rehash, read=reader.read, meter=meter)
            if isinstance(before, Dataset):
                refuse_never_here(repo, top, parts, before, taken)
            entries[top] = taken.entry
            records[top] = taken.record
            added.append(Added(top, before, taken.entry, packer.added - new, taken.special))
        reader.settle(packer, entries, records.keys())
        stored = _keep(repo, packer, entries, reader, uploaded)
        meter.finish()
    # Only now: what the stat index says is stored, is.
    for top, record in records.items():
        repo.stat_index.set(top, record)
    write_tracked(repo, Lock(lock.repository, entries))
    repo.stat_index.write()
    return AddResult(tuple(added), stored)


def add_rows(repo: Repo, path: str, rows: Callable[[Packer], Iterable[Row]], *, reader: Reader) -> AddResult:
    """Track a dataset that is not on this disk: its rows, sorted by path bytes, as they come from elsewhere.

    Raises:
        InvalidInput: something lies there on the disk, or it overlaps what is tracked.
    """
    with repo.held(), noted(repo, f"add --as {path}"):
        lock = repo.lock
        entries = dict(lock.entries)
        top = parse_path(path)
        refuse_place(repo, top)
        if near := next((one for one in entries if one != top and overlaps(one, top)), None):
            raise InvalidInput(f"{top} overlaps {near}, which is tracked by itself", hint="choose another path")
        if is_there(repo.root, top):
            raise InvalidInput(f"there is something at {top} already", hint=f"xver add {top} tracks that")
        if repo.git is not None and git_tracks_any(repo.git, [top]):
            raise InvalidInput(f"git tracks {top}", hint=f"git rm -r --cached '{top}', then xver add it")
        before = entries.get(top)
        with repo.store.packer() as packer:
            entries[top] = put_listing(packer, rows(packer), before=before)
            reader.settle(packer, entries, [top])
            stored = _keep(repo, packer, entries, reader, [])
        write_tracked(repo, Lock(lock.repository, entries))
    return AddResult((Added(top, before, entries[top], packer.added, ()),), stored)


def _keep(
    repo: Repo, packer: Packer, entries: Mapping[TrackedPath, Entry], reader: Reader, uploaded: list[LiveIndex]
) -> int:
    """Let the log keep what is about to be tracked; return the bytes as stored, with what is `uploaded` already."""
    root = put_local_root(packer, entries)
    index = packer.finish()
    uploaded += [] if index is None else [index]
    repo.store.move("add", {repo.lock_ref: Target(TargetKind.LISTING, root)}, *uploaded)
    reader.keep()
    return sum(size for one in uploaded for size in one.packs.values())


def move_lock(repo: Repo, entries: dict[TrackedPath, Entry]) -> None:
    """Let the store keep what `xver.lock` is about to name."""
    with repo.store.packer() as packer:
        root = put_local_root(packer, entries)
        index = packer.finish()
    repo.store.move("lock", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)


def write_tracked(repo: Repo, lock: Lock) -> None:
    """Write `xver.lock` and, beside git, stage it and write the block of .gitignore that keeps git's hands off."""
    repo.write_lock(lock)
    if repo.git is not None:
        datasets = [path for path, entry in lock.entries.items() if isinstance(entry, Dataset)]
        files = [path for path, entry in lock.entries.items() if not isinstance(entry, Dataset)]
        write_block(repo.root, datasets, files)
        stage_if_free(repo.git, LOCK_NAME)


def expand(repo: Repo, patterns: Iterable[str], *, start: Path) -> list[str]:
    """Return the paths, relative to the root, that a user's words name from folder `start`: names and globs.

    Raises:
        NotFound: a glob that matches nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if not os.path.lexists(start / pattern) and glob.has_magic(pattern):
            matches = sorted(glob.glob(pattern, root_dir=start, recursive=True))
            for match in matches:
                found[repo.relative(match, start=start)] = None
            if not matches:
                found |= dict.fromkeys(_tracked_matches(repo, pattern, start))
        else:
            found[repo.relative(pattern, start=start)] = None
    return list(found)


def _tracked_matches(repo: Repo, pattern: str, start: Path) -> list[str]:
    """Return what a pattern that matches nothing on the disk names in `xver.lock`: itself, or what was deleted."""
    wanted, found = repo.relative(pattern, start=start), []
    for top, entry in repo.lock.entries.items():
        depth = top.count("/") + 1
        if PurePosixPath(top).match(wanted):
            found.append(top)
        elif isinstance(entry, Dataset) and PurePosixPath(top).match("/".join(wanted.split("/")[:depth])):
            paths = (TrackedPath(f"{top}/{row.path}") for row in _rows(repo, top, entry))
            found += [path for path in paths if path == wanted or PurePosixPath(path).match(wanted)]
    if not found:
        raise NotFound(f"nothing matches {pattern}", hint="quote the pattern, and check the folder you are in")
    return [*found]


def _ingest(
    repo: Repo,
    top: TrackedPath,
    parts: list[str],
    before: Entry | None,
    packer: Packer,
    *,
    rehash: bool,
    read: Read,
    meter: Meter,
) -> Ingested:
    record = repo.stat_index.known_at(top)
    away = rows_away(repo, top, before)
    if not parts or not isinstance(before, Dataset):
        return ingest(
            repo.root,
            top,
            packer,
            record=record,
            ignore=repo.ignore,
            before=before,
            away=away,
            rehash=rehash,
            read=read,
            meter=meter,
        )
    return ingest_parts(
        repo.root,
        top,
        [part[len(top) + 1 :] for part in parts],
        packer,
        old=_rows(repo, top, before),
        record=record,
        before=before,
        away=away,
        ignore=repo.ignore,
        rehash=rehash,
        read=read,
        meter=meter,
    )


def _unread(
    repo: Repo, wanted: Mapping[TrackedPath, list[str]], packer: Packer, reader: Reader, *, rehash: bool
) -> Iterator[tuple[str, bytes]]:
    """Yield the files that an ingest of these paths is going to read."""
    for top, parts in wanted.items():
        yield from unread(
            repo.root,
            top,
            [part[len(top) + 1 :] for part in parts],
            record=repo.stat_index.known_at(top),
            ignore=repo.ignore,
            holds=lambda id_, size: packer.holds(id_, whole=size > CHUNK_MAX) and not reader.lacks(id_, size),
            rehash=rehash,
        )


def _targets(repo: Repo, paths: Sequence[str], entries: Mapping[TrackedPath, Entry]) -> dict[TrackedPath, list[str]]:
    """Return the tracked paths to take in; for one that only in parts changes, those parts."""
    wanted: dict[TrackedPath, list[str]] = {}
    fresh: list[TrackedPath] = []
    known = PathSet(entries)
    for text in paths:
        if not text:
            raise InvalidInput("the whole repository cannot be one dataset", hint="xver add data models")
        path = parse_path(text)
        refuse_place(repo, path)
        above = known.above(path)
        if above is None:
            if tops := known.below(path):
                raise InvalidInput(
                    f"{path} holds {tops[0]}, which is tracked by itself",
                    hint=f"xver add {tops[0]}, or xver rm --cached {tops[0]} first",
                )
            fresh.append(path)
            wanted[path] = []
        elif above == path:
            wanted[above] = []
        elif above not in wanted or wanted[above]:
            if not is_there(repo.root, path) and not _was_tracked(repo, above, entries[above], path):
                raise InvalidInput(f"there is no {path}", hint="give the path of a file or folder that exists")
            refuse_outside(repo, path)
            wanted.setdefault(above, []).append(path)
    given = PathSet(fresh)
    if inner := next((path for path in fresh if given.above(path) != path), None):
        raise InvalidInput(f"{inner} overlaps another of the paths given", hint="give the outer one alone")
    for top, parts in wanted.items():
        if not parts and not is_there(repo.root, top):
            hint = f"xver checkout {top} brings it back, xver rm {top} stops tracking it"
            raise InvalidInput(
                f"there is no {top}", hint=hint if top in entries else "give the path of a file or folder that exists"
            )
    if repo.git is not None and fresh and (tracked := git_tracks_any(repo.git, fresh)):
        raise InvalidInput(f"git tracks {tracked[0]}", hint=f"git rm -r --cached '{tracked[0]}', then xver add it")
    return wanted


def refuse_place(repo: Repo, path: TrackedPath) -> None:
    """Refuse paths that cannot be data: xver's own files, what lies behind a link, what is ignored."""
    if path in _OWN_FILES:
        raise InvalidInput(f"{path} belongs to git and xver, and is no data", hint="xver add data models")
    if (link := find_link_above(repo.root, path)) is not None:
        raise InvalidInput(f"{path} lies behind the link {link}", hint=f"xver add {link} tracks the link itself")
    parts = path.split("/")
    for length in range(1, len(parts) + 1):
        part = "/".join(parts[:length])
        if repo.ignore(part, is_directory=length < len(parts) or (repo.root / part).is_dir()):
            raise InvalidInput(f"a rule leaves {part} out", hint=f"take the rule out of {repo.ignore.files}")


def _rows(repo: Repo, top: str, entry: Dataset) -> list[Row]:
    try:
        return list(read_listing(repo.store, entry.id))
    except ContentNotFound as error:
        raise ContentNotFound(error.id, hint=f"xver pull {top}") from error


def _was_tracked(repo: Repo, top: TrackedPath, entry: Entry, path: str) -> bool:
    inner = path[len(top) + 1 :]
    return isinstance(entry, Dataset) and any(is_below(row.path, inner) for row in _rows(repo, top, entry))
