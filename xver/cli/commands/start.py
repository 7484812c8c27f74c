"""The commands to start with: init, clone, doctor, demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from xver.cli.command import Command
from xver.cli.heap import give_back
from xver.cli.human import count, plural, size
from xver.cli.opening import install_beside, tell_purged
from xver.cli.output import Output, Styled, pass_output
from xver.errors import AlreadyExists, NotFound, RepositoryNotFound, StorageError
from xver.repo import init_repo


@click.command(cls=Command, exits=(AlreadyExists,))
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@pass_output
def init(out: Output, folder: Path) -> None:
    """Start a repository in this folder.

    In a git repository xver works beside git, keeps its store in git's own folder, and sets git's hooks and drivers as
    `xver install` does. Elsewhere it keeps history itself, in .xver/. Running it again changes nothing.

    Examples:
      git init && xver init
    """
    from xver.format.chunks import check_cutter

    check_cutter()
    folder.mkdir(parents=True, exist_ok=True)
    repo, is_new = init_repo(folder)
    if repo.git is not None and repo.git.ok("check-ignore", "-q", "xver.lock"):
        out.warn("git ignores xver.lock here: add a line !/xver.lock to .gitignore")
    where = "beside git" if repo.git is not None else "without git"
    out.note(f"{'New repository' if is_new else 'There is a repository already'} in {repo.root}, {where}")
    if repo.git is not None:
        install_beside(out, repo.git)


@click.command(cls=Command, exits=(RepositoryNotFound, NotFound, AlreadyExists, StorageError))
@click.argument("url")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("-b", "--branch", default=None, metavar="NAME", help="The branch to check out.")
@click.option("--endpoint-url", default=None, metavar="URL", help="The server of an S3-compatible bucket.")
@click.option("--no-checkout", is_flag=True, help="Bring history only; `xver pull PATH` brings data.")
@click.option("--depth", type=click.IntRange(1), default=None, metavar="N", help="Bring only the last N versions.")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Bring only the data at PATH (may be repeated).")
@pass_output
def clone(
    out: Output,
    url: str,
    folder: Path | None,
    branch: str | None,
    endpoint_url: str | None,
    no_checkout: bool,
    depth: int | None,
    paths: tuple[str, ...],
) -> None:
    """Copy a repository from a remote.

    The copy has no git: its history is that of the data. To work on the code too, use `git clone`, then `xver pull`.
    With --depth only the last versions of one branch come; `xver fetch --unshallow` brings the rest.

    Examples:
      xver clone s3://team-bucket/survey
      xver clone /mnt/share/survey elsewhere
      xver clone s3://team-bucket/survey --depth 1 --path data/raw/2024
    """
    from xver.model.paths import parse_path
    from xver.sync.pull import clone as copy
    from xver.versioning.versions import branch_name

    give_back()
    target = folder or Path(url.rstrip("/").rpartition("/")[2] or "clone")
    repo = copy(
        url,
        target,
        endpoint_url=endpoint_url,
        branch=branch,
        paths=[parse_path(path.rstrip("/")) for path in paths],
        depth=depth,
        checks_out=not no_checkout,
        meter=out.meter(),
    )
    if not no_checkout:
        tell_purged(out, repo)
    entries = repo.lock.entries
    total = sum(entry.size for entry in entries.values())
    out.note(f"Cloned into {target}: {branch_name(repo)}, {plural(len(entries), 'tracked path')}, {size(total)}")


@click.command(cls=Command, no="Something is missing, or not in order.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def doctor(out: Output, as_json: bool) -> int:
    """Check that everything xver needs is in order.

    Looks at Python, the compiled parts, git, the file system and its link mode, how fast this machine hashes, what a
    run can see on this system, the repository with its indexes, hooks and drivers, and how long each remote takes to
    answer. Writes nothing to a remote. Ends with 1 when something is missing.

    Examples:
      xver doctor
    """
    from xver.cli.doctor import examine

    findings = examine(Path.cwd(), os.environ)
    if as_json:
        out.json([{"check": one.name, "ok": one.ok, "found": one.found, "hint": one.hint} for one in findings])
    else:
        for one in findings:
            sign = Styled("ok  ", "good") if one.ok else Styled("fail", "bad")
            out.line(sign, f"  {one.name:12}  {one.found}")
            if one.hint:
                out.line(f"      {'':12}  {one.hint}")
    return 0 if all(one.ok for one in findings) else 1


@click.command(cls=Command, exits=(AlreadyExists,), no="A step did not show what it should.")
@click.argument("folder", default="xver-demo", type=click.Path(path_type=Path))
@click.option("--bare", is_flag=True, help="Only lay out the scripts and the data, to try things by hand.")
@pass_output
def demo(out: Output, folder: Path, bare: bool) -> int:
    """Make a small repository to try things in.

    Real data that every machine has (the sources of Python's library), a preprocessing step, a small model with a
    measured accuracy, a change of the data, both lineages, push, clone, and a comparison byte by byte. Needs no
    network and leaves the folder to play with.

    Examples:
      xver demo
      xver demo --bare survey
    """
    from xver.cli.demo.scenario import lay_out, play

    if bare:
        files, total = lay_out(folder.resolve())
        out.note(f"Laid out {folder}: prepare.py, train.py, and {count(files)} files in data/raw, {size(total)}")
        return 0
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExists(f"{folder} is not empty", hint="xver demo NEW-FOLDER")
    return 0 if play(folder.resolve(), xver=[sys.executable, "-m", "xver"], say=out.line) else 1
