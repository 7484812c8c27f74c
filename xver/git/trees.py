"""What each work tree of a repository names for itself: its HEAD, refs that no other sees, commands under way.

The git dir of the main tree has them, and `worktrees/<name>` those of a linked one, also while its folder is away, on a
disk that is not mounted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xver.git.command import GitCommand
from xver.git.locate import find_git

_OWN_REFS: Final = ("refs/bisect", "refs/worktree", "refs/rewritten")
_STATES: Final = (
    "HEAD",
    "MERGE_HEAD",
    "MERGE_AUTOSTASH",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "BISECT_HEAD",
    "BISECT_START",
    "BISECT_EXPECTED_REV",
    *(f"rebase-merge/{name}" for name in ("autostash", "orig-head", "onto", "stopped-sha", "amend")),
    *(f"rebase-merge/{name}" for name in ("git-rebase-todo", "done")),
    *(f"rebase-apply/{name}" for name in ("autostash", "orig-head", "onto", "original-commit", "abort-safety")),
    *(f"sequencer/{name}" for name in ("head", "todo", "abort-safety")),
)
_LEFT: Final = ("ORIG_HEAD", "FETCH_HEAD")
"""What a command leaves behind that has ended."""
_ID: Final = re.compile(r"\b[0-9a-f]{7,64}\b")


def git_dirs(git: GitCommand) -> list[Path]:
    """Return the folder of each work tree's own state, the main one's first."""
    places = find_git(git.root)
    if places is None:
        return []
    linked = sorted((places.common_dir / "worktrees").glob("*/HEAD"))
    return [places.common_dir, *(head.parent for head in linked)]


def named_by_trees(git: GitCommand, *, left: bool) -> dict[str, str]:
    """Return the commits that work trees name for themselves, each with how to call it (`HEAD`, `bisect/bad`).

    `left`: also what the last merge, reset or fetch left behind.

    Raises `CommandFailed` when git fails: nobody may then believe that this was all.
    """
    found: dict[str, str] = {}
    for folder in git_dirs(git):
        asked = dict(_asked(git, folder, left=left))
        specs = "".join(f"{word}^{{commit}}\n" for word in asked)
        answers = git.text(
            f"--git-dir={folder}", "cat-file", "--batch-check=%(objectname) %(objecttype)", input=specs
        ).splitlines()
        for name, answer in zip(asked.values(), answers, strict=True):
            id, _, kind = answer.partition(" ")
            if kind == "commit":  # else there is no such commit, or it was a word that only looks like an id
                found.setdefault(id, name)
    return found


def _asked(git: GitCommand, folder: Path, *, left: bool) -> Iterator[tuple[str, str]]:
    """Yield what git is to resolve, and how to call it."""
    for name in (*_STATES, *(_LEFT if left else ())):
        if "/" not in name:
            yield name, name  # it need not be a file
        try:
            text = (folder / name).read_text("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield from ((word, name) for word in _ID.findall(text))
    for line in git.lines(f"--git-dir={folder}", "for-each-ref", "--format=%(objectname) %(refname)", *_OWN_REFS):
        id, _, ref = line.partition(" ")
        yield id, ref.removeprefix("refs/")
