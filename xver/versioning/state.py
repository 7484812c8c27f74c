"""How things stand: HEAD against `xver.lock` (what a commit would hold) and `xver.lock` against the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from xver.errors import Changing, ContentNotFound, DirtyWorktree, NotFound, Unreadable, nearest
from xver.format.listings import Row
from xver.model.entries import Dataset, Entries, Entry, File, Link
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath, is_below, overlaps, typed
from xver.model.scopes import Scope
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.versioning.heads import head_entries
from xver.worktree.compare import Comparison, Difference, Differs, compare, is_there
from xver.worktree.records import TreeRecord
from xver.worktree.steady import Skip, refuse


@dataclass(frozen=True, slots=True)
class Staged:
    """A tracked path that `xver.lock` has otherwise than HEAD; None: not there."""

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True, slots=True)
class Away:
    """Files that are not on this disk and were not removed from it, as in a clone of a part: how many, their bytes.

    `names` are those of a dataset, None: all that is wanted of it. `is_local`: the store has their content.
    """

    files: int
    size: int
    names: frozenset[str] | None = field(default=None, compare=False)
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """`staged`: what the next commit changes; `changed`: what differs on the disk, by tracked path.

    `absent` lists tracked paths that are gone from the disk; `unknown` those that cannot be compared because
    the listing that belongs there was not fetched; `special` what lies in tracked paths and no version can hold;
    `away` what was not brought to this disk, by tracked path; `unreadable` what cannot be read, and why.
    """

    staged: tuple[Staged, ...]
    changed: dict[TrackedPath, Comparison]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]
    special: tuple[str, ...] = ()
    away: Mapping[TrackedPath, Away] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Tell whether HEAD, `xver.lock` and the disk agree."""
        return not (self.staged or self.changed or self.absent or self.unknown or self.away or self.unreadable)


def status(repo: Repo, paths: Sequence[str] = (), *, meter: Meter = SILENT) -> Status:
    """Return how the tracked paths stand: all, or what lies at or below `paths`.

    Raises:
        NotFound: a path that neither HEAD nor `xver.lock` tracks.
    """
    entries = repo.lock.entries
    head = head_entries(repo)
    require_tracked({**head, **entries}, paths)
    staged = tuple(one for one in changes_to(head, entries) if _chosen(one.path, paths))
    unreadable: dict[str, str] = {}

    def skip(path: str, error: Unreadable | Changing) -> None:
        unreadable[path] = error.reason

    found = against_disk(repo, entries, paths, skip=skip, meter=meter)
    away = {top: replace(one, is_local=_has_content(repo, top, entries[top], one)) for top, one in found.away.items()}
    return replace(found, staged=staged, away=away, unreadable=unreadable)


def against_disk(
    repo: Repo, entries: Entries, paths: Sequence[str] = (), *, skip: Skip = refuse, meter: Meter = SILENT
) -> Status:
    """Return how the disk stands to what `xver.lock` names, all or at and below `paths`; nothing is staged in it.

    `skip` as for `compare`.
    """
    changed: dict[TrackedPath, Comparison] = {}
    absent: list[str] = []
    unknown: list[str] = []
    special: list[str] = []
    away: dict[TrackedPath, Away] = {}
    meter.start("Comparing", None, "files")
    for path, entry in entries.items():
        if not _chosen(path, paths):
            continue
        record = repo.stat_index.known_at(path)
        if not is_there(repo.root, path):
            lacking = _lacking(repo, path, entry)
            if lacking is not None and (record is None or record.is_away):
                away[path] = lacking
            elif lacking is not None:
                absent.append(path)
            continue
        try:
            comparison = compare_path(repo, path, entry, skip=skip, meter=meter)
        except ContentNotFound:
            unknown.append(path)
            continue
        special += comparison.special
        if paths and not any(is_below(path, one) for one in paths):
            meant = [one for one in comparison.differences if _is_meant(path, one.path, paths)]
            comparison = replace(comparison, differences=tuple(meant))
        never = [one for one in comparison.differences if _was_never_here(one, record)]
        if never:
            away[path] = Away(len(never), sum(one.size for one in never), frozenset(one.path for one in never))
            rest = [one for one in comparison.differences if not _was_never_here(one, record)]
            comparison = replace(comparison, differences=tuple(rest))
        if not comparison.is_clean:
            changed[path] = comparison
    meter.finish()
    repo.keep_stats()
    return Status((), changed, tuple(absent), tuple(unknown), tuple(special), away)


def _lacking(repo: Repo, path: TrackedPath, entry: Entry) -> Away | None:
    """Return how much of a tracked path, of which nothing is there, is wanted on the disk; None: nothing."""
    if not repo.sparse.meets(path):
        return None
    if isinstance(entry, Dataset) and not repo.sparse.holds(path):
        with suppress(ContentNotFound):
            sizes = [row.entry.size for row in _rows(repo, entry.id) if repo.sparse.holds(f"{path}/{row.path}")]
            return Away(len(sizes), sum(sizes)) if sizes else None
    return Away(entry.files if isinstance(entry, Dataset) else 1, entry.size)


def _has_content(repo: Repo, top: TrackedPath, entry: Entry, away: Away) -> bool:
    """Tell whether a checkout can bring what is away: all of its content is in the store."""
    if not isinstance(entry, Dataset):
        from xver.store.content import is_here

        return isinstance(entry, File | Link) and is_here(repo.store, entry.id, entry.size)
    names = away.names
    try:
        return all(
            _has_content(repo, top, row.entry, away)
            for row in _rows(repo, entry.id)
            if (repo.sparse.holds(f"{top}/{row.path}") if names is None else row.path in names)
        )
    except ContentNotFound:
        return False


def _was_never_here(one: Difference, record: TreeRecord | None) -> bool:
    return one.differs is Differs.DELETED and (record is None or not record.was_here(one.path))


def compare_path(
    repo: Repo,
    path: TrackedPath,
    entry: Entry,
    *,
    wanted: Scope | None = None,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> Comparison:
    """Compare the disk at a tracked path with an entry, and let the stat index learn from it.

    What is not on the disk and not `wanted` there (default: by the sparse profile) is no difference.

    Raises:
        ContentNotFound: the entry's listing is not in the store.
        Unreadable, Changing: a file or folder cannot be read, unless `skip` takes it.
    """
    record = repo.stat_index.known_at(path)
    comparison = compare(
        repo.root,
        path,
        entry,
        record=record,
        ignore=repo.ignore,
        read_rows=lambda one: _rows(repo, one),
        changes=_changes(repo, record, entry),
        skip=skip,
        meter=meter,
    )
    if comparison.record.id is not None or record is None:
        repo.stat_index.set(path, comparison.record)
    scope = repo.sparse if wanted is None else wanted
    if scope.holds(path):
        return comparison
    seen = [
        one
        for one in comparison.differences
        if one.differs is not Differs.DELETED or scope.holds(f"{path}/{one.path}" if one.path else path)
    ]
    return replace(comparison, differences=tuple(seen))


def _changes(repo: Repo, record: TreeRecord | None, entry: Entry) -> list[tuple[str, Entry | None]] | None:
    """Return what a dataset has other than the version that is recorded of the disk, None if that cannot be told."""
    if not isinstance(entry, Dataset) or record is None or record.id in {None, entry.id} or record.find(""):
        return None  # nothing is known, nothing has changed, or a file was there
    from xver.history.diff import diff_listings

    try:
        changes = list(diff_listings(repo.store, ListingId(record.id or b""), entry.id))
    except ContentNotFound:
        return None  # the recorded version was collected
    # Whether a new path lies below a file, or through a link, is asked of a whole listing, as it is read.
    if any(one.before is None for one in changes):
        return None
    return [(one.path, one.after) for one in changes]


def require_tracked(entries: Entries, paths: Sequence[str]) -> None:
    """Refuse paths that are neither tracked, nor inside of what is, nor above it.

    Raises:
        NotFound: there is one.
    """
    for path in paths:
        if path and not any(overlaps(top, path) for top in entries):
            near = nearest(path, entries)
            hint = f"did you mean {typed(near)}?" if near else "xver ls shows what is"
            raise NotFound(f"{path} is not tracked", hint=hint)


def require_committed(head: Entries, now: Entries, *, hint: str) -> None:
    """Refuse to go on where `xver.lock` is not HEAD's.

    Raises:
        DirtyWorktree: it names what differs.
    """
    changes = changes_to(head, now)
    if changes:
        raise DirtyWorktree("xver.lock holds what is not committed", [one.path for one in changes], hint=hint)


def _is_meant(top: str, inner: str, paths: Sequence[str]) -> bool:
    whole = f"{top}/{inner}" if inner else top
    return any(overlaps(whole, one) for one in paths)


def _rows(repo: Repo, id: ListingId) -> Iterator[Row]:
    from xver.store.listings import read_listing

    return read_listing(repo.store, id)


def _chosen(path: str, paths: Sequence[str]) -> bool:
    return not paths or any(overlaps(path, one) for one in paths)


def changes_to(before: Entries, after: Entries) -> list[Staged]:
    """Return the tracked paths that differ between two versions."""
    return [
        Staged(path, before.get(path), after.get(path))
        for path in sorted({*before, *after}, key=str.encode)
        if before.get(path) != after.get(path)
    ]
