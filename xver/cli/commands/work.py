"""The commands of daily work: rm, status, commit, checkout, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xver.cli.command import Command
from xver.cli.human import count, plural, size
from xver.cli.opening import opened, tell_purged
from xver.cli.output import Output, Styled, pass_output
from xver.cli.views.entries import difference_line, entry_json, staged_line
from xver.errors import (
    Conflict,
    DirtyWorktree,
    InvalidInput,
    NotFound,
)
from xver.model.paths import typed
from xver.repo import Repo
from xver.versioning.state import Status


@click.command(cls=Command, exits=(NotFound, DirtyWorktree))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--cached", is_flag=True, help="Leave the files on the disk.")
@pass_output
def rm(out: Output, paths: tuple[str, ...], cached: bool) -> None:
    """Stop tracking files and folders, or parts of a tracked folder.

    Their files are removed from the disk, unless they were changed since they were added; files in there that were
    never added stay. Every committed version keeps them.

    Examples:
      xver rm data/old
      xver rm data/raw/img_00042.jpg
      xver rm --cached data/mine
    """
    from xver.versioning.pathspecs import expand
    from xver.versioning.removing import remove

    repo = opened(out)
    done = remove(repo, expand(repo, paths, start=Path.cwd()), cached=cached)
    for path in done.paths:
        out.note(f"No longer tracked: {path}")
    if not cached:
        out.note(f"{plural(done.files, 'file')} removed")


@click.command(cls=Command, exits=(NotFound,))
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def status(out: Output, paths: tuple[str, ...], as_json: bool) -> None:
    """Show what has changed and what is missing.

    Compares HEAD with xver.lock (what a commit would record) and xver.lock with the disk. Files whose size and times
    are as they were are not read. Ends with 0 whatever it finds, as git does; scripts read `clean` of --json.

    Examples:
      xver status
      xver status --json data/raw
    """
    from xver.versioning.pathspecs import expand
    from xver.versioning.state import status as compare

    repo = opened(out)
    found = compare(repo, expand(repo, paths, start=Path.cwd()), meter=out.meter())
    if as_json:
        out.json(
            {
                "clean": found.is_clean,
                "staged": [
                    {"path": one.path, "before": entry_json(one.before), "after": entry_json(one.after)}
                    for one in found.staged
                ],
                "changed": [
                    {"path": _join(top, one.path), "tracked": top, "change": str(one.differs), "size": one.size}
                    for top, comparison in found.changed.items()
                    for one in comparison.differences
                ],
                "absent": list(found.absent),
                "not_here": [
                    {"path": top, "files": one.files, "size": one.size, "local": one.is_local}
                    for top, one in sorted(found.away.items())
                ],
                "not_local": list(found.unknown),
                "special": list(found.special),
                "unreadable": [{"path": path, "reason": why} for path, why in sorted(found.unreadable.items())],
                "sparse": None if repo.sparse.paths is None else list(repo.sparse.paths),
            }
        )
        return
    for special in found.special:
        out.warn(f"{special} cannot be tracked: its name is not UTF-8, or it is no file, link or folder")
    for path, why in sorted(found.unreadable.items()):
        out.warn(f"{path} cannot be read, and may have changed: {why[:1].lower()}{why[1:]}")
    if repo.sparse.paths is not None:
        out.note(f"Only {plural(len(repo.sparse.paths), 'path')} wanted on this disk  (xver sparse list)")
    if found.is_clean:
        out.note("Nothing has changed" if repo.lock.entries else "Nothing is tracked yet: xver add PATH")
        return
    if found.staged:
        out.line(Styled("To be committed", "strong"), "  (xver commit)")
        for one in found.staged:
            out.line(" ", *staged_line(one))
    if found.changed or found.absent:
        _print_changed(out, repo, found)
    for remote in found.unknown:
        out.line(" ", Styled("not local", "bad"), " ", remote, f"  (xver pull {typed(remote)})")
    if found.away:
        out.line(Styled("Not on this disk", "strong"))
        for top, left in sorted(found.away.items()):
            brings = f"  (xver {'checkout' if left.is_local else 'pull'} {typed(top)})"
            amount = f"  {plural(left.files, 'file')}  {size(left.size)}"
            out.line(" ", Styled("not here", "faint"), " ", top, amount, brings)


def _print_changed(out: Output, repo: Repo, found: Status) -> None:
    from xver.versioning.followed import is_left_behind

    out.line(Styled("Changed on the disk", "strong"), "  (xver add to keep, xver checkout to undo)")
    for top, comparison in found.changed.items():
        _print_changes(out, top, comparison.differences)
    for gone in found.absent:
        out.line(" ", Styled("missing ", "bad"), " ", gone, "  not on the disk")
    if is_left_behind(repo, (*found.changed, *found.absent)):
        out.note("git changed xver.lock and called no hook (git stash, git reset): xver checkout brings the data")


def _print_changes(out: Output, top: str, differences: tuple[Any, ...]) -> None:
    shown = 10
    for one in differences[:shown]:
        out.line(" ", *difference_line(top, one))
    if len(differences) > shown:
        out.line(f"  and {plural(len(differences) - shown, 'more file')} in {top}")


@click.command(cls=Command, exits=(InvalidInput, Conflict))
@click.option("-a", "--all", "everything", is_flag=True, help="Add first what changed in tracked data and code.")
@click.option("-m", "--message", "messages", multiple=True, help="Why; given twice, each is a paragraph.")
@click.option("--no-commit", is_flag=True, help="Only let git stage xver.lock, xver.toml and .gitignore.")
@pass_output
def commit(out: Output, everything: bool, messages: tuple[str, ...], no_commit: bool) -> None:
    """Record the tracked data and the staged code as one commit.

    Beside git this is one git commit of xver.lock, xver.toml, .gitignore and everything git has staged; plain
    `git commit` after `xver commit --no-commit` does the same. Outside git it is a snapshot of xver's own.

    With --all the commit takes what changed in tracked paths along, new files in tracked folders too, and beside git
    what changed in the files that git tracks. A tracked path that is gone from the disk is tracked no longer.

    Examples:
      xver commit -m "raw survey images"
      xver commit -am "labels of May"
    """
    from xver.versioning.commits import add_all, stage_companions
    from xver.versioning.commits import commit as make_commit

    repo = opened(out)
    if everything:
        add_all(repo, meter=out.meter())
    if no_commit:
        out.note("Staged " + ", ".join(stage_companions(repo)) + ": git commit")
        return
    made = make_commit(repo, "\n\n".join(messages) or None)
    out.note("[", made.branch or "detached HEAD", " ", Styled(made.id[:7], "id"), f"] {made.title}")
    for one in made.changes:
        out.note(" ", *staged_line(one))


@click.command(cls=Command, exits=(DirtyWorktree, NotFound))
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--force", is_flag=True, help="Overwrite changes that were not added: they are lost.")
@pass_output
def checkout(out: Output, paths: tuple[str, ...], force: bool) -> None:
    """Bring the disk to what xver.lock says.

    After `git checkout`, `git stash` or `git reset` changed xver.lock, this brings the matching data. Only what
    differs is written, and changes that were not added are never overwritten.

    Examples:
      git checkout v1.0 && xver checkout
      xver checkout data/raw
    """
    from xver.versioning.pathspecs import expand
    from xver.versioning.restoring import checkout as bring

    repo = opened(out)
    done = bring(repo, expand(repo, paths, start=Path.cwd()), force=force, meter=out.meter())
    _print_restored(out, done)
    tell_purged(out, repo)


@click.command(cls=Command, exits=(DirtyWorktree, NotFound))
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("-s", "--source", default=None, metavar="REV", help="The version to take them from [default: xver.lock].")
@click.option("--staged", is_flag=True, help="Take xver.lock back to HEAD, and leave the disk as it is.")
@click.option("--force", is_flag=True, help="Overwrite changes that were not added: they are lost.")
@pass_output
def restore(out: Output, paths: tuple[str, ...], source: str | None, staged: bool, force: bool) -> None:
    """Bring files back from a version, or take back what was added.

    Without --source the paths go back to what xver.lock says. With it, xver.lock takes the paths, tracked ones or
    parts of them, as they were in that version, and so does the disk. With --staged xver.lock says of the paths what
    HEAD says, or of everything if none is given, and no file changes; one that is gone or damaged is written anew.

    Examples:
      xver restore data/raw
      xver restore --source v1.0 data/raw/img_00042.jpg
      xver restore --staged
    """
    from xver.versioning.pathspecs import expand
    from xver.versioning.restoring import checkout as bring
    from xver.versioning.restoring import restore as take

    if staged and (source is not None or force):
        raise InvalidInput("--staged takes xver.lock back to HEAD, and leaves the disk alone", hint="xver restore -h")
    if not paths and not staged:
        raise InvalidInput("the paths to restore are needed", hint="for everything, give the folder: .")
    repo = opened(out)
    chosen = expand(repo, paths, start=Path.cwd())
    if staged:
        _unstage(out, repo, chosen)
        return
    if source is None:
        _print_restored(out, bring(repo, chosen, force=force, meter=out.meter()))
    else:
        _print_restored(out, take(repo, chosen, rev=source, force=force, meter=out.meter()))
    tell_purged(out, repo)


def _unstage(out: Output, repo: Repo, paths: list[str]) -> None:
    from xver.versioning.unstaging import unstage

    done = unstage(repo, paths)
    for one in done:
        out.note("xver.lock has again what HEAD has of ", one.path)
    if not done:
        out.note("xver.lock says what HEAD says")


def _print_restored(out: Output, done: Any) -> None:
    if done.written or done.removed:
        files = plural(done.written, "file")
        out.note(f"{files} written ({size(done.size)}), {count(done.removed)} removed")
    else:
        out.note("Everything is as xver.lock says")


def _join(top: str, path: str) -> str:
    return f"{top}/{path}" if path else top
