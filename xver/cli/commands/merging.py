"""The command that joins two lines of history: merge."""

from __future__ import annotations

import click

from xver.cli.command import Command
from xver.cli.opening import opened
from xver.cli.output import Output, Styled, pass_output
from xver.errors import DirtyWorktree, InvalidInput, MergeConflict


@click.command(cls=Command, exits=(MergeConflict, DirtyWorktree, InvalidInput))
@click.argument("rev", required=False)
@click.option("--ours", "side", flag_value="ours", help="Where both sides changed a file, keep ours.")
@click.option("--theirs", "side", flag_value="theirs", help="Where both sides changed a file, take theirs.")
@click.option("--abort", "gives_up", is_flag=True, help="Give up the merge of git's that is going on.")
@pass_output
def merge(out: Output, rev: str | None, side: str | None, gives_up: bool) -> None:
    """Join another line of history into this one.

    Beside git, histories are merged by `git merge`; where that leaves a conflict in xver.lock, `xver merge` without
    an argument settles it, file by file. Outside git, `xver merge BRANCH` merges the branch.

    Where both sides changed the same files, nothing is merged; they are named, and what both started from, ours and
    theirs are laid out beside each other. With --ours or --theirs everything else is merged, and of these files one
    side's is taken. For a third: merge with --ours, put it in its place, then xver add and commit.

    Examples:
      git merge feature; xver merge
      git merge feature; xver merge --theirs
      xver merge feature
      xver merge --abort
    """
    from xver.git.under_way import under_way
    from xver.history.merge import Side
    from xver.versioning.merging import abort, merge_snapshot, settle_git_conflict

    repo = opened(out)
    prefer = None if side is None else Side(side)
    if gives_up:
        if repo.git is None:
            raise InvalidInput(
                "no merge is going on: one that meets a conflict changes nothing", hint="xver undo takes a merge back"
            )
        abort(repo, repo.git, meter=out.meter())
        out.note("Everything is as it was before the merge")
        return
    if repo.git is not None:
        if rev is not None:
            raise InvalidInput("history is git's here", hint=f"git merge {rev}, then xver checkout")
        settle_git_conflict(repo, repo.git, prefer=prefer, meter=out.meter())
        assert repo.places.git is not None
        out.note(f"Settled xver.lock: {under_way(repo.places.git.git_dir).go_on}")
        return
    if rev is None:
        raise InvalidInput("a branch or revision to merge is needed", hint="xver branch lists them")
    done = merge_snapshot(repo, rev, prefer=prefer, meter=out.meter())
    match done.kind:
        case "up to date":
            out.note("Already up to date")
        case "forward":
            out.note(f"Moved forward to {rev}")
        case _:
            assert done.commit is not None
            out.note("Merged as ", Styled(done.commit.id[:7], "id"))
