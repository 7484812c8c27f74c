"""`xver demo`: played for real, with git and without, and stopped by a command that fails."""

from __future__ import annotations

import filecmp
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from xver.cli.demo.scenario import SCRIPTS, lay_out, play
from xver.errors import AlreadyExists

from .workplace import command

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def nobody(environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user whom git does not know: no configuration, no identity, and a home that must stay as it is."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(home))
    for name in [name for name in os.environ if name.startswith(("GIT_", "XVER_")) or name == "EMAIL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # A name that git makes up from the host is none: without one of its own, the commit would be refused.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    return home


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("demo", str(folder)),
        env={**os.environ, "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=170,
        check=False,
    )


def typed(output: str) -> list[str]:
    return [line[2:] for line in output.splitlines() if line.startswith("$ ")]


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def assert_played_to_the_end(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout
    project, clone = folder / "project", folder / "clone"
    for tracked in ("data/raw", "data/features", "models"):
        names = files(project / tracked)
        assert names == files(clone / tracked)
        same, different, unreadable = filecmp.cmpfiles(project / tracked, clone / tracked, names, shallow=False)
        assert (len(same), different, unreadable) == (len(names), [], [])
    assert len(files(project / "data" / "raw")) > 200
    assert files(project / "models") == ["model.npz"]
    assert files(folder / "remote") != []

    assert ": identical\n" in done.stdout
    assert f"All of it is in {folder}." in done.stdout
    commands = typed(done.stdout)
    assert commands.count("xver run -- python prepare.py") == 2
    assert commands.count("xver run -p lr=0.5 -- python train.py --lr '{lr}'") == 2
    assert commands.count("xver lineage models/model.npz") == 2

    # The second version: what was left out is gone, and the model is still far better than one guess for all.
    assert not (clone / "data" / "raw" / "encodings").exists()
    assert not (clone / "data" / "features" / "encodings.parquet").exists()
    metrics = json.loads((project / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"] > metrics["majority"] + 0.2


@needs_git
def test_with_git(nobody: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    done = demo(folder)
    assert_played_to_the_end(folder, done)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder / "project", capture_output=True, encoding="utf-8", check=True
        ).stdout

    assert git("log", "--format=%an %s").splitlines() == [
        "xver demo without licence comments and machine-made tables",
        "xver demo first model",
        "xver demo features",
        "xver demo sources of the library, and two scripts",
    ]
    assert git("status", "--porcelain") == ""
    assert {"metrics.json", "prepare.py", "train.py", "xver.lock", "xver.toml"} <= set(git("ls-files").split())
    assert "data/raw" not in git("ls-files")
    assert not [name for name in files(nobody) if "git" in name], "no configuration of git was touched"
    # What the demo suggests at its end works there.
    suggested = [line.strip() for line in done.stdout.splitlines() if line.startswith("  xver ")]
    assert suggested != []
    for line in suggested:
        again = subprocess.run(
            command(*shlex.split(line)[1:]), cwd=folder / "project", capture_output=True, check=False
        )
        assert again.returncode == 0, (line, again.stderr)


@needs_git
def test_an_identity_that_exists_is_used(nobody: Path, tmp_path: Path) -> None:
    (nobody / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n", encoding="utf-8")
    before = (nobody / ".gitconfig").read_bytes()
    said: list[str] = []
    # Only what git is asked for: the command that stands for xver does nothing, so the demo ends at its first run.
    silent = [sys.executable, "-c", "import sys; sys.exit('run' in sys.argv)"]
    assert play(tmp_path / "new", xver=silent, say=said.append) is False
    assert not [line for line in said if line.startswith("$ git config")]
    assert (nobody / ".gitconfig").read_bytes() == before


def test_without_git(nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    folder = tmp_path / "new"
    done = demo(folder)
    assert_played_to_the_end(folder, done)
    project, clone = folder / "project", folder / "clone"
    assert not (project / ".git").exists()
    assert [one for one in typed(done.stdout) if one.startswith("git")] == []
    for name in ("prepare.py", "train.py", "metrics.json"):
        assert (clone / name).read_bytes() == (project / name).read_bytes()


def test_a_folder_that_is_not_empty_is_left_alone(nobody: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("years of it", encoding="utf-8")
    done = demo(tmp_path / "mine")
    assert done.returncode == 6
    assert done.stdout.splitlines()[-1] == "hint: xver demo NEW-FOLDER"
    assert files(tmp_path / "mine") == ["work.txt"]
    for taken in (tmp_path / "mine", tmp_path / "mine" / "work.txt"):
        with pytest.raises(AlreadyExists, match="is there already"):
            play(taken, xver=["never-started"], say=pytest.fail)


def test_a_command_that_fails_stops_the_demo(nobody: Path, tmp_path: Path) -> None:
    said: list[str] = []
    failing = [
        sys.executable,
        "-c",
        "import sys; print('no room left'); sys.exit(71 if sys.argv[1] == 'add' else 0)",
    ]
    assert play(tmp_path / "new", xver=failing, say=said.append) is False
    assert said[-3:] == [
        "$ xver add data/raw",
        "no room left",
        "The demo stops: `xver add data/raw` ended with exit code 71.",
    ]


def test_a_clone_that_differs_is_found(nobody: Path, tmp_path: Path) -> None:
    said: list[str] = []
    careless = tmp_path / "careless.py"
    careless.write_text(
        "import shutil, subprocess, sys\n"
        "verb, *rest = sys.argv[1:]\n"
        "if verb == 'run':\n"
        "    words = rest[rest.index('--') + 1 :]\n"
        "    sys.exit(subprocess.call([word.format(lr=0.5) for word in words]))\n"
        "if verb == 'push':\n"
        "    shutil.copytree('.', '../remote/all')\n"
        "if verb == 'clone':\n"
        "    shutil.copytree(rest[0] + '/all', rest[1])\n"
        "    with open(rest[1] + '/data/raw/os.py', 'ab') as stream:\n"
        "        stream.write(b'#')\n",
        encoding="utf-8",
    )
    assert play(tmp_path / "new", xver=[sys.executable, str(careless)], say=said.append) is False
    assert said[-2] == "different: data/raw/os.py"
    assert said[-1].startswith("1 of ")


def test_bare_lays_out_the_project_and_nothing_else(nobody: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command("demo", "--bare", str(tmp_path / "survey")), capture_output=True, encoding="utf-8", check=True
    )
    assert sorted(path.name for path in (tmp_path / "survey").iterdir()) == ["data", "prepare.py", "train.py"]
    assert f"{len(files(tmp_path / 'survey' / 'data' / 'raw')):,} files in data/raw" in done.stdout
    with pytest.raises(AlreadyExists):
        lay_out(tmp_path / "survey")


def test_the_scripts_make_the_same_bytes_again(tmp_path: Path) -> None:
    """Lineage is worth more when a run can be repeated: equal inputs, equal outputs."""
    library = Path(sysconfig.get_path("stdlib"))
    for package in ("asyncio", "email", "encodings", "importlib", "xml"):
        shutil.copytree(
            library / package, tmp_path / "data" / "raw" / package, ignore=shutil.ignore_patterns("__pycache__")
        )

    def results() -> dict[str, bytes]:
        for script in ("prepare.py", "train.py"):
            subprocess.run([sys.executable, str(SCRIPTS / script)], cwd=tmp_path, check=True, capture_output=True)
        made = [*tmp_path.glob("data/features/*"), tmp_path / "models" / "model.npz", tmp_path / "metrics.json"]
        return {path.name: path.read_bytes() for path in made}

    first = results()
    assert len(first) == 7
    metrics = json.loads(first["metrics.json"])
    assert metrics["accuracy"] > metrics["majority"]
    assert results() == first

    shutil.rmtree(tmp_path / "data" / "raw" / "xml")
    assert set(first) - set(results()) == {"xml.parquet"}
