"""What git is in the middle of, and the commands that go on with it, or give it up."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple


class UnderWay(NamedTuple):
    """The commands by which one goes on with what git stopped in, and by which one gives it up."""

    go_on: str
    give_up: str


_MARKS: Final = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
"""What lies in a git dir while a command is under way. A rebase is first: it picks, too."""


def under_way(git_dir: Path) -> UnderWay:
    """Return how to go on with what git is in the middle of; with a merge, and with nothing, that is to commit."""
    for mark, command in _MARKS.items():
        if (git_dir / mark).exists():
            return UnderWay(f"git {command} --continue", f"git {command} --abort")
    return UnderWay("git commit", "git merge --abort")
