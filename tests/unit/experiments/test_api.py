"""`xver.run` in real programs: what it logged is there whatever became of it, and its run is its own."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xver
from tests.support.recorded import clean_environment, posix, project
from xver.errors import Conflict, InvalidInput, RunNotFound
from xver.model.ids import chunk_id
from xver.model.runs import Run, State, Status
from xver.provenance.metrics import decode_series
from xver.provenance.programs import recover
from xver.provenance.sealing import flights
from xver.repo import Repo, open_repo
from xver.versioning.runs import read_attachment, read_runs


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in [name for name in os.environ if name.startswith("XVER_")]:
        monkeypatch.delenv(name)
    repo = project(tmp_path, {"data/x": b"x", "config.txt": b"c"}, tracked=("data",))
    monkeypatch.chdir(repo.root)
    return repo


def program(repo: Repo, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (repo.root / "program.py").write_text(code)
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=repo.root,
        env={**clean_environment(), **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def only_run(repo: Repo) -> Run:
    (run,) = read_runs(open_repo(repo.root))
    return run


def test_a_run_is_sealed_with_everything_that_it_was_told(repo: Repo) -> None:
    with xver.run("baseline", params={"net": {"depth": 3}, "sizes": [1, 2]}, tags=["cnn"], note="why") as run:
        run.input("data")
        run.input("config.txt")
        for step in range(3):
            run.log(loss=1 / (step + 1), step=step / 2)
        run.log({"val/acc": math.nan})
        (repo.root / "model").write_text("m")
        run.output("model")
    sealed = only_run(repo)
    assert (sealed.title, sealed.status, sealed.tags, sealed.note) == ("baseline", Status.OK, ("cnn",), "why")
    assert sealed.params == {"net.depth": 3, "sizes": "[1, 2]"}
    loss = sealed.metrics["loss"]
    assert (loss.last, loss.step, loss.minimum, loss.maximum, loss.count) == (1 / 3, 1.0, 1 / 3, 1.0, 3)
    assert math.isnan(sealed.metrics["val/acc"].last)
    assert [(one.path, one.state) for one in sealed.inputs] == [
        ("data", State.STABLE),
        ("config.txt", State.UNVERSIONED),
    ]
    assert [(one.path, one.id, one.kept) for one in sealed.outputs] == [("model", chunk_id(b"m"), True)]
    assert sealed.series is not None
    assert [one.step for one in decode_series(read_attachment(repo, sealed.series))] == [0.0, 0.5, 1.0, None]


@posix
def test_kill_9_loses_no_point_and_recover_finds_all(repo: Repo) -> None:
    done = program(
        repo,
        "import os, signal, xver\nwith xver.run(params={'lr': 0.1}) as run:\n"
        "    for step in range(1000): run.log(loss=step, step=step)\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert done.returncode == -9
    (run,), problems = recover(repo)
    assert problems == []
    assert (run.status, run.params, run.metrics["loss"].count) == (Status.LOST, {"lr": 0.1}, 1000)
    assert recover(repo) == ([], [])
    assert only_run(repo) == run


def test_a_run_that_goes_on_is_not_recovered(repo: Repo) -> None:
    with xver.run():
        assert recover(open_repo(repo.root)) == ([], [])
    assert only_run(repo).status is Status.OK


def test_four_processes_log_to_one_run(repo: Repo) -> None:
    rank = (
        "import sys, xver; run = xver.run(); [run.log(loss=int(sys.argv[1]), step=n) for n in range(250)]; run.finish()"
    )
    with xver.run() as run:
        told = {**clean_environment(), "XVER_RUN": run.id, "XVER_REPO": os.fspath(repo.root)}
        ranks = [subprocess.Popen([sys.executable, "-c", rank, str(n)], env=told) for n in range(4)]
        assert [process.wait(60) for process in ranks] == [0, 0, 0, 0]
    sealed = only_run(repo)
    loss = sealed.metrics["loss"]
    assert (loss.count, loss.minimum, loss.maximum) == (1000, 0.0, 3.0)


@posix
def test_a_forked_child_neither_ends_nor_tears_its_parents_run(repo: Repo) -> None:
    done = program(
        repo,
        "import os, sys, xver\nwith xver.run() as run:\n    run.log(a=1)\n"
        "    if os.fork() == 0:\n        run.log(a=2)\n        sys.exit(0)\n    os.wait(); run.log(a=3)\n",
    )
    assert (done.returncode, done.stderr) == (0, "")
    sealed = only_run(repo)
    assert (sealed.status, sealed.metrics["a"].count) == (Status.OK, 3)


@pytest.mark.parametrize(
    ("ending", "status"),
    [("pass", Status.OK), ("1/0", Status.FAILED), ("raise SystemExit(0)", Status.OK), ("exit(3)", Status.FAILED)],
)
def test_a_run_ends_as_its_block_ends(repo: Repo, ending: str, status: Status) -> None:
    program(repo, f"import xver\nwith xver.run():\n    {ending}\n")
    assert only_run(repo).status is status


@pytest.mark.parametrize(("ending", "status"), [("pass", Status.OK), ("1/0", Status.FAILED)])
def test_a_notebooks_run_is_sealed_when_the_process_ends(repo: Repo, ending: str, status: Status) -> None:
    program(repo, f"import xver\nxver.init().log(a=1)\n{ending}\n")
    run = only_run(repo)
    assert (run.status, run.metrics["a"].last) == (status, 1.0)


def test_what_is_left_over_from_another_run_is_not_believed(repo: Repo) -> None:
    left = {"XVER_RUN": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "XVER_REPO": "/nowhere", "XVER_PARAMS": '{"lr": 9}'}
    done = program(repo, "import xver\nwith xver.run() as run: run.params(lr=1)\n", **left)
    assert done.returncode == 0, done.stderr
    run = only_run(repo)
    assert (run.params, run.parent) == ({"lr": 1}, None)


def test_a_name_of_a_run_that_leads_elsewhere_is_no_run(repo: Repo, tmp_path: Path) -> None:
    done = program(repo, "import xver\nxver.run().finish()\n", XVER_RUN="../../elsewhere")
    assert done.returncode == 0, done.stderr
    assert only_run(repo).parent is None


def test_code_is_kept_unless_it_changed_meanwhile(repo: Repo) -> None:
    (repo.root / "steady.py").write_text("")
    os.utime(repo.root / "steady.py", (1, 1))
    program(
        repo,
        "import time, steady, xver\nwith xver.run():\n    open('program.py', 'a').write('#')\n",
    )
    run = only_run(repo)
    assert "program.py" not in run.code.files
    assert any("program.py changed during the run" in note for note in run.notes)


def test_paths_that_leave_the_work_tree_are_refused_in_events_and_calls(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside"
    outside.write_text("private")
    with xver.run() as run:
        with pytest.raises(InvalidInput, match="outside"):
            run.output(outside)
        (flight,) = flights(open_repo(repo.root))
        (flight.folder / "events-other.jsonl").write_text(
            '{"kind": "output", "path": "../outside"}\n{"kind": "input", "path": "/etc/passwd"}\nno json\n'
        )
    sealed = only_run(repo)
    assert (sealed.inputs, sealed.outputs) == ((), ())
    assert len([note for note in sealed.notes if note.startswith("events:")]) == 3
    assert chunk_id(b"private") not in open_repo(repo.root).store


def test_a_folder_that_is_gone_warns_and_the_program_goes_on(repo: Repo) -> None:
    run = xver.run()
    run._writer.close()
    shutil.rmtree(repo.runs)
    with pytest.warns(RuntimeWarning, match="cannot be written to"):
        run.log(a=1)
    run.finish()


@pytest.mark.parametrize("value", ["1", None, [1], object()])
def test_a_metric_is_a_number(repo: Repo, value: object) -> None:
    with xver.run() as run, pytest.raises(InvalidInput, match="a number"):
        run.log(loss=value)


def test_one_notebook_has_one_run(repo: Repo) -> None:
    xver.init()
    with pytest.raises(Conflict):
        xver.init()
    xver.finish()
    with pytest.raises(RunNotFound):
        xver.finish()
