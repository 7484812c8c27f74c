"""The commands that look inside versions: ls, cat, view."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, cast

import click

from xver.cli.command import Command
from xver.cli.human import plural, size
from xver.cli.opening import reading
from xver.cli.output import Output, pass_output
from xver.cli.views.entries import amount, entry_json, id_text, kind_word
from xver.cli.views.words import is_tracked, split_path
from xver.errors import (
    Conflict,
    ContentNotFound,
    InvalidInput,
    NotFound,
    RepositoryNotFound,
    RevisionNotFound,
    StorageError,
    TransientStorageError,
)
from xver.model.entries import Dataset, Entries, Entry, External
from xver.model.paths import quoted
from xver.repo import Repo, open_repo
from xver.store.store import Store

_ADDRESS: Final = "://"


@click.command(cls=Command, exits=(NotFound, RevisionNotFound, RepositoryNotFound, StorageError, TransientStorageError))
@click.argument("path", default="")
@click.option("-r", "--rev", default=None, metavar="REV", help="The version to look at [default: xver.lock].")
@click.option("-l", "long", is_flag=True, help="Show kind, size and id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def ls(out: Output, path: str, rev: str | None, long: bool, as_json: bool) -> None:
    """List tracked files at any version.

    Without a path: the tracked paths. With one: every file at or below it. Nothing is checked out or fetched. The path
    may be an address, as of a remote without a clone: // ends the remote's own part, @ begins the version.

    Examples:
      xver ls -l
      xver ls data/raw --rev v1.0
      xver ls v1.0:data/raw
      xver ls xver+s3://bucket/prefix//data/raw@v1.0
    """
    rows = _rows_at(path, rev) if _ADDRESS in path else _rows_here(path, rev)
    if as_json:
        out.json([{"path": name, **(entry_json(entry) or {})} for name, entry in rows])
    elif long:
        out.table(
            [
                (kind_word(entry), amount(entry), "" if isinstance(entry, External) else id_text(entry.id), name)
                for name, entry in rows
            ]
        )
    else:
        for name, _ in rows:
            out.line(name)


@click.command(
    cls=Command,
    exits=(
        *(NotFound, RevisionNotFound, RepositoryNotFound, ContentNotFound),
        *(Conflict, StorageError, TransientStorageError),
    ),
)
@click.argument("path")
@click.option("-r", "--rev", default=None, metavar="REV", help="The version to read from [default: xver.lock].")
@pass_output
def cat(out: Output, path: str, rev: str | None) -> None:
    """Print the content of a file at any version.

    What is not here is read from a remote, and not kept. The path may be an address, as of a remote without a clone.

    Examples:
      xver cat data/labels.csv --rev HEAD~1 | head
      xver cat "data/labels.csv" --rev "@{2 days ago}"
      xver cat xver+s3://bucket/prefix//data/labels.csv@v1.0
    """
    from xver.filesystem.originals import Original
    from xver.store.content import read_content

    store, entry = _entry_at(path, rev) if _ADDRESS in path else _entry_here(out, path, rev)
    if isinstance(entry, Dataset):
        raise InvalidInput(
            f"{path} is no file ({kind_word(entry)}, {size(entry.size)})", hint=f"xver ls {quoted(path)}"
        )
    if isinstance(entry, External):
        for block in Original(entry).blocks():
            out.raw(block)
        return
    for part in read_content(store, entry.id, entry.size):
        out.raw(bytes(part))


@click.command(
    cls=Command,
    exits=(NotFound, RevisionNotFound, RepositoryNotFound, ContentNotFound, StorageError, TransientStorageError),
)
@click.argument("path", required=False)
@click.option("-r", "--rev", default=None, metavar="REV", help="The version to take [default: xver.lock].")
@click.option("--drop", type=click.FloatRange(0), metavar="DAYS", help="Remove views not asked for in so many days.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def view(out: Output, path: str | None, rev: str | None, drop: float | None, as_json: bool) -> None:
    """Print a read-only folder with tracked files of any version.

    The folder is made once on this machine, in the user's cache or in XVER_CACHE, and is the same for all that ask for
    the same data: for programs that open paths, as in `train.py "$(xver view data/raw@v1.0)"`. What is not local is
    read from a remote. With --drop views are removed that nobody has asked for lately; those that a program still
    reads are not known, so choose enough days.

    Examples:
      xver view data/raw@v1.0
      xver view xver+s3://bucket/prefix//data/raw@v1.0
      xver view --drop 30
    """
    from xver.filesystem.sources import cache_folder
    from xver.filesystem.views import drop_views, make_view

    cache = cache_folder(os.environ, sys.platform)
    if drop is not None:
        if path is not None or rev is not None:
            raise InvalidInput("--drop goes by age alone", hint="xver view --drop 30")
        dropped = [str(folder) for folder in drop_views(cache, days=drop)]
        if as_json:
            out.json({"dropped": dropped})
        else:
            out.note(f"{plural(len(dropped), 'view')} removed")
        return
    if path is None:
        raise InvalidInput("the path to view is needed", hint="for everything, give the folder: .")
    made = make_view(*_version(out, path, rev), cache=cache, meter=out.meter())
    if as_json:
        out.json({"path": str(made.folder), "id": made.id.hex(), "made": made.is_new})
    else:
        out.line(str(made.folder))


def _version(out: Output, path: str, rev: str | None) -> tuple[Store, Entries, str]:
    """Return what a path of a version means: the store that has it, what was tracked then, and the path there."""
    from xver.filesystem.addresses import parse_address
    from xver.filesystem.repositories import look_up
    from xver.versioning.versions import entries_at

    if _ADDRESS in path:
        tree, inner = look_up(path, rev)
        return tree.store, cast("Entries", tree.entries), inner
    repo = reading(out)
    if rev is None and "@" in path and not Path(path).is_absolute() and not is_tracked(repo, path):
        address = parse_address(path, is_remote=False)
        rev, path = address.rev, address.path or "."
    version, wanted = _place(repo, path, rev)
    return repo.store, repo.lock.entries if version is None else entries_at(repo, version), wanted


def _rows_here(path: str, rev: str | None) -> list[tuple[str, Entry]]:
    from xver.versioning.versions import rows_at

    repo = open_repo()
    version, wanted = _place(repo, path, rev)
    return rows_at(repo, version, wanted)


def _place(repo: Repo, path: str, rev: str | None) -> tuple[str | None, str]:
    """Return the version and the path that are meant: `HEAD~2:data` names both, unless something is called that."""
    wanted = repo.relative(path, start=Path.cwd()) if path else ""
    if rev is None and ":" in path and not is_tracked(repo, path):
        version, inner = split_path(repo, path)
        if inner is not None:
            return version, inner
    return rev, wanted


def _rows_at(address: str, rev: str | None) -> list[tuple[str, Entry]]:
    from xver.filesystem.repositories import look_up
    from xver.filesystem.trees import Folder

    tree, path = look_up(address, rev)
    if not path:
        return list(tree.entries.items())
    found: list[tuple[str, Entry]]
    found = [(name, entry) for name, entry in tree.files(path) if not isinstance(entry, Folder)]
    if not found and tree.find(path) is None:
        raise NotFound(f"{path} is not tracked there", hint=f"xver ls {quoted(address.rpartition(path)[0])}")
    return found


def _entry_here(out: Output, path: str, rev: str | None) -> tuple[Store, Entry]:
    from xver.versioning.versions import entry_at

    repo = reading(out)
    return repo.store, entry_at(repo, *_place(repo, path, rev))


def _entry_at(address: str, rev: str | None) -> tuple[Store, Entry]:
    from xver.filesystem.repositories import look_up
    from xver.filesystem.trees import Folder

    tree, path = look_up(address, rev)
    found = tree.find(path)
    if found is None:
        raise NotFound(f"{path} is not tracked there", hint=f"xver ls {quoted(address.rpartition(path)[0])}")
    if isinstance(found, Folder):
        raise InvalidInput(f"{path or address} is no file (a folder)", hint=f"xver ls {quoted(address)}")
    return tree.store, found
