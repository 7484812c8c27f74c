"""How runs end, whatever happens to them, and what they are told: the record holds it and no secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.recorded import execute, inputs, linux, outputs, posix, project, python
from xver.errors import NotFound, StorageError
from xver.format.runs import encode_run
from xver.model.refs import INFLIGHT, KEPT, RUNS
from xver.model.runs import Evidence, Status
from xver.model.ulids import new_ulid
from xver.provenance import recording
from xver.provenance.executing import exit_status
from xver.provenance.programs import recover
from xver.provenance.recording import RunOptions
from xver.provenance.sealing import drop_unbegun, flights
from xver.provenance.watch import Observed, Watcher
from xver.repo import Repo
from xver.versioning.runs import read_runs

RAW = {f"data/raw/{name}.csv": f"x,{name}\n".encode() for name in "abc"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return project(tmp_path / "project", RAW, tracked=("data/raw",))


@pytest.mark.parametrize(
    ("code", "status", "exit_code", "shown"),
    [("pass", Status.OK, 0, 0), ("import sys; sys.exit(7)", Status.FAILED, 7, 7), ("1/0", Status.FAILED, 1, 1)],
)
def test_a_program_ends_as_it_ends(repo: Repo, code: str, status: Status, exit_code: int, shown: int) -> None:
    run = python(repo, code)
    assert (run.status, run.exit_code, run.signal, exit_status(run.exit_code, run.signal)) == (
        status,
        exit_code,
        None,
        shown,
    )


def test_what_a_run_stored_that_never_began_goes_after_a_day(repo: Repo) -> None:
    run = python(repo, "open('data/raw/new.csv', 'w').write('x')")
    target = repo.store.log.refs[RUNS + run.ulid]
    killed, lives = new_ulid(), new_ulid()
    (repo.runs / lives).mkdir(parents=True)
    repo.store.move("begin", {prefix + one: target for one in (killed, lives, run.ulid) for prefix in (INFLIGHT, KEPT)})
    assert drop_unbegun(repo) == 0
    assert drop_unbegun(repo, now=time.time() + 90_000) == 2
    refs = repo.store.log.refs
    assert [name for name in (INFLIGHT + killed, KEPT + killed, INFLIGHT + run.ulid) if name in refs] == []
    # A folder tells of a run that may be sealed yet; what a sealed one keeps is its own.
    assert [name for name in (INFLIGHT + lives, KEPT + lives, KEPT + run.ulid) if name not in refs] == []


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV"])
def test_a_killed_program_is_recorded_with_what_it_logged_and_wrote(repo: Repo, name: str) -> None:
    run = python(
        repo,
        "import os, signal, xver\nopen('half', 'w').write('h')\n"
        f"xver.run(params={{'lr': 1}}).log(loss=0.5, step=3); os.kill(os.getpid(), signal.{name})",
    )
    number = getattr(signal, name).value
    assert (run.status, run.exit_code, run.signal) == (Status.KILLED, None, number)
    assert exit_status(run.exit_code, run.signal) == 128 + number
    assert (run.params["lr"], run.metrics["loss"].last, list(outputs(run))) == (1, 0.5, ["half"])


def test_a_program_that_is_not_there_leaves_nothing(repo: Repo) -> None:
    (repo.root / "data/raw/a.csv").write_bytes(b"edited")
    with pytest.raises(NotFound, match="no program"):
        execute(repo, "no-such-program")
    assert read_runs(repo) == []
    assert flights(repo) == []
    assert not [name for name in repo.store.log.refs if name.startswith((RUNS, KEPT, INFLIGHT))]


def test_a_disk_that_is_full_while_sealing_loses_nothing(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recording, "seal", full)
        run = python(repo, "import xver, sys; xver.run().log(loss=1.5); sys.exit(3)")
    assert (run.exit_code, run.status) == (3, Status.FAILED)
    assert "no space left" in run.notes[-1]
    assert [flight.folder.name for flight in flights(repo)] == [run.ulid]
    monkeypatch.setattr("xver.provenance.flight.Flight.is_alive", lambda _: False)
    (sealed,), problems = recover(repo)
    assert (sealed.ulid, sealed.exit_code, sealed.metrics["loss"].last, problems) == (run.ulid, 3, 1.5, [])
    assert flights(repo) == []


def test_another_command_that_never_ends_costs_xver_lock_and_not_the_record(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Repo.held.__wrapped__, "__kwdefaults__", {"timeout": 0.2})  # type: ignore[attr-defined]
    before = repo.lock.entries
    # The program itself holds the work tree, and so does what it leaves behind.
    holder = (
        "import filelock, sys, time\n"
        f"lock = filelock.FileLock({os.fspath(repo.places.own / 'lock')!r}); lock.acquire()\n"
        "print('held', flush=True); time.sleep(60)"
    )
    run = python(
        repo,
        "import subprocess, sys\n"
        f"held = subprocess.Popen([sys.executable, '-c', {holder!r}], stdout=subprocess.PIPE)\n"
        "held.stdout.readline(); open('pid', 'w').write(str(held.pid)); open('data/raw/d.csv', 'w').write('d')",
    )
    os.kill(int((repo.root / "pid").read_text()), signal.SIGTERM)
    assert outputs(run)["data/raw"].kept
    assert repo.lock.entries == before
    assert any("not added to xver.lock" in note for note in run.notes)


@linux
def test_a_run_inside_a_run_is_its_child_and_no_neighbour(repo: Repo) -> None:
    inner = f"{sys.executable} -m xver run -- {sys.executable} -c \"open('data/raw/a.csv').read()\""
    outer = python(repo, f"import subprocess; subprocess.run({inner!r}, shell=True, check=True)")
    runs = {run.ulid: run for run in read_runs(repo)}
    (child,) = (run for run in runs.values() if run.ulid != outer.ulid)
    assert child.parent == outer.ulid
    assert inputs(child).keys() == inputs(outer).keys() == {"data/raw"}
    assert not any("other runs" in note for run in runs.values() for note in run.notes)


@linux
def test_a_run_deep_inside_of_others_is_no_neighbour_of_the_outermost(repo: Repo) -> None:
    run = f"{sys.executable} -m xver run -- "
    outer = python(repo, f"import subprocess; subprocess.run({run + run + 'true'!r}, shell=True, check=True)")
    runs = read_runs(repo)
    assert len(runs) == 3
    assert {one.parent for one in runs} >= {None, outer.ulid}
    assert not any("other runs" in note for one in runs for note in one.notes)


def test_two_runs_at_once_say_that_they_may_be_mixed_up(repo: Repo) -> None:
    inner = f"{sys.executable} -m xver run -- {sys.executable} -c pass"
    drop = "{k: v for k, v in os.environ.items() if not k.startswith('XVER_')}"
    outer = python(repo, f"import os, subprocess; subprocess.run({inner!r}, shell=True, check=True, env={drop})")
    (other,) = (run for run in read_runs(repo) if run.ulid != outer.ulid)
    assert other.parent is None
    assert any("other runs went on here meanwhile" in note for note in other.notes)


def test_a_parent_left_over_in_the_environment_is_not_believed(repo: Repo) -> None:
    run = python(repo, "pass", options=RunOptions(parent="01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert run.parent is None


@linux
def test_a_queue_that_overflows_is_said_and_members_are_not_claimed(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Watcher.stop

    def overflowed(watcher: Watcher) -> Observed:
        watcher._overflowed = True
        return stop(watcher)

    monkeypatch.setattr(Watcher, "stop", overflowed)
    run = python(repo, "open('data/raw/a.csv').read()")
    used = inputs(run)["data/raw"]
    assert (used.read, used.members) == (None, None)
    assert any("some opens were missed" in note for note in run.notes)


def test_what_cannot_be_watched_is_said(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xver.provenance.observing.is_available", lambda: False)
    run = python(repo, "open('data/raw/a.csv').read(); open('made', 'w').write('m')")
    assert (run.inputs, run.capture) == ((), ("compared",))
    assert outputs(run)["made"].evidence is Evidence.COMPARED
    assert any("could not be watched" in note for note in run.notes)


def test_parameters_reach_the_command_the_program_or_nobody(repo: Repo) -> None:
    options = RunOptions(params=("lr=0.5", "depth=3", "lost=x"))
    run = execute(
        repo, sys.executable, "-c", "import xver; xver.run().params(depth=1)", "--lr", "{lr}", options=options
    )
    assert run.params == {"lr": 0.5, "depth": 3, "lost": "x"}
    assert [note for note in run.notes if "not seen to reach" in note] == []
    run = execute(repo, sys.executable, "-c", "pass", "--lr", "{lr}", options=options)
    assert run.command[-1] == "0.5"
    assert [note.split()[0] for note in run.notes if "not seen to reach" in note] == ["depth", "lost"]


@linux
def test_parameters_and_metrics_in_files_are_recorded(repo: Repo) -> None:
    (repo.root / "params.toml").write_text("[model]\nsize = 8\napi_key = 'hidden'\n")
    run = python(
        repo,
        "import json; open('params.toml').read(); json.dump({'eval': {'acc': 0.9}, 'n': 2}, open('metrics.json', 'w'))",
    )
    assert {name: run.params[name] for name in ("model.size", "model.api_key")} == {
        "model.size": 8,
        "model.api_key": "***",
    }
    assert {name: one.last for name, one in run.metrics.items()} == {"eval.acc": 0.9, "n": 2}


def test_no_secret_is_recorded(repo: Repo) -> None:
    secret = "hunter2hunter2"
    run = execute(
        repo,
        sys.executable,
        "-c",
        f"import xver; xver.run().note('token={secret}')",
        "--api-key",
        secret,
        f"--password={secret}",
        f"https://me:{secret}@example.org/x",
        options=RunOptions(params=(f"db_password={secret}",), note=f"secret: {secret}", tags=(f"token={secret}",)),
        WANDB_API_KEY=secret,
    )
    assert secret.encode() not in encode_run(run)
    assert run.params["db_password"] == "***"


@linux
def test_names_that_are_no_text_neither_stop_a_run_nor_its_record(repo: Repo) -> None:
    name = os.fsencode(repo.root) + b"/\xff.bin"
    Path(os.fsdecode(name)).write_bytes(b"x")
    run = execute(
        repo,
        sys.executable,
        "-c",
        "import os, sys; open(sys.argv[1]).read(); open(os.fsencode('made') + b'\\xfe', 'w').write('m')",
        os.fsdecode(name),
    )
    assert run.status is Status.OK
    assert [one.ulid for one in read_runs(repo)] == [run.ulid]
    assert run.inputs == ()


def test_the_interpreter_is_the_one_that_ran_and_no_other(repo: Repo, tmp_path: Path) -> None:
    assert "pytest" in python(repo, "pass").packages
    run = execute(repo, "git", "--version")
    assert (run.packages, "python" in run.environment) == ({}, False)


@posix
def test_another_environment_of_the_same_python_has_its_own_packages(repo: Repo, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    run = execute(repo, os.fspath(tmp_path / "bare/bin/python"), "-c", "pass")
    assert run.packages == {}
    assert run.environment["python"].startswith("CPython")


@posix
@pytest.mark.parametrize("line", ["{python} -I", "/usr/bin/env python3", "/usr/bin/env -S python3 -I"])
def test_a_script_s_first_line_says_whose_packages_it_has(repo: Repo, line: str) -> None:
    folder = Path(sys.executable).parent
    assert (folder / "python3").exists()
    script = repo.root / "step"
    script.write_text(f"#!{line.format(python=folder / 'python3')}\nprint()\n")
    script.chmod(0o755)
    environment = {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]])}
    run = recording.record_command(
        repo, ["./step"], directory=str(repo.root), environment=environment, options=RunOptions()
    )
    assert "pytest" in run.packages


def test_metrics_of_a_million_keys_do_not_break_the_record(repo: Repo) -> None:
    lines = "".join(json.dumps({"kind": "metric", "key": f"loss/{n}", "value": n}) + "\n" for n in range(30_000))
    (repo.root / "lines").write_text(lines)
    run = python(repo, "import os; open(os.environ['XVER_EVENTS'], 'a').write(open('lines').read())")
    (sealed,) = read_runs(repo)
    assert 1_000 < len(sealed.metrics) < 30_000
    assert any("more metrics are not listed" in note for note in sealed.notes)
    assert run.series is not None
