"""Take paths in and out of version control: files into the store, entries into `xver.lock`, lines into .gitignore."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from xver.errors import Changing, Collected, Conflict, InvalidInput, Unreadable
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.format.log_entries import LiveIndex
from xver.git.command import GitCommand
from xver.git.ignore_block import write_block
from xver.git.own_files import drop_empty_ignore_file, stage_own
from xver.git.tracked_conflict import git_tracks_any
from xver.model.entries import CHUNK_MAX, Dataset, Entry
from xver.model.paths import TrackedPath, overlaps, parse_path, typed
from xver.model.refs import Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.content import Before
from xver.store.listings import put_listing
from xver.store.packing import Packer
from xver.store.whole_listings import WholeListings
from xver.versioning.followed import note_followed
from xver.versioning.membership import members, rules
from xver.versioning.operations import noted
from xver.versioning.partly import refuse_never_here, refuse_reference, rows_away, rows_of
from xver.versioning.takeable import refuse_place, targets
from xver.versioning.versions import put_local_root
from xver.worktree.compare import is_there
from xver.worktree.ignore import Ignore
from xver.worktree.ingest import Ingested, ingest, ingest_parts, unread
from xver.worktree.reading import Reading, read_file
from xver.worktree.records import TreeRecord
from xver.worktree.steady import Skip, refuse

_ATTEMPTS: Final = 10
_LARGE: Final = 10_000
"""Files of a dataset of which it pays to know that all of it is here."""


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
    """Reads every file in this process into the local store; `meter` counts the bytes of large ones."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def read(
        self, path: str, packer: Packer | None, *, stat: bytes | None = None, before: Before | None = None
    ) -> Reading:
        """Read it as `read_file` does."""
        return read_file(path, packer, stat=stat, before=before, meter=self._meter)

    def expect(self, files: Iterator[tuple[str, bytes]]) -> None:
        """Need not know."""

    def lacks(self, id: bytes, size: int) -> bool:  # noqa: ARG002 - nothing else is asked
        """Need nothing more than the store."""
        return False

    def settle(self, packer: Packer, entries: Mapping[TrackedPath, Entry], fresh: Collection[TrackedPath]) -> None:
        """Leave nothing open."""

    def keep(self) -> None:
        """Have nothing elsewhere."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """How an `add` is asked for."""

    reader: Reader
    rehash: bool
    ignore: Ignore
    skip: Skip
    meter: Meter


def add(
    repo: Repo,
    paths: Sequence[str],
    *,
    rehash: bool = False,
    force: bool = False,
    reader: Reader | None = None,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> AddResult:
    """Take files and folders (relative to the root) under version control as they are now.

    A path inside a tracked dataset updates that part of it. A path that is gone from the disk inside a tracked
    dataset leaves it. With `force` no rule leaves anything out. Content is in the store and kept by the log before
    `xver.lock` names it.

    `skip` hears of what cannot be read, by its path, maybe more than once: it stays as it is tracked, or untracked.

    Raises:
        InvalidInput: nothing is there, git tracks it, it overlaps what is tracked, or a rule leaves it out.
        Unreadable, Changing: a file or folder cannot be read, unless `skip` takes it.
        DirtyWorktree: files that were never on this disk would leave a dataset.
    """
    with repo.held(), noted(repo, " ".join(("add", *(["--force"] if force else []), *paths))):
        ignore = repo.ignore.lifted() if force else rules(repo)
        asked = _Asked(reader or Here(meter), rehash, ignore, skip, meter)
        return _add(repo, paths, asked) if reader is None else _add_once(repo, paths, [], asked)


def _add(repo: Repo, paths: Sequence[str], asked: _Asked) -> AddResult:
    """Take in; where another process' collection took what was here already, take that in again."""
    uploaded: list[LiveIndex] = []
    for _ in range(_ATTEMPTS):
        try:
            return _add_once(repo, paths, uploaded, asked)
        except Collected:
            repo.store.refresh()
            uploaded = repo.store.still_good(uploaded)
    raise Conflict("the store is collected faster than this adds", hint="xver add again")


def _add_once(repo: Repo, paths: Sequence[str], uploaded: list[LiveIndex], asked: _Asked) -> AddResult:
    lock = repo.lock
    entries = dict(lock.entries)
    wanted = targets(repo, paths, entries, asked.ignore)
    added: list[Added] = []
    records: dict[TrackedPath, TreeRecord] = {}
    whole: list[Entry] = []
    with repo.store.index.also(uploaded), repo.store.packer() as packer:
        asked.reader.expect(_unread(repo, wanted, packer, asked))
        asked.meter.start("Adding", None, "files")
        for top, parts in wanted.items():
            before = lock.entries.get(top)
            new = packer.added
            try:
                taken = _ingest(repo, top, parts, before, packer, asked)
            except (Unreadable, Changing) as error:
                asked.skip(top, error)
                continue
            if isinstance(before, Dataset):
                if taken.entry != before:
                    refuse_reference(repo, top, before)
                is_dataset = isinstance(taken.entry, Dataset)
                refuse_never_here(repo, top, parts, before, is_dataset=is_dataset, has=taken.record.find)
            entries[top] = taken.entry
            records[top] = taken.record
            whole += [taken.entry] if taken.is_whole else []
            added.append(Added(top, before, taken.entry, packer.added - new, taken.special))
        asked.reader.settle(packer, entries, records.keys())
        stored = _keep(repo, packer, entries, asked.reader, uploaded)
        asked.meter.finish()
    # Only now: what the stat index says is stored, is.
    for top, record in records.items():
        repo.stat_index.set(top, record)
    _note_whole(repo, whole, asked.reader)
    write_tracked(repo, Lock(lock.repository, entries))
    repo.stat_index.write()
    return AddResult(tuple(added), stored)


def _note_whole(repo: Repo, entries: Iterable[Entry], reader: Reader) -> None:
    """Let the next `add` of large datasets not ask for every file; of what lies elsewhere nothing is noted."""
    if isinstance(reader, Here) and not repo.store.promises.remotes():
        known = WholeListings(repo.store)
        for one in entries:
            if isinstance(one, Dataset) and one.files >= _LARGE and one.id not in known:
                known.note(one.id)


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
            raise InvalidInput(f"there is something at {top} already", hint=f"xver add {typed(top)} tracks that")
        if repo.git is not None and git_tracks_any(repo.git, [top]):
            raise InvalidInput(f"git tracks {top}", hint=f"git rm -r --cached {typed(top)}, then xver add it")
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
    """Write `xver.lock` and, beside git, the block of .gitignore that keeps git's hands off; git's index has both."""
    repo.write_lock(lock)
    if repo.git is not None:
        write_ignored(repo, repo.git, lock)
        stage_own(repo.git)
        note_followed(repo, lock.entries)


def write_ignored(repo: Repo, git: GitCommand, lock: Lock) -> None:
    """Let the block of .gitignore name what a lock tracks; raises `InvalidInput` if there is no whole block."""
    datasets = [path for path, entry in lock.entries.items() if isinstance(entry, Dataset)]
    files = [path for path, entry in lock.entries.items() if not isinstance(entry, Dataset)]
    if write_block(repo.root, datasets, files):
        drop_empty_ignore_file(git)


def _ingest(
    repo: Repo, top: TrackedPath, parts: list[str], before: Entry | None, packer: Packer, asked: _Asked
) -> Ingested:
    record = repo.stat_index.known_at(top)
    belongs = members(repo, top, before)
    away = rows_away(repo, top, before)
    if not parts or not isinstance(before, Dataset):
        return ingest(
            repo.root,
            top,
            packer,
            record=record,
            ignore=asked.ignore,
            before=before,
            members=belongs,
            away=away,
            rehash=asked.rehash,
            read=asked.reader.read,
            whole=WholeListings(repo.store),
            skip=asked.skip,
            meter=asked.meter,
        )
    return ingest_parts(
        repo.root,
        top,
        [part[len(top) + 1 :] for part in parts],
        packer,
        old=rows_of(repo, top, before),
        record=record,
        before=before,
        members=belongs,
        away=away,
        ignore=asked.ignore,
        rehash=asked.rehash,
        read=asked.reader.read,
        skip=asked.skip,
        meter=asked.meter,
    )


def _unread(
    repo: Repo, wanted: Mapping[TrackedPath, list[str]], packer: Packer, asked: _Asked
) -> Iterator[tuple[str, bytes]]:
    """Yield the files that an ingest of these paths is going to read."""
    for top, parts in wanted.items():
        yield from unread(
            repo.root,
            top,
            [part[len(top) + 1 :] for part in parts],
            record=repo.stat_index.known_at(top),
            ignore=asked.ignore,
            holds=lambda id_, size: packer.holds(id_, whole=size > CHUNK_MAX) and not asked.reader.lacks(id_, size),
            rehash=asked.rehash,
        )
