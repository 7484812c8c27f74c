"""Every `xver.lock` that git can reach: in any commit of any ref, reflog or stash, staged, or on any worktree's disk.

One walk of git lists the distinct blobs, one process reads them: ten thousand commits cost what a `git log` costs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from xver.errors import CommandFailed
from xver.git.command import CatFile, GitCommand
from xver.git.history import LOCK
from xver.git.locate import find_git
from xver.git.trees import git_dirs, named_by_trees


def reachable_locks(git: GitCommand, *, without: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the text of each distinct `xver.lock` that git, or a work tree of it, still has.

    Commits of the ids `without` count only where a ref, a work tree or a command under way names them: not for what
    descends from them.

    Raises `CommandFailed` when git fails: nobody may then believe that this was all.
    """
    trees = [tree for tree in _worktrees(git) if tree.is_dir()]
    blobs = dict.fromkeys(_committed(git, without))
    for line in _staged(git, trees):
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


def _committed(git: GitCommand, without: Collection[str]) -> Iterator[str]:
    """Yield what names a blob to git: its id, or its commit and path."""
    named = list(named_by_trees(git, left=True))
    # Both sides of every merge: what one side had is reachable also where the merge took the other's.
    options = ["--all", "--reflog", "--full-history", "--ignore-missing"]
    options += [] if without else ["--objects"]
    try:
        lines = git.lines("--literal-pathspecs", "rev-list", *options, *named, "--", LOCK)
    except CommandFailed:
        if not git.ok("rev-parse", "--verify", "HEAD") and not git.lines("for-each-ref"):
            return  # nothing was ever committed
        raise
    if without:
        named += git.lines("for-each-ref", "--format=%(objectname)")
        yield from (f"{id}:{LOCK}" for id in (*named, *(id for id in lines if id not in without)))
    for line in lines:
        id, _, path = line.partition(" ")
        if path == LOCK:
            yield id


def _staged(git: GitCommand, trees: list[Path]) -> Iterator[str]:
    """Yield what `ls-files` says of the staged file, also of work trees whose folder is away."""
    words = ("--literal-pathspecs", "ls-files", "-s", "-z", "--", LOCK)
    present = set()
    for tree in trees:
        yield from GitCommand(tree).paths(*words)
        present |= {places.git_dir for places in (find_git(tree),) if places is not None}
    for folder in git_dirs(git)[1:]:
        if folder not in present:
            yield from git.paths(f"--git-dir={folder}", *words)


def _worktrees(git: GitCommand) -> Iterator[Path]:
    for line in git.lines("worktree", "list", "--porcelain"):
        word, _, value = line.partition(" ")
        if word == "worktree":
            yield Path(value)
