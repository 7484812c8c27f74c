"""Open the repository around the current folder, as every command that works in one does."""

from __future__ import annotations

from xver.cli.output import Output
from xver.repo import Repo, open_repo


def opened(out: Output) -> Repo:
    """Open the repository; that it waits for another command is told to the user."""
    repo = open_repo()
    repo.on_wait = lambda holder: out.warn(f"waiting for another command in this work tree ({holder})")
    return repo
