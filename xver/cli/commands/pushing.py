"""The command that pushes, and what proves, mends or foresees a push."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

import click

from xver.cli.command import Command
from xver.cli.heap import give_back
from xver.cli.human import duration, plural, size
from xver.cli.output import Output, Styled, Text, pass_output
from xver.errors import (
    Conflict,
    ContentNotFound,
    Incomplete,
    InvalidInput,
    NotFound,
    RepositoryNotFound,
    StorageError,
    TransientStorageError,
)
from xver.repo import Repo, open_repo
from xver.settings import Remote

if TYPE_CHECKING:
    from xver.model.refs import Target
    from xver.sync.push import Pushed
    from xver.upkeep.findings import Findings


@click.command(
    cls=Command, exits=(NotFound, Conflict, ContentNotFound, StorageError, TransientStorageError, Incomplete)
)
@click.argument("name", required=False)
@click.option("--no-runs", is_flag=True, help="Keep runs at home.")
@click.option("--dry-run", is_flag=True, help="Tell what would be sent, and write nothing there.")
@click.option("--verify", is_flag=True, help="Afterwards list and read again what the pushed refs need.")
@click.option("--repair", is_flag=True, help="First send again what a damaged remote lacks, from this clone.")
@click.option("--single-writer", is_flag=True, help="Nobody else pushes there: also use an unfit storage (dangerous).")
@click.option("--executor", default=None, metavar="SPEC", help="threads[:N], processes[:N] or dask://HOST:PORT.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print one JSON document.")
@pass_output
def push(
    out: Output,
    name: str | None,
    no_runs: bool,
    dry_run: bool,
    verify: bool,
    repair: bool,
    single_writer: bool,
    executor: str | None,
    as_json: bool,
) -> None:
    """Send history, data and runs to a remote.

    Sends what the remote lacks, in packs, then moves its branch in one step. When push ends, the remote holds
    everything that the branch reaches. One that is interrupted goes on with what it had sent.

    --verify then asks the remote anew, nothing remembered: the sizes of all that the pushed refs need, and each pack's
    own table. --repair reads every table first, and sends again what is damaged there. --single-writer pushes to a
    storage that cannot tell two writers apart: if somebody else pushes at the same time, one of the two is lost.

    Examples:
      xver push
      xver push backup --no-runs
      xver push --dry-run
      xver push --repair --verify
    """
    from xver.sync.remotes import choose_remote

    give_back()
    repo = open_repo()
    remote = choose_remote(repo, name)
    if dry_run:
        if verify or repair or single_writer or executor is not None:
            raise InvalidInput("--dry-run does nothing there", hint="xver push --dry-run")
        _foresee(out, repo, remote, runs=not no_runs, as_json=as_json)
        return
    if as_json:
        raise InvalidInput("--json belongs to --dry-run", hint="xver push --dry-run --json")
    start = time.monotonic()
    mended, left = _repair(out, repo, remote) if repair else (False, None)
    done = _send(out, repo, remote, runs=not no_runs, single_writer=single_writer, executor=executor)
    _say(out, remote, done, time.monotonic() - start, mended=mended)
    if left is not None and left.damage:
        raise Incomplete(
            f"{remote.name} has lost what is not all here",
            left.problems,
            hint="xver push --repair from another clone that has it",
        )
    if verify:
        _verify(out, repo, remote, done.targets)


def _send(out: Output, repo: Repo, remote: Remote, *, runs: bool, single_writer: bool, executor: str | None) -> Pushed:
    from xver.sync.push import push as send

    if executor is None:
        return send(repo, remote, runs=runs, single_writer=single_writer, meter=out.meter())
    from xver.sync.copying import spread_copy
    from xver.sync.executors import crew

    with crew(executor) as workers:
        copy = spread_copy(repo, remote, workers)
        return send(repo, remote, runs=runs, single_writer=single_writer, copy=copy, meter=out.meter())


def _say(out: Output, remote: Remote, done: Pushed, seconds: float, *, mended: bool) -> None:
    if done.healed:
        out.note(f"Mended {remote.name}: {plural(done.healed, 'pack')} missing or cut short there replaced")
    if not (done.branch or done.commits or done.runs or done.size):
        out.note(f"{remote.name} has everything {'now' if mended or done.healed else 'already'}")
        return
    head: list[Text] = [" ", done.branch, " ", Styled((done.head or "")[:7], "id")] if done.branch else []
    sent = f"{size(done.size)} in {plural(done.packs, 'pack')}  ({duration(seconds)})"
    out.note(
        *(("Pushed", *head) if head else (f"Sent to {remote.name}",)),
        f"  {plural(done.commits, 'commit')}  {plural(done.runs, 'run')}  {sent}",
    )


def _verify(out: Output, repo: Repo, remote: Remote, targets: tuple[Target, ...]) -> None:
    from xver.sync.remotes import open_remote_afresh
    from xver.upkeep.fsck import verify

    with open_remote_afresh(repo, remote) as there:
        found = verify(there, targets, meter=out.meter())
    if found.damage:
        raise Incomplete(
            f"{remote.name} does not hold all that was pushed", found.problems, hint="xver push --repair --verify"
        )
    out.note(f"Verified {remote.name}: {plural(found.packs, 'pack')} hold all that was pushed")


def _repair(out: Output, repo: Repo, remote: Remote) -> tuple[bool, Findings | None]:
    """Mend a remote from this clone; tell whether there was anything to mend, and what is wrong still.

    Nothing is where there is no remote yet.
    """
    from xver.cli.commands.checking import tell_mended
    from xver.sync.remotes import open_remote_afresh
    from xver.upkeep.copies import Source
    from xver.upkeep.fsck import check_remote
    from xver.upkeep.repair import repair

    with contextlib.ExitStack() as stack:
        try:
            there = stack.enter_context(open_remote_afresh(repo, remote))
        except RepositoryNotFound:
            return False, None
        look = partial(check_remote, there, meter=out.meter())
        done, left = repair(there, look, [Source("this clone", repo.store)], meter=out.meter())
    if done.brought:
        out.note(f"Sent {plural(sum(done.brought.values()), 'object')} again, {size(done.size)}")
    tell_mended(out, done)
    return done.is_any, left


def _foresee(out: Output, repo: Repo, remote: Remote, *, runs: bool, as_json: bool) -> None:
    from xver.sync.push import foresee

    seen = foresee(repo, remote, runs=runs)
    if as_json:
        out.json(
            {
                "remote": remote.name,
                "creates": seen.creates,
                "refs": [
                    {"name": name, "old": old and str(old), "new": new and str(new)} for name, old, new in seen.refs
                ],
                "objects": seen.objects,
                "bytes": seen.size,
                "packs": seen.packs,
                "behind": seen.behind,
                "taken": list(seen.taken),
            }
        )
        return
    if seen.creates:
        out.line(f"would make {remote.name} at {remote.url}")
    for name, old, new in seen.refs:
        out.line(f"{name}  {_short(old)} -> {_short(new)}")
    if seen.behind:
        out.line(f"the branch at {remote.name} has commits that are not here: it would stay")
    for name in seen.taken:
        out.line(f"{name} is another version at {remote.name}: it would stay")
    sent = f"{plural(seen.objects, 'object')}, {size(seen.size)}, about {plural(seen.packs, 'pack')}"
    out.note(f"Would send {sent}" if seen.objects or seen.refs else f"{remote.name} has everything already")


def _short(target: Target | None) -> str:
    return "nothing" if target is None else target.id.hex()[:8]
