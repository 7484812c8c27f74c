"""Every `xver.lock` that git can reach: in any commit of any ref, reflog or stash, staged, or on any worktree's disk.

One walk of git lists the distinct blobs, one process reads them: ten thousand commits cost what a `git log` costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xver.errors import CommandFailed
from xver.git.command import CatFile, GitCommand
from xver.git.history import LOCK
from xver.git.locate import GitPlaces, find_git

# What a rebase, merge or reset that is under way names, and no ref need to.
_PSEUDO: Final = (
    "ORIG_HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "FETCH_HEAD",
    "rebase-merge/autostash",
    "rebase-apply/autostash",
    "rebase-merge/orig-head",
)
_ID: Final = re.compile(r"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")


def reachable_locks(git: GitCommand) -> Iterator[bytes]:
    """Yield the text of each distinct `xver.lock` that git, or a work tree of it, still has.

    Raises `CommandFailed` when git fails: nobody may then believe that this was all.
    """
    trees = [tree for tree in _worktrees(git) if tree.is_dir()]
    blobs = dict.fromkeys(_committed(git, trees))
    for tree in trees:
        for line in GitCommand(tree).paths("--literal-pathspecs", "ls-files", "-s", "-z", "--", LOCK):
            blobs[line.split(" ")[1]] = None
    with CatFile(git) as cat:
        for blob in blobs:
            if (text := cat.read(blob)) is not None:
                yield text
    for tree in trees:
        try:
            yield (tree / LOCK).read_bytes()
        except FileNotFoundError:
            continue


def _committed(git: GitCommand, trees: list[Path]) -> Iterator[str]:
    starts = {id for tree in trees if (places := find_git(tree)) for id in _pseudo(places)}
    known = [id for id in sorted(starts) if git.ok("cat-file", "-e", f"{id}^{{commit}}")]
    # Both sides of every merge: what one side had is reachable also where the merge took the other's.
    options = ("--objects", "--all", "--reflog", "--full-history", "--ignore-missing")
    try:
        lines = git.lines("--literal-pathspecs", "rev-list", *options, *known, "--", LOCK)
    except CommandFailed:
        if not git.ok("rev-parse", "--verify", "HEAD") and not git.lines("for-each-ref"):
            return  # nothing was ever committed
        raise
    for line in lines:
        id, _, path = line.partition(" ")
        if path == LOCK:
            yield id


def _pseudo(places: GitPlaces) -> Iterator[str]:
    for name in _PSEUDO:
        try:
            text = (places.git_dir / name).read_text("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield from _ID.findall(text)


def _worktrees(git: GitCommand) -> Iterator[Path]:
    for line in git.lines("worktree", "list", "--porcelain"):
        word, _, path = line.partition(" ")
        if word == "worktree":
            yield Path(path)
