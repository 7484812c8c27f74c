"""The commands that let go of data: forget, purge."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from xver.cli.command import Command
from xver.cli.human import plural, when
from xver.cli.opening import opened
from xver.cli.output import Output, Styled, pass_output
from xver.errors import (
    Conflict,
    CorruptData,
    Incomplete,
    InvalidInput,
    NotFound,
    RevisionNotFound,
    RunNotFound,
    StorageError,
)
from xver.model.refs import TargetKind
from xver.repo import Repo
from xver.store.store import Store
from xver.upkeep.past import Past, Tip

_AGE: Final = re.compile(r"([0-9]{1,6})\s*([hdwy])")
_SECONDS: Final = {"h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def _seconds(_: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Return the seconds of an age."""
    if value is None:
        return None
    match = _AGE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no age: hours, days, weeks or years, as in 36h, 90d", param=parameter)
    return int(match[1]) * _SECONDS[match[2]]


@click.command(cls=Command, exits=(RevisionNotFound, RunNotFound, Conflict, StorageError))
@click.argument("names", nargs=-1, metavar="[REV|RUN...]")
@click.option(
    "--older-than", "age", callback=_seconds, default=None, metavar="AGE", help="What is older: 36h, 90d, 12w, 2y."
)
@click.option("--not-in-git", is_flag=True, help="Versions whose commit git does not reach any more.")
@click.option("--runs", is_flag=True, help="Runs, not versions: what they kept and stored with themselves.")
@click.option("-r", "--remote", "remote_name", default=None, metavar="NAME", help="At a remote, not here.")
@click.option("--evicted", is_flag=True, help="Also what clones evicted: this may be the only copy.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be forgotten.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def forget(
    out: Output,
    names: tuple[str, ...],
    age: int | None,
    not_in_git: bool,
    runs: bool,
    remote_name: str | None,
    evicted: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give up the data of old versions or runs.

    Deletes nothing: the next `xver gc` takes what no other version needs. Who made a version, when and why stays, so
    log, diff of others, merges and lineage go on as before. With --older-than and --not-in-git everything that both
    hold for is forgotten; without either, what the table [retention] of xver.toml does not keep (keep_last, keep_daily,
    keep_weekly, keep_monthly, keep_yearly: of each branch; keep_tags). What xver.lock, HEAD, a branch or a tag names is
    spared, unless you name it. At a remote a version that a clone evicted (`xver evict`), or an older one of the same
    history, is spared: it may be nowhere else. It goes with --evicted only, also by name.

    Examples:
      xver forget -n
      xver forget --older-than 90d
      xver forget --not-in-git --remote origin
      xver forget v0.1 3f9a01c
      xver forget --runs --older-than 1y
    """
    from xver.upkeep.forget import Rule, plan_by_name, plan_by_rule, plan_runs
    from xver.upkeep.forget import forget as give_up
    from xver.upkeep.past import past_runs, tips

    repo = opened(out)
    rule = Rule(None if age is None else int(time.time()) - age, not_in_git, None, evicted)
    by_rule = age is not None or not_in_git
    if names and by_rule:
        raise InvalidInput("names and a rule at once", hint="name what to forget, or give a rule")
    if not names and not by_rule:
        if runs or repo.settings.retention is None:
            raise InvalidInput(
                "forget what? There is no table [retention] in xver.toml" if not runs else "forget which runs?",
                hint=f"xver forget{' --runs' if runs else ''} --older-than 90d",
            )
        rule = Rule(retention=repo.settings.retention, takes_evicted=evicted)
    store, where = _store(out, repo, remote_name)
    known = tips(repo, None if store is repo.store else store)
    if runs:
        past: Mapping[str, Past] = past_runs(repo, store, known)
        plan = plan_by_name(past, _runs(past, names)) if names else plan_runs(past, rule)
    else:
        history = _history(repo, store, known, keeps=not dry_run)
        past = history.versions
        plan = (
            plan_by_name(past, _versions(repo, past, names), takes_evicted=evicted)
            if names
            else plan_by_rule(history, rule)
        )
    kind = TargetKind.RUN if runs else TargetKind.SNAPSHOT
    if plan.forget and not dry_run:
        give_up(store, plan, kind, by_rule=not names, takes_evicted=evicted)
    keepers = {} if store is not repo.store else {one.label: _keepers(repo, one) for one in plan.forget}
    if as_json:
        out.json(
            {
                "forgotten": [{**_json(one), "kept_by": keepers.get(one.label, [])} for one in plan.forget],
                "spared": [{**_json(one), "needed_by": _why(one)} for one in plan.spared],
                "left": plan.left,
                "done": not dry_run,
            }
        )
        return
    digits = 26 if runs else 7
    for one in plan.forget:
        out.line(Styled(one.label[:digits], "id"), f"  {when(one.time, one.offset)}  ", one.title)
    for one in plan.spared:
        out.note(Styled(f"spared {one.label[:digits]} {_why(one)} needs it", "faint"))
    word = "run" if runs else "version"
    if not plan.forget:
        out.note(f"No {word} to forget{where}: {plural(plan.left, word)} kept")
        return
    verb = "Would forget" if dry_run else "Forgot"
    out.note(f"{verb} {plural(len(plan.forget), word)}{where}, {plural(plan.left, word)} kept")
    command = f"xver gc --remote {remote_name}" if remote_name else "xver gc"
    out.note(f"Nothing is deleted by this: {command} takes the data that nothing else needs")
    for one in plan.forget:
        for name in keepers.get(one.label, ()):
            hint = f": git tag -d {name}" if name == one.tag else ""
            out.warn(f"{one.label[:digits]} keeps its data as long as {name} names it{hint}")


def _store(out: Output, repo: Repo, remote_name: str | None) -> tuple[Store, str]:
    """Return the store to forget in, and how to say it; the records of a remote are brought here to be read."""
    if remote_name is None:
        return repo.store, ""
    from xver.sync.fetch import fetch
    from xver.sync.remotes import choose_remote, open_remote

    remote = choose_remote(repo, remote_name)
    there = open_remote(repo, remote)
    fetch(repo, remote, there=there, meter=out.meter())
    return there, f" at {remote.name}"


def _history(repo: Repo, store: Store, known: Sequence[Tip], *, keeps: bool) -> Any:
    from xver.upkeep.past import past_in_git, past_in_store

    if repo.git is None or store is not repo.store:
        return past_in_store(repo, store, known)
    from xver.sync.snapshots import derive_all

    return past_in_git(repo, repo.git, derive_all(repo, repo.git, keeps=keeps), known)


def _versions(repo: Repo, past: Mapping[str, Past], names: Sequence[str]) -> list[str]:
    """Return the versions that were named: revisions, or the beginning of an id that only the store knows."""
    from xver.git.history import lock_commits
    from xver.versioning.versions import resolve

    found = []
    for name in names:
        fitting = [label for label in past if len(name) >= 4 and label.startswith(name.removeprefix("b3:"))]
        if len(fitting) == 1:
            found += fitting
            continue
        if repo.git is None:
            label = resolve(repo, name).id
        else:
            # A commit that changed code alone has the data of the nearest that changed data.
            label = next((one.id for one in lock_commits(repo.git, name)), "")
        if label not in past:
            raise RevisionNotFound(f"the data of {name} is not kept there, or was forgotten", hint="xver log")
        found.append(label)
    return found


def _runs(past: Mapping[str, Past], names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        word = name.removeprefix("run:")
        fitting = [
            ulid
            for ulid, one in past.items()
            if ulid.startswith(word.upper()) or one.title.partition("  ")[0] == word.lower()
        ]
        if len(fitting) != 1:
            raise RunNotFound(f"{name} is {'several runs' if fitting else 'no run'} there", hint="xver runs lists them")
        found += fitting
    return found


def _keepers(repo: Repo, one: Past) -> list[str]:
    """Return what in this repository names a version all the same, so that its data stays."""
    from xver.format.lockfile import NAME

    if repo.git is None:
        # A branch or tag of the store says which version it was; only what is tracked now needs the data.
        return [one.needed] if one.needed in (NAME, "a work tree") else []
    return [name for name in (one.needed, one.tag) if name]


def _why(one: Past) -> str:
    return one.needed or one.tag or f"{one.evicted}, which evicted it,"


def _json(one: Past) -> dict[str, Any]:
    return {"id": one.label, "time": one.time, "title": one.title, "in_git": one.is_in_git}


@click.command(cls=Command, exits=(NotFound, RevisionNotFound, Conflict, CorruptData, StorageError, Incomplete))
@click.argument("what", nargs=-1, metavar="PATH|ID...")
@click.option("-r", "--remote", "remote_names", multiple=True, metavar="NAME", help="At this remote as well.")
@click.option("--keep", "kept_revs", multiple=True, metavar="REV", help="Spare what this version has there.")
@click.option("--follow", "followed", default=None, metavar="NAME", help="Purge here what was purged at a remote.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be erased, and what would remain.")
@click.option("--yes", is_flag=True, help="Do it. Nothing brings it back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def purge(
    out: Output,
    what: tuple[str, ...],
    remote_names: tuple[str, ...],
    kept_revs: tuple[str, ...],
    followed: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase content from all of history, for good.

    Finds every version of PATH (a file, or all below a folder) in all snapshots, locks and runs, or a content by its
    id, and erases its bytes: packs that hold them are written anew and deleted at once, and from then on nobody can
    store them again. What other content needs too stays. Listings go on naming paths and ids. Ends with a certificate:
    what was erased, which versions, runs and models it touched, and what remains elsewhere.

    Examples:
      xver purge data/people.csv -n
      xver purge data/people.csv --remote origin --yes
      xver purge data/people.csv --keep HEAD --yes
      xver purge b3:91c07e2a --yes
      xver purge --follow origin --yes
    """
    from xver.sync.remotes import choose_remote, open_remote
    from xver.upkeep import purging
    from xver.upkeep.certificate import text

    if not dry_run and not yes:
        raise InvalidInput("purge destroys data, and nothing brings it back", hint="-n shows the plan, --yes does it")
    if bool(what) == (followed is not None):
        raise InvalidInput("purge what?", hint="xver purge PATH -n")
    repo = opened(out)
    remotes = {name: open_remote(repo, choose_remote(repo, name)) for name in remote_names}
    places = [purging.Place("here", repo.store, repo), *(purging.Place(*one) for one in remotes.items())]
    if followed is None:
        wanted = purging.named(repo, places, what, kept_revs, start=Path.cwd())
    else:
        wanted = purging.followed(repo, open_remote(repo, choose_remote(repo, followed)))
    record, path = purging.purge(repo, places, wanted, dry_run=dry_run, meter=out.meter())
    if as_json:
        out.json({**record, "certificate": None if path is None else str(path)})
        return
    for line in text(record):
        out.line(line)
    if path is not None:
        out.note(f"Certificate: {path}")
