"""The commands beside git: `install`, and `hook`, which git calls from there on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from xver.cli.command import Command, Group
from xver.cli.human import plural, size
from xver.cli.opening import install_beside, opened
from xver.cli.output import Output, Styled, pass_output
from xver.errors import AlreadyExists, Conflict, CorruptData, InvalidInput, NotFound, StorageError, XverError
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import decode_lock
from xver.model.entries import Entries
from xver.model.paths import typed
from xver.repo import open_repo

_NO_COMMIT: Final = frozenset("0")


@click.command(cls=Command, exits=(InvalidInput, AlreadyExists))
@click.option("--uninstall", is_flag=True, help="Take them out; hooks that were there before are back.")
@pass_output
def install(out: Output, uninstall: bool) -> None:
    """Set git's hooks and drivers in this clone.

    For a fresh git clone; `xver init` does it too. Then `git commit` takes xver.lock along, the data on the disk
    follows git's checkouts and merges as far as it is local, `git push` is refused while the remote lacks data that
    the commits name, `git merge` joins data file by file, and `git diff` shows changes of data. Hooks that are there
    stay, and are called first. Nothing of it is tracked by git or needs anything of those who have no xver. Running it
    again changes nothing.

    Examples:
      git clone git@example.org:team/survey && cd survey && xver install && xver pull
      xver install --uninstall
    """
    repo = opened(out)
    if repo.git is None:
        raise InvalidInput("there is no git here", hint="git init, then xver init")
    if uninstall:
        from xver.git.drivers import remove_drivers
        from xver.git.hooks import remove_hooks

        remove_hooks(repo.git)
        remove_drivers(repo.git)
        out.note("git's hooks and drivers are as they were before xver")
        return
    install_beside(out, repo.git)
    out.note("Installed hooks, merge driver and diff driver in this clone of git")


@click.group(cls=Group)
def hook() -> None:
    """What git's hooks and drivers call.

    `xver install` makes git call these; nobody needs to type them.

    Examples:
      xver hook follow
    """


@hook.command("pre-commit", exits=(InvalidInput, CorruptData))
@pass_output
def pre_commit(out: Output) -> None:
    """Stage xver.lock, xver.toml and .gitignore for the commit that git is making.

    As `xver commit` would; what was staged of the last two by hand stays as it is, but for xver's block in .gitignore.
    A commit of named paths alone is left alone.

    Examples:
      xver hook pre-commit
    """
    from xver.git.command import GitCommand
    from xver.versioning.commits import stage_for_hook

    repo = opened(out)
    index = os.environ.get("GIT_INDEX_FILE")
    if index is not None and Path(index).name.startswith("next-index"):
        return
    if stage_for_hook(repo, GitCommand(repo.root, None if index is None else repo.root / index)):
        out.complain("xver: xver.lock is staged now; if git says that nothing is, type git commit again")


@hook.command
@pass_output
def follow(out: Output) -> None:
    """Bring the disk to xver.lock as far as the data is local, and never fail.

    Nothing is fetched, and no change that was not added is overwritten: a line says what was left. At a commit of a DVC
    project that has no xver.lock and was not adopted, the data stays as it is.

    Examples:
      xver hook follow
    """
    from xver.intake.dvc_projects import find_projects
    from xver.versioning.followed import let_go
    from xver.versioning.restoring import follow as bring

    try:
        repo = opened(out)
        if not repo.lock_path.exists() and not repo.lock.entries and find_projects(repo.root, repo.git):
            if let_go(repo):
                out.complain("xver: this commit has no xver.lock, and the data is DVC's: dvc checkout")
            return
        done, left = bring(repo)
    except XverError as error:
        out.complain(f"xver: {error.message}" + (f": {error.hint}" if error.hint else ""))
        return
    if done.written or done.removed:
        out.complain(f"xver: {plural(done.written, 'file')} written ({size(done.size)}), {done.removed:,} removed")
    if left.lacking:
        out.complain(f"xver: {size(sum(left.lacking.values()))} not local: xver pull")
    for path in left.changed:
        out.complain(f"xver: {path} has changes that are not added, and stays as it is: xver status {typed(path)}")


@hook.command("merge", no="A conflict: the file has git's marks, and `xver merge` goes on.")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("marks", type=int)
@click.argument("path")
@pass_output
def merge(out: Output, base: Path, ours: Path, theirs: Path, marks: int, path: str) -> int:
    """Merge three versions of xver.lock, or of .gitignore, into the file OURS.

    xver.lock is merged by the listings that it names, file by file. Where that ends in a conflict the file has git's
    marks, the exit code is 1, and `xver merge` goes on.

    Examples:
      git config merge.xver.driver
    """
    from xver.git.command import GitCommand
    from xver.git.ignore_block import merge_blocks
    from xver.versioning.merging import merge_locks

    files = (base, ours, theirs)
    sides = tuple(file.read_bytes() for file in files)
    try:
        if path == LOCK_NAME:
            ours.write_bytes(merge_locks(opened(out), *sides))
            return 0
        blocks = merge_blocks(*(os.fsdecode(side) for side in sides))
        for file, text in zip(files, blocks, strict=True):
            file.write_bytes(os.fsencode(text))
    except XverError as error:
        out.complain(f"xver: {path}: {error.message}" + (f": {error.hint}" if error.hint else ""))
    # What is left is git's to merge, or to mark.
    labels = [word for side in ("ours", "base", "theirs") for word in ("-L", side)]
    words = ["merge-file", f"--marker-size={marks}", *labels, str(ours), str(base), str(theirs)]
    status, _ = GitCommand(Path.cwd()).change(*words, check=False)
    if path == LOCK_NAME and not status:
        # Lines that join are not data that joins: two tables of one path are a lock that nobody can read.
        mark = {sign: sign.encode() * marks for sign in "<=>"}
        ours.write_bytes(b"%b ours\n%b%b\n%b%b theirs\n" % (mark["<"], sides[1], mark["="], sides[2], mark[">"]))
        return 1
    return 1 if status else 0


@hook.command("diff", exits=(CorruptData,))
@click.argument("words", nargs=-1)
@pass_output
def diff(out: Output, words: tuple[str, ...]) -> None:
    """Show two versions of xver.lock as `xver diff` does.

    WORDS are what git hands to the program of GIT_EXTERNAL_DIFF. Nothing is fetched: of data whose listing is not here
    only the totals are shown.

    Examples:
      git config diff.xver.command
    """
    from xver.cli.views.entries import change_line, staged_line
    from xver.history.diff import diff_entries
    from xver.versioning.state import changes_to

    if len(words) < 7:
        out.line(f"* {words[0] if words else LOCK_NAME} has merge conflicts: xver merge")
        return
    before, after = (_entries(Path(word)) for word in (words[1], words[4]))
    try:
        lines = [change_line(one) for one in diff_entries(opened(out).store, before, after)]
    except XverError:
        lines = [staged_line(one) for one in changes_to(before, after)]
    out.line(Styled(f"data in {words[0]}", "strong"))
    for line in lines:
        out.line(*line)


@hook.command("text", exits=(CorruptData,))
@click.argument("file", type=click.Path(path_type=Path))
@pass_output
def text(out: Output, file: Path) -> None:
    """Print a version of xver.lock as one line a tracked path, which `git log -p` compares.

    Examples:
      git config diff.xver.textconv
    """
    from xver.cli.views.entries import amount, kind_word
    from xver.model.entries import External

    for path, entry in _entries(file).items():
        id = entry.etag if isinstance(entry, External) else f"b3:{entry.id.hex()[:12]}"
        out.line(f"{path}  {kind_word(entry)}  {amount(entry)}  {id}")


def _entries(file: Path) -> Entries:
    data = b"" if str(file) == os.devnull else file.read_bytes()
    return decode_lock(data).entries if data else {}


@hook.command("pre-push", exits=(NotFound, StorageError, Conflict))
@click.argument("words", nargs=-1)
@pass_output
def pre_push(out: Output, words: tuple[str, ...]) -> None:  # noqa: ARG001 - git names its remote, ours is another
    """Refuse a push of commits whose data the remote lacks.

    Reads from stdin what git pushes. With git.push_data in xver.toml the data is pushed first.

    Examples:
      xver config set git.push_data true
    """
    from xver.sync.proving import unproven
    from xver.sync.push import push
    from xver.sync.remotes import choose_remote

    repo = open_repo()
    pushed = [line.split(" ")[1] for line in sys.stdin.read().splitlines() if line.count(" ") == 3]
    tips = [id for id in pushed if not set(id) <= _NO_COMMIT]
    if repo.git is None or not tips:
        return
    if not repo.settings.remotes:
        out.complain("xver: the data has no remote yet: xver remote add origin s3://bucket/prefix")
        return
    remote = choose_remote(repo, None)
    try:
        lacking = unproven(repo, repo.git, remote, tips)
        if lacking and repo.settings.push_data:
            push(repo, remote, meter=out.meter())
            lacking = unproven(repo, repo.git, remote, tips)
    except StorageError as error:
        raise type(error)(
            f"whether {remote.name} has the data cannot be told: {error.message}",
            hint="git push --no-verify pushes all the same",
        ) from error
    if lacking:
        # xver pushes what HEAD descends from, git any branch.
        is_ours = repo.git.ok("merge-base", "--is-ancestor", lacking[0].id, "HEAD")
        raise NotFound(
            f"{remote.name} has not been given the data of {lacking[0].id[:7]} {lacking[0].title}",
            hint="xver push, then git push again" if is_ours else "xver push on that branch, then git push again",
        )
