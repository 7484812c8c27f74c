"""Open the repository around the current folder, as every command that works in one does."""

from __future__ import annotations

from typing import Final

from xver.cli.human import plural
from xver.cli.output import Output
from xver.git.command import GitCommand
from xver.repo import Repo, open_repo
from xver.settings import Remote

_SHOWN: Final = 20


def opened(out: Output) -> Repo:
    """Open the repository; that it waits for another command is told to the user."""
    repo = open_repo()
    repo.on_wait = lambda holder: out.warn(f"waiting for another command in this work tree ({holder})")
    return repo


def reading(out: Output) -> Repo:
    """Open the repository for a command that shows content: what is not here is read from a remote, which it says."""
    from xver.sync.elsewhere import read_through

    def tell(remote: Remote) -> None:
        if not out.quiet:
            out.complain(f"reading from {remote.name}: not all of this is here")

    repo = opened(out)
    read_through(repo, tell=tell)
    return repo


def install_beside(out: Output, git: GitCommand) -> None:
    """Set git's hooks and drivers, and say which hooks of others ours call."""
    from xver.git.drivers import install_drivers
    from xver.git.hooks import hooks_folder, install_hooks

    install_drivers(git)
    kept = install_hooks(git)
    if kept:
        out.note(f"Hooks in {hooks_folder(git)} are kept and called first: {', '.join(kept)}")


def tell_purged(out: Output, repo: Repo) -> None:
    """Say which tracked files can not come to the disk, because their content was purged."""
    from xver.versioning.purged import purged_paths

    found = list(purged_paths(repo))
    for path in found[:_SHOWN]:
        out.complain(f"{path} was purged, and is left out")
    if len(found) > _SHOWN:
        out.complain(f"and {len(found) - _SHOWN:,} more")


def tell_moved(out: Output, name: str, moved_to: str | None) -> None:
    """Say that a remote has moved."""
    if moved_to is not None:
        out.warn(f"{name} has moved to {moved_to}: xver remote set-url {name} {moved_to}")


def tell_purged_at(out: Output, name: str, count: int) -> None:
    """Say that a remote purged what is still here."""
    if count:
        out.warn(
            f"{plural(count, 'object')} {'was' if count == 1 else 'were'} purged at {name}: xver purge --follow {name}"
        )
