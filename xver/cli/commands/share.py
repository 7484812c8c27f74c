"""The commands that share: fetch, pull."""

from __future__ import annotations

import time
from pathlib import Path

import click

from xver.cli.command import Command
from xver.cli.heap import give_back
from xver.cli.human import count, duration, plural, size
from xver.cli.opening import tell_moved, tell_purged, tell_purged_at
from xver.cli.output import Output, pass_output
from xver.cli.views.words import is_tracked
from xver.errors import (
    Conflict,
    ContentNotFound,
    DirtyWorktree,
    Incomplete,
    InvalidInput,
    MergeConflict,
    NotFound,
    StorageError,
    TransientStorageError,
    XverError,
)
from xver.repo import Repo, open_repo
from xver.settings import Remote


@click.command(cls=Command, exits=(NotFound, Conflict, StorageError, TransientStorageError, Incomplete))
@click.argument("name", required=False)
@click.option("--data", "paths", multiple=True, metavar="PATH", help="Get the data at PATH too (may be repeated).")
@click.option(
    "--depth", type=click.IntRange(1), default=None, metavar="N", help="Deepen a shallow clone to N versions."
)
@click.option("--unshallow", is_flag=True, help="Get the whole history of a shallow clone, and all branches.")
@click.option("--all", "from_all", is_flag=True, help="Ask every remote.")
@pass_output
def fetch(
    out: Output, name: str | None, paths: tuple[str, ...], depth: int | None, unshallow: bool, from_all: bool
) -> None:
    """Get the history of a remote, and no data.

    Brings snapshots, listings and runs, so that log, diff, ls and lineage work; the content of files stays there.
    Without NAME, the remote is the branch's default (`xver remote default`), `origin`, or the only one there is.
    With --data also the content at these paths, as xver.lock names it, comes into the store.

    Examples:
      xver fetch
      xver fetch --data data/train
      xver fetch --unshallow
      xver fetch --all
    """
    from xver.sync.remotes import choose_remote, ordered_remotes

    give_back()
    repo = open_repo()
    if not from_all:
        _fetch_from(out, repo, choose_remote(repo, name), paths, depth=depth, unshallow=unshallow)
        return
    if name is not None or paths or depth or unshallow:
        raise InvalidInput("--all asks every remote, for its history", hint="xver fetch --all")
    asked = ordered_remotes(repo) or [choose_remote(repo, None)]
    failures = []
    for remote in asked:
        try:
            _fetch_from(out, repo, remote, ())
        except XverError as error:
            failures.append(f"{remote.name}: {error.message}")
    failures += [
        f"{one.name}: its address is not trusted: xver remote trust {one.name}"
        for one in repo.settings.remotes.values()
        if one not in asked
    ]
    if failures:
        raise Incomplete("not every remote could be asked", failures, hint="xver remote check NAME")


def _fetch_from(
    out: Output,
    repo: Repo,
    remote: Remote,
    paths: tuple[str, ...],
    *,
    depth: int | None = None,
    unshallow: bool = False,
) -> None:
    from xver.sync.fetch import fetch as bring
    from xver.sync.pull import pull as bring_data
    from xver.versioning.pathspecs import expand

    done = bring(repo, remote, depth=depth, unshallow=unshallow, meter=out.meter())
    tell_purged_at(out, remote.name, done.purged)
    tell_moved(out, remote.name, done.moved_to)
    if paths:
        got = bring_data(repo, remote, expand(repo, paths, start=Path.cwd()), checks_out=False, meter=out.meter())
        out.note(f"Fetched {', '.join(paths)}  {size(got.size)}" if got.size else "The data is here already")
    if not (done.moved or done.commits or done.runs):
        if not paths:
            out.note(f"Nothing new at {remote.name}")
        return
    moved = f"  {', '.join(done.moved)}" if done.moved else ""
    out.note(
        f"Fetched {remote.name}{moved}  {plural(done.commits, 'commit')}  {plural(done.runs, 'run')}  {size(done.size)}"
    )


@click.command(cls=Command, exits=(NotFound, ContentNotFound, DirtyWorktree, MergeConflict, StorageError))
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("-r", "--remote", "name", default=None, metavar="NAME", help="The remote [default: as for fetch].")
@click.option("--no-checkout", is_flag=True, help="Bring the data into the store only.")
@pass_output
def pull(out: Output, paths: tuple[str, ...], name: str | None, no_checkout: bool) -> None:
    """Get data from a remote and check it out.

    Brings what xver.lock names, or only what PATH needs. Beside git, pull history with `git pull` first. Outside
    git, the remote's branch is merged file by file.

    Examples:
      git pull && xver pull
      xver pull data/train
    """
    from xver.sync.pull import pull as bring
    from xver.sync.remotes import choose_remote
    from xver.versioning.pathspecs import expand

    give_back()
    repo = open_repo()
    for path in paths:
        if path in repo.settings.remotes and not is_tracked(repo, path):
            raise NotFound(f"{path} is a remote, and no tracked path", hint=f"xver pull --remote {path}")
    remote = choose_remote(repo, name)
    start = time.monotonic()
    done = bring(repo, remote, expand(repo, paths, start=Path.cwd()), checks_out=not no_checkout, meter=out.meter())
    got = done.size + done.fetched.size
    out.note(
        f"Pulled {remote.name}  {size(got)}  in {duration(time.monotonic() - start)}" if got else "Nothing to fetch"
    )
    if done.merged == "merge":
        out.note("Merged the remote's branch: xver push shares the result")
    if done.restored is not None and (done.restored.written or done.restored.removed):
        written = f"{plural(done.restored.written, 'file')} written ({size(done.restored.size)})"
        out.note(f"{written}, {count(done.restored.removed)} removed")
    tell_purged_at(out, remote.name, done.fetched.purged)
    tell_moved(out, remote.name, done.fetched.moved_to)
    if done.restored is not None:
        tell_purged(out, repo)
