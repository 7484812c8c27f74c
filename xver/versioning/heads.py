"""What HEAD tracks. Beside git that is asked of git alone, so that an idle status loads no store."""

from __future__ import annotations

from xver.errors import CorruptData, InvalidInput
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import decode_lock
from xver.git.command import GitCommand
from xver.git.history import lock_at
from xver.lock_copies import way_on
from xver.model.entries import Entries
from xver.model.paths import typed
from xver.repo import Repo


def head_entries(repo: Repo) -> Entries:
    """Return what HEAD tracks; nothing where there is no commit yet."""
    if repo.git is not None:
        # What was adopted for HEAD is not in its tree: once it stands in xver.lock, it is as staged as all else.
        data = lock_at(repo.git, "HEAD")
        if data is not None:
            return decoded_lock(repo.git, "HEAD", data)
        return {} if repo.lock_path.exists() else repo.adopted()
    from xver.versioning.versions import committed_here

    return committed_here(repo)


def decoded_lock(git: GitCommand, rev: str, data: bytes) -> Entries:
    """Return what `xver.lock` names as git has it at a revision.

    Raises:
        CorruptData: it cannot be read; the hint says what there is besides.
    """
    try:
        return decode_lock(data).entries
    except (CorruptData, InvalidInput) as error:
        hint = way_on(git) if rev == "HEAD" else None
        raise CorruptData(
            f"{rev[:12]} cannot be read: {error.message}", hint=hint or f"git log -- {typed(LOCK_NAME)} shows others"
        ) from error
