"""Open the repository around the current folder, as every command that works in one does."""

from __future__ import annotations

from xver.cli.output import Output
from xver.repo import Repo, open_repo
from xver.settings import Remote


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
