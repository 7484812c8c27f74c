"""`xver runs`: listed, shown, compared, exported and recovered, as text and as JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.test_provenance import Shell, shape
from tests.support.recorded import linux, project, python, stored
from xver.model.runs import Run
from xver.model.ulids import new_ulid
from xver.provenance.programs import begin_program
from xver.provenance.recording import RunOptions
from xver.provenance.sealing import flights
from xver.repo import Repo
from xver.versioning.tracking import add

TRAIN = (
    "import json, xver; size = len(open('data/x').read()); run = xver.run()\n"
    "for step in range(3): run.log(loss=1 / (step + 1), step=step)\n"
    "json.dump({'accuracy': size / 10}, open('metrics.json', 'w'))"
)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return project(tmp_path / "project", {"data/x": b"12345", "train.py": TRAIN.encode()}, tracked=("data",))


@pytest.fixture
def xver(repo: Repo) -> Shell:
    return Shell(repo.root)


def train(repo: Repo, lr: float, *, tag: str = "cnn") -> Run:
    return python(repo, TRAIN, options=RunOptions(params=(f"lr={lr}",), tags=(tag,)))


def test_no_runs_yet_is_said(xver: Shell) -> None:
    done = xver("runs")
    assert "No runs yet" in done.stdout + done.stderr
    assert json.loads(xver("runs", "list", "--json").stdout) == []


@linux
def test_runs_are_listed_newest_first_with_what_they_have_in_common(repo: Repo, xver: Shell) -> None:
    for lr in (0.1, 0.2, 0.3):
        train(repo, lr)
    header, *rows = xver("runs", "list").stdout.splitlines()
    assert header.split() == ["run", "when", "status", "what", "lr", "accuracy", "loss", "data"]
    assert [row.split()[-4] for row in rows] == ["0.3", "0.2", "0.1"]
    some = xver("runs", "list", "-n", "2")
    names = [row.split()[0] for row in rows]
    # Columns are as wide as what stands in them, so whole lines differ.
    assert [line.split()[0] for line in some.stdout.splitlines()[1:3]] == names[:2]
    assert names[2] not in some.stdout
    assert "and 1 earlier" in some.stdout + some.stderr
    listed = json.loads(xver("runs", "list", "--json", "-n", "0").stdout)
    assert [(one["params"]["lr"], one["metrics"]["loss"]["count"], one["status"]) for one in listed] == [
        (0.3, 3, "ok"),
        (0.2, 3, "ok"),
        (0.1, 3, "ok"),
    ]


@linux
def test_the_list_needs_no_name_of_its_own(repo: Repo, xver: Shell) -> None:
    for lr in (0.1, 0.2):
        train(repo, lr)
    assert json.loads(xver("runs", "--json").stdout) == json.loads(xver("runs", "list", "--json").stdout)
    (newest,) = json.loads(xver("runs", "--json", "-n", "1").stdout)
    assert newest["params"]["lr"] == 0.2
    assert len(xver("runs", "-q", "-n", "1").stdout.splitlines()) == 2


def test_an_option_before_a_command_is_not_passed_over(xver: Shell) -> None:
    for options in (["--json"], ["-n", "1"]):
        done = xver("runs", *options, "recover", code=2)
        assert done.stderr.startswith("error: options stand behind the command")


@linux
def test_one_run_is_shown_in_full(repo: Repo, xver: Shell) -> None:
    run = train(repo, 0.1)
    text = "\n".join(shape(xver("runs", "show", run.name).stdout))
    for line in (
        "params      lr = 0.1",
        "metrics     accuracy = 0.5",
        "loss = 0.333333  (3 points, 0.333333 to 1)",
        "read        data (1 file)  ID",
        "tags        cnn",
    ):
        assert line in text
    shown = json.loads(xver("runs", "show", run.ulid[:20], "--json").stdout)
    assert [(one["key"], one["step"], one["value"]) for one in shown["series"]] == [
        ("loss", 0.0, 1.0),
        ("loss", 1.0, 0.5),
        ("loss", 2.0, 1 / 3),
    ]
    assert shown["id"] == run.ulid
    assert bytes.fromhex(shown["inputs"][0]["entity"]) == run.inputs[0].id
    assert "pytest" in shown["packages"]


def test_a_run_that_nobody_knows_is_an_error_with_a_hint(xver: Shell) -> None:
    for arguments in (("show", "no-such-run"), ("diff", "one", "two")):
        done = xver("runs", *arguments, code=3)
        assert "no run is called" in done.stderr
        assert "hint:" in done.stderr


@linux
def test_other_data_are_said_before_any_figure(repo: Repo, xver: Shell) -> None:
    one = train(repo, 0.1)
    (repo.root / "data/x").write_bytes(b"1234567")
    add(repo, ["data"])
    other = train(repo, 0.2)
    text = xver("runs", "diff", one.name, other.name).stdout
    assert text.index("The data differ:") < text.index("\ndata\n") < text.index("\nmetrics\n")
    found = json.loads(xver("runs", "diff", one.name, other.name, "--json").stdout)
    assert found["comparable"] is False
    assert [(one["name"], one["before"], one["after"]) for one in found["params"]] == [("lr", 0.1, 0.2)]
    assert [(one["name"], one["before"], one["after"]) for one in found["metrics"]] == [("accuracy", 0.5, 0.7)]


@linux
def test_on_the_same_data_figures_are_compared(repo: Repo, xver: Shell) -> None:
    one, other = train(repo, 0.1), train(repo, 0.2)
    assert "The data differ" not in xver("runs", "diff", one.name, other.name).stdout
    same = xver("runs", "diff", one.name, one.name)
    assert "Nothing differs" in same.stdout + same.stderr


def test_an_export_holds_every_run_and_is_safe(repo: Repo, xver: Shell) -> None:
    train(repo, 0.1, tag='=cmd("x")')
    train(repo, 0.2, tag='two\n"lines", quoted')
    rows = list(csv.DictReader(io.StringIO(xver("runs", "export", "--csv").stdout, newline="")))
    assert [row["tags"] for row in rows] == ['two\n"lines", quoted', '\'=cmd("x")']
    assert [row["params.lr"] for row in rows] == ["0.2", "0.1"]
    exported = json.loads(xver("runs", "export", "--json").stdout)
    assert [one["tags"] for one in exported] == ['two\n"lines", quoted', '=cmd("x")']
    xver("runs", "export", code=2)


@linux
def test_a_lost_run_is_listed_as_lost_and_recovered_once(repo: Repo, xver: Shell) -> None:
    flight = begin_program(repo, title="night", command=(), parent=None)
    flight.writer().append("metric", key="loss", value=0.5)
    start = json.loads((flight.folder / "start.json").read_text())
    start["process"]["started"] = 1
    (flight.folder / "start.json").write_text(json.dumps(start))
    assert " lost " in xver("runs").stdout
    done = xver("runs", "recover")
    assert "Recovered" in done.stdout + done.stderr
    assert flights(repo) == []
    again = xver("runs", "recover")
    assert "No run is lost" in again.stdout + again.stderr
    (run,) = json.loads(xver("runs", "list", "--json").stdout)
    assert (run["status"], run["title"], run["metrics"]["loss"]["last"]) == ("lost", "night", 0.5)


def test_a_record_that_cannot_be_read_is_counted_and_hides_nothing(repo: Repo, xver: Shell) -> None:
    run = train(repo, 0.1)
    stored(repo, new_ulid(), {"format": 1})
    done = xver("runs")
    assert run.name in done.stdout
    assert "1 record of a run cannot be read" in done.stderr + done.stdout
    assert f"run {run.name}" in xver("lineage", "metrics.json").stdout
