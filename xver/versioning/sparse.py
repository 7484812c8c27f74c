"""Set what a work tree wants on the disk, and bring the disk there: files come or go, `xver.lock` stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from xver.errors import ContentNotFound, InvalidInput
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.paths import TrackedPath, typed
from xver.model.scopes import EVERYTHING, Scope
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.content import read_rows
from xver.store.listings import read_listing
from xver.store.wholes import clone_whole
from xver.versioning.heads import head_entries
from xver.versioning.partly import is_local
from xver.versioning.restoring import Restored
from xver.versioning.state import compare_path, require_tracked
from xver.worktree.checkout import Plan, execute_checkout, plan_checkout, plan_removal
from xver.worktree.compare import Comparison, Differs, is_there
from xver.worktree.profile import write_profile
from xver.worktree.records import Known, TreeRecord, known_of
from xver.worktree.stats import AWAY_STAT, NO_STAT


@dataclass(frozen=True, slots=True)
class Resized:
    """What became of the disk, and the bytes that it ought to hold as well and that are not local."""

    restored: Restored
    lacking: int


@dataclass(frozen=True, slots=True)
class _Coming:
    """What of a tracked path is to come to the disk, and what of it cannot, as it is not local."""

    plan: Plan
    left: tuple[Row, ...]


def set_profile(repo: Repo, paths: Sequence[str], *, meter: Meter = SILENT) -> Resized:
    """Want these paths (relative to the root) on the disk and nothing else; the root itself is everything.

    What lies outside goes from the disk and stays in the version; what is local of these paths and was not wanted
    before comes. Other changes on the disk stay as they are.

    Raises:
        NotFound: nothing of a path is tracked.
        DirtyWorktree: changes that are not in the store would be lost; nothing was changed.
        InvalidInput: something stands where a file belongs.
    """
    with repo.held():
        require_tracked({**head_entries(repo), **repo.lock.entries}, paths)
        return _want(repo, EVERYTHING if "" in paths else Scope(()).joined(paths), meter)


def extend_profile(repo: Repo, paths: Sequence[str], *, meter: Meter = SILENT) -> Resized:
    """Want these paths on the disk too. Raises like `set_profile`, and `InvalidInput` if everything is wanted."""
    with repo.held():
        if repo.sparse.paths is None:
            raise InvalidInput("everything is wanted on this disk already", hint="xver sparse set PATH")
        return set_profile(repo, [*repo.sparse.paths, *paths], meter=meter)


def drop_profile(repo: Repo, *, meter: Meter = SILENT) -> Resized:
    """Want everything on the disk. Raises like `set_profile`."""
    with repo.held():
        return _want(repo, EVERYTHING, meter)


def _want(repo: Repo, scope: Scope, meter: Meter) -> Resized:
    """Bring what is new, then write the profile, then remove what is not wanted.

    Cut off anywhere, nothing is away that the profile which holds then wants.
    """
    old, entries = repo.sparse, repo.lock.entries
    going = [_going(repo, top, entry, scope) for top, entry in entries.items() if not scope.holds(top)]
    coming = [
        _coming(repo, top, entry, old, scope)
        for top, entry in entries.items()
        if scope.meets(top) and not old.holds(top) and not isinstance(entry, External)
    ]
    meter.start("Checking out", sum(one.plan.size for one in coming), "B")
    for one in coming:
        _bring(repo, one, meter)
    meter.finish()
    for plan in going:
        record = repo.stat_index.tree(plan.path)
        if record is not None:
            found = ((name, record.find(name)) for name in plan.remove)
            _record(repo, plan.path, record, [(name, AWAY_STAT, one[1]) for name, one in found if one is not None])
    repo.stat_index.write()
    write_profile(repo.sparse_path, scope)
    for plan in (one for one in going if one.remove):
        execute_checkout(repo.root, plan, lambda _: iter(()))
    repo.sparse = scope
    written, removed = sum(len(one.plan.write) for one in coming), sum(len(one.remove) for one in going)
    restored = Restored(written, removed, sum(one.plan.size for one in coming))
    return Resized(restored, sum(row.entry.size for one in coming for row in one.left))


def _going(repo: Repo, top: TrackedPath, entry: Entry, scope: Scope) -> Plan:
    """Plan to remove of a tracked path what is not wanted and is the version's or was; what was never added stays."""
    if not is_there(repo.root, top):
        return Plan(top, entry, (), ())
    record = repo.stat_index.known_at(top)
    known = {name for name, _ in record.files()} if record is not None else set()
    with suppress(ContentNotFound):  # what was never fetched is known by what was seen
        known |= {str(row.path) for row in read_listing(repo.store, entry.id)} if isinstance(entry, Dataset) else {""}
    return plan_removal(
        repo.root,
        top,
        sorted(name for name in known if not scope.holds(_whole(top, name))),
        record=record,
        in_store=repo.store.holds_whole,
        hint=f"xver add {typed(top)} to keep the changes",
        gone=not scope.meets(top),
    )


def _coming(repo: Repo, top: TrackedPath, entry: Entry, old: Scope, scope: Scope) -> _Coming:
    try:
        comparison = compare_path(repo, top, entry, wanted=EVERYTHING)
    except ContentNotFound:
        return _Coming(Plan(top, entry, (), ()), (Row(top, entry),))
    fresh = [
        one
        for one in comparison.differences
        if one.differs is Differs.DELETED
        and scope.holds(_whole(top, one.path))
        and not old.holds(_whole(top, one.path))
    ]
    plan = plan_checkout(
        repo.root,
        top,
        entry,
        Comparison(tuple(fresh), comparison.record),
        rows=lambda: read_listing(repo.store, entry.id) if isinstance(entry, Dataset) else iter(()),
        record=comparison.record,
        in_store=repo.store.holds_whole,
    )
    here = tuple(row for row in plan.write if is_local(repo, row.entry))
    names = {row.path for row in here}
    left = tuple(row for row in plan.write if row.path not in names)
    return _Coming(replace(plan, write=here, around=comparison.record), left)


def _bring(repo: Repo, one: _Coming, meter: Meter) -> None:
    """Write what comes; `status` does not take what cannot for removed."""
    plan = one.plan
    if plan.around is None:
        return
    rows = [(path, AWAY_STAT, known) for path, known in _known(one.left)]
    if plan.write:
        repo.stat_index.set(plan.path, plan.intended(plan.around))
        repo.stat_index.write()
        clone = partial(clone_whole, repo.store, meter)
        stats = execute_checkout(repo.root, plan, lambda wanted: _counted(repo, wanted, meter), clone=clone)
        rows += [(path, stats.get(path, NO_STAT), known) for path, known in _known(plan.write)]
    _record(repo, plan.path, plan.around, rows)


def _counted(repo: Repo, rows: list[Row], meter: Meter) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
    for row, parts in read_rows(repo.store, rows):
        yield row, parts
        meter.advance(row.entry.size)


def _known(rows: Iterable[Row]) -> list[tuple[str, Known]]:
    return [(str(path), known_of(entry)) for path, entry in rows if isinstance(entry, File | Link)]


def _record(repo: Repo, top: TrackedPath, record: TreeRecord, rows: list[tuple[str, bytes, Known]]) -> None:
    """Let the stat index have other stats of some files: what they amount to is the same."""
    repo.stat_index.set(top, TreeRecord(record.id, record.updated(rows).directories))


def _whole(top: str, name: str) -> str:
    return f"{top}/{name}" if name else top
