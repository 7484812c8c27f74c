"""The commands that free disk space: evict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from xver.cli.command import Command
from xver.cli.human import parse_size, size
from xver.cli.opening import opened
from xver.cli.output import Output, pass_output
from xver.errors import (
    Conflict,
    InvalidInput,
    Locked,
    NotFound,
    RepositoryNotFound,
    StorageError,
    TransientStorageError,
)
from xver.repo import Repo


@click.command(cls=Command, exits=(NotFound, Conflict, Locked, StorageError, TransientStorageError))
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--to", "most", default=None, metavar="SIZE", help="Shrink the store to SIZE, as in 50GB.")
@click.option("--all", "everything", is_flag=True, help="Give up all that can be.")
@click.option(
    "-r", "--remote", "name", default=None, metavar="NAME", help="The remote that keeps it [default: origin]."
)
@click.option(
    "--read-only", is_flag=True, help="Write nothing there: what its branches keep counts, until a forget there."
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be freed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def evict(
    out: Output,
    paths: tuple[str, ...],
    most: str | None,
    everything: bool,
    name: str | None,
    read_only: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Free disk space by giving up content that a remote holds.

    The files you work with stay: what goes is the copy in the store. The remote is asked anew what it holds, and keeps
    it for this clone. Old versions go first, what xver.lock names last; what was not pushed never goes. `xver cat`
    reads what is gone from the remote, `xver pull --no-checkout` brings back what xver.lock names.

    Examples:
      xver evict --to 50GB
      xver evict data/raw
      xver evict --all -n
    """
    from xver.sync.remotes import choose_remote, open_remote
    from xver.upkeep.evict import evict as free
    from xver.upkeep.evict import plan_eviction
    from xver.versioning.pathspecs import expand

    if not (paths or everything or most):
        raise InvalidInput("what is to go?", hint="xver evict --to 50GB, xver evict PATH, or xver evict --all")
    limit = None if most is None else parse_size(most)
    repo = opened(out)
    remote = choose_remote(repo, name)
    try:
        there = open_remote(repo, remote, ahead=("packs/",))
    except RepositoryNotFound as error:
        raise RepositoryNotFound(f"nothing was pushed to {remote.name} yet", hint="xver push") from error
    chosen: Sequence[str] = () if everything else expand(repo, paths, start=Path.cwd())
    found = plan_eviction(repo, there, paths=chosen, most=limit, pins=not read_only)
    if paths and not found.ids:
        _refuse_unknown(repo, chosen)
    freed = found.freed
    if not dry_run and found.ids:
        freed = free(repo, there, remote.name, found, pins=not read_only, meter=out.meter())
    if as_json:
        out.json({"remote": remote.name, "freed": freed, "before": found.size, "after": found.size - freed})
    elif freed <= 0:
        out.note(f"Nothing to free: {size(found.size)} stay")
    else:
        done = "Would free" if dry_run else "Freed"
        out.note(f"{done} {size(freed)} of {size(found.size)}: {remote.name} keeps it")
    if limit is not None and found.size - freed > limit:
        rest = f"metadata, what {remote.name} does not hold, and packs mostly of such"
        out.warn(f"{size(found.size - freed)} stay: that is {rest}")


def _refuse_unknown(repo: Repo, paths: Sequence[str]) -> None:
    """Refuse a path of which nothing can go and that nothing tracked has anything to do with: it is a wrong word."""
    from xver.model.paths import is_below

    for path in paths:
        if path and not any(is_below(path, top) or is_below(top, path) for top in repo.lock.entries):
            raise NotFound(f"{path} is not tracked, and nothing of it can go", hint="xver ls shows what is")
