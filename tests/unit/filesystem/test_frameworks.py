"""What people read tables with, on real files of real versions: every one gets what was committed, and only that."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import xver
from tests.support.repos import new_repo, save
from tests.unit.filesystem.conftest import Home
from xver.filesystem.files import register
from xver.sync.push import push
from xver.sync.remotes import choose_remote

OLD = pd.DataFrame({"id": range(3_000), "part": ["a", "b", "c"] * 1_000, "value": [0.5] * 3_000})
NEW = OLD.assign(value=1.5)


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def files_of(frame: pd.DataFrame) -> dict[str, bytes]:
    files = {"data/table.parquet": parquet(frame), "data/table.csv": frame.to_csv(index=False).encode()}
    for part, rows in frame.groupby("part"):
        files[f"data/parts/part={part}/0.parquet"] = parquet(rows[["id", "value"]])
    return files


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("tables")
    repo = new_repo(folder / "repo", files_of(OLD), remote=str(folder / "store"))
    save(repo, files_of(NEW))
    push(repo, choose_remote(repo, None))
    return Home(repo, folder / "store")


@pytest.fixture(params=["here", "remote"])
def url(request: pytest.FixtureRequest, tables: Home, monkeypatch: pytest.MonkeyPatch) -> str:
    """What stands before a path in an address."""
    monkeypatch.chdir(tables.repo.root)
    return "xver://" if request.param == "here" else tables.url


def opened(url: str) -> tuple[Any, str]:
    files, path = fsspec.url_to_fs(url)
    return files, path


def test_pandas(url: str) -> None:
    assert pd.read_parquet(f"{url}data/table.parquet").equals(NEW)
    assert pd.read_parquet(f"{url}data/table.parquet@main~1", columns=["value"]).value.sum() == 1_500
    assert pd.read_csv(f"{url}data/table.csv@main~1").equals(OLD)
    assert pd.read_csv(f"{url}data/table.csv", storage_options={"rev": "main~1"}).equals(OLD)
    with pytest.raises(PermissionError):
        NEW.to_csv(f"{url}data/table.csv")


def test_polars(url: str) -> None:
    with xver.open(f"{url}data/table.parquet@main~1", mode="rb") as file:
        assert pl.read_parquet(file)["value"].sum() == 1_500
    files, path = opened(f"{url}data/parts@main~1")
    lazy = pl.scan_pyarrow_dataset(ds.dataset(path, filesystem=files, partitioning="hive"))
    assert lazy.filter(pl.col("part") == "b").select(pl.col("value").sum()).collect().item() == 500


def test_pyarrow(url: str) -> None:
    files, path = opened(f"{url}data/parts@main~1")
    table = ds.dataset(path, filesystem=files, partitioning="hive")
    assert table.count_rows() == 3_000
    assert table.to_table(filter=ds.field("part") == "a", columns=["value"])["value"].to_pylist() == [0.5] * 1_000
    files, path = opened(f"{url}data/table.parquet")
    assert pq.read_table(path, filesystem=files, columns=["value"])["value"].to_pylist() == [1.5] * 3_000


def test_duckdb(url: str) -> None:
    files, _ = opened(f"{url}data")
    with duckdb.connect() as connection:
        connection.register_filesystem(files)
        for version, total in (("main~1", 1_500), ("main", 4_500), ("main~1", 1_500)):
            query = f"select sum(value) from read_parquet('{url}data/table.parquet@{version}')"
            assert connection.execute(query).fetchone() == (total,)
        query = f"select count(*) from read_parquet('{url}data/parts/**/*.parquet@main~1', hive_partitioning = true)"
        assert connection.execute(f"{query} where part = 'c'").fetchone() == (1_000,)
        query = f"select sum(value) from read_csv('{url}data/*.csv@main~1')"
        assert connection.execute(query).fetchone() == (1_500,)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # used by dask itself
def test_dask(url: str) -> None:
    import dask
    import dask.dataframe as dd

    with dask.config.set(scheduler="threads", num_workers=4):
        assert dd.read_parquet(f"{url}data/table.parquet@main~1").value.sum().compute() == 1_500
        assert dd.read_csv(f"{url}data/table.csv", blocksize=20_000).value.sum().compute() == 4_500
    if url == "xver://":
        return  # starting processes takes seconds; test_files does so for both
    with dask.config.set(scheduler="processes", num_workers=1):
        assert dd.read_csv(f"{url}data/*.csv@main~1", blocksize=20_000).value.sum().compute() == 1_500


class _Files:
    """A map-style dataset of torch over the files of a folder at a version."""

    def __init__(self, url: str) -> None:
        register()
        self.files, path = fsspec.url_to_fs(url)
        self.paths = self.files.find(path)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> int:
        return len(self.files.cat_file(self.paths[at]))

    def __getitems__(self, numbers: list[int]) -> list[int]:
        return [len(data) for data in self.files.cat_ranges([self.paths[at] for at in numbers], 0, None)]


@pytest.mark.parametrize("workers", [0, 2])
def test_torch(url: str, workers: int) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: 200 MB that nothing else here needs")
    data = _Files(f"{url}data@main~1")
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=workers, collate_fn=list)
    assert sorted(size for batch in loader for size in batch) == sorted(map(len, files_of(OLD).values()))


def test_fsspec_caches_go_by_content(url: str, tmp_path: Path) -> None:
    def through(version: str) -> Iterator[bytes]:
        target, _, path = url.partition("://")
        files = fsspec.filesystem(
            "filecache", target_protocol=target, cache_storage=str(tmp_path / "copies"), check_files=True
        )
        with files.open(f"{path}data/table.csv@{version}") as file:
            yield file.read()

    assert list(through("main")) == [files_of(NEW)["data/table.csv"]]
    assert list(through("main~1")) == [files_of(OLD)["data/table.csv"]]
