"""The command that takes over what another tool versions: adopt."""

from __future__ import annotations

import click

from xver.cli.command import Command
from xver.cli.human import plural, size
from xver.cli.output import Output, pass_output
from xver.errors import CorruptData, Incomplete, InvalidInput, RevisionNotFound
from xver.repo import open_repo


@click.command(cls=Command, exits=(RevisionNotFound, CorruptData, Incomplete))
@click.argument("tool", type=click.Choice(["dvc", "git-lfs"]), required=False)
@click.option("--history", default=None, metavar="RANGE", help="Also the versions of these commits: BASE..TIP, or TIP.")
@pass_output
def adopt(out: Output, tool: str | None, history: str | None) -> None:
    """Take over what DVC or git-lfs versions here, without a copy.

    Each file in DVC's cache (or in a remote of DVC's that is a folder), or in git-lfs' store, is read once to learn
    what it is. From then on xver.lock names it, and it stays where it is: xver reads it there, proves what it reads,
    and never writes or deletes it. `xver push` sends its content. DVC goes on working beside; what git-lfs had leaves
    git's index, so that the next commit has it in xver.lock instead. Without TOOL it is DVC where there is a folder
    .dvc, else git-lfs.

    With --history `xver log`, `REV:PATH` and `xver diff` know the versions of the commits from before, too.

    Examples:
      xver init && xver adopt
      xver adopt --history HEAD
      xver adopt git-lfs --history v1.0..main
    """
    from xver.intake.adopting import adopt as take_over
    from xver.intake.dvc import FOLDER, Dvc
    from xver.intake.lfs import Lfs
    from xver.intake.tools import Tool

    repo = open_repo()
    is_dvc = tool == "dvc" or (tool is None and (repo.root / FOLDER).is_dir())
    if not is_dvc and repo.git is None:
        raise InvalidInput(
            "there is neither DVC nor git here", hint="go to the top of a DVC project or a git repository"
        )
    used: Tool = Dvc(repo.root) if is_dvc or repo.git is None else Lfs(repo.git)
    done = take_over(repo, used, history=history, meter=out.meter())
    for path, entry in done.entries.items():
        out.line(f"{path}  {size(entry.size)}")
    versions = f", {plural(done.versions, 'version')} before" if history is not None else ""
    read = f"{plural(done.files, 'file')} read ({size(done.size)})"
    paths = plural(len(done.entries), "path")
    out.note(f"Adopted {paths} of {used.name}{versions}: {read}, {size(done.copied)} copied")
    if done.left:
        raise Incomplete(f"not all of what {used.name} tracks is here", done.left, hint=f"{used.bring}, then again")
