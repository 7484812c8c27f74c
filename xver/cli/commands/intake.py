"""The commands that take data in from elsewhere, and give it out to anywhere: import, update, get."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from xver.cli.command import Command
from xver.cli.human import count, duration, plural, size
from xver.cli.opening import opened
from xver.cli.output import Output, Styled, pass_output
from xver.cli.views.entries import amount, change_line, entry_json
from xver.errors import (
    AlreadyExists,
    Conflict,
    DirtyWorktree,
    Incomplete,
    InvalidInput,
    NotFound,
    RepositoryNotFound,
    RevisionNotFound,
    StorageError,
    TransientStorageError,
    XverError,
)
from xver.model.paths import typed
from xver.repo import Repo

if TYPE_CHECKING:
    from xver.intake.importing import Brought, Import
    from xver.model.paths import TrackedPath

_SHOWN: Final = 20


@click.command(
    "import",
    cls=Command,
    exits=(InvalidInput, NotFound, AlreadyExists, Conflict, StorageError, TransientStorageError),
)
@click.argument("address")
@click.argument("path")
@click.option("--reference", "is_reference", is_flag=True, help="Only list a bucket, and read and store nothing of it.")
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of an S3-compatible bucket.")
@pass_output
def import_(out: Output, address: str, path: str, is_reference: bool, endpoint_url: str | None) -> None:
    """Bring data from elsewhere, and record where it came from.

    ADDRESS is a file of a web server, an object or all objects below an address of a bucket (s3, gs, az, sftp, and what
    fsspec reads), a path of this machine, or a path of another xver repository or remote at a version. The content is
    stored, tracked as PATH and written there; below PATH, where that is a folder. `xver lineage` ends at the address,
    and `xver update` asks there for a newer version.

    With --reference PATH says of each object of a bucket (s3, gs, az) where it is, how large, and in which version, and
    nothing is read: `xver.open` and `xver get` read it there, as long as it is what was listed. `xver adopt` reads all
    once and makes versions of the content itself.

    Examples:
      xver import https://host/labels.csv data/labels.csv
      xver import s3://bucket/raw data/raw
      xver import --reference s3://bucket/all data/all
      xver import xver+s3://bucket/survey@v1:data/raw data/raw
      xver import ../survey@main:data/labels.csv data/
    """
    from xver.intake.choosing import find_origin
    from xver.intake.importing import import_data

    repo = opened(out)
    begun = time.monotonic()
    origin = find_origin(address, endpoint_url=endpoint_url, start=Path.cwd(), is_reference=is_reference)
    top = _inside(repo, path, origin.name)
    done = import_data(repo, origin, top, start=Path.cwd(), meter=out.meter())
    _tell_special(out, done)
    took = duration(time.monotonic() - begun)
    if is_reference:
        out.note(f"Imported {done.path}  {amount(done.entry)}  by reference, 0 B read  in {took}")
        return
    out.note(f"Imported {done.path}  {amount(done.entry)}  ({_stored(done)})  in {took}")


@click.command(cls=Command, exits=(NotFound, Conflict, DirtyWorktree, StorageError, TransientStorageError, Incomplete))
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what has a newer version.")
@click.option("--from", "address", default=None, metavar="ADDRESS", help="Take it from another address from now on.")
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of the bucket at that address.")
@click.option("--force", is_flag=True, help="Replace also what was changed here since it was imported.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def update(
    out: Output,
    paths: tuple[str, ...],
    dry_run: bool,
    address: str | None,
    endpoint_url: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Ask where data was imported from for a newer version, and take it.

    Without PATH all that was imported is asked for. What a server says is unchanged does not travel; of a folder only
    the objects that changed. What was changed here since is left alone. A branch of another repository is followed; to
    go to another tag, name it with --from.

    Examples:
      xver update
      xver update -n data/labels.csv
      xver update data/raw --from xver+s3://bucket/survey@v2:data/raw
    """
    from xver.versioning.pathspecs import expand

    out.notes_apart = as_json
    repo = opened(out)
    wanted = expand(repo, paths, start=Path.cwd())
    if address is not None and len(wanted) != 1:
        raise InvalidInput("--from is the address of one path", hint="xver update PATH --from ADDRESS")
    if endpoint_url is not None and address is None:
        raise InvalidInput("--endpoint-url is of the address that --from names", hint="xver update PATH --from ADDRESS")
    found = _chosen(repo, wanted)
    if not found:
        out.note("Nothing here was imported: xver import ADDRESS PATH")
    answers: list[dict[str, Any]] = []
    failures: list[str] = []
    for top, one in found.items():
        try:
            answers.append(_update(out, repo, top, one, address, endpoint_url, dry_run=dry_run, force=force))
        except XverError as error:
            if len(found) == 1:
                raise
            failures.append(f"{top}: {error.message}")
            continue
        if not as_json:
            _tell(out, repo, answers[-1])
    if as_json:
        out.json([{key: value for key, value in one.items() if key != "entries"} for one in answers])
    if failures:
        raise Incomplete("not everything could be asked for", failures, hint="xver update PATH says more")


@click.command(
    cls=Command,
    exits=(
        InvalidInput,
        NotFound,
        RepositoryNotFound,
        RevisionNotFound,
        AlreadyExists,
        StorageError,
        TransientStorageError,
    ),
)
@click.argument("place", metavar="STORE[@REV]:PATH")
@click.argument("to", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite files that have other content.")
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of an S3-compatible bucket.")
@pass_output
def get(out: Output, place: str, to: Path | None, force: bool, endpoint_url: str | None) -> None:
    """Get a path at a version, to anywhere; no repository is needed.

    STORE is the address of a remote, or a folder with a repository or a remote in it; without one, the repository
    around this folder. TO is a file's name, or a folder to fill [default: the path's own name, here]. Every file
    appears whole or not at all; asked again, an interrupted get goes on. `xver cat` prints a file instead.

    Examples:
      xver get s3://team-bucket/survey@v1:models/model.pkl
      xver get ~/survey:data/raw /scratch/raw
      xver get @HEAD~2:data/labels.csv old-labels.csv
    """
    from xver.filesystem.places import SHAPES, parse_place
    from xver.intake.getting import get as bring

    found = parse_place(place, start=Path.cwd())
    if found is None:
        raise InvalidInput(f"{place} names no path of a version", hint=SHAPES)
    start = time.monotonic()
    done = bring(found, to, endpoint_url=endpoint_url, force=force, meter=out.meter())
    there = f"  ({count(done.there)} were there already)" if done.there else ""
    took = duration(time.monotonic() - start)
    out.note(f"Got {done.target}  {plural(done.written, 'file')}  {size(done.size)}{there}  in {took}")


def _inside(repo: Repo, path: str, name: str) -> str:
    """Return the path to track: below `path`, where that is said or is a folder on the disk."""
    top = repo.relative(path, start=Path.cwd())
    if not (path.endswith(("/", os.sep)) or (repo.root / top).is_dir()) or top in repo.lock.entries:
        return top
    if not name:
        raise InvalidInput("the address has no name of its own", hint=f"say what to call it: {typed(top or '.')}/NAME")
    return f"{top}/{name}" if top else name


def _chosen(repo: Repo, paths: list[str]) -> dict[TrackedPath, Import]:
    from xver.intake.importing import imports
    from xver.model.paths import overlaps

    found = imports(repo)
    for path in paths:
        if not any(overlaps(top, path) for top in found):
            raise NotFound(
                f"{path} was not imported, as far as is known here",
                hint="xver fetch brings what others recorded; xver import ADDRESS PATH takes data in",
            )
    return {top: one for top, one in found.items() if not paths or any(overlaps(top, path) for path in paths)}


def _update(
    out: Output,
    repo: Repo,
    top: TrackedPath,
    one: Import,
    address: str | None,
    endpoint_url: str | None,
    *,
    dry_run: bool,
    force: bool,
) -> dict[str, Any]:
    """Ask for one path; return what came of it: path, uri, state, and the entries before and after."""
    from xver.intake.choosing import find_origin
    from xver.intake.importing import is_as_imported, known_by, origin_of
    from xver.intake.importing import update as take

    before = repo.lock.entries[top]
    answer: dict[str, Any] = {"path": top, "uri": one.source.uri, "state": "unchanged"}
    answer |= {"before": entry_json(before), "after": entry_json(before), "entries": (before, before)}
    if not (force or is_as_imported(repo, top, one)):
        return {**answer, "state": "changed here"}
    start = Path.cwd()
    if address is None:
        origin = origin_of(one, start=start)
    else:
        origin = find_origin(address, endpoint_url=endpoint_url, start=start, is_reference=one.is_reference)
    if dry_run:
        same = origin.is_same(repo, known_by(one, origin))
        state = {True: "unchanged", False: "newer", None: "unknown"}[same]
        return {**answer, "state": state, "after": entry_json(before) if same else None}
    done = take(repo, top, one, origin, start=start, meter=out.meter())
    if done is None or done.entry == before:
        return answer
    _tell_special(out, done)
    return {**answer, "state": "updated", "after": entry_json(done.entry), "entries": (before, done.entry)}


def _tell(out: Output, repo: Repo, answer: dict[str, Any]) -> None:
    from xver.history.diff import diff_entries

    top, (before, after) = answer["path"], answer["entries"]
    match answer["state"]:
        case "changed here":
            out.note(f"Left alone {top}: it was changed here since it was imported  (xver update --force {typed(top)})")
        case "newer":
            out.line(f"Newer at its source: {top}  ", Styled(answer["uri"], "faint"))
        case "unknown":
            out.line(f"Cannot be told without reading it: {top}  ", Styled(answer["uri"], "faint"))
        case "unchanged":
            out.note(f"Unchanged {top}")
        case _:
            out.note(f"Updated {top}  {amount(before)} -> {amount(after)}")
            changes = diff_entries(repo.store, {top: before}, {top: after})
            for change in changes[:_SHOWN]:
                out.note("  ", *change_line(change))
            if len(changes) > _SHOWN:
                out.note(f"  and {count(len(changes) - _SHOWN)} more: xver diff -- {top}")


def _tell_special(out: Output, done: Brought) -> None:
    for special in done.special:
        out.warn(f"{special} is no file, link or folder, and was left out")


def _stored(done: Brought) -> str:
    return f"{size(done.stored)} stored" if done.stored else "nothing new"
