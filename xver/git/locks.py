"""Every `xver.lock` that git can reach: in any commit of any ref, reflog or stash, staged, or on any worktree's disk.

One walk of git lists the distinct blobs, one process reads them: ten thousand commits cost what a `git log` costs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
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
    "MERGE_AUTOSTASH",
    "rebase-merge/autostash",
    "rebase-apply/autostash",
    "rebase-merge/orig-head",
)
_ID: Final = re.compile(r"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")


def reachable_locks(git: GitCommand, *, without: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the text of each distinct `xver.lock` that git, or a work tree of it, still has.

    Commits of the ids `without` count only where a ref, a work tree or a command under way names them: not for what
    descends from them.

    Raises `CommandFailed` when git fails: nobody may then believe that this was all.
    """
    trees = [tree for tree in _worktrees(git) if tree.is_dir()]
    blobs = dict.fromkeys(_committed(git, trees, without))
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


def _committed(git: GitCommand, trees: list[Path], without: Collection[str]) -> Iterator[str]:
    """Yield what names a blob to git: its id, or its commit and path."""
    starts = {id for tree in trees if (places := find_git(tree)) for id in _pseudo(places)}
    known = [id for id in sorted(starts) if git.ok("cat-file", "-e", f"{id}^{{commit}}")]
    # Both sides of every merge: what one side had is reachable also where the merge took the other's.
    options = ["--all", "--reflog", "--full-history", "--ignore-missing"]
    options += [] if without else ["--objects"]
    try:
        lines = git.lines("--literal-pathspecs", "rev-list", *options, *known, "--", LOCK)
    except CommandFailed:
        if not git.ok("rev-parse", "--verify", "HEAD") and not git.lines("for-each-ref"):
            return  # nothing was ever committed
        raise
    if without:
        named = [*known, *git.lines("for-each-ref", "--format=%(objectname)"), *_heads(git)]
        yield from (f"{id}:{LOCK}" for id in (*named, *(id for id in lines if id not in without)))
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
    yield from map(Path, _listed(git, "worktree"))


def _heads(git: GitCommand) -> Iterator[str]:
    return _listed(git, "HEAD")


def _listed(git: GitCommand, wanted: str) -> Iterator[str]:
    for line in git.lines("worktree", "list", "--porcelain"):
        word, _, value = line.partition(" ")
        if word == wanted:
            yield value
