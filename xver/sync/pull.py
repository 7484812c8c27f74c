"""Pull and clone: fetch, bring the data that is needed, and check it out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import AlreadyExists, ContentNotFound, DirtyWorktree, NotFound, StorageError, TransientStorageError
from xver.format.lockfile import Lock
from xver.history.graph import read_snapshot
from xver.history.revisions import snapshot_target
from xver.model.entries import Entries
from xver.model.ids import SnapshotId
from xver.model.paths import quoted
from xver.model.refs import HEADS
from xver.model.scopes import EVERYTHING, Scope
from xver.places import OWN_FOLDER, places_outside
from xver.progress import SILENT, Meter
from xver.repo import Repo, client_name
from xver.settings import Remote, add_remote
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.store.spool import Spool
from xver.store.store import Store, create_store, repository_at
from xver.sync.fetch import TRACKING, Fetched, fetch, fetch_data
from xver.sync.remotes import open_remote
from xver.sync.trust import pin
from xver.versioning.merging import merge_snapshot
from xver.versioning.restoring import Restored, checkout, switch_to
from xver.versioning.state import compare_path, require_tracked
from xver.versioning.tracking import move_lock, write_tracked
from xver.versioning.versions import DEFAULT_BRANCH, branch_name, head_id, root_entries, write_head
from xver.worktree.compare import Differs
from xver.worktree.profile import write_profile

_PARTS_MAX: Final = 1_000
"""Files of a dataset that are fetched one by one at most; beyond, the dataset comes whole."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: what it fetched, bytes of data it brought, files it wrote, how histories were joined."""

    fetched: Fetched
    size: int
    restored: Restored | None
    merged: str | None


def pull(
    repo: Repo, remote: Remote, paths: Sequence[str] = (), *, checks_out: bool = True, meter: Meter = SILENT
) -> Pulled:
    """Bring the data that `xver.lock` names and check it out.

    Beside git that is all: history is git's to pull. Outside git the remote's branch is merged first. Without `paths`
    the data is what the sparse profile wants, and what was changed on the disk goes along where the merge changes
    nothing; with them only what lies at or below them is brought, and no history.

    Raises:
        NotFound: a path that is not tracked.
        MergeConflict, DirtyWorktree: nothing was changed on the disk.
        ContentNotFound: data was never pushed.
    """
    require_tracked(repo.lock.entries, paths)
    there = open_remote(repo, remote)
    fetched = Fetched((), 0, 0, 0) if paths else fetch(repo, remote, there=there, meter=meter)
    merged = None
    size = 0
    if repo.git is None and not paths:
        name = f"{TRACKING}{remote.name}/{branch_name(repo)}"
        target = repo.store.log.refs.get(name)
        if target is not None:
            root = root_entries(repo.store, read_snapshot(repo.store, SnapshotId(target.id)).root)
            fresh = {top: entry for top, entry in root.items() if repo.lock.entries.get(top) != entry}
            with _spool(repo, checks_out=False) as spool:
                paths_ = repo.sparse.paths or ()
                size += fetch_data(repo, remote, fresh, paths_, there=there, meter=meter, spool=spool)
            merged = merge_snapshot(repo, name, label=f"{remote.name}/{branch_name(repo)}", meter=meter).kind
    entries = repo.lock.entries
    scope = repo.sparse.named(paths)
    away = checks_out and repo.store.promises.remotes()
    wanted = _off_the_disk(repo, entries, scope) if away else scope.paths or ()
    with _spool(repo, checks_out=checks_out) as spool:
        if wanted is not None:
            size += fetch_data(repo, remote, entries, wanted, there=there, meter=meter, spool=spool)
        move_lock(repo, dict(repo.lock.entries))
        try:
            restored = checkout(repo, paths, meter=meter, spool=spool) if checks_out else None
        except DirtyWorktree:
            if merged not in ("forward", "merge"):
                raise
            restored = None  # the merge brought what is other now; what the user changed stays as it is
    return Pulled(fetched, size, restored, merged)


def _spool(repo: Repo, *, checks_out: bool) -> Spool:
    """Return what large files are written to while they arrive; for a checkout only where a rename leads there."""
    storage = repo.store.storage
    assert isinstance(storage, LocalStorage)
    is_near = os.stat(storage.path("")).st_dev == os.stat(repo.root).st_dev
    return Spool(storage, hands_over=checks_out and is_near)


def _off_the_disk(repo: Repo, entries: Entries, scope: Scope) -> list[str] | None:
    """Return the paths whose content a checkout needs, None if it needs none: content was given up here on purpose.

    What lies on the disk as it belongs there would be fetched only to be given up again.
    """
    meant = {top: entry for top, entry in entries.items() if scope.meets(top)}
    found: list[str] = []
    for top, entry in meant.items():
        try:
            differences = compare_path(repo, top, entry, wanted=scope).differences
        except ContentNotFound:
            return list(scope.paths or entries)
        if len(differences) > _PARTS_MAX:
            found += scope.within([top]).paths or ()
            continue
        found += [f"{top}/{one.path}".rstrip("/") for one in differences if one.differs is not Differs.ADDED]
    return [one for one in found if scope.meets(one)] or None


def clone(
    url: str,
    folder: Path,
    *,
    endpoint_url: str | None = None,
    branch: str | None = None,
    paths: Sequence[str] = (),
    depth: int | None = None,
    checks_out: bool = True,
    meter: Meter = SILENT,
) -> Repo:
    """Make a repository without git in a new folder from a remote.

    What was begun is removed when it fails, unless the history is there and data was on its way: then it is a
    repository, and `pull` goes on.

    With `paths` only the data at or below them is brought and checked out, and they become the sparse profile. With
    `depth` only that many versions of the branch come, and no other branch.

    Raises:
        NotFound: the remote has no such branch, or the branch no such path.
        AlreadyExists: the folder is there and not empty.
        RepositoryNotFound: there is no store at `url`.
    """
    if folder.exists() and any(folder.iterdir()):
        goes_on = f"xver -C {quoted(str(folder))} pull goes on with a clone that was interrupted; or "
        is_clone = (folder / OWN_FOLDER).is_dir()
        raise AlreadyExists(
            f"{folder} is not empty", hint=f"{goes_on if is_clone else ''}give the name of a new folder"
        )
    storage = locate(url, base=Path.cwd(), endpoint_url=endpoint_url)
    repository = repository_at(storage)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    has_history = False
    try:
        repo = _clone_into(folder.resolve(), _absolute(url, storage), endpoint_url, repository)
        remote = repo.settings.remotes["origin"]
        there = open_remote(repo, remote)
        name = _choose_branch(there, branch)
        fetch(repo, remote, there=there, branches=[name] if name else [], depth=depth, meter=meter)
        if name is None:
            return repo
        target = repo.store.log.refs[f"{TRACKING}origin/{name}"]
        repo.store.move("clone", {HEADS + name: snapshot_target(SnapshotId(target.id))})
        write_head(repo, HEADS + name)
        head = head_id(repo)
        assert head is not None
        entries = root_entries(repo.store, read_snapshot(repo.store, head).root)
        require_tracked(entries, paths)
        if paths:
            write_profile(repo.sparse_path, EVERYTHING.joined(paths))
        if checks_out:
            # From here on `xver pull` goes on: it brings what the lock names.
            write_tracked(repo, Lock(repository, dict(entries)))
            has_history = True
            with _spool(repo, checks_out=True) as spool:
                fetch_data(repo, remote, entries, paths, there=there, meter=meter, spool=spool)
                switch_to(repo, entries, meter=meter, spool=spool)
        return repo
    except BaseException as error:
        if has_history and isinstance(error, StorageError | KeyboardInterrupt):
            if isinstance(error, StorageError):
                first = "" if isinstance(error, TransientStorageError) else "free some space or correct the rights; "
                error.hint = f"{first}what arrived is kept: xver -C {quoted(str(folder))} pull goes on"
            raise
        for one in list(folder.iterdir()):
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
        if is_new:
            folder.rmdir()
        raise


def _clone_into(folder: Path, url: str, endpoint_url: str | None, repository: str) -> Repo:
    # A clone of a remote has no git, also where the folder lies inside some other git repository.
    places = places_outside(folder)
    create_store(LocalStorage(places.shared / "store"), client=client_name(), repository=repository)
    repo = Repo(places)
    repo.write_lock(repo.lock)
    remote = Remote("origin", url, endpoint_url)
    add_remote(repo.settings_path, remote)
    pin(repo, remote)
    return repo


def _absolute(url: str, storage: object) -> str:
    return storage.url if isinstance(storage, LocalStorage) else url


def _choose_branch(there: Store, wanted: str | None) -> str | None:
    names = list(there.log.refs_under(HEADS))
    if wanted is not None:
        if wanted not in names:
            raise NotFound(f"the remote has no branch {wanted}", hint=f"it has {', '.join(names) or 'none'}")
        return wanted
    if not names:
        return None
    return next((name for name in (DEFAULT_BRANCH, "master") if name in names), names[0])
