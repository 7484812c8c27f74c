"""The commands of the sparse profile: which paths a work tree wants on its disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xver.cli.command import Group
from xver.cli.human import count, plural, size
from xver.cli.opening import opened
from xver.cli.output import Output, pass_output
from xver.errors import DirtyWorktree, InvalidInput, NotFound
from xver.repo import Repo

if TYPE_CHECKING:
    from xver.versioning.sparse import Resized


@click.group(cls=Group)
def sparse() -> None:
    """Have only some paths on this disk.

    With a profile, `checkout`, `pull`, `switch`, `merge` and git's hooks bring these paths alone; a path that is named
    comes all the same. What lies outside is no change where it is not on the disk: it stays in every version that is
    made here, and `xver rm` removes it. The profile is this work tree's own. `xver clone --path` begins with one.
    """


@sparse.command("set", exits=(NotFound, DirtyWorktree))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@pass_output
def set_paths(out: Output, paths: tuple[str, ...]) -> None:
    """Want these paths on the disk, and nothing else.

    What lies outside goes from the disk, unless it was changed and not added: then nothing is done. What lies inside
    and is local comes; `xver pull` brings the rest.

    Examples:
      xver sparse set data/raw/2024 models
    """
    from xver.versioning.sparse import set_profile

    repo = opened(out)
    _tell(out, repo, set_profile(repo, _relative(repo, paths), meter=out.meter()))


@sparse.command("add", exits=(NotFound, InvalidInput))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@pass_output
def add_paths(out: Output, paths: tuple[str, ...]) -> None:
    """Want these paths on the disk too.

    Examples:
      xver sparse add data/raw/2025
    """
    from xver.versioning.sparse import extend_profile

    repo = opened(out)
    _tell(out, repo, extend_profile(repo, _relative(repo, paths), meter=out.meter()))


@sparse.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def list_paths(out: Output, as_json: bool) -> None:
    """List the paths that are wanted on the disk.

    Examples:
      xver sparse list
    """
    paths = opened(out).sparse.paths
    if as_json:
        out.json({"paths": None if paths is None else list(paths)})
        return
    for path in paths or ():
        out.line(path)
    if paths is None:
        out.note("Everything is wanted on this disk")


@sparse.command("off", exits=(DirtyWorktree,))
@pass_output
def off(out: Output) -> None:
    """Want everything on the disk again.

    What is local comes; `xver pull` brings the rest.

    Examples:
      xver sparse off && xver pull
    """
    from xver.versioning.sparse import drop_profile

    repo = opened(out)
    _tell(out, repo, drop_profile(repo, meter=out.meter()))


def _relative(repo: Repo, paths: tuple[str, ...]) -> list[str]:
    return [repo.relative(path, start=Path.cwd()) for path in paths]


def _tell(out: Output, repo: Repo, done: Resized) -> None:
    paths = repo.sparse.paths
    wanted = "Everything" if paths is None else f"Only {plural(len(paths), 'path')}"
    change = f"{plural(done.restored.written, 'file')} written ({size(done.restored.size)})"
    out.note(f"{wanted} wanted on this disk: {change}, {count(done.restored.removed)} removed")
    if done.lacking:
        out.warn(f"{size(done.lacking)} of it are not local: xver pull")
