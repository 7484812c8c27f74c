"""The commands that share: remote, fetch, pull."""

from __future__ import annotations

import time
from pathlib import Path

import click

from xver.cli.command import Command, Group
from xver.cli.human import count, duration, plural, size
from xver.cli.output import Output, pass_output
from xver.errors import (
    AlreadyExists,
    ContentNotFound,
    DirtyWorktree,
    MergeConflict,
    NotFound,
    StorageError,
    TransientStorageError,
)
from xver.repo import open_repo
from xver.settings import Remote, add_remote, remove_remote


@click.group(cls=Group)
def remote() -> None:
    """List, add and remove remotes.

    A remote is a plain bucket or folder: s3://bucket/prefix, or a path. It needs no server.

    Examples:
      xver remote add origin s3://team-bucket/survey
      xver remote list
    """


@remote.command("add", exits=(AlreadyExists,))
@click.argument("name")
@click.argument("url")
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of an S3-compatible bucket.")
@pass_output
def add(out: Output, name: str, url: str, endpoint_url: str | None) -> None:
    """Add a remote to xver.toml.

    Examples:
      xver remote add origin s3://team-bucket/survey
      xver remote add lab s3://data/survey --endpoint-url http://minio.lab:9000
    """
    from xver.model.refs import parse_ref
    from xver.storage.locate import locate

    repo = open_repo()
    parse_ref(name)
    storage = locate(url, base=repo.root, endpoint_url=endpoint_url)
    add_remote(repo.settings_path, Remote(name, url, endpoint_url))
    out.note(f"Added {name}: {storage.url}")


@remote.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def list_remotes(out: Output, as_json: bool) -> None:
    """List the remotes of xver.toml.

    Examples:
      xver remote list
    """
    remotes = open_repo().settings.remotes
    if as_json:
        out.json([{"name": one.name, "url": one.url, "endpoint_url": one.endpoint_url} for one in remotes.values()])
        return
    out.table([(one.name, one.url, one.endpoint_url or "") for one in remotes.values()])


@remote.command("remove", exits=(NotFound,))
@click.argument("name")
@pass_output
def remove(out: Output, name: str) -> None:
    """Remove a remote from xver.toml; what it holds stays.

    Examples:
      xver remote remove origin
    """
    repo = open_repo()
    remove_remote(repo.settings_path, name)
    out.note(f"Removed {name}")


@click.command(cls=Command, exits=(NotFound, StorageError, TransientStorageError))
@click.argument("name", required=False)
@click.option("--data", "paths", multiple=True, metavar="PATH", help="Get the data at PATH too (may be repeated).")
@click.option(
    "--depth", type=click.IntRange(1), default=None, metavar="N", help="Deepen a shallow clone to N versions."
)
@click.option("--unshallow", is_flag=True, help="Get the whole history of a shallow clone, and all branches.")
@pass_output
def fetch(out: Output, name: str | None, paths: tuple[str, ...], depth: int | None, unshallow: bool) -> None:
    """Get the history of a remote, and no data.

    Brings snapshots, listings and runs, so that log, diff, ls and lineage work; the content of files stays there.
    With --data also the content at these paths, as xver.lock names it, comes into the store.

    Examples:
      xver fetch
      xver fetch --data data/train
      xver fetch --unshallow
    """
    from xver.sync.fetch import fetch as bring
    from xver.sync.pull import pull as bring_data
    from xver.sync.remotes import choose_remote
    from xver.versioning.tracking import expand

    repo = open_repo()
    remote = choose_remote(repo, name)
    done = bring(repo, remote, depth=depth, unshallow=unshallow, meter=out.meter())
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
@click.option("-r", "--remote", "name", default=None, metavar="NAME", help="The remote [default: origin].")
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
    from xver.versioning.tracking import expand

    repo = open_repo()
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
