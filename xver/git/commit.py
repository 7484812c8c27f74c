"""Commit data and code as one: stage xver's own files and let git make the commit, hooks and signing included."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from xver.errors import CommandFailed, InvalidInput
from xver.git.command import GitCommand, failure, first_line
from xver.git.history import head
from xver.git.hooks import WITHIN_COMMIT
from xver.model.paths import is_below


def stage(git: GitCommand, paths: Iterable[str]) -> None:
    """Put the state of `paths` (from the top of the work tree, taken literally) into git's index.

    A tracked path that is gone from disk is staged as removed; one that neither git nor the disk knows is passed
    over. Raises `InvalidInput` for a path that git ignores and `CommandFailed`.
    """
    known = list(dict.fromkeys(paths))
    missing = [path for path in known if not os.path.lexists(git.root / path)]
    if missing:
        tracked = set(git.paths("--literal-pathspecs", "ls-files", "-z", "--cached", "--", *missing))
        known = [path for path in known if path not in missing or any(is_below(name, path) for name in tracked)]
    if not known:
        return
    try:
        git.change("--literal-pathspecs", "add", "--", *known)
    except CommandFailed as error:
        raise _ignored(git, known) or error from error


def stage_known(git: GitCommand) -> None:
    """Put the state of every file that git tracks into its index, as `git commit --all` does."""
    git.change("add", "--update", "--", ":/")


def staged(git: GitCommand, paths: Iterable[str]) -> list[str]:
    """Return those of `paths` (files, from the top of the work tree) that git's index has otherwise than HEAD."""
    if git.ok("rev-parse", "--quiet", "--verify", "HEAD"):
        return git.paths("--literal-pathspecs", "diff-index", "-z", "--cached", "--name-only", "HEAD", "--", *paths)
    return git.paths("--literal-pathspecs", "ls-files", "-z", "--cached", "--", *paths)


def unmerged(git: GitCommand, paths: Iterable[str]) -> list[str]:
    """Return those of `paths` (files, from the top of the work tree) that a merge left in conflict."""
    rows = git.paths("--literal-pathspecs", "ls-files", "-z", "--unmerged", "--", *paths)
    return sorted({row.partition("\t")[2] for row in rows})


def commit(git: GitCommand, message: str | None, paths: Iterable[str], *, allow_empty: bool = False) -> str:
    """Stage `paths`, make one commit of all that is staged, and return its id.

    Without a message git opens the user's editor in our terminal. The user's hooks run and the commit is signed
    when git is configured to. Raises `InvalidInput` when there is nothing to commit, else like `stage`; the message
    of `CommandFailed` goes on with all that git and the hooks printed, on lines of its own.
    """
    stage(git, paths)
    options = ["--allow-empty"] if allow_empty else []
    if message is None:
        with _interrupts_left_to_git():
            status, output = git.talk("commit", *options, env={WITHIN_COMMIT: "1"}), b""
    else:
        message = f"--message={message}"
        status, output = git.change("commit", *options, message, check=False, env={WITHIN_COMMIT: "1"})
    if status:
        if not allow_empty and _nothing_staged(git):
            raise InvalidInput("nothing to commit", hint="xver add what changed, or git add")
        raise _told_in_full(status, output)
    made = head(git)
    assert made is not None, "git made a commit"
    return made


def has_staged(git: GitCommand) -> bool:
    """Tell whether git's index holds changes that are not committed."""
    return not git.ok("diff", "--cached", "--quiet", "--no-ext-diff")


def _nothing_staged(git: GitCommand) -> bool:
    # A merge that changes nothing is still worth its commit.
    return not has_staged(git) and not git.ok("rev-parse", "--quiet", "--verify", "MERGE_HEAD")


def _told_in_full(status: int, output: bytes) -> CommandFailed:
    error = failure(("commit",), status, output)
    text = output.decode("utf-8", "replace").strip()
    if text.count("\n") or first_line(output) not in error.message:
        return CommandFailed(f"git commit failed:\n{text}", status=status, hint=error.hint)
    return error


def _ignored(git: GitCommand, paths: list[str]) -> InvalidInput | None:
    # Asked of git rather than read from its complaint; prints source, line, pattern and path of each match.
    asked = "\0".join(paths)
    found = git.text("check-ignore", "-v", "-z", "--stdin", input=asked, check=False).split("\0")[:-1]
    for start in range(0, len(found), 4):
        source, line, pattern, path = found[start : start + 4]
        if not pattern.startswith("!"):
            return InvalidInput(
                f"git ignores {path} (line {line} of {source}: {pattern})",
                hint=f"add the line !/{path} to the end of .gitignore",
            )
    return None


@contextmanager
def _interrupts_left_to_git() -> Iterator[None]:
    # Ctrl-C in an editor belongs to the editor. A handler of ours, unlike SIG_IGN, is not inherited by git.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
