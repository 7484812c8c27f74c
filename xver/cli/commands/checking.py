"""The command that checks: fsck."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from xver.cli.command import Command
from xver.cli.human import count, plural, size
from xver.cli.output import Output, pass_output
from xver.errors import Conflict, CorruptData, InvalidInput, NotFound, StorageError, TransientStorageError, XverError
from xver.progress import Meter
from xver.repo import Repo, open_repo
from xver.store.store import Store
from xver.upkeep.findings import Findings
from xver.upkeep.fsck import Sample, check, check_remote

if TYPE_CHECKING:
    from xver.upkeep.copies import Source
    from xver.upkeep.repair import Repaired

_NO_LOG: Final = "the log cannot be made anew: "
_BESIDE_GIT: Final = "move {folder} away, then xver pull for what a remote has, xver add for what is here"
_OUTSIDE: Final = "xver clone a remote into a new folder; without one move {folder} away, then xver init, xver add"
_SHOWN: Final = 20
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")


@click.command(
    cls=Command,
    exits=(Conflict, CorruptData, NotFound, StorageError, TransientStorageError),
    no="Something is damaged, or missing.",
)
@click.option(
    "-r", "--remote", "name", is_flag=False, flag_value="", default=None, metavar="[NAME]",
    help="Check a remote instead of the local store [default: origin].",
)  # fmt: skip
@click.option(
    "--data", is_flag=False, flag_value="100%", default=None, metavar="[SHARE]",
    help="Read the content, too: of all packs, or of a random share of them (5%).",
)  # fmt: skip
@click.option("--seed", type=int, default=None, metavar="N", help="Choose the share as the check that printed N did.")
@click.option("--repair", is_flag=True, help="Mend what is wrong, from verified copies.")
@click.option("--from", "sources", multiple=True, metavar="NAME", help="Take copies from this remote [default: all].")
@click.option("--rebuild-index", is_flag=True, help="Make all indexes anew from the packs' own tables first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def fsck(
    out: Output,
    name: str | None,
    data: str | None,
    seed: int | None,
    repair: bool,
    sources: tuple[str, ...],
    rebuild_index: bool,
    as_json: bool,
) -> int:
    """Check that everything stored is whole.

    Checks the log's chain, the size of every pack and index, every pack's table of objects against the indexes, and
    that all that a ref leads to is there. With --data also reads every object and compares its bytes with its id.
    Names the paths, commits and runs that something damaged belongs to. Ends with 1 when anything is wrong.

    --repair brings what is damaged or missing from the remotes and from the files of the work tree (a remote's from the
    local store), each object verified, and moves what is whole out of damaged packs. What nobody has stays listed. The
    log itself cannot be made anew. Nothing is changed without --repair or --rebuild-index.

    Examples:
      xver fsck
      xver fsck --data
      xver fsck --remote --data=5%
      xver fsck --data --repair
    """
    out.notes_apart = as_json
    sample = _sample(data, seed)
    if sources and not repair:
        raise InvalidInput("--from says where --repair takes copies from", hint="xver fsck --repair --from NAME")
    repo = open_repo()
    with contextlib.ExitStack() as stack:
        store = _open(repo, name, stack)
        look = partial(_check, repo, store, name, sample, out.meter())
        if rebuild_index:
            _rebuild(store, out)
        found = _repair(repo, store, name, look, sources, out) if repair else look()
    if as_json:
        out.json(_document(found, sample))
    else:
        for line in _shown(found):
            out.line(line)
        out.note(_verdict(found, sample, name, repair=repair))
    return 1 if found.damage else 0


def _open(repo: Repo, name: str | None, stack: contextlib.ExitStack) -> Store:
    from xver.sync.remotes import choose_remote, open_remote_afresh

    if name is not None:
        return stack.enter_context(open_remote_afresh(repo, choose_remote(repo, name or None)))
    try:
        return repo.store
    except CorruptData as error:
        way = _OUTSIDE if repo.git is None else _BESIDE_GIT
        raise CorruptData(error.message, hint=_NO_LOG + way.format(folder=repo.storage.url)) from error


def _check(repo: Repo, store: Store, name: str | None, sample: Sample, meter: Meter) -> Findings:
    return check(repo, sample=sample, meter=meter) if name is None else check_remote(store, sample=sample, meter=meter)


def _rebuild(store: Store, out: Output) -> None:
    from xver.upkeep.rebuild import rebuild_index

    made = rebuild_index(store, meter=out.meter())
    out.note(f"Indexes made anew: {count(made.rows)} objects in {plural(made.packs, 'pack')}")


def _repair(
    repo: Repo,
    store: Store,
    name: str | None,
    look: Callable[[], Findings],
    sources: tuple[str, ...],
    out: Output,
) -> Findings:
    from xver.upkeep.copies import Source
    from xver.upkeep.own_files import take_files
    from xver.upkeep.repair import repair

    if name is None:
        copies = _remotes(repo, sources or tuple(repo.settings.remotes), out, must=bool(sources))
        done, found = repair(
            store,
            look,
            copies,
            may_be_elsewhere=bool(repo.settings.remotes),
            files=partial(take_files, repo),
            meter=out.meter(),
        )
    else:
        copies = [Source("this clone", repo.store), *_remotes(repo, sources, out, must=True)]
        done, found = repair(store, look, copies, meter=out.meter())
    for source, number in done.brought.items():
        out.note(f"Brought {plural(number, 'object')} from {source}")
    tell_mended(out, done)
    return found


def tell_mended(out: Output, done: Repaired) -> None:
    """Say what a repair did besides what it brought."""
    if done.stranded:
        out.note(f"Let go of {plural(done.stranded, 'object')} stored as differences against what is lost")
    if done.packs:
        out.note(f"Moved {plural(done.moved, 'object')} out of {plural(done.packs, 'damaged pack')}")
    if done.rebuilt:
        out.note("Indexes made anew")
    if done.checkpoints:
        out.note(f"Wrote {plural(done.checkpoints, 'checkpoint')} again")


def _remotes(repo: Repo, names: Iterable[str], out: Output, *, must: bool) -> list[Source]:
    """Open the remotes to take copies from; one that cannot be opened is told, unless it was asked for."""
    from xver.sync.remotes import choose_remote, open_remote
    from xver.upkeep.copies import Source

    found = []
    for name in names:
        try:
            found.append(Source(name, open_remote(repo, choose_remote(repo, name))))
        except XverError as error:
            if must:
                raise
            out.warn(f"{name} is left out: {error.message}")
    return found


def _sample(data: str | None, seed: int | None) -> Sample:
    if data is None:
        return Sample(0.0)
    share = _SHARE.fullmatch(data)
    if share is None or not 0 < float(share[1]) <= 100:
        raise InvalidInput(f"no share of the packs: {data!r}", hint="--data=5%, or --data for all of them")
    return Sample(float(share[1]) / 100, secrets.randbelow(1 << 32) if seed is None else seed)


def _shown(found: Findings) -> Iterator[str]:
    """Yield what is wrong, a line each, of one pack no more than people read."""
    by_key: dict[str, list[str]] = {}
    for one in found.damage:
        by_key.setdefault(one.key, []).append(str(one))
    for key, lines in by_key.items():
        yield from lines[:_SHOWN]
        if len(lines) > _SHOWN:
            yield f"… and {count(len(lines) - _SHOWN)} more{f' in {key}' if key else ''} (--json names all)"


def _verdict(found: Findings, sample: Sample, remote: str | None, *, repair: bool) -> str:
    verdict = "all whole" if not found.damage else plural(len(found.damage), "problem")
    parts = [f"{plural(found.packs, 'pack')}: {verdict}"]
    if found.objects:
        parts.append(f"{plural(found.objects, 'object')} read, {size(found.size)}")
    if found.promised:
        parts.append(f"{count(found.promised)} not fetched yet")
    if 0 < sample.share < 1:
        parts.append(f"read {plural(found.sampled, 'pack')} of {count(found.packs)}: --seed {sample.seed}")
    here = "" if remote is None else f" --remote {remote}".rstrip()
    if found.unread:
        parts.append(f"{size(found.unread)} of content not read: xver fsck --data{here}")
    if any(one.key.startswith("log/") for one in found.damage):
        parts.append("the log cannot be made anew: what it reached is whole where nothing else is named")
    elif found.unindexed:
        parts.append(f"xver fsck{here} --rebuild-index makes the indexes anew, and loses nothing")
    elif found.damage and not repair:
        parts.append(f"xver fsck{' --data' if sample.share else ''}{here} --repair mends what others have")
    return "; ".join(parts)


def _document(found: Findings, sample: Sample) -> dict[str, object]:
    return {
        "packs": found.packs,
        "objects": found.objects,
        "bytes": found.size,
        "promised": found.promised,
        "unread": found.unread,
        "sampled": found.sampled,
        "seed": sample.seed if 0 < sample.share < 1 else None,
        "problems": list(found.problems),
        "damage": [
            {
                "key": one.key,
                "what": one.what,
                "kind": None if one.kind is None else one.kind.name.lower(),
                "id": None if one.id is None else f"b3:{one.id.hex()}",
                "path": one.path,
                "more": one.more,
                "commits": list(one.commits),
                "runs": list(one.runs),
            }
            for one in found.damage
        ],
    }
