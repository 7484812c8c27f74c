"""The command that takes over what others keep, where it lies: adopt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xver.cli.command import Command
from xver.cli.human import count, plural, size
from xver.cli.opening import opened
from xver.cli.output import Output, pass_output
from xver.cli.views.entries import amount
from xver.errors import (
    AlreadyExists,
    Conflict,
    CorruptData,
    Incomplete,
    InvalidInput,
    NotFound,
    RevisionNotFound,
    StorageError,
    TransientStorageError,
)
from xver.model.paths import typed
from xver.repo import Repo

if TYPE_CHECKING:
    from xver.intake.adopting import Adopted

_ERRORS = (NotFound, RevisionNotFound, AlreadyExists, Conflict, CorruptData, StorageError, TransientStorageError)


@click.command(cls=Command, exits=(*_ERRORS, Incomplete))
@click.argument("what", metavar="[dvc|git-lfs|ADDRESS]", required=False)
@click.argument("path", required=False)
@click.option("--history", default=None, metavar="RANGE", help="Also the versions of these commits: BASE..TIP, or TIP.")
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of an S3-compatible bucket.")
@pass_output
def adopt(out: Output, what: str | None, path: str | None, history: str | None, endpoint_url: str | None) -> None:
    """Take over what DVC, git-lfs or a bucket has, without a copy.

    Each file in DVC's cache or in a remote of DVC's (a folder, s3 or gs), or in git-lfs' store, is read once to learn
    what it is. From then on xver.lock names it, and it stays where it is: xver reads it there, proves what it reads,
    and never writes or deletes it. `xver push` sends its content. DVC goes on working beside; what git-lfs had leaves
    git's index, so that the next commit has it in xver.lock instead. Without a word it is DVC where there is a folder
    .dvc at the top, or git has one further down, else git-lfs. With --history `xver log`, `REV:PATH` and `xver diff`
    know the versions of the commits from before, too.

    With the ADDRESS of a bucket (s3, gs, az) all objects below it are tracked as PATH and stay there as well; nothing
    is written to the disk. Where the bucket keeps versions, they are read of the version that was adopted; elsewhere
    what is overwritten is gone. Typed again, or after an interruption, it reads only what is new.

    Examples:
      xver init && xver adopt
      xver adopt --history HEAD
      xver adopt git-lfs --history v1.0..main
      xver adopt s3://bucket/raw data/raw
    """
    repo = opened(out)
    if what is not None and "://" in what:
        if path is None or history is not None:
            raise InvalidInput("of a bucket there is no history, but a PATH", hint=f"xver adopt {what} PATH")
        _adopt_bucket(out, repo, what, path, endpoint_url)
        return
    if what not in (None, "dvc", "git-lfs"):
        raise InvalidInput(
            f"{what} cannot be adopted", hint="xver adopt dvc, xver adopt git-lfs, s3://bucket/folder PATH"
        )
    if path is not None or endpoint_url is not None:
        raise InvalidInput("a PATH and a server are of a bucket", hint="xver adopt ADDRESS PATH")
    _adopt_tool(out, repo, what, history)


def _adopt_tool(out: Output, repo: Repo, word: str | None, history: str | None) -> None:
    from xver.intake.adopting import adopt as take_over
    from xver.intake.dvc import Dvc
    from xver.intake.dvc_ignore import take_rules
    from xver.intake.dvc_projects import find_projects
    from xver.intake.lfs import Lfs

    is_dvc = word == "dvc" or (word is None and bool(find_projects(repo.root, repo.git)))
    if not is_dvc and repo.git is None:
        raise InvalidInput(
            "there is neither DVC nor git here", hint="go to the top of a DVC project or a git repository"
        )
    used: Dvc | Lfs = Dvc(repo.root, repo.git) if is_dvc or repo.git is None else Lfs(repo.git)
    done = take_over(repo, used, history=history, meter=out.meter())
    for path, entry in done.entries.items():
        out.line(f"{path}  {size(entry.size)}")
    versions = f", {plural(done.versions, 'version')} before" if history is not None else ""
    out.note(f"Adopted {plural(len(done.entries), 'path')} of {used.name}{versions}: {_cost(done)}")
    if done.entries:
        out.note(f"  it stays in {used.name}'s store alone until xver push: before, no {used.cleaner}")
    _tell_unkept(out, done)
    if is_dvc:
        _tell_rules(out, *take_rules(repo))
    if done.left:
        raise Incomplete(f"not all of what {used.name} tracks is here", done.left, hint=f"{used.bring}, then again")


def _tell_rules(out: Output, written: int, lacking: int) -> None:
    if written:
        out.note(f"  wrote .xverignore, with what .dvcignore says ({plural(written, 'rule')})")
    elif lacking:
        out.note(f"  .xverignore has not all that .dvcignore says: {plural(lacking, 'rule')} more")


def _adopt_bucket(out: Output, repo: Repo, url: str, path: str, endpoint_url: str | None) -> None:
    from xver.intake.adopting import adopt_bucket

    top = repo.relative(path, start=Path.cwd())
    done = adopt_bucket(repo, url, top, endpoint_url=endpoint_url, meter=out.meter())
    for taken, entry in done.entries.items():
        out.note(f"Adopted {taken}  {amount(entry)}: {_cost(done)}")
        out.note(f"  on the disk: xver checkout {typed(taken)}")
    _tell_unkept(out, done)


def _cost(done: Adopted) -> str:
    return f"{plural(done.files, 'file')} read ({size(done.size)}), {size(done.copied)} copied"


def _tell_unkept(out: Output, done: Adopted) -> None:
    if done.unkept:
        out.note(
            f"  the bucket keeps no versions of {count(done.unkept)}: what is overwritten or deleted there is gone, "
            "unless it was pushed"
        )
