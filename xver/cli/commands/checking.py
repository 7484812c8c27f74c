"""The command that checks: fsck."""

from __future__ import annotations

import re
import secrets

import click

from xver.cli.command import Command
from xver.cli.human import count, plural, size
from xver.cli.output import Output, pass_output
from xver.errors import CorruptData, InvalidInput, NotFound, StorageError, TransientStorageError
from xver.progress import Meter
from xver.repo import Repo, open_repo
from xver.upkeep.findings import Findings
from xver.upkeep.fsck import Sample, check, check_remote

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")


@click.command(cls=Command, exits=(CorruptData, NotFound, StorageError, TransientStorageError))
@click.option(
    "-r", "--remote", "name", is_flag=False, flag_value="", default=None, metavar="[NAME]",
    help="Check a remote instead of the local store [default: origin].",
)  # fmt: skip
@click.option(
    "--data", is_flag=False, flag_value="100%", default=None, metavar="[SHARE]",
    help="Read the content, too: of all packs, or of a random share of them (5%).",
)  # fmt: skip
@click.option("--seed", type=int, default=None, metavar="N", help="Choose the share as the check that printed N did.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def fsck(out: Output, name: str | None, data: str | None, seed: int | None, as_json: bool) -> int:
    """Check that everything stored is whole.

    Checks the log's chain, the size of every pack and index, every pack's table of objects against the indexes, and
    that all that a ref leads to is there. With --data also reads every object and compares its bytes with its id.
    Names the paths, commits and runs that something damaged belongs to. Ends with 1 when anything is wrong.

    Examples:
      xver fsck
      xver fsck --data
      xver fsck --remote --data=5%
    """
    sample = _sample(data, seed)
    repo = open_repo()
    found = _check(repo, name, sample, out.meter())
    if as_json:
        out.json(_document(found, sample))
    else:
        for problem in found.problems:
            out.line(problem)
        out.note(_verdict(found, sample, name))
    return 1 if found.damage else 0


def _check(repo: Repo, name: str | None, sample: Sample, meter: Meter) -> Findings:
    from xver.sync.remotes import choose_remote, open_remote_afresh

    if name is None:
        return check(repo, sample=sample, meter=meter)
    with open_remote_afresh(repo, choose_remote(repo, name or None)) as there:
        return check_remote(there, sample=sample, meter=meter)


def _sample(data: str | None, seed: int | None) -> Sample:
    if data is None:
        return Sample(0.0)
    share = _SHARE.fullmatch(data)
    if share is None or not 0 < float(share[1]) <= 100:
        raise InvalidInput(f"no share of the packs: {data!r}", hint="--data=5%, or --data for all of them")
    return Sample(float(share[1]) / 100, secrets.randbelow(1 << 32) if seed is None else seed)


def _verdict(found: Findings, sample: Sample, remote: str | None) -> str:
    verdict = "all whole" if not found.damage else plural(len(found.damage), "problem")
    parts = [f"{plural(found.packs, 'pack')}: {verdict}"]
    if found.objects:
        parts.append(f"{plural(found.objects, 'object')} read, {size(found.size)}")
    if found.promised:
        parts.append(f"{count(found.promised)} not fetched yet")
    if 0 < sample.share < 1:
        parts.append(f"read {plural(found.sampled, 'pack')} of {count(found.packs)}: --seed {sample.seed}")
    if found.unread:
        again = "xver fsck --data" if remote is None else f"xver fsck --data --remote {remote}".strip()
        parts.append(f"{size(found.unread)} of content not read: {again}")
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
