"""The command add: what lies in the work tree, elsewhere on the machine or in a bucket comes under version control."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from xver.cli.command import Command
from xver.cli.human import count, duration, plural, size
from xver.cli.opening import opened
from xver.cli.output import Output, pass_output
from xver.cli.views.entries import amount, difference_line
from xver.errors import Changing, Conflict, DirtyWorktree, Incomplete, InvalidInput, Unreadable, WorkersFailed
from xver.model.entries import Dataset
from xver.model.paths import quoted
from xver.repo import Repo


@click.command(cls=Command, exits=(InvalidInput, Conflict, DirtyWorktree, Incomplete, WorkersFailed))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-n", "--dry-run", is_flag=True, help="Only show which files would be added, changed or removed.")
@click.option("-f", "--force", is_flag=True, help="Add also what a rule of .xverignore leaves out.")
@click.option("--rehash", is_flag=True, help="Read every file, also those whose size and times have not changed.")
@click.option("--to", "to", default=None, metavar="REMOTE", help="Send the content straight there, and keep none here.")
@click.option("--executor", default=None, metavar="SPEC", help="threads[:N], processes[:N] or dask://HOST:PORT.")
@click.option(
    "--as", "as_path", default=None, metavar="PATH", help="Track what lies elsewhere, or in a bucket, as PATH."
)
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of an S3-compatible bucket to take in.")
@pass_output
def add(
    out: Output,
    paths: tuple[str, ...],
    dry_run: bool,
    force: bool,
    rehash: bool,
    to: str | None,
    executor: str | None,
    as_path: str | None,
    endpoint_url: str | None,
) -> None:
    """Track files and folders, and store what is new in them.

    Content goes into the store cut into chunks, each stored once. xver.lock names what belongs here, and .gitignore
    keeps git's hands off it. Adding a path inside a tracked folder updates that part alone. A file that cannot be
    read is named in the end, and stays as it was tracked; all else is added.

    With --as what lies elsewhere on this machine is taken in, and written to PATH. Again, it takes in what changed.

    With --to the content goes straight to a remote, which keeps it for you. Workers do the heavy part: threads or
    processes of this machine, or those of a Dask cluster that sees the same files.

    Examples:
      xver add data/raw models/model.pkl
      xver add "data/*.parquet"
      xver add -n data
      xver add data/raw --to origin --executor dask://scheduler:8786
      xver add s3://bucket/raw --as data/raw --to origin
      xver add /scratch/raw --as data/raw
    """
    from xver.versioning.pathspecs import expand
    from xver.versioning.previewing import preview
    from xver.versioning.tracking import add as add_paths

    repo = opened(out)
    start = time.monotonic()
    is_elsewhere = as_path is not None or endpoint_url is not None or any("://" in path for path in paths)
    if is_elsewhere and (dry_run or force):
        raise InvalidInput("-n and -f are for what lies in this work tree", hint="xver add -h")
    unread: dict[str, str] = {}

    def skip(path: str, error: Unreadable | Changing) -> None:
        unread[path] = error.reason

    if dry_run:
        found = preview(
            repo, expand(repo, paths, start=Path.cwd()), rehash=rehash, force=force, skip=skip, meter=out.meter()
        )
        _print_preview(out, found)
        _tell_unread(unread, "nothing else would be left out")
        return
    if as_path is not None and endpoint_url is None and not any("://" in path for path in paths):
        _add_from(out, repo, paths, as_path, is_spread=to is not None or executor is not None)
        return
    if is_elsewhere:
        result = _add_bucket(out, repo, paths, endpoint_url, as_path, to=to, executor=executor)
    elif to is not None or executor is not None:
        from xver.sync.remotes import choose_remote
        from xver.sync.spreading import add as spread

        remote = None if to is None else choose_remote(repo, to)
        chosen = expand(repo, paths, start=Path.cwd())
        result = spread(
            repo,
            chosen,
            to=remote,
            executor=executor or "threads",
            rehash=rehash,
            force=force,
            skip=skip,
            meter=out.meter(),
        )
    else:
        chosen = expand(repo, paths, start=Path.cwd())
        result = add_paths(repo, chosen, rehash=rehash, force=force, skip=skip, meter=out.meter())
    took = duration(time.monotonic() - start)
    total = sum(one.new for one in result.added)
    ratio = total / result.stored if result.stored else 1
    for one in result.added:
        files = f"  {plural(one.entry.files, 'file')}" if isinstance(one.entry, Dataset) else ""
        if one.before == one.entry:
            out.note(f"Unchanged {one.path}{files}  {size(one.entry.size)}")
        else:
            out.note(f"Added {one.path}{files}  {size(one.entry.size)}  ({_new(one, ratio)})  in {took}")
        for special in one.special:
            out.warn(f"{special} is no file, link or folder, and was left out")
        if not repo.sparse.meets(one.path):
            out.warn(f"{one.path} lies outside of the sparse profile: xver sparse add {one.path}")
    _tell_unread(unread, "all else is added")


def _print_preview(out: Output, found: list[Any]) -> None:
    for one in found:
        for each in one.differences:
            out.line(" ", *difference_line(one.path, each))
        for special in one.special:
            out.warn(f"{special} is no file, link or folder, and would be left out")
    changes = [each for one in found for each in one.differences]
    kinds = {kind: [one for one in changes if one.differs == kind] for kind in ("added", "modified", "deleted")}
    if not changes and all(one.before is not None for one in found):
        out.note("Nothing would change")
        return
    added = f"{plural(len(kinds['added']), 'file')} ({size(sum(one.size for one in kinds['added']))})"
    out.note(f"Would add {added}, change {count(len(kinds['modified']))}, remove {count(len(kinds['deleted']))}")


def _tell_unread(unread: dict[str, str], rest: str) -> None:
    if unread:
        raise Incomplete(
            f"{plural(len(unread), 'path')} could not be read; {rest}",
            [f"{path}  {reason[:1].lower()}{reason[1:]}" for path, reason in sorted(unread.items())],
            hint="correct the rights or the name, or leave it out with .xverignore; then add it again",
        )


def _add_bucket(
    out: Output,
    repo: Repo,
    urls: tuple[str, ...],
    endpoint_url: str | None,
    path: str | None,
    *,
    to: str | None,
    executor: str | None,
) -> Any:
    from xver.sync.remotes import choose_remote
    from xver.sync.sources import Bucket
    from xver.sync.spreading import add_bucket

    if path is None or len(urls) != 1:
        raise InvalidInput(
            "the objects of one bucket become one dataset", hint="xver add s3://bucket/raw --as data/raw"
        )
    remote = None if to is None else choose_remote(repo, to)
    top = repo.relative(path, start=Path.cwd())
    source = Bucket(urls[0], endpoint_url)
    return add_bucket(repo, source, top, to=remote, executor=executor or "threads", meter=out.meter())


def _add_from(out: Output, repo: Repo, paths: tuple[str, ...], as_path: str, *, is_spread: bool) -> None:
    from xver.intake.folders import FolderOrigin
    from xver.intake.importing import add_from

    if len(paths) != 1:
        raise InvalidInput(
            "one folder or bucket becomes one dataset",
            hint="xver add /other/disk/raw --as data/raw, or s3://bucket/raw --as data/raw",
        )
    if is_spread:
        raise InvalidInput(
            "what is added from elsewhere on this machine comes into its own store first",
            hint=f"xver add {quoted(paths[0])} --as {quoted(as_path)}, then xver push",
        )
    start = time.monotonic()
    origin = FolderOrigin(Path.cwd() / Path(paths[0]).expanduser())
    done = add_from(repo, origin, repo.relative(as_path, start=Path.cwd()), meter=out.meter())
    for special in done.special:
        out.warn(f"{special} is no file, link or folder, and was left out")
    if done.before == done.entry:
        out.note(f"Unchanged {done.path}  {amount(done.entry)}")
    else:
        stored = f"{size(done.stored)} stored" if done.stored else "nothing new"
        out.note(f"Added {done.path}  {amount(done.entry)}  ({stored})  in {duration(time.monotonic() - start)}")


def _new(one: Any, ratio: float) -> str:
    if not one.new or not one.entry.size:
        return "nothing new"
    return f"{size(one.new)} new" + (f", {ratio:.1f}x compressed" if ratio >= 1.05 else "")
