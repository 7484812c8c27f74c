"""Reading from a bucket without a clone: docs/reading.md works as it is printed, and little of much is fetched."""

from __future__ import annotations

import io
import re
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

import xver
from tests.support.repos import new_repo, save
from tests.support.servers import BUCKET, LossyProxy, Server
from xver.cli.app import main
from xver.filesystem.files import register
from xver.model.refs import TAGS
from xver.repo import Repo
from xver.settings import Remote, add_remote
from xver.sync.push import push
from xver.sync.remotes import choose_remote

TEXT = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.server


def parquet(rows: int) -> bytes:
    buffer = io.BytesIO()
    numbers = np.random.default_rng(1)
    columns = {"value": numbers.random(rows), **{f"other{at}": numbers.random(rows) for at in range(7)}}
    pd.DataFrame(columns).to_parquet(buffer, index=False, row_group_size=rows // 4)
    return buffer.getvalue()


@pytest.fixture
def survey(seaweedfs: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """The repository of the page, pushed to the bucket of the page with the tag of the page."""
    for name in ("xver", "xver+s3"):
        register()
        fsspec.get_filesystem_class(name).clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.endpoint_url)
    monkeypatch.setenv("XVER_CACHE", str(tmp_path / "cache"))
    small = parquet(1_000)
    files = {"data/train.parquet": parquet(120_000), "data/labels.csv": b"name,label\nada,1\n"}
    files |= {f"data/parts/part={part}/0.parquet": small for part in "abc"}
    repo = new_repo(tmp_path / "repo", files)
    repo.store.move("tag", {TAGS + "v1.0": repo.store.log.refs["heads/main"]})
    prefix = f"survey-{tmp_path.name}"
    add_remote(repo.settings_path, Remote("origin", f"s3://{BUCKET}/{prefix}", seaweedfs.endpoint_url))
    push(repo, choose_remote(Repo(repo.places), None))
    save(repo, {"data/labels.csv": b"other\n"})
    monkeypatch.chdir(repo.root)
    return repo


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # used by dask itself
def test_the_page_works_as_it_is_printed(survey: Repo, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert [title for title, _ in EXAMPLES] == [
        *("One file", "A remote, without a clone", "pandas", "pyarrow and polars", "duckdb", "dask", "PyTorch"),
    ]
    for title, code in EXAMPLES:
        here = code.replace("bucket/survey", f"{BUCKET}/survey-{tmp_path.name}")
        values: dict[str, object] = {}
        exec(compile(here, f"docs/reading.md, {title}", "exec"), values)
        if title == "pandas":
            assert list(values["labels"].columns) == ["name", "label"]  # type: ignore[attr-defined]
    url = f"xver+s3://{BUCKET}/survey-{tmp_path.name}//data"
    capfd.readouterr()
    assert main(["cat", f"{url}/labels.csv@v1.0"]) == 0
    assert main(["ls", f"{url}@v1.0"]) == 0
    printed = capfd.readouterr().out
    assert printed.startswith("name,label\nada,1\n")
    assert len(printed.splitlines()) == 2 + 5


def test_one_column_is_fetched_and_not_the_file(survey: Repo, tmp_path: Path, seaweedfs: Server) -> None:
    size = (survey.root / "data" / "train.parquet").stat().st_size
    with LossyProxy(seaweedfs) as proxy:
        url = f"xver+s3://{BUCKET}/survey-{tmp_path.name}//data/train.parquet@v1.0"
        options = {"endpoint_url": proxy.endpoint_url}
        values = pd.read_parquet(url, columns=["value"], storage_options=options)
        assert values.value.equals(pd.read_parquet(survey.root / "data" / "train.parquet").value)
        assert len(proxy.seen) < 40
        fetched = proxy.bytes
    assert fetched < size / 2
    assert xver.open_repo(f"s3://{BUCKET}/survey-{tmp_path.name}").ls() == ["data/"]
