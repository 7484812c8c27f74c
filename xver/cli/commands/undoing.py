"""The commands that give what is tracked another name or take back what was done: mv, revert, undo."""

from __future__ import annotations

from pathlib import Path

import click

from xver.cli.command import Command
from xver.cli.human import when
from xver.cli.opening import opened, tell_purged
from xver.cli.output import Output, Styled, pass_output
from xver.cli.views.entries import staged_line
from xver.errors import Conflict, DirtyWorktree, InvalidInput, MergeConflict, NotFound, RevisionNotFound, StorageError
from xver.repo import open_repo


@click.command(cls=Command, exits=(NotFound, InvalidInput, StorageError))
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET")
@pass_output
def mv(out: Output, paths: tuple[str, ...]) -> None:
    """Move tracked files and folders, or parts of a tracked folder.

    Renames them on the disk and in xver.lock at once; nothing is read or stored again. If the target is a folder, they
    are moved into it. Files with changes that were not added move as they are.

    Examples:
      xver mv data/raw data/images
      xver mv data/raw/img_00042.jpg data/outliers
    """
    from xver.versioning.moving import move
    from xver.versioning.pathspecs import expand

    if len(paths) < 2:
        raise InvalidInput("a path and where it is to go are needed", hint="xver mv data/raw data/images")
    repo = opened(out)
    *sources, target = paths
    done = move(repo, expand(repo, sources, start=Path.cwd()), repo.relative(target, start=Path.cwd()))
    for old, new in done:
        out.note(f"Moved {old} to {new}")


@click.command(cls=Command, exits=(RevisionNotFound, MergeConflict, DirtyWorktree, InvalidInput))
@click.argument("rev")
@click.option("-n", "--no-commit", is_flag=True, help="Change xver.lock and the disk, and leave the commit to you.")
@click.option("--ours", "side", flag_value="ours", help="What was changed again since then stays as it is.")
@click.option("--theirs", "side", flag_value="theirs", help="What was changed again goes back as well.")
@pass_output
def revert(out: Output, rev: str, no_commit: bool, side: str | None) -> None:
    """Undo what one version did to the data, in a new version.

    What was changed since then stays. Code is left alone: for both, use `git revert` and then `xver checkout`.

    Examples:
      xver revert HEAD
      xver revert --no-commit 3f9a01c
    """
    from xver.history.merge import Side
    from xver.versioning.reverting import revert as take_back

    repo = opened(out)
    prefer = None if side is None else Side(side)
    made = take_back(repo, rev, prefer=prefer, no_commit=no_commit, meter=out.meter())
    tell_purged(out, repo)
    if made is None:
        out.note("Reverted: xver commit")
        return
    out.note("[", made.branch or "detached HEAD", " ", Styled(made.id[:7], "id"), f"] {made.title}")
    for one in made.changes:
        out.note(" ", *staged_line(one))


@click.command(cls=Command, exits=(InvalidInput, Conflict, DirtyWorktree))
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be undone.")
@click.option("--list", "as_list", is_flag=True, help="List what can be undone, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print one JSON document.")
@pass_output
def undo(out: Output, dry_run: bool, as_list: bool, as_json: bool) -> None:
    """Undo the last operation here.

    Typed again, it undoes the one before. What add, rm, mv, commit, restore, revert, merge, switch, branch and tag did
    goes back, in xver.lock and on the disk; changes that were not added are never overwritten. Not undone are:
    checkout, and restore without --source, which only bring files that are stored; what fetch, pull and push brought;
    gc, forget, purge and evict; and beside git what git did: `git reset --soft HEAD~1` takes a commit back.

    Examples:
      xver undo -n
      xver undo
    """
    from xver.versioning.operations import operations
    from xver.versioning.undoing import last_operation
    from xver.versioning.undoing import undo as take_back

    if as_list or as_json:
        found = operations(open_repo())
        if as_json:
            out.json([{"operation": one.words, "time": one.time, "ended": one.after is not None} for one in found])
            return
        for one in found:
            out.line(when(one.time, 0), "  ", one.words, "" if one.after is not None else "  (did not end)")
        return
    repo = opened(out)
    if dry_run:
        out.line("Would undo: ", last_operation(repo).words)
        return
    out.note("Undone: ", take_back(repo, meter=out.meter()).words)
    tell_purged(out, repo)
