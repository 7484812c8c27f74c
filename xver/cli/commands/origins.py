"""The commands that say of tracked data where it came from and what it costs: blame, du."""

from __future__ import annotations

from pathlib import Path

import click

from xver.cli.command import Command
from xver.cli.human import size, when
from xver.cli.output import Output, Styled, pass_output
from xver.cli.views.entries import entry_json, version_json
from xver.errors import NotFound, RevisionNotFound
from xver.repo import open_repo


@click.command(cls=Command, exits=(NotFound, RevisionNotFound))
@click.argument("path")
@click.option("-r", "--rev", default="HEAD", metavar="REV", help="The version to look at [default: HEAD].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def blame(out: Output, path: str, rev: str, as_json: bool) -> None:
    """Show which version brought each file.

    Of a file: the version that gave it the content it has. Of a folder: that of every file in it. `?` follows the id
    where the data of the version before is not kept, so that the file may be older.

    Examples:
      xver blame data/labels.csv
      xver blame data/raw --rev v1.0
    """
    from xver.versioning.blaming import blame as brought

    repo = open_repo()
    found = brought(repo, repo.relative(path, start=Path.cwd()), rev)
    if as_json:
        out.json(
            [{"path": one.path, **(entry_json(one.entry) or {}), "version": version_json(one.version)} for one in found]
        )
        return
    out.table(
        [
            (
                Styled(one.version.id[:7] + ("" if one.is_known else "?"), "id"),
                when(one.version.time, one.version.offset),
                one.version.author.name,
                size(one.entry.size),
                one.path,
            )
            for one in found
        ],
        right=(3,),
    )


@click.command(cls=Command, exits=(NotFound, RevisionNotFound))
@click.argument("path", default="")
@click.option("-r", "--rev", default=None, metavar="REV", help="The version to look at [default: xver.lock].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with sizes in bytes.")
@pass_output
def du(out: Output, path: str, rev: str | None, as_json: bool) -> None:
    """Show what tracked data costs.

    Its size, what the local store keeps of it (compressed, and what is the same once), and how much of that other
    versions need as well: only the rest is freed when this version is forgotten.

    Examples:
      xver du
      xver du data/raw --rev v1.0
    """
    from xver.versioning.usage import usage

    repo = open_repo()
    each, total = usage(repo, repo.relative(path, start=Path.cwd()) if path else "", rev)
    rows = each if len(each) == 1 else [*each, total]
    if as_json:
        out.json([{"path": one.path, "size": one.size, "stored": one.stored, "shared": one.shared} for one in each])
        return
    out.table(
        [(size(one.size), size(one.stored), size(one.shared), one.path) for one in rows],
        headers=("size", "stored", "shared", "path"),
        right=(0, 1, 2),
    )
