"""What is loaded when hardly anything is asked for: the answer must come at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repos import new_repo
from xver.git.command import GitCommand

from .sources import ROOT

HEAVY = {"aiohttp", "blake3", "fsspec", "networkx", "numpy", "pandas", "pyarrow", "rich", "s3fs", "sqlite3", "tomlkit"}

_VERSION = "from xver.cli.app import main; main(['--version'])"
_HELP = "from xver.cli.app import main; main(['--help'])"
_UNKNOWN = "from xver.cli.app import main; main(['sttaus'])"


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after `code`, without those it started with."""
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_xver_loads_nothing_else() -> None:
    names = {name for name in loaded("import xver") if name.partition(".")[0] not in sys.stdlib_module_names}
    assert names == {"xver"}


@pytest.mark.parametrize("code", [_VERSION, _HELP, _UNKNOWN], ids=["version", "help", "unknown command"])
def test_the_frame_loads_neither_commands_nor_anything_heavy(code: str) -> None:
    names = loaded(code)
    assert "xver.cli.app" in names
    assert {name.partition(".")[0] for name in names} & HEAVY == set()
    rooms = {name for name in names if name.startswith("xver.") and not name.startswith("xver.cli")}
    assert rooms == {"xver.errors", "xver.progress"}
    assert not any(name.startswith("xver.cli.commands") for name in names)


def test_what_status_needs_loads_no_records_of_runs_and_no_network() -> None:
    names = loaded("import xver.cli.commands.work, xver.versioning.versions")
    assert "xver.history.reach" in names
    assert names & {"xver.model.runs", "xver.format.runs", "secrets", "socket"} == set()


@pytest.mark.parametrize("words", [["status"], ["status", "data"]], ids=" ".join)
def test_an_idle_status_loads_no_store(words: list[str], tmp_path: Path) -> None:
    GitCommand(tmp_path).text("init", "-q")
    new_repo(tmp_path, {"data/a": b"a", "data/b/c": b"c"})
    names = loaded(f"from xver.cli.app import main; main(['-C', {str(tmp_path)!r}, *{words!r}])")
    rooms = {name.split(".")[1] for name in names if name.startswith("xver.")}
    assert {"repo", "worktree"} < rooms
    assert rooms & {"content", "history", "local_store", "storage", "store", "sync", "upkeep"} == set()
    assert {name for name in names if name.startswith("xver.format.")} == {
        "xver.format.cursor",
        "xver.format.listings",
        "xver.format.lockfile",
    }
    unused = {"concurrent.futures", "ctypes", "glob", "hashlib", "json", "logging", "pyfastcdc", "tempfile"}
    assert names & {*unused, "traceback", "zstandard"} == set()
