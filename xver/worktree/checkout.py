"""A listing onto the disk: only what differs is touched, nothing unsaved is lost, nothing is written outside.

Two phases. `plan_checkout` compares and decides, and refuses before anything changes. `execute_checkout` writes
each file beside its place and renames it there (folders.py), if what stands there is still what the plan saw.
"""

from __future__ import annotations

import os
import stat as stat_
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from xver.errors import DirtyWorktree, InvalidInput
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.ids import EMPTY_ID, ID_SIZE, ListingId
from xver.model.paths import TrackedPath, fold, typed
from xver.store.wholes import WHOLE_MIN
from xver.worktree.compare import Comparison, Difference, Differs
from xver.worktree.folders import open_folders
from xver.worktree.reading import read_file
from xver.worktree.records import Known, TreeRecord, entry_of, known_of
from xver.worktree.stats import AWAY_STAT, NO_STAT, pack_stat

_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)

InStore: TypeAlias = Callable[[bytes], bool]

NOTHING: Final = Dataset(ListingId(bytes(ID_SIZE)), 0, 0)
"""What belongs at a path that is not tracked."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a checkout of one tracked path will do: files to write, files to remove, in the order of paths.

    `seen` has the stat of what stands now at each path that will be written or removed; where it has none, nothing
    stands there; None: it does not matter. `gone`: the path is no longer tracked, so its own folder goes too when it
    is empty. `around` records what else of the version stands there, None where the plan leaves out any of it, and
    `away` is what of it is not wanted on the disk.
    """

    path: TrackedPath
    entry: Entry
    write: tuple[Row, ...]
    remove: tuple[str, ...]
    seen: Mapping[str, bytes] | None = field(default_factory=dict)
    gone: bool = False
    around: TreeRecord | None = None
    away: tuple[Row, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to write."""
        return sum(row.entry.size for row in self.write)

    def intended(self, record: TreeRecord | None) -> TreeRecord:
        """Return the record to keep while the plan is carried out: a checkout that is killed is known by it."""
        return (record or TreeRecord(None, {})).updated(_recorded(self.write, {}))

    def done(self, stats: Mapping[str, bytes]) -> TreeRecord | None:
        """Return the record of all of the version, with the stats of what was written; None where a part was left."""
        if self.around is None or isinstance(self.entry, External):
            return None
        rows = (*_recorded(self.write, stats), *_recorded(self.away, {}, AWAY_STAT))
        return TreeRecord(self.entry.id, self.around.updated(rows).directories)


def plan_checkout(
    root: Path,
    path: TrackedPath,
    entry: Entry,
    comparison: Comparison,
    *,
    rows: Callable[[], Iterator[Row]],
    record: TreeRecord | None,
    in_store: InStore,
    chosen: Callable[[str], bool] = lambda _: True,
    wanted: Callable[[str], bool] = lambda _: True,
    force: bool = False,
) -> Plan:
    """Decide what makes `root/path` hold `entry`; `chosen` tells which paths below it are meant (default: all).

    What differs on the disk is overwritten or removed only if its own bytes are in the store. A file that no version
    is known to have had here stays where it is, unless something has to be written there. What is not `wanted` on the
    disk is not written there, and goes where it is not as it belongs.

    Raises:
        DirtyWorktree: work that is not in the store would be lost; `force` loses it.
        InvalidInput: something that cannot be saved stands in the way, or a name this file system cannot hold,
            whatever `force` says.
    """
    if not comparison.differences:
        return Plan(path, entry, (), ())
    meant = [one for one in comparison.differences if one.differs is not Differs.ADDED and chosen(one.path)]
    missing = [one for one in meant if wanted(one.path)]
    away = [one for one in meant if not wanted(one.path)]
    stale = {one.path for one in away if one.differs is Differs.MODIFIED}
    remove = sorted({*_to_remove(comparison.differences, missing, record, chosen), *stale})
    write = [Row(TrackedPath(one.path), entry_of(one.want)) for one in missing if one.want is not None]
    folds, windows = sys.platform == "darwin" or _folds_case(root), sys.platform == "win32"
    if write and (folds or windows):
        check_names((path, *(_whole(path, row.path) for row in rows())), folds=folds, windows=windows)
    hint = f"xver add {typed(path)} to keep the changes, or xver checkout --force {typed(path)} to lose them"
    seen = _examine(root, path, write, remove, record, None if force else in_store, hint=hint)
    left = any(one.differs is not Differs.ADDED and not chosen(one.path) for one in comparison.differences)
    return Plan(
        path,
        entry,
        tuple(write),
        tuple(remove),
        None if force else seen,
        around=None if left else comparison.record,
        away=tuple(Row(TrackedPath(one.path), entry_of(one.want)) for one in away if one.want is not None),
    )


def plan_removal(
    root: Path,
    path: TrackedPath,
    names: Iterable[str],
    *,
    record: TreeRecord | None,
    in_store: InStore,
    hint: str,
    gone: bool,
) -> Plan:
    """Decide which of the files `names` below `root/path` are there and are to go; what else lies there stays.

    Raises:
        DirtyWorktree: work that is not in the store would be lost; `hint` says what to do.
    """
    there = [name for name in names if _is_file(root / _whole(path, name))]
    seen = _examine(root, path, [], there, record, in_store, hint=hint)
    return Plan(path, NOTHING, (), tuple(there), seen, gone=gone)


def execute_checkout(
    root: Path,
    plan: Plan,
    read: Callable[[list[Row]], Iterator[tuple[Row, Iterator[bytes | memoryview]]]],
    *,
    clone: Callable[[Entry, str, int | None, int], bool] = lambda *_: False,
) -> dict[str, bytes]:
    """Carry out a plan; `read` yields the content of rows, in the order it likes.

    `clone` is asked first, as `Folders.clone` asks, to make each large file without its being read.

    Returns the stat of each file that was written.

    Raises:
        Conflict: what stands there is not what the plan saw.
        InvalidInput: a folder in the way.
        CorruptData: a path cannot be written safely here.
        StorageError: the disk refuses.
    """
    # Folders that are emptied go, up to the tracked path, which stays if it is a dataset.
    top = plan.path if isinstance(plan.entry, Dataset) else plan.path.rpartition("/")[0]
    stats: dict[str, bytes] = {}
    with open_folders(root) as folders:
        for gone in plan.remove:
            folders.remove(_whole(plan.path, gone), "" if plan.gone else top, seen=_expected(plan, gone))
        if plan.gone:
            folders.prune(plan.path)
        left = []
        for row in plan.write:
            stat = None
            if row.entry.size >= WHOLE_MIN:
                seen, make = _expected(plan, row.path), partial(clone, row.entry)
                stat = folders.clone(_whole(plan.path, row.path), row.entry, make, seen=seen)
            if stat is None:
                left.append(row)
            else:
                stats[row.path] = stat
        for row, parts in read(left):
            seen = _expected(plan, row.path)
            stats[row.path] = folders.write(_whole(plan.path, row.path), row.entry, parts, seen=seen)
        if isinstance(plan.entry, Dataset) and not plan.gone:
            folders.ensure(plan.path)
    return stats


def check_names(names: Iterable[str], *, folds: bool, windows: bool) -> None:
    """Refuse names of one version that the file system cannot tell apart (`folds`) or that Windows reserves."""
    known: dict[str, str] = {}
    for name in names:
        if folds and (first := known.setdefault(fold(name), name)) != name:
            raise InvalidInput(f"{first!r} and {name!r} are one name on this file system")
        if windows:
            for part in name.split("/"):
                reserved = part.partition(".")[0].rstrip(" ").casefold() in _RESERVED
                if reserved or ":" in part or "\\" in part or part[-1:] in (".", " "):
                    raise InvalidInput(f"{name!r} is no name for a file on Windows")


def _recorded(
    rows: Iterable[Row], stats: Mapping[str, bytes], otherwise: bytes = NO_STAT
) -> Iterator[tuple[str, bytes, Known]]:
    for path, entry in rows:
        if isinstance(entry, File | Link):
            yield path, stats.get(path, otherwise), known_of(entry)


def _to_remove(
    differences: Iterable[Difference],
    write: list[Difference],
    record: TreeRecord | None,
    chosen: Callable[[str], bool],
) -> list[str]:
    """Return the files to remove: what an earlier version had here, and what stands where something is written."""
    written = {one.path for one in write}
    folders = {folder for path in written for folder in _above(path)}
    remove = []
    for one in differences:
        if one.differs is not Differs.ADDED:
            continue
        was_ours = chosen(one.path) and record is not None and record.was_here(one.path)
        if was_ours or not one.path or one.path in folders or any(above in written for above in _above(one.path)):
            remove.append(one.path)
    return remove


def _examine(
    root: Path,
    path: str,
    write: list[Row],
    remove: list[str],
    record: TreeRecord | None,
    in_store: InStore | None,
    *,
    hint: str,
) -> dict[str, bytes]:
    """Return the stat of what stands where something is written or removed; refuse what must not go.

    `in_store` tells whether content is kept; None: it need not be.
    """
    seen: dict[str, bytes] = {}
    lost, blocked = [], []
    going = set(remove)
    for inner in (*remove, *(row.path for row in write)):
        whole = _whole(path, inner)
        if any(above in going for above in _above(inner)):
            continue  # it seems to be there only by way of a link that goes
        try:
            found = os.lstat(root / whole)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat_.S_ISDIR(found.st_mode):
            # Its files go first; what a scan does not show (ignored files, pipes, a .git) would have to go too.
            blocked += [one for one in _inside(root, whole) if _below(path, one) not in going]
            continue
        seen[inner] = pack_stat(found)
        if not _is_kind(found.st_mode):
            blocked.append(whole)
        elif in_store and not _is_saved(root / whole, seen[inner], record.find(inner) if record else None, in_store):
            lost.append(whole)
    if blocked:
        raise InvalidInput(
            f"{blocked[0]} stands where a file of this version belongs",
            hint=f"move {typed(blocked[0])} away, then try again",
        )
    if lost:
        files = f"{len(lost):,} changed file{'s' if len(lost) > 1 else ''}"
        raise DirtyWorktree(f"{files} would be lost", sorted(lost), hint=hint)
    return seen


def _is_file(path: Path) -> bool:
    try:
        return _is_kind(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_kind(mode: int) -> bool:
    return stat_.S_ISREG(mode) or stat_.S_ISLNK(mode)


def _is_saved(path: Path, stat: bytes, recorded: tuple[bytes, Known] | None, in_store: InStore) -> bool:
    known = recorded[1] if recorded and recorded[0] == stat else read_file(os.fspath(path), None).known
    return known.id == EMPTY_ID or in_store(known.id)


def _inside(root: Path, folder: str) -> Iterator[str]:
    """Yield the path of everything below a folder that is no folder."""
    for where, folders, files in os.walk(root / folder):
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        for name in (*files, *links):
            yield os.path.relpath(os.path.join(where, name), root).replace(os.sep, "/")


def _above(path: str) -> list[str]:
    """Return the folders above a path, outermost first, beginning with the empty one."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))] if path else []


def _below(path: str, whole: str) -> str:
    return whole[len(path) + 1 :]


def _whole(path: str, below: str) -> str:
    return f"{path}/{below}" if below else path


def _expected(plan: Plan, path: str) -> bytes | None:
    return None if plan.seen is None else plan.seen.get(path, b"")


def _folds_case(root: Path) -> bool:
    """Tell whether the file system takes names of different case for one; asks about a name that is there."""
    for probe in ("xver.lock", ".git", ".xver"):
        if (root / probe).exists():
            return (root / probe.upper()).exists()
    return False
