"""The command that frees space: gc."""

from __future__ import annotations

import click

from xver.cli.command import Command
from xver.cli.human import count, plural, size
from xver.cli.output import Output, pass_output
from xver.errors import Conflict, ContentNotFound, CorruptData, NotFound, RepositoryNotFound, StorageError


@click.command(cls=Command, exits=(NotFound, RepositoryNotFound, ContentNotFound, Conflict, CorruptData, StorageError))
@click.option(
    "--remote",
    default=None,
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Collect at a remote (default: origin, or the only one) instead of here.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--now", is_flag=True, help="Wait for nobody: for when no other command is at work on this store.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def gc(out: Output, remote: str | None, dry_run: bool, now: bool, as_json: bool) -> None:
    """Free the space of what nothing needs any more.

    Kept is what a branch, tag, commit, run or work tree reaches, and here also what any xver.lock names that git can
    reach, stashes and reflogs included. What history is worth keeping is decided by `xver forget`, not here.

    Others may push, fetch and read at the same time; nothing they need is lost. What was stored in the last day (at
    a remote: in the last 7 days) may belong to a command that still runs and stays, and readers of a remote get a
    day before what they may be reading is deleted: the next gc does that. --now skips both.

    Examples:
      xver gc
      xver gc --dry-run
      xver gc --remote origin
    """
    from xver.cli.opening import opened
    from xver.provenance.sealing import drop_unbegun
    from xver.sync.remotes import choose_remote, open_remote
    from xver.upkeep.gc import LOCAL, NONE, REMOTE, collect, look, marks_here, marks_of
    from xver.upkeep.losing import who_loses

    repo = opened(out)
    if remote is None and not dry_run:
        drop_unbegun(repo)
    if remote is None:
        store, mark, patience, where = repo.store, marks_here(repo), LOCAL, "here"
        again = "xver gc --now"
    else:
        chosen = choose_remote(repo, remote or None)
        store, patience, where = open_remote(repo, chosen), REMOTE, f"at {chosen.name}"
        mark, again = marks_of(store), f"xver gc --remote {chosen.name} --now"
    patience = NONE if now else patience
    outlook = look(store, mark, patience)
    plan = outlook.plan
    losing = [] if remote is None or not plan.freed else who_loses(repo, store, plan.kept)
    garbage = sum(stat.size for stat in outlook.garbage.now)
    if dry_run:
        if as_json:
            out.json(
                {
                    "bytes": plan.freed + garbage,
                    "objects": outlook.objects,
                    "remove": list(plan.remove),
                    "repack": list(plan.repack),
                    "moved": plan.moved,
                    "garbage": len(outlook.garbage.now),
                    "young": plan.spared,
                    "losing": losing,
                }
            )
            return
        out.line(
            f"Would free {size(plan.freed + garbage)} {where}: {plural(len(plan.remove), 'pack')} removed, "
            f"{count(len(plan.repack))} packed again ({size(plan.moved)}), "
            f"{plural(len(outlook.garbage.now), 'leftover')} deleted"
        )
        for one in losing:
            out.line(f"  loses data: {one}")
        _tell_waiting(out, again, plan.spared, sum(stat.size for stat in outlook.garbage.later))
        return
    done = collect(store, mark, patience, outlook=outlook, meter=out.meter())
    if as_json:
        out.json(
            {
                "deleted": done.deleted,
                "removed": done.done.removed,
                "moved": done.done.moved,
                "waiting": done.waiting,
                "young": done.spared,
                "entries": done.done.entries,
                "damaged": list(done.done.damaged),
                "losing": losing,
            }
        )
        return
    for one in losing:
        out.line(f"  lost its data {where}: {one}")
    for pack in done.done.damaged:
        out.warn(f"{pack} is damaged and stays as it is: xver fsck")
    moved = f", {size(done.done.moved)} packed again" if done.done.moved else ""
    out.note(f"Freed {size(done.deleted)} {where}: {plural(done.done.removed, 'pack')} removed{moved}")
    _tell_waiting(out, again, done.spared, done.waiting)


def _tell_waiting(out: Output, again: str, spared: int, waiting: int) -> None:
    if spared:
        out.note(f"{size(spared)} nothing needs are too young to be sure of: {again} takes them too")
    if waiting:
        out.note(f"{size(waiting)} are deleted by a gc a day from now: somebody may be reading them")
