"""Take `xver.lock` back and leave the disk as it is: what it no longer names is the user's own again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xver.errors import ContentNotFound, CorruptData, InvalidInput, NotFound
from xver.format.listings import Row
from xver.format.lockfile import Lock
from xver.history.diff import diff_listings
from xver.model.entries import Dataset, Entries, Entry
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath, is_below, overlaps
from xver.model.refs import Target, TargetKind
from xver.repo import Repo
from xver.store.listings import put_listing, read_listing, rows_below
from xver.store.packing import Packer
from xver.versioning.heads import head_entries
from xver.versioning.operations import noted
from xver.versioning.state import Staged, against_disk, changes_to, require_tracked
from xver.versioning.tracking import write_tracked
from xver.versioning.versions import put_local_root, root_entries
from xver.worktree.records import TreeRecord


def unstage(repo: Repo, paths: Sequence[str] = ()) -> list[Staged]:
    """Let `xver.lock` say of paths what HEAD says, or of everything; return the tracked paths that it changed.

    One that is gone or damaged is written anew first, with what xver wrote there last.

    Raises:
        NotFound: a path that neither of them has.
        InvalidInput: a path that is tracked in the one as a part, or as the whole, of another.
    """
    with repo.held():
        head = head_entries(repo)
        _make_readable(repo)
        lock = repo.lock
        require_tracked({**head, **lock.entries}, paths)
        with noted(repo, " ".join(("restore --staged", *paths))):
            entries = dict(lock.entries) if paths else dict(head)
            with repo.store.packer() as packer:
                for path in paths:
                    _take_back(repo, packer, entries, head, path)
                write_lock_only(repo, packer, "restore", entries)
        return changes_to(lock.entries, entries)


def _make_readable(repo: Repo) -> None:
    """Let an `xver.lock` that is gone or damaged say what xver wrote there last, as the store has kept it."""
    try:
        _ = repo.lock
    except (NotFound, CorruptData):
        kept = repo.store.log.refs.get(repo.lock_ref)
        entries = {} if kept is None else root_entries(repo.store, ListingId(kept.id))
        repo.write_lock(Lock(repo.store.repository, entries))


def write_lock_only(repo: Repo, packer: Packer, operation: str, entries: Mapping[TrackedPath, Entry]) -> None:
    """Let `xver.lock` name other entries, whose new listings are in `packer`, and touch nothing else on the disk.

    For one who holds the work tree. A later checkout must not take files away that were never a version's wish to
    have: so the stat index forgets what is no longer named, and does so first. What is named again and lies there is
    a version's again, and goes with it: so the stat index learns of it, last.
    """
    root = put_local_root(packer, entries)
    index = packer.finish()
    lock = repo.lock
    repo.store.move(operation, {repo.lock_ref: Target(TargetKind.LISTING, root)}, index)
    for top, old in lock.entries.items():
        now = entries.get(top)
        if now != old:
            _forget(repo, top, old, now)
    repo.stat_index.write()
    write_tracked(repo, Lock(lock.repository, dict(entries)))
    again = {top: now for top, now in entries.items() if _is_named_again(repo, top, lock.entries.get(top), now)}
    against_disk(repo, again, skip=lambda *_: None)


def _take_back(repo: Repo, packer: Packer, entries: dict[TrackedPath, Entry], head: Entries, path: str) -> None:
    above = next((top for top in {**head, **entries} if is_below(path, top) and top != path), None)
    if above is None:
        for top in [top for top in entries if is_below(top, path)]:
            del entries[top]
        entries |= {top: entry for top, entry in head.items() if is_below(top, path)}
    else:
        old, now, part = head.get(above), entries.get(above), path[len(above) + 1 :]
        was = list(rows_below(repo.store, old.id, part)) if isinstance(old, Dataset) else []
        rows = {row.path: row.entry for row in read_listing(repo.store, now.id)} if isinstance(now, Dataset) else {}
        rest = {name: one for name, one in rows.items() if not is_below(name, part)}
        if not was and len(rest) == len(rows):
            raise NotFound(f"{path} is not tracked", hint="xver ls shows what is")
        rest = {name: one for name, one in rest.items() if not any(overlaps(name, row.path) for row in was)}
        rest |= {row.path: row.entry for row in was}
        ordered = (Row(name, rest[name]) for name in sorted(rest, key=str.encode))
        entries[above] = put_listing(packer, ordered, before=now)
    tops = sorted(entries)
    for top in tops:
        crossing = next((one for one in tops if one != top and is_below(one, top)), None)
        if crossing is not None:
            raise InvalidInput(
                f"{crossing} and {top} are not tracked in one version", hint="xver restore --staged takes all back"
            )


def _is_named_again(repo: Repo, top: TrackedPath, old: Entry | None, now: Entry) -> bool:
    """Tell whether there may be files of a tracked path on the disk that the stat index does not know."""
    if repo.stat_index.tree(top) is None:
        return True
    if not isinstance(old, Dataset) or not isinstance(now, Dataset):
        return False
    try:
        return any(one.before is None for one in diff_listings(repo.store, old.id, now.id))
    except ContentNotFound:
        return True


def _forget(repo: Repo, top: TrackedPath, old: Entry, now: Entry | None) -> None:
    """Let the stat index no longer know the files that a tracked path had and has no more."""
    record = repo.stat_index.tree(top)
    if record is None:
        return
    if not isinstance(old, Dataset) or not isinstance(now, Dataset):
        repo.stat_index.remove(top)
        return
    try:
        gone = {one.path for one in diff_listings(repo.store, old.id, now.id) if one.after is None}
    except ContentNotFound:
        repo.stat_index.remove(top)
        return
    kept = (row for row in record.rows() if row[0] not in gone)
    repo.stat_index.set(top, TreeRecord(None, {}).updated(kept))
