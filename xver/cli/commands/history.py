"""The commands about history: log, show, tag, branch, switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice, repeat

import click

from xver.cli.command import Command, RevisionsCommand
from xver.cli.human import count, plural, when
from xver.cli.opening import opened, reading, tell_purged
from xver.cli.output import Output, Styled, Text, pass_output
from xver.cli.views.entries import change_json, change_line, entry_json, staged_line, version_json
from xver.cli.views.words import split_path
from xver.errors import (
    AlreadyExists,
    ContentNotFound,
    DirtyWorktree,
    InvalidInput,
    NotFound,
    RefNotFound,
    RevisionNotFound,
)
from xver.model.entries import Entries, File, Link
from xver.model.refs import HEADS, TAGS
from xver.model.snapshots import Version
from xver.repo import Repo, open_repo


@click.command(cls=RevisionsCommand, exits=(RevisionNotFound,))
@click.argument("args", nargs=-1, metavar="[REV] [PATH...]")
@click.option("-n", "limit", type=click.IntRange(1), default=None, metavar="N", help="Show at most N versions.")
@click.option("--graph", "as_graph", is_flag=True, help="Draw what came from what beside it.")
@click.option("--since", default=None, metavar="DATE", help='Those made since then: "2 days ago", 2026-03-01.')
@click.option("--until", default=None, metavar="DATE", help="Those made until then.")
@click.option("--author", default=None, metavar="REGEX", help="Those whose author's name or address fits.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def log(
    out: Output,
    args: tuple[str, ...],
    limit: int | None,
    as_graph: bool,
    since: str | None,
    until: str | None,
    author: str | None,
    as_json: bool,
) -> None:
    """List the versions of the data.

    These are the commits that changed what is tracked, newest first; with paths, those that changed any of them.

    Examples:
      xver log -n 5
      xver log main data/raw models
      xver log --graph --since "2 weeks ago" --author ada
    """
    from xver.cli.views.words import split_revisions
    from xver.history.bounds import bounds_of
    from xver.model.moments import parse_moment
    from xver.versioning.logs import joined, select
    from xver.versioning.logs import log as all_versions
    from xver.versioning.versions import many_entries

    repo = open_repo()
    revs, paths = split_revisions(repo, args, most=1)
    known = all_versions(repo, revs[0] if revs else "HEAD")
    unknown: list[Version] = []
    with many_entries(repo) as at:
        chosen = select(
            repo.store,
            known,
            at,
            paths=paths,
            since=None if since is None else parse_moment(since),
            until=None if until is None else parse_moment(until),
            author=author,
            unknown=unknown.append,
        )
        found = list(islice(chosen, limit))
        if unknown:
            out.warn(
                f"what {plural(len(unknown), 'version')} changed is not known here: xver fetch brings what is kept"
            )
        if as_json:
            out.json([version_json(one) for one in found])
            return
        if not known:
            out.note("There is no version yet: xver add PATH, then xver commit")
        _print_log(out, found, at, joined(known, found) if as_graph else None)
    if repo.git is None and any(bytes.fromhex(one.id) in bounds_of(repo.store).shallow for one in found):
        out.note("What came before is not here: xver fetch --unshallow")


def _print_log(
    out: Output,
    versions: Sequence[Version],
    at: Callable[[str], Entries],
    parents: Mapping[str, Sequence[str]] | None,
) -> None:
    from xver.cli.views.graph import Drawn, draw

    ids = [one.id for one in versions]
    drawn = repeat(Drawn((), "", "", ())) if parents is None else draw(ids, parents)
    for one, left in zip(versions, drawn, strict=False):
        for line in left.above:
            out.line(line)
        gap = "  " if left.line else ""
        out.line(
            left.line,
            gap,
            Styled(one.id[:7], "id"),
            f"  {when(one.time, one.offset)}  {one.author.name}  ",
            one.title,
        )
        for words in _changed_lines(one, at):
            out.line(left.beside, gap, "    ", *words)
        for line in left.below:
            out.line(line)


def _changed_lines(one: Version, at: Callable[[str], Entries]) -> list[list[Text]]:
    from xver.versioning.state import changes_to

    try:
        after = at(one.id)
    except ContentNotFound:
        return [[Styled("its data is not kept here", "faint")]]
    try:
        before = at(one.parents[0]) if one.parents else {}
    except ContentNotFound:
        return [[Styled("the data of the version before is not kept here, so what changed is not known", "faint")]]
    return [staged_line(change) for change in changes_to(before, after)]


@click.command(cls=Command, exits=(RevisionNotFound, NotFound))
@click.argument("rev", metavar="REV[:PATH]", default="HEAD")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def show(out: Output, rev: str, as_json: bool) -> None:
    """Show one version and what it changed, or a file of it.

    With a path, from the top of the repository: the content of that file, or the names of what is in that folder.

    Examples:
      xver show
      xver show v1.0 --json
      xver show HEAD~2:data/labels.csv
    """
    from xver.history.diff import diff_entries
    from xver.versioning.versions import entries_at, many_entries, resolve

    repo = reading(out)
    version, path = split_path(repo, rev)
    if path is not None:
        _show_path(out, repo, version, path, as_json=as_json)
        return
    one = resolve(repo, rev)
    with many_entries(repo) as at:
        before = at(one.parents[0]) if one.parents else {}
    changes = diff_entries(repo.store, before, entries_at(repo, one.id))
    if as_json:
        out.json({**version_json(one), "changes": [change_json(change) for change in changes]})
        return
    out.line("version ", Styled(one.id, "id"))
    out.line(f"Author: {one.author}")
    out.line(f"Date:   {when(one.time, one.offset)}")
    out.line("")
    for line in one.message.splitlines():
        out.line("    ", line)
    out.line("")
    shown = 40
    for change in changes[:shown]:
        out.line(*change_line(change))
    if len(changes) > shown:
        out.line(f"and {count(len(changes) - shown)} more: xver show --json {rev}")


def _show_path(out: Output, repo: Repo, rev: str, path: str, *, as_json: bool) -> None:
    from xver.store.content import read_content
    from xver.versioning.versions import rows_at

    rows = rows_at(repo, rev, path)
    name, entry = rows[0] if rows else ("", None)
    if as_json:
        out.json([{"path": one, **(entry_json(its) or {})} for one, its in rows])
    elif len(rows) == 1 and name == path and isinstance(entry, File | Link):
        for part in read_content(repo.store, entry.id, entry.size):
            out.raw(bytes(part))
    else:
        for one, _ in rows:
            out.line(one)


@click.command(cls=Command, exits=(AlreadyExists, RefNotFound, RevisionNotFound))
@click.argument("name", required=False)
@click.argument("rev", default="HEAD")
@click.option("-d", "--delete", "delete_name", metavar="NAME", help="Delete this tag.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def tag(out: Output, name: str | None, rev: str, delete_name: str | None, as_json: bool) -> None:
    """List, make and delete tags.

    Beside git, tags are git's, and this names the command to type.

    Examples:
      xver tag v1.0
      xver tag -d v1.0
    """
    _refs(out, "tag", TAGS, name, rev, delete_name, as_json=as_json)


@click.command(cls=Command, exits=(AlreadyExists, RefNotFound, RevisionNotFound))
@click.argument("name", required=False)
@click.argument("rev", default="HEAD")
@click.option("-d", "--delete", "delete_name", metavar="NAME", help="Delete this branch.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def branch(out: Output, name: str | None, rev: str, delete_name: str | None, as_json: bool) -> None:
    """List, make and delete branches.

    Beside git, branches are git's, and this names the command to type.

    Examples:
      xver branch feature
      xver branch -d feature
    """
    _refs(out, "branch", HEADS, name, rev, delete_name, as_json=as_json)


def _refs(
    out: Output, word: str, prefix: str, name: str | None, rev: str, delete_name: str | None, *, as_json: bool
) -> None:
    from xver.versioning.branches import create, delete, names
    from xver.versioning.versions import branch_name

    repo = open_repo()
    if delete_name is not None:
        _outside_git(repo, f"git {word} -d {delete_name}")
        delete(repo, prefix, delete_name)
        out.note(f"Deleted {word} {delete_name}")
    elif name is not None:
        _outside_git(repo, f"git {word} {name}" + (f" {rev}" if rev != "HEAD" else ""))
        made = create(repo, prefix, name, rev)
        out.note(f"{name} is ", Styled(made.hex()[:7], "id"))
    else:
        _outside_git(repo, f"git {word}")
        found = names(repo, prefix)
        if as_json:
            out.json([{"name": one, "id": id.hex()} for one, id in found.items()])
            return
        here = branch_name(repo) if prefix == HEADS else None
        for one, id in found.items():
            out.line("* " if one == here else "  ", one, "  ", Styled(id.hex()[:7], "id"))


@click.command(cls=Command, exits=(RevisionNotFound, DirtyWorktree, InvalidInput))
@click.argument("name")
@click.option("-c", "--create", "new", is_flag=True, help="Make the branch here and go to it.")
@click.option("--force", is_flag=True, help="Overwrite changes that were not added: they are lost.")
@pass_output
def switch(out: Output, name: str, new: bool, force: bool) -> None:
    """Go to another branch.

    Brings xver.lock and the disk to it. Beside git, branches are git's, and this names the command to type.

    Examples:
      xver switch feature
      xver switch -c feature
    """
    from xver.versioning.branches import switch as go

    repo = opened(out)
    _outside_git(repo, f"git switch {'-c ' if new else ''}{name}" + ("" if new else " && xver checkout"))
    go(repo, name, new=new, force=force, meter=out.meter())
    tell_purged(out, repo)
    out.note(f"On {name}")


def _outside_git(repo: Repo, command: str) -> None:
    if repo.git is not None:
        raise InvalidInput("branches and tags are git's here", hint=command)
