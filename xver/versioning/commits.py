"""Commit: beside git one git commit of `xver.lock` and its companions; outside git a snapshot on the branch."""

from __future__ import annotations

import getpass
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from xver.errors import InvalidInput
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.snapshots import encode_snapshot
from xver.git.command import GitCommand
from xver.git.commit import commit as git_commit
from xver.git.commit import stage, stage_known, staged, unmerged
from xver.git.history import branch as git_branch
from xver.git.ignore_block import FILE as GIT_IGNORE
from xver.git.own_files import stage_ignore_file
from xver.history.revisions import snapshot_target
from xver.model.ids import Kind, SnapshotId
from xver.model.paths import typed
from xver.model.refs import HEADS
from xver.model.snapshots import Author, Snapshot
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.settings import NAME as SETTINGS_NAME
from xver.store.log import Change
from xver.versioning.heads import head_entries
from xver.versioning.operations import noted
from xver.versioning.pending import end, pending
from xver.versioning.removing import remove
from xver.versioning.state import Staged, against_disk, changes_to
from xver.versioning.tracking import add, write_ignored
from xver.versioning.versions import head_id, put_root, read_head, write_head

COMPANIONS: Final = (LOCK_NAME, SETTINGS_NAME, GIT_IGNORE)


@dataclass(frozen=True, slots=True)
class Committed:
    """A new commit: its id (git's or the snapshot's, hex), its branch (None: detached), title and changes of data."""

    id: str
    branch: str | None
    title: str
    changes: tuple[Staged, ...]


def commit(repo: Repo, message: str | None, *, author: Author | None = None) -> Committed:
    """Commit what `xver.lock` names.

    Beside git: one git commit of `xver.lock`, `xver.toml`, .gitignore and whatever git has staged; no message opens
    git's editor. Outside git: a snapshot, moving the branch.

    Raises:
        InvalidInput: there is nothing to commit, or no message outside git.
        RefConflict: somebody else moved the branch meanwhile.
    """
    if repo.git is not None:
        # Not held: git's hooks, and the user in the editor, may call xver.
        present = _companions(repo, repo.git)
        changes = tuple(changes_to(head_entries(repo), repo.lock.entries))
        id = git_commit(repo.git, message, present)
        title = repo.git.text("log", "-1", "--format=%s", id).strip()
        return Committed(id, git_branch(repo.git), title, changes)
    with repo.held(), noted(repo, f"commit {(message or '').strip().partition(chr(10))[0]}"):
        changes = tuple(changes_to(head_entries(repo), repo.lock.entries))
        if message is None or not message.strip():
            raise InvalidInput("a commit needs a message", hint='xver commit -m "what changed"')
        theirs, head = pending(repo), head_id(repo)
        parents = None if theirs is None or head is None else (head, theirs)
        return _snapshot(repo, message.strip(), changes, author=author, parents=parents)


def add_all(repo: Repo, *, meter: Meter = SILENT) -> None:
    """Take in all that changed in tracked paths, and what is gone out; beside git let git stage what it tracks, too.

    Raises:
        InvalidInput: a merge left `xver.lock` or its companions in conflict.
        Unreadable, Changing: a file or folder cannot be read; nothing was added then.
    """
    if repo.git is not None:
        _companions(repo, repo.git)
    found = against_disk(repo, repo.lock.entries, meter=meter)
    if found.changed:
        add(repo, list(found.changed), meter=meter)
    if found.absent:
        remove(repo, found.absent, cached=True)
    if repo.git is not None:
        stage_known(repo.git)


def stage_companions(repo: Repo) -> list[str]:
    """Let git stage `xver.lock`, `xver.toml` and .gitignore, for a commit that the user makes with git."""
    if repo.git is None:
        raise InvalidInput("there is no git here to stage for", hint='xver commit -m "what changed"')
    present = _companions(repo, repo.git)
    stage(repo.git, present)
    return present


def stage_for_hook(repo: Repo, git: GitCommand) -> bool:
    """Stage what `xver commit` would, for the commit that git is making with the index of `git`.

    `xver.lock` always goes, and xver's block in .gitignore; what the user has staged by hand of the other two stays.
    Tells whether nothing was staged before, as after `git stash pop`: git, which looks before it calls the hook, then
    ends most commits.

    Raises:
        InvalidInput, CorruptData: `xver.lock` has conflict markers, or is none.
    """
    if not repo.lock_path.exists():
        return False  # who takes it out of a project may
    try:
        lock = repo.lock
    except InvalidInput as error:
        raise InvalidInput(error.message, hint=f"git checkout --merge {typed(LOCK_NAME)}, then xver merge") from error
    with suppress(InvalidInput):
        # It is another's where git took xver.lock alone out of a version, or a command was cut off.
        write_ignored(repo, git, lock)
    was_empty = git.ok("diff", "--cached", "--quiet")
    has_settings = (repo.root / SETTINGS_NAME).exists() and not staged(git, [SETTINGS_NAME])
    stage(git, [LOCK_NAME, *([SETTINGS_NAME] if has_settings else [])])
    stage_ignore_file(git)
    return was_empty and not git.ok("diff", "--cached", "--quiet")


def _companions(repo: Repo, git: GitCommand) -> list[str]:
    # Staging a file that has conflict markers would tell git that they are the solution.
    open_conflicts = unmerged(git, COMPANIONS)
    if open_conflicts:
        by_xver = {LOCK_NAME, GIT_IGNORE} & set(open_conflicts)
        raise InvalidInput(
            f"{open_conflicts[0]} has merge conflicts",
            hint="xver merge" if by_xver else f"correct it, then git add {typed(open_conflicts[0])}",
        )
    if repo.lock_path.exists():
        write_ignored(repo, git, repo.lock)
    return [name for name in COMPANIONS if (repo.root / name).exists()]


def commit_merge(repo: Repo, message: str, parents: tuple[SnapshotId, ...]) -> Committed:
    """Commit what `xver.lock` names outside git, with the parents given."""
    changes = tuple(changes_to(head_entries(repo), repo.lock.entries))
    return _snapshot(repo, message, changes, author=None, parents=parents)


def _snapshot(
    repo: Repo,
    message: str,
    changes: tuple[Staged, ...],
    *,
    author: Author | None,
    parents: tuple[SnapshotId, ...] | None,
) -> Committed:
    head = head_id(repo)
    if parents is None:
        if not changes:
            raise InvalidInput("nothing to commit: xver.lock says what HEAD says", hint="xver add what changed")
        parents = () if head is None else (head,)
    now = time.localtime()
    with repo.store.packer() as packer:
        snapshot = Snapshot(
            root=put_root(packer, repo.lock.entries),
            parents=parents,
            author=author or machine_user(),
            time=int(time.mktime(now)),
            offset=(now.tm_gmtoff or 0) // 60,
            message=message,
        )
        id = SnapshotId(packer.put(Kind.SNAPSHOT, encode_snapshot(snapshot)))
        index = packer.finish()
    word = read_head(repo)
    on_branch = word.startswith(HEADS)
    # Detached, the snapshot is kept by a ref of its own: HEAD alone is no root.
    ref = word if on_branch else f"snapshots/{id.hex()}"
    # The branch must still be what this commit follows: a commit made meanwhile is never dropped from it.
    expected = snapshot_target(parents[0]) if parents and on_branch else repo.store.log.refs.get(ref)
    added = () if index is None else (index,)
    repo.store.commit(Change("commit", refs={ref: (expected, snapshot_target(id))}, add_index=added))
    write_head(repo, word if on_branch else id.hex())
    end(repo)
    return Committed(id.hex(), word.removeprefix(HEADS) if on_branch else None, snapshot.title, changes)


def machine_user() -> Author:
    """Return who is logged in, for repositories without git."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        name = "unknown"
    return Author(name, f"{name}@{platform.node() or 'localhost'}")
