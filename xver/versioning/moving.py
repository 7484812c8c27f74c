"""Give what is tracked another name: files on the disk, rows of datasets and tables of `xver.lock` at once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from xver.errors import ContentNotFound, InvalidInput, NotFound, StorageError
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import Dataset, Entry, External
from xver.model.paths import TrackedPath, is_below, overlaps, parse_path, typed
from xver.model.refs import Target, TargetKind
from xver.repo import Repo
from xver.storage.no_replace import rename_new
from xver.store.listings import put_listing, read_listing
from xver.versioning.operations import noted
from xver.versioning.takeable import refuse_place
from xver.versioning.tracking import move_lock, write_tracked
from xver.versioning.versions import put_local_root
from xver.worktree.compare import is_there
from xver.worktree.records import Known, TreeRecord


@dataclass(slots=True)
class _Moving:
    """The new state as it comes to be: entries, what is known of files by tracked path, renames on the disk.

    `rows` are those of datasets that get a new listing, whose entry is still the one before.
    """

    entries: dict[TrackedPath, Entry]
    rows: dict[TrackedPath, dict[TrackedPath, Entry]] = field(default_factory=dict)
    records: dict[TrackedPath, TreeRecord | None] = field(default_factory=dict)
    moves: list[tuple[str, str]] = field(default_factory=list)


def move(repo: Repo, sources: Sequence[str], target: str) -> list[tuple[str, str]]:
    """Move tracked paths, or parts of tracked folders, to `target`, or into it if it is a folder.

    Files that were changed since they were added move as they are. What is not on the disk moves in `xver.lock`
    alone. Returns each path as it was and as it is.

    Raises:
        NotFound: a source that is not tracked.
        InvalidInput: something is at the target already, or nothing can be there.
        StorageError: the disk refuses; everything is as it was.
    """
    words = " ".join(("mv", *sources, target))
    with repo.held(), noted(repo, words, paths=()) as note:
        lock = repo.lock
        moving = _Moving(dict(lock.entries))
        into = len(sources) > 1 or _is_folder(repo, target)
        with repo.store.packer() as packer:
            done = []
            for source in sources:
                if not source:
                    raise InvalidInput("the whole repository cannot be moved", hint="name what is in it")
                place = f"{target}/{source.rpartition('/')[2]}".lstrip("/") if into else target
                _move_one(repo, moving, source, place)
                done.append((source, place))
            for top, rows in moving.rows.items():
                ordered = (Row(path, rows[path]) for path in sorted(rows, key=str.encode))
                moving.entries[top] = put_listing(packer, ordered, before=moving.entries[top])
            root = put_local_root(packer, moving.entries)
            index = packer.finish()
        repo.store.move("move", {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
        note.moves += moving.moves
        for top, record in moving.records.items():
            if record is None:
                repo.stat_index.remove(top)
            else:
                repo.stat_index.set(top, record)
        repo.stat_index.write()
        write_tracked(repo, Lock(lock.repository, moving.entries))
        try:
            rename_all(repo.root, moving.moves)
        except BaseException:
            write_tracked(repo, lock)
            move_lock(repo, dict(lock.entries))
            note.moves.clear()
            raise
        return done


def rename_all(root: Path, moves: Sequence[tuple[str, str]]) -> None:
    """Rename files and folders below a root, making the folders above; what has a new name is not replaced.

    Raises:
        StorageError: the disk refuses, or something has come to a new name; what was renamed has its old name again.
    """
    for number, (old, new) in enumerate(moves):
        try:
            (root / new).parent.mkdir(parents=True, exist_ok=True)
            _rename(root / old, root / new)
        except OSError as error:
            for before, after in reversed(moves[:number]):
                with suppress(OSError):
                    _rename(root / after, root / before)
            raise StorageError(
                f"{old} cannot be moved to {new}: {(error.strerror or str(error)).lower()}", hint="nothing was moved"
            ) from error


def _rename(old: Path, new: Path) -> None:
    # Windows replaces nothing by itself. Where a file system cannot promise that, a look has to do.
    if sys.platform == "win32" or not rename_new(os.fspath(old), os.fspath(new)):
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(new))
        os.rename(old, new)


def _is_folder(repo: Repo, target: str) -> bool:
    path = repo.root / target
    return (
        not target
        or (path.is_dir() and not path.is_symlink())
        or isinstance(repo.lock.entries.get(TrackedPath(target)), Dataset)
    )


def _move_one(repo: Repo, moving: _Moving, source: str, target: str) -> None:
    place = parse_path(target)
    if is_below(place, source):
        raise InvalidInput(f"{source} cannot be moved into itself", hint="choose a path outside of it")
    tops = [top for top in moving.entries if is_below(top, source)]
    parted = None if tops else _part(repo, moving, source)
    _refuse_target(repo, source, place)
    taken = {top: (moving.entries.pop(top), moving.rows.pop(top, None)) for top in tops}
    if parted is not None:
        host, rows = parted
        _move_part(repo, moving, host, source, place, rows)
        if is_there(repo.root, source):
            moving.moves.append((source, place))
        return
    for top, (entry, changed) in taken.items():
        new = parse_path(place + top[len(source) :])
        record = moving.records.pop(top, None) or repo.stat_index.known_at(top)
        files = [] if record is None else list(record.rows())
        _put(repo, moving, new, entry, partial(_rows, repo, top, entry) if changed is None else changed.copy, files)
        if changed is not None and new in moving.entries:
            moving.rows[new] = changed
        moving.records[top] = None
        if is_there(repo.root, top):
            moving.moves.append((top, new))


def _part(repo: Repo, moving: _Moving, source: str) -> tuple[TrackedPath, dict[TrackedPath, Entry]]:
    """Return the dataset that a path lies in and the rows at or below it, relative to it."""
    for top, entry in moving.entries.items():
        if is_below(source, top) and isinstance(entry, Dataset):
            part = source[len(top) + 1 :]
            found = {path: one for path, one in _rows_of(repo, moving, top).items() if is_below(path, part)}
            if found:
                return top, {TrackedPath(path[len(part) + 1 :]): one for path, one in found.items()}
    raise NotFound(f"{source} is not tracked", hint="xver ls shows what is")


def _move_part(
    repo: Repo,
    moving: _Moving,
    host: TrackedPath,
    source: str,
    place: TrackedPath,
    rows: dict[TrackedPath, Entry],
) -> None:
    part = source[len(host) + 1 :]
    old = _rows_of(repo, moving, host)
    moving.rows[host] = {path: one for path, one in old.items() if not is_below(path, part)}
    record = _record(repo, moving, host)
    files: list[tuple[str, bytes, Known]] = []
    if record is not None:
        whole = list(record.rows())
        files = [(path[len(part) + 1 :], stat, known) for path, stat, known in whole if is_below(path, part)]
        moving.records[host] = TreeRecord(None, {}).updated(row for row in whole if not is_below(row[0], part))
    _put(repo, moving, place, rows.get(TrackedPath("")), rows.copy, files)


def _put(
    repo: Repo,
    moving: _Moving,
    place: TrackedPath,
    entry: Entry | None,
    rows: Callable[[], dict[TrackedPath, Entry]],
    files: list[tuple[str, bytes, Known]],
) -> None:
    """Let something be tracked at a place: as rows of the dataset that is there, else by itself.

    `rows` are its files relative to it, `entry` what it is by itself (None: a folder that was a part), `files` what is
    known of them on the disk.
    """
    host = next((top for top in moving.entries if is_below(place, top)), None)
    if host is None:
        crossing = next((top for top in moving.entries if overlaps(top, place)), None)
        if crossing is not None:
            raise InvalidInput(f"{crossing} is tracked where {place} would be", hint="choose another path")
        refuse_place(repo, place)
        if repo.git is not None and git_tracks_any(repo.git, [place]):
            raise InvalidInput(f"git tracks {place}", hint="choose another path")
        moving.entries[place] = put_listing(None, ()) if entry is None else entry
        if entry is None:
            moving.rows[place] = rows()
        moving.records[place] = TreeRecord(None, {}).updated(files) if files else None
        return
    there = moving.entries[host]
    if not isinstance(there, Dataset) or host == place or isinstance(entry, External):
        raise InvalidInput(f"{place} is tracked already", hint="choose another path")
    inner = place[len(host) + 1 :]
    fresh = {TrackedPath(_below(inner, path)): one for path, one in rows().items()}
    known = _rows_of(repo, moving, host)
    crossing_row = next((one for one in known if overlaps(one, inner)), None)
    if crossing_row is not None:
        raise InvalidInput(f"{host}/{crossing_row} is tracked already", hint="choose another path")
    moving.rows[host] = known | fresh
    record = _record(repo, moving, host)
    if record is not None:
        moving.records[host] = record.updated((_below(inner, path), stat, one) for path, stat, one in files)


def _record(repo: Repo, moving: _Moving, top: TrackedPath) -> TreeRecord | None:
    return moving.records[top] if top in moving.records else repo.stat_index.tree(top)


def _rows_of(repo: Repo, moving: _Moving, top: TrackedPath) -> dict[TrackedPath, Entry]:
    return moving.rows[top] if top in moving.rows else _rows(repo, top, moving.entries[top])


def _rows(repo: Repo, top: str, entry: Entry) -> dict[TrackedPath, Entry]:
    if not isinstance(entry, Dataset):
        return {TrackedPath(""): entry}
    try:
        return {row.path: row.entry for row in read_listing(repo.store, entry.id)}
    except ContentNotFound as error:
        raise ContentNotFound(error.id, hint=f"xver pull {typed(top)}") from error


def _refuse_target(repo: Repo, source: str, place: TrackedPath) -> None:
    if os.path.lexists(repo.root / place):
        raise InvalidInput(f"there is something at {place} already", hint=f"move {typed(place)} away, then try again")
    for above in _above(place):
        if os.path.lexists(repo.root / above) and above != source:
            if os.path.islink(repo.root / above):
                raise InvalidInput(f"{place} lies behind the link {above}", hint="choose another path")
            if not os.path.isdir(repo.root / above):
                raise InvalidInput(f"{above} is a file where {place} needs a folder", hint="choose another path")


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _below(folder: str, path: str) -> str:
    return f"{folder}/{path}" if path else folder
