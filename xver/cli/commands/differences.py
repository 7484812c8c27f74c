"""The command diff: which files differ between two versions, and what changed inside of those that are named."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xver.cli.command import RevisionsCommand
from xver.cli.human import count
from xver.cli.opening import reading
from xver.cli.output import Output, pass_output
from xver.cli.views.entries import change_json, change_line, staged_line
from xver.cli.views.words import split_revisions
from xver.errors import Conflict, ContentNotFound, InvalidInput, NotFound, RevisionNotFound
from xver.history.diff import Change
from xver.model.entries import Entries, Entry, File
from xver.repo import Repo
from xver.versioning.state import Staged

if TYPE_CHECKING:
    from xver.content.changes import Changes


@click.command(cls=RevisionsCommand, exits=(NotFound, RevisionNotFound, ContentNotFound, Conflict))
@click.argument("args", nargs=-1, metavar="[REV [REV]] [PATH...]")
@click.option(
    "--staged", "--cached", "staged", is_flag=True, help="Compare xver.lock, and not the disk, with HEAD or REV."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--stat", "only_totals", is_flag=True, help="Print the totals of each tracked path, or named file, only.")
@click.option("--key", default="", metavar="COL[,COL]", help="The columns that tell one row of a table from another.")
@click.option("--html", "page", default=None, metavar="FILE", help="Write a page on the named files, for a browser.")
@click.option("--md", "as_markdown", is_flag=True, help="Print a summary in Markdown, for a pull request.")
@pass_output
def diff(
    out: Output,
    args: tuple[str, ...],
    staged: bool,
    as_json: bool,
    only_totals: bool,
    key: str,
    page: str | None,
    as_markdown: bool,
) -> None:
    """Show what changed in the data between two versions.

    Without a revision: what the disk has otherwise than xver.lock, which is what xver add would take in. With --staged:
    what xver.lock has otherwise than HEAD, which is what a commit would record. One revision: it against the disk, or,
    with --staged, against xver.lock. Two: the first against the second. ONE...OTHER: what OTHER changed since both were
    one. Files that moved are recognised by their content.

    Of a file that is named by itself it tells what changed inside. CSV, TSV, JSONL, Parquet and Arrow (Feather):
    schema, rows, and a summary of each column that changed. safetensors, npy and npz: tensors and the norm of their
    change. Any other file: how many bytes stand in chunks that both have. Rows are found by --key, by a column that
    identifies them, or else by all they hold. Nothing is checked out, and memory does not grow with the file.

    Examples:
      xver diff
      xver diff --staged
      xver diff main~2 main data/raw
      xver diff HEAD --key id -- data/labels.csv
      xver diff --md origin/main...HEAD
      xver diff v1.0 v2.0 --html changes.html -- data/train.parquet
    """
    from xver.history.diff import diff_entries
    from xver.model.paths import is_below, overlaps
    from xver.versioning.disk import diff_with, disk_changes, entries_with
    from xver.versioning.heads import head_entries
    from xver.versioning.state import changes_to, require_tracked
    from xver.versioning.versions import entries_at

    repo = reading(out)
    revs, paths = split_revisions(repo, _since_common(repo, args), most=2)
    if staged and len(revs) > 1:
        raise InvalidInput("--staged compares xver.lock with one version", hint="xver diff -h")
    on_disk = not staged and len(revs) < 2
    lock = repo.lock.entries
    before = entries_at(repo, revs[0]) if revs else head_entries(repo) if staged else lock
    after = entries_at(repo, revs[1]) if len(revs) > 1 else lock
    require_tracked({**(head_entries(repo) if paths else {}), **before, **after}, paths)
    disk = disk_changes(repo, paths, meter=out.meter()) if on_disk else []
    changes = diff_with(repo, before, disk) if on_disk else diff_entries(repo.store, before, after)
    if paths:
        changes = [one for one in changes if any(is_below(name, path) for path in paths for name in _names(one))]
    named = [one for one in changes if any(path in _names(one) for path in paths) and _are_files(one)]
    if (key or page) and not named and not _is_any_file(repo, before, after, paths):
        raise InvalidInput("--key and --html are for files that are named", hint="xver diff HEAD -- data/labels.csv")
    columns = tuple(filter(None, key.split(",")))
    contents = {one.path: _look_into(out, repo, one, columns, on_disk=on_disk) for one in named}
    if as_markdown:
        _print_markdown(out, repo, changes_to(before, entries_with(repo, after, disk)), changes, on_disk=on_disk)
        return
    if page is not None:
        _write_page(out, page, [(one, contents[one.path]) for one in named])
        return
    if as_json:
        out.json([_json(one, contents) for one in changes])
        return
    if only_totals and not contents:
        for total in changes_to(before, entries_with(repo, after, disk)):
            if not paths or any(overlaps(total.path, path) for path in paths):
                out.line(*staged_line(total))
    else:
        for one in changes:
            _print(out, one, contents.get(one.path), only_totals=only_totals)
    _tell_totals(out, changes)
    if on_disk and not revs and not changes and changes_to(head_entries(repo), lock):
        out.note("What xver.lock has otherwise than HEAD: xver diff --staged")


def _since_common(repo: Repo, args: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words with `ONE...OTHER` as two revisions: where both were one, and OTHER."""
    from xver.versioning.versions import common_ancestor

    one, dots, other = args[0].partition("...") if args else ("", "", "")
    if not dots or os.path.lexists(args[0]):
        return args
    other = other or "HEAD"
    return (common_ancestor(repo, one or "HEAD", other), other, *args[1:])


def _print_markdown(out: Output, repo: Repo, totals: list[Staged], changes: list[Change], *, on_disk: bool) -> None:
    from xver.cli.views.content import content_totals
    from xver.cli.views.summary import summary

    def look(change: Change) -> str:
        try:
            words = content_totals(_look_into(out, repo, change, (), on_disk=on_disk))
        except (InvalidInput, NotFound) as error:
            return error.message
        return "".join(one if isinstance(one, str) else one.text for one in words)

    for line in summary(totals, changes, look):
        out.line(line)


def _print(out: Output, change: Change, content: Changes | None, *, only_totals: bool) -> None:
    from xver.cli.views.content import content_totals, print_content

    if content is None:
        out.line(*change_line(change))
    elif only_totals:
        out.line(*change_line(change), "  ", *content_totals(content))
    else:
        out.line(*change_line(change))
        print_content(out, content)


def _json(change: Change, contents: dict[str, Changes]) -> dict[str, Any]:
    if change.path not in contents:
        return change_json(change)
    from xver.cli.views.content_json import content_json

    return {**change_json(change), "content": content_json(contents[change.path])}


def _write_page(out: Output, page: str, found: list[tuple[Change, Changes]]) -> None:
    from xver.cli.views.content_page import content_page

    try:
        Path(page).write_text(content_page(found), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidInput(f"cannot write {page}: {error.strerror}") from error
    out.note(f"Wrote {page}")


def _tell_totals(out: Output, changes: list[Change]) -> None:
    added = sum(one.before is None for one in changes)
    deleted = sum(one.after is None for one in changes)
    out.note(
        f"{count(added)} added, {count(len(changes) - added - deleted)} changed, {count(deleted)} deleted"
        if changes
        else "No difference in the data"
    )


def _look_into(out: Output, repo: Repo, change: Change, key: tuple[str, ...], *, on_disk: bool) -> Changes:
    from xver.content.comparing import compare
    from xver.content.sources import DiskFile, Source, StoredFile

    def stored(entry: Entry | None) -> Source | None:
        return StoredFile(repo.store, entry) if isinstance(entry, File) else None

    after = stored(change.after)
    path = repo.root / change.path
    if on_disk and after is not None and path.is_file():
        after = DiskFile(str(path))
    folder = repo.cache / "diff"
    return compare(change.path, stored(change.before), after, folder=folder, key=key, meter=out.meter())


def _are_files(change: Change) -> bool:
    sides = (change.before, change.after)
    ids = {one.id for one in sides if isinstance(one, File)}
    is_same = len(ids) == 1 and None not in sides
    return not is_same and all(one is None or isinstance(one, File) for one in sides)


def _is_any_file(repo: Repo, before: Entries, after: Entries, paths: Iterable[str]) -> bool:
    from xver.versioning.versions import find_entry

    return any(isinstance(find_entry(repo.store, side, path), File) for path in paths for side in (before, after))


def _names(change: Change) -> tuple[str, ...]:
    return (change.path,) if change.source is None else (change.path, change.source)
