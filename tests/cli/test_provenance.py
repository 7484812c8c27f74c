"""`xver run` and `xver lineage` as they are typed: what they print, how they end, what a signal does to them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.recorded import clean_environment, git, linux, posix, project
from tests.support.repos import write_tree
from xver.repo import Repo, open_repo
from xver.versioning.runs import read_runs

XVER = [sys.executable, "-m", "xver"]


class Shell:
    """Types commands in a folder; `python` in front is the interpreter of the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "PYTHONUTF8": "1", "NO_COLOR": "1"}

    def __call__(self, *arguments: str, code: int = 0, cwd: str = ".") -> subprocess.CompletedProcess[str]:
        words = [sys.executable if word == "python" else word for word in arguments]
        done = subprocess.run(
            [*XVER, *words],
            cwd=self.folder / cwd,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and wait until its program says that it is ready."""
        words = [sys.executable if word == "python" else word for word in arguments]
        process = subprocess.Popen(
            [*XVER, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    @property
    def repo(self) -> Repo:
        return open_repo(self.folder)


@pytest.fixture
def xver(tmp_path: Path) -> Shell:
    folder = tmp_path / "project"
    scripts = {
        "features.py": b"open('feat/f', 'w').write(open('raw/a').read() * 2)",
        "train.py": b"import sys; open('model.bin', 'w').write(open('feat/f').read() + sys.argv[1])",
    }
    raw = {"raw/a": b"a" * 100, "raw/b": b"b", "feat/f": b"none"}
    project(folder, {**scripts, **raw}, tracked=("raw", "feat"), beside_git=True)
    return Shell(folder)


def shape(text: str) -> list[str]:
    """Return lines without what differs from run to run."""
    for pattern, word in (
        (rf"{re.escape(os.path.basename(sys.executable))}\b", "python"),
        (r"\b[a-z]+-[a-z]+-\d\d\b", "NAME"),
        (r"b3:[0-9a-f]+", "ID"),
        (r"\b(?=[a-f]*\d)[0-9a-f]{7}\b", "COMMIT"),
        (r"\b[\d.]+ (?:ms|s)\b", "TIME"),
    ):
        text = re.sub(pattern, word, text)
    return text.splitlines()


@linux
def test_a_run_and_its_lineage_read_as_they_happened(xver: Shell) -> None:
    first = xver("run", "--", "python", "features.py")
    assert shape(first.stderr) == [
        "run NAME  python features.py  TIME  ok",
        "  read    raw (1 of 2 files)   features.py",
        "  wrote   feat/f  200 B  (kept)",
    ]
    second = xver("run", "-p", "lr=0.5", "-m", "why", "--", "python", "train.py", "{lr}")
    assert shape(second.stderr) == [
        "run NAME  python train.py 0.5  TIME  ok  lr=0.5",
        "  read    feat (1 file)   train.py",
        "  wrote   model.bin  203 B  not kept: xver add model.bin",
    ]
    assert (first.stdout, second.stdout) == ("", "")
    assert shape(xver("lineage", "model.bin").stdout) == [
        "model.bin  ID  203 B",
        "└─ run NAME  python train.py 0.5  lr=0.5  code COMMIT (clean)",
        "   ├─ feat  ID  1 of 1 file read (watched)  200 B  in no commit",
        "   │  └─ run NAME  python features.py  code COMMIT (clean)",
        '   │     ├─ raw  ID  1 of 2 files read (watched)  101 B  commit COMMIT "start"',
        "   │     └─ features.py  git COMMIT",
        "   └─ train.py  git COMMIT",
    ]


@linux
def test_lineage_in_json_is_a_graph_that_holds_together(xver: Shell) -> None:
    xver("-q", "run", "--", "python", "features.py")
    xver("-q", "run", "--", "python", "train.py", "1")
    (xver.folder / "sub").mkdir()
    answer = json.loads(xver("lineage", "../model.bin", "--json", cwd="sub").stdout)
    entities = {one["id"]: one for one in answer["entities"]}
    runs = {one["id"] for one in answer["runs"]}
    assert entities[answer["subject"]]["path"] == "model.bin"
    assert {one["path"] for one in answer["entities"]} == {"model.bin", "feat", "raw"}
    assert {edge["entity"] for edge in answer["used"] + answer["generated"]} == entities.keys()
    assert {edge["run"] for edge in answer["used"] + answer["generated"]} == runs
    cut = json.loads(xver("lineage", "model.bin", "--json", "--depth", "1").stdout)
    assert (len(cut["runs"]), {one["path"] for one in cut["entities"]}) == (2, {"model.bin", "feat"})


def test_no_add_leaves_xver_lock_alone_and_keeps_the_bytes(xver: Shell) -> None:
    before = (xver.folder / "xver.lock").read_bytes()
    xver("run", "--no-add", "--", "python", "features.py")
    assert (xver.folder / "xver.lock").read_bytes() == before
    assert read_runs(xver.repo)[0].outputs[0].kept
    xver("run", "--", "python", "features.py")
    assert (xver.folder / "xver.lock").read_bytes() != before


def test_streams_and_exit_code_are_the_programs(xver: Shell) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(9)"
    done = xver("run", "--", "python", "-c", code, code=9)
    assert done.stdout == "out\n"
    assert done.stderr.startswith("err\n")
    assert "failed with exit code 9" in done.stderr
    xver("run", "--", "no-such-program", code=3)
    assert len(read_runs(xver.repo)) == 1


WAITS = "import signal, sys, xver\nxver.run().log(loss=1, step=1)\n{}\nprint('ready', flush=True); sys.stdin.read()"


@posix
@pytest.mark.parametrize(
    ("number", "handler", "status", "code"),
    [
        (signal.SIGTERM, "", "killed", 128 + 15),
        (signal.SIGTERM, "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))", "failed", 5),
    ],
)
def test_a_signal_to_xver_run_is_the_programs(
    xver: Shell, number: signal.Signals, handler: str, status: str, code: int
) -> None:
    process = xver.start("run", "--", "python", "-c", WAITS.format(handler))
    process.send_signal(number)
    # Its input stays open until then: the signal alone ends it.
    assert process.wait(60) == code
    process.communicate()
    (run,) = read_runs(xver.repo)
    assert (str(run.status), run.metrics["loss"].last) == (status, 1.0)


@posix
def test_ctrl_c_reaches_the_program_once_and_the_run_is_recorded(xver: Shell) -> None:
    handler = "def stop(*_): print('stopped', flush=True); sys.exit(4)\nsignal.signal(signal.SIGINT, stop)"
    process = xver.start("run", "--", "python", "-c", WAITS.format(handler))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 4
    assert process.communicate()[0] == "stopped\n"
    (run,) = read_runs(xver.repo)
    assert run.exit_code == 4


@linux
def test_kill_9_of_xver_run_leaves_the_run_to_its_program_and_then_to_recover(xver: Shell) -> None:
    then = "[xver.run().log(loss=n) for n in range(5)]\nopen('done', 'w').close()"
    process = xver.start("run", "--", "python", "-c", WAITS.format("") + f"\n{then}")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    listed = json.loads(xver("runs", "list", "--json").stdout)
    assert [one["status"] for one in listed] == ["running"]
    assert "No run is lost" in xver("runs", "recover").stdout + xver("runs", "recover").stderr
    process.communicate(timeout=60)  # ends the program's input; its end closes the pipes
    recovered = xver("runs", "recover")
    assert "lost" in recovered.stdout + recovered.stderr
    (run,) = read_runs(xver.repo)
    assert (str(run.status), run.metrics["loss"].count) == ("lost", 6)


@linux
def test_lineage_travels_with_push_and_clone_with_git_and_without(xver: Shell, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    remote.mkdir()
    xver("remote", "add", "origin", os.fspath(remote))
    xver("-q", "run", "--", "python", "features.py")
    xver("-q", "run", "--", "python", "train.py", "1")
    git(xver.folder, "commit", "-qam", "features")
    xver("push")
    xver("clone", os.fspath(remote), os.fspath(tmp_path / "clone"))
    clone = Shell(tmp_path / "clone")
    write_tree(tmp_path, {"mailed": (xver.folder / "model.bin").read_bytes()})
    ours, theirs = (
        json.loads(one("lineage", os.fspath(tmp_path / "mailed"), "--json").stdout) for one in (xver, clone)
    )
    assert (ours["used"], ours["generated"]) == (theirs["used"], theirs["generated"])
    assert len(theirs["runs"]) == 2
    # And a run that came later comes with a fetch.
    xver("-q", "run", "--", "python", "train.py", "2")
    xver("push")
    clone("fetch")
    assert len(json.loads(clone("runs", "list", "--json").stdout)) == 3


def test_what_nobody_made_is_said_to_come_from_nowhere(xver: Shell) -> None:
    assert len(xver("lineage", "raw/a").stdout.splitlines()) == 1
    done = xver("lineage", "no/such/thing", code=3)
    assert "no/such/thing" in done.stderr
