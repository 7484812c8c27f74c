"""Versions: what was tracked at a revision, beside git (git's commits) and outside it (our snapshots), as one shape."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xver.errors import ContentNotFound, NotFound, RevisionNotFound
from xver.format.listings import Row
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import committed
from xver.git import history as git_history
from xver.git.command import CatFile
from xver.history.adopted import adopted_entries
from xver.history.bounds import Bounds, bounds_of
from xver.history.graph import history, merge_base, read_snapshot
from xver.history.revisions import resolve_snapshot
from xver.model.entries import Dataset, Entries, Entry, entry_id
from xver.model.ids import EMPTY_ID, ListingId, SnapshotId
from xver.model.paths import TrackedPath, is_below
from xver.model.refs import HEADS, SNAPSHOTS, TargetKind
from xver.model.snapshots import Snapshot, Version
from xver.patience import replace
from xver.repo import Repo
from xver.store.listings import find_row, put_listing, read_listing, rows_below
from xver.store.packing import Packer
from xver.store.store import Store
from xver.versioning.heads import decoded_lock
from xver.versioning.keeping import naming
from xver.versioning.made import PREFIX as MADE
from xver.versioning.made import commit_of, laid_over, made_by, require_made

if TYPE_CHECKING:
    from xver.model.runs import Run

DEFAULT_BRANCH: Final = "main"
_SNAPSHOT: Final = re.compile(r"[0-9a-f]{64}")
_FORMER: Final = re.compile(r"@\{-([0-9]{1,9})\}")
_FORMER_KEPT: Final = 20


def entries_at(repo: Repo, rev: str) -> Entries:
    """Return what was tracked at a revision; nothing where there was no `xver.lock`, and it was not adopted either.

    Raises:
        RevisionNotFound: `rev` names no commit.
        ContentNotFound: its data was forgotten, or never came here (outside git).
    """
    if rev.startswith(MADE):
        run = _run_of(repo, rev)
        made = made_by(repo, run)
        try:
            base = entries_at(repo, _commit_of(repo, run))
        except RevisionNotFound:
            if not made:
                raise
            base = {}  # nothing was committed yet
        require_made(run, made, base)
        return laid_over(base, made)
    if repo.git is not None:
        data = git_history.lock_at(repo.git, rev)
        if data is not None:
            return decoded_lock(repo.git, rev, data)
        commit = git_history.head(repo.git) if rev == "HEAD" else git_history.resolve(repo.git, rev)
        return {} if commit is None else adopted_entries(repo.store, commit)
    id = resolve_id(repo, rev)
    try:
        return root_entries(repo.store, read_snapshot(repo.store, id).root)
    except ContentNotFound as error:
        if bounds_of(repo.store).has_data(id):
            raise
        raise ContentNotFound(
            error.id, hint=f"the data of version {id.hex()[:7]} is not kept here: xver log"
        ) from error


@contextmanager
def many_entries(repo: Repo) -> Iterator[Callable[[str], Entries]]:
    """Give a function that is `entries_at` for ids of commits, made for asking often: one git process for all.

    Of a commit whose `xver.lock` is none it says nothing, and does not end what is asked of all the others.
    """
    if repo.git is None:
        yield cache(lambda commit: entries_at(repo, commit))
        return
    with CatFile(repo.git) as objects:

        def at(id: str) -> Entries:
            data = objects.read(f"{id}:{LOCK_NAME}")
            return adopted_entries(repo.store, id) if data is None else committed(data)

        yield cache(at)


def committed_here(repo: Repo) -> Entries:
    """Return what HEAD tracks outside git; nothing where there is no snapshot yet."""
    head = head_id(repo)
    return {} if head is None else root_entries(repo.store, read_snapshot(repo.store, head).root)


def entry_at(repo: Repo, rev: str | None, path: str) -> Entry:
    """Return what a path was at a revision (None: in `xver.lock`): a tracked path, or a file or folder below one.

    A folder's entry is the listing of the rows below it.

    Raises:
        NotFound: nothing of that path was tracked.
    """
    entries = repo.lock.entries if rev is None else entries_at(repo, rev)
    found = find_entry(repo.store, entries, path)
    if found is None:
        where = "is not tracked" if rev is None else f"is not in {rev}"
        raise NotFound(f"{path} {where}", hint="xver ls shows what is")
    return found


def rows_at(repo: Repo, rev: str | None, path: str) -> list[tuple[str, Entry]]:
    """Return what was tracked at or below a path at a revision (None: in `xver.lock`), with its paths from the root.

    Of the whole repository, or of a folder above tracked paths, these paths; of a dataset or a part of one, its files.

    Raises:
        NotFound: nothing of that path was tracked.
    """
    entries = repo.lock.entries if rev is None else entries_at(repo, rev)
    rows: list[tuple[str, Entry]] = []
    for top, entry in entries.items():
        if not path or (is_below(top, path) and top != path):
            rows.append((str(top), entry))
        elif isinstance(entry, Dataset) and is_below(path, top):
            below = rows_below(repo.store, entry.id, path[len(top) + 1 :])
            rows += [(f"{top}/{row.path}", row.entry) for row in below]
        elif top == path:
            rows.append((str(top), entry))
    if path and not rows and path not in entries:
        where = "is not tracked" if rev is None else f"is not tracked in {rev}"
        raise NotFound(f"{path} {where}", hint="xver ls shows what is")
    return rows


def find_entry(store: Store, entries: Entries, path: str) -> Entry | None:
    """Return what a path is among tracked entries, None if nothing; a folder inside a dataset is its listing."""
    if path in entries:
        return entries[TrackedPath(path)]
    for top, entry in entries.items():
        if isinstance(entry, Dataset) and is_below(path, top):
            inner = path[len(top) + 1 :]
            row = find_row(store, entry.id, TrackedPath(inner))
            if row is not None:
                return row
            below = [
                Row(TrackedPath(one.path[len(inner) + 1 :]), one.entry) for one in rows_below(store, entry.id, inner)
            ]
            return put_listing(None, below) if below else None
    return None


def root_entries(store: Store, root: ListingId) -> dict[TrackedPath, Entry]:
    """Return the entries of a root listing."""
    return {row.path: row.entry for row in read_listing(store, root)}


def put_root(packer: Packer | None, entries: Mapping[TrackedPath, Entry]) -> ListingId:
    """Store the root listing of what is tracked; without a packer only identify it."""
    return put_listing(packer, (Row(path, entries[path]) for path in sorted(entries, key=str.encode))).id


def put_local_root(packer: Packer, entries: Mapping[TrackedPath, Entry]) -> ListingId:
    """Store the root listing of what is tracked and here: what was never fetched, beside git, is not ours to keep.

    So whatever the store holds has all its metadata here as well.
    """
    return put_root(packer, {path: entry for path, entry in entries.items() if _is_here(packer, entry)})


def resolve_id(repo: Repo, rev: str) -> SnapshotId:
    """Return the snapshot that a revision names, outside git.

    Raises:
        RevisionNotFound: it names none.
    """
    if rev.startswith(MADE):
        return SnapshotId(bytes.fromhex(_commit_of(repo, _run_of(repo, rev))))
    word, rev = read_head(repo), without_former(repo, rev)
    return resolve_snapshot(repo.store, rev, head=head_id(repo), on=word if word.startswith(HEADS) else None)


def commit_id(repo: Repo, rev: str) -> str:
    """Return the id of the commit that a revision names: git's, or outside git that of our snapshot.

    Raises:
        RevisionNotFound: it names none.
    """
    if repo.git is None:
        return resolve_id(repo, rev).hex()
    if rev.startswith(MADE):
        run = _run_of(repo, rev)
        return _commit_of(repo, run)
    return git_history.resolve(repo.git, rev)


def resolve(repo: Repo, rev: str) -> Version:
    """Return the commit that a revision names, whether or not it changed data."""
    if repo.git is not None:
        return git_history.commits_of(repo.git, commit_id(repo, rev), 1)[0]
    id = resolve_id(repo, rev)
    return version_of(id, read_snapshot(repo.store, id), bounds_of(repo.store))


def common_ancestor(repo: Repo, one: str, other: str) -> str:
    """Return the id of the best common ancestor of two revisions; raises `RevisionNotFound` if they have none."""
    if repo.git is not None:
        ids = [commit_id(repo, rev) for rev in (one, other)]
        found = repo.git.text("merge-base", *ids, check=False).strip()
    else:
        base = merge_base(repo.store, *(resolve_id(repo, rev) for rev in (one, other)))
        found = "" if base is None else base.hex()
    if not found:
        raise RevisionNotFound(f"{one} and {other} have no common ancestor", hint=f"xver diff {one} {other}")
    return found


def _run_of(repo: Repo, rev: str) -> Run:
    from xver.versioning.runs import find_run

    return find_run(repo, rev.removeprefix(MADE))


def _commit_of(repo: Repo, run: Run) -> str:
    versions = _history(repo)
    with many_entries(repo) as at:
        return commit_of(run, made_by(repo, run), versions, at)


def _history(repo: Repo) -> Iterator[Version]:
    """Yield the versions up to HEAD that changed what is tracked, newest first."""
    if repo.git is not None:
        yield from [] if git_history.head(repo.git) is None else git_history.lock_commits(repo.git)
    elif (head := head_id(repo)) is not None:
        bounds = bounds_of(repo.store)
        yield from (version_of(id, one, bounds) for id, one in history(repo.store, head))


def head_id(repo: Repo) -> SnapshotId | None:
    """Return the snapshot that HEAD is, outside git; None before the first commit."""
    word = read_head(repo)
    if not word.startswith(HEADS):
        return SnapshotId(bytes.fromhex(word))
    target = repo.store.log.refs.get(word)
    return SnapshotId(target.id) if target is not None and target.kind is TargetKind.SNAPSHOT else None


def read_head(repo: Repo) -> str:
    """Return what HEAD points to outside git: `heads/NAME`, or 64 hex digits when detached."""
    try:
        word = _head_path(repo).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return HEADS + DEFAULT_BRANCH
    if not word.startswith(HEADS) and not _SNAPSHOT.fullmatch(word):
        raise RevisionNotFound("HEAD is damaged", hint=f"echo {HEADS}{DEFAULT_BRANCH} > {_head_path(repo)}")
    return word


def write_head(repo: Repo, word: str) -> None:
    """Point HEAD, outside git, to a branch (`heads/NAME`) or a snapshot (64 hex digits)."""
    write_word(_head_path(repo), word)


def write_word(path: Path, word: str) -> None:
    """Replace a file of a line or a few, written beside and renamed."""
    beside = path.with_name(f"{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(f"{word}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    replace(beside, path)


def go_to(repo: Repo, word: str) -> None:
    """Point HEAD, outside git, elsewhere, and remember where it was: `@{-1}`."""
    # In this order: where one is by now is no place one was before, so what is cut off between the two says nothing.
    write_word(_former_path(repo), "\n".join([read_head(repo), *_former(repo)][:_FORMER_KEPT]))
    write_head(repo, word)


def without_former(repo: Repo, rev: str) -> str:
    """Return a revision with `@{-N}`, or `-` for the last, replaced by the branch or version it names, outside git.

    Raises:
        RevisionNotFound: HEAD was not at so many places.
    """
    named = _FORMER.match("@{-1}" if rev == "-" else rev)
    if named is None:
        return rev
    former = _former(repo)
    if not 1 <= int(named[1]) <= len(former):
        raise RevisionNotFound(f"{rev} is where you were before, and there was no such place", hint="xver branch")
    return former[int(named[1]) - 1].removeprefix(HEADS) + rev[named.end() if rev != "-" else 1 :]


def keep_snapshot(repo: Repo, id: SnapshotId) -> None:
    """Let a ref keep a snapshot that a detached HEAD is to name: HEAD alone is no root."""
    repo.store.move("detach HEAD", naming(repo.store, SNAPSHOTS + id.hex(), id))


def branch_name(repo: Repo) -> str | None:
    """Return the name of the branch we are on, None when HEAD is detached."""
    if repo.git is not None:
        return git_history.branch(repo.git)
    word = read_head(repo)
    return word.removeprefix(HEADS) if word.startswith(HEADS) else None


def version_of(id: SnapshotId, one: Snapshot, bounds: Bounds) -> Version:
    """Return a snapshot as a version, its parents as far as the store has them."""
    parents = tuple(parent.hex() for parent in bounds.parents(id, one))
    return Version(id.hex(), parents, one.author, one.time, one.offset, one.message)


def _is_here(packer: Packer, entry: Entry) -> bool:
    id = entry_id(entry)
    return id is None or id == EMPTY_ID or id in packer


def _former(repo: Repo) -> list[str]:
    """Return where HEAD was before it came to where it is, the last first."""
    try:
        words = _former_path(repo).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
    return words[1:] if words[:1] == [read_head(repo)] else words


def _former_path(repo: Repo) -> Path:
    return repo.places.own / "HEAD-before"


def _head_path(repo: Repo) -> Path:
    return repo.places.own / "HEAD"
