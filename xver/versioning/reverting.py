"""Revert: make of the present version one in which an earlier commit never changed the data."""

from __future__ import annotations

from xver.errors import InvalidInput
from xver.format.lockfile import NAME as LOCK_NAME
from xver.git.commit import has_staged
from xver.history.merge import Side
from xver.model.snapshots import Version
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.versioning.commits import Committed, commit
from xver.versioning.heads import head_entries
from xver.versioning.merging import three_way
from xver.versioning.operations import noted
from xver.versioning.restoring import switch_to
from xver.versioning.state import require_committed
from xver.versioning.versions import entries_at, resolve


def revert(
    repo: Repo, rev: str, *, prefer: Side | None = None, no_commit: bool = False, meter: Meter = SILENT
) -> Committed | None:
    """Undo what one commit did to the data, on the disk and in `xver.lock`, and commit that; code stays as it is.

    A three-way merge: what changed since then stays. `prefer` says whose files win a conflict, ours being those of
    now. Returns the new commit, None with `no_commit`.

    Raises:
        RevisionNotFound: `rev` names no commit.
        InvalidInput: it is a merge, or changed no data, or nothing of what it did is left; beside git, other changes
            are staged, which the commit would take along.
        MergeConflict: what it changed was changed again since; nothing was changed.
        DirtyWorktree: `xver.lock` holds what is not committed, or changes on the disk would be lost.
    """
    words = f"revert {'--no-commit ' if no_commit else ''}{rev}"
    with repo.held(), noted(repo, words, paths=()):
        one = resolve(repo, rev)
        _bring(repo, one, prefer, no_commit=no_commit, meter=meter)
        if repo.git is None and not no_commit:
            return commit(repo, _message(one))
    # Beside git not held: git's hooks may call xver.
    return None if no_commit else commit(repo, _message(one))


def _bring(repo: Repo, one: Version, prefer: Side | None, *, no_commit: bool, meter: Meter) -> None:
    if len(one.parents) > 1:
        raise InvalidInput(
            f"{one.id[:7]} is a merge, and which side to go back to is not said",
            hint=f"xver restore --source {one.id[:7]}^1 PATH, then xver commit",
        )
    after = entries_at(repo, one.id)
    before = entries_at(repo, one.parents[0]) if one.parents else {}
    if before == after:
        raise InvalidInput(
            f"{one.id[:7]} changed no data", hint=None if repo.git is None else f"git revert {one.id[:7]}"
        )
    now = head_entries(repo)
    require_committed(now, repo.lock.entries, hint='xver commit -m "…" first')
    if repo.git is not None and not no_commit and has_staged(repo.git):
        raise InvalidInput("git has changes staged that are no part of this", hint="git commit, or git stash, first")
    hint = "xver revert --ours keeps what is now, --theirs takes what was before"
    wanted = three_way(repo, after, now, before, prefer, hint=hint)
    if wanted == now:
        raise InvalidInput(f"nothing of what {one.id[:7]} changed is left in {LOCK_NAME}", hint="xver log PATH")
    switch_to(repo, wanted, former=now, meter=meter)


def _message(one: Version) -> str:
    return f'Revert "{one.title}"\n\nThis reverts commit {one.id}.'
