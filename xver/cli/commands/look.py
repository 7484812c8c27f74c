"""The commands that look inside versions: ls, cat."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from xver.cli.command import Command
from xver.cli.human import size
from xver.cli.opening import reading
from xver.cli.output import Output, pass_output
from xver.cli.views.entries import amount, entry_json, id_text, is_tracked, kind_word, split_path
from xver.errors import (
    ContentNotFound,
    InvalidInput,
    NotFound,
    RepositoryNotFound,
    RevisionNotFound,
    StorageError,
    TransientStorageError,
)
from xver.model.entries import Dataset, Entry, External
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
    exits=(NotFound, RevisionNotFound, RepositoryNotFound, ContentNotFound, StorageError, TransientStorageError),
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
    from xver.store.content import read_content

    store, entry = _entry_at(path, rev) if _ADDRESS in path else _entry_here(out, path, rev)
    if isinstance(entry, Dataset | External):
        raise InvalidInput(f"{path} is no file ({kind_word(entry)}, {size(entry.size)})", hint=f"xver ls {path}")
    for part in read_content(store, entry.id, entry.size):
        out.raw(bytes(part))


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
        raise NotFound(f"{path} is not tracked there", hint=f"xver ls {address.rpartition(path)[0]}")
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
        raise NotFound(f"{path} is not tracked there", hint=f"xver ls {address.rpartition(path)[0]}")
    if isinstance(found, Folder):
        raise InvalidInput(f"{path or address} is no file (a folder)", hint=f"xver ls {address}")
    return tree.store, found
