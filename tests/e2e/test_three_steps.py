"""Three steps on real data: raw tables, features, a model; and the way back from the model, whatever became of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.recorded import clean_environment, git, linux

pytestmark = linux

RAW = """
import csv, os
from sklearn.datasets import load_breast_cancer
data = load_breast_cancer()
os.makedirs('data/raw', exist_ok=True)
for part in range(5):
    with open(f'data/raw/part{part}.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, 'target'])
        writer.writerows([*row, label] for row, label in list(zip(data.data, data.target))[part::5])
"""
FEATURES = """
import glob, os
import polars as pl
import pyarrow as pa, pyarrow.csv, pyarrow.parquet
os.makedirs('data/features', exist_ok=True)
table = pa.concat_tables(pyarrow.csv.read_csv(path) for path in sorted(glob.glob('data/raw/*.csv')))
frame = pl.from_arrow(table).with_columns((pl.col('mean area') / pl.col('mean radius')).alias('ratio'))
frame.head(400).write_parquet('data/features/train.parquet')
pyarrow.parquet.write_table(frame.tail(frame.height - 400).to_arrow(), 'data/features/test.parquet')
"""
TRAIN = """
import json, os, sys
import joblib, polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
train, test = (pl.read_parquet(f'data/features/{name}.parquet') for name in ('train', 'test'))
split = lambda frame: (frame.drop('target').to_numpy(), frame['target'].to_numpy())
model = make_pipeline(StandardScaler(), LogisticRegression(C=float(sys.argv[1]))).fit(*split(train))
os.makedirs('models', exist_ok=True)
joblib.dump(model, 'models/model.joblib')
json.dump({'accuracy': model.score(*split(test))}, open('metrics.json', 'w'))
"""


def xver(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "xver", *arguments],
        cwd=folder,
        env={**clean_environment(), **_identity(), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _identity() -> dict[str, str]:
    who = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}


def step(folder: Path, script: str, *arguments: str, params: tuple[str, ...] = ()) -> None:
    options = [word for param in params for word in ("-p", param)]
    xver(folder, "-q", "run", *options, "--", sys.executable, script, *arguments)


def steps(folder: Path) -> None:
    step(folder, "features.py")
    step(folder, "train.py", "{C}", params=("C=0.5",))


def chain(folder: Path, what: str | Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the way from a file back to its beginning: what it was called, its id, and what made it."""
    answer = json.loads(xver(folder, "lineage", os.fspath(what), "--json"))
    runs = {run["id"]: run for run in answer["runs"]}
    made = {edge["entity"]: edge for edge in reversed(answer["generated"])}
    used: dict[str, list[dict[str, Any]]] = {}
    for edge in answer["used"]:
        used.setdefault(edge["run"], []).append(edge)
    found = []
    entity, name = answer["subject"], "model"
    while entity in made:
        run = runs[made[entity]["run"]]
        found.append((name, entity, (*run["command"][1:], *sorted(run["code"]["files"]))))
        (edge,) = used[run["id"]]
        assert (edge["state"], edge["evidence"], edge["read"]) == ("stable", "watched", edge["files"])
        entity, name = edge["entity"], edge["path"]
    return [*found, (name, entity, ())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model was trained twice: on the data as they came, and on data with one part corrected."""
    root = tmp_path_factory.mktemp("steps") / "project"
    root.mkdir()
    git(root, "init", "-q")
    subprocess.run([sys.executable, "-c", RAW], cwd=root, check=True)
    (root / "features.py").write_text(FEATURES)
    (root / "train.py").write_text(TRAIN)
    xver(root, "init")
    for tracked in ("data/features", "models"):
        (root / tracked).mkdir(parents=True)
    xver(root, "add", "data/raw", "data/features", "models")
    xver(root, "remote", "add", "origin", os.fspath(root.parent / "remote"))
    (root.parent / "remote").mkdir()
    git(root, "add", ".")
    xver(root, "commit", "-m", "raw data")
    steps(root)
    xver(root, "commit", "-m", "first model")
    shutil.copy(root / "models/model.joblib", root.parent / "mailed.bin")
    part = root / "data/raw/part0.csv"
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:-7]))
    xver(root, "add", "data/raw")
    steps(root)
    xver(root, "commit", "-m", "second model")
    xver(root, "push")
    return root


def raw_ids(folder: Path) -> dict[str, str]:
    """Return the id of data/raw in each commit, by its message."""
    locks = {
        message: git(folder, "show", f"{commit}:xver.lock")
        for commit, message in (line.split(" ", 1) for line in git(folder, "log", "--format=%H %s").splitlines())
    }
    return {
        message: text[text.index('"data/raw"') :].split("id = ", 1)[1].split('"')[1].removeprefix("b3:")
        for message, text in locks.items()
    }


def test_the_model_leads_back_to_the_exact_raw_data(folder: Path) -> None:
    found = chain(folder, "models/model.joblib")
    assert [name for name, _, _ in found] == ["model", "data/features", "data/raw"]
    assert [made for _, _, made in found] == [("train.py", "0.5", "train.py"), ("features.py", "features.py"), ()]
    assert found[-1][1] == raw_ids(folder)["second model"]


def test_the_first_model_found_in_a_mail_leads_to_the_first_data(folder: Path) -> None:
    found = chain(folder, folder.parent / "mailed.bin")
    ids = raw_ids(folder)
    assert found[-1][:2] == ("data/raw", ids["raw data"])
    assert ids["raw data"] == ids["first model"] != ids["second model"]


def test_a_renamed_model_has_the_same_answer(folder: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "best.bin"
    shutil.copy(folder / "models/model.joblib", renamed)
    assert chain(folder, renamed) == chain(folder, "models/model.joblib")
    shutil.copy(renamed, folder / "best.bin")
    assert chain(folder, "best.bin") == chain(folder, "models/model.joblib")
    (folder / "best.bin").unlink()


def test_a_clone_without_git_answers_the_same(folder: Path, tmp_path: Path) -> None:
    xver(tmp_path, "clone", os.fspath(folder.parent / "remote"), "clone")
    clone = tmp_path / "clone"
    assert not (clone / ".git").exists()
    assert chain(clone, "models/model.joblib") == chain(folder, "models/model.joblib")
    assert chain(clone, folder.parent / "mailed.bin") == chain(folder, folder.parent / "mailed.bin")


def test_two_models_on_other_data_are_not_ranked(folder: Path) -> None:
    runs = [run for run in json.loads(xver(folder, "runs", "list", "--json")) if "train.py" in run["command"]]
    found = json.loads(xver(folder, "runs", "diff", runs[1]["id"], runs[0]["id"], "--json"))
    assert [one["name"] for one in found["metrics"]] in (["accuracy"], [])
    assert (found["params"], [one["name"] for one in found["code"]]) == ([], ["git commit"])
    assert [one["name"] for one in found["data"]] == ["data/features"]
    assert found["comparable"] is (found["metrics"] == [])
