"""The demo's plot: two versions of real data, two runs on each, a push, a clone, and a comparison of every byte.

    FOLDER/project   the repository, left to play with
    FOLDER/remote    what a bucket would hold
    FOLDER/clone     made from the remote alone

Each command is shown as a person would type it, then run for real.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xver.errors import AlreadyExists, NotFound

SCRIPTS: Final = Path(__file__).parent / "scripts"
MAX_BYTES: Final = 30_000_000
"""As much of Python's library as is taken; a full one has a little more."""

_NOT_SOURCES: Final = {"__pycache__", "site-packages", "dist-packages"}
_LEGAL_LINE: Final = re.compile(rb"^#.*(?:copyright|licen[cs]e).*\n?", re.IGNORECASE | re.MULTILINE)
# What would lead git and xver away from the folder they are started in; a hook and `xver run` set them.
_PLACES: Final = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "XVER_REPO", "XVER_RUN"}


class _Stopped(Exception):
    """A command failed; what it said and how it ended was shown."""


def play(folder: Path, *, xver: Sequence[str], say: Callable[[str], None]) -> bool:
    """Play the demo in a new folder and tell it line by line; return whether everything went as it should.

    `xver` is the command that starts xver. The first command that fails ends the demo, and what was made stays.
    Raises `AlreadyExists` if the folder holds anything, `NotFound` if this Python comes without sources.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExists(f"{folder} is there already", hint="xver demo NEW-FOLDER")
    library = _library()
    stage = _Stage(folder, tuple(xver), say, with_git=shutil.which("git") is not None)
    try:
        _start(stage, library)
        _first_version(stage)
        _second_version(stage)
        return _share(stage)
    except _Stopped:
        return False


def lay_out(folder: Path) -> tuple[int, int]:
    """Make a project to try things on: the two scripts and the data, no repository; return its files and bytes.

    Raises `AlreadyExists` if the folder holds anything, `NotFound` if this Python comes without sources.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExists(f"{folder} is there already", hint="xver demo --bare NEW-FOLDER")
    library = _library()
    folder.mkdir(parents=True, exist_ok=True)
    return len(library), _fill(folder, library)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the demo plays, and the three ways to go on: say something, run a command, name a folder."""

    folder: Path
    command: tuple[str, ...]
    say: Callable[[str], None]
    with_git: bool

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def remote(self) -> Path:
        return self.folder / "remote"

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def chapter(self, *text: str) -> None:
        """Say what comes next and why."""
        self.say("")
        for line in text:
            self.say(f"# {line}")

    def xver(self, *arguments: str, cwd: Path | None = None) -> None:
        self._run(("xver", *arguments), (*self.command, *arguments), cwd)

    def git(self, *arguments: str) -> None:
        self._run(("git", *arguments), ("git", *arguments), None)

    def python(self, *arguments: str, params: Sequence[str] = ()) -> None:
        """Run a script under `xver run`."""
        options = [word for param in params for word in ("-p", param)]
        shown = ("xver", "run", *options, "--", "python", *arguments)
        self._run(shown, (*self.command, "run", *options, "--", sys.executable, *arguments), None)

    def track_code(self, *files: str) -> None:
        """Hand code and small results to git, and to xver where there is no git."""
        if self.with_git:
            self.git("add", *files)
        else:
            self.xver("add", *files)

    def _run(self, shown: Sequence[str], command: Sequence[str], cwd: Path | None) -> None:
        self.say(f"$ {shlex.join(shown)}")
        with subprocess.Popen(
            command,
            cwd=cwd or self.project,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.say(line.rstrip())
        if process.returncode:
            self.say(f"The demo stops: `{shlex.join(shown)}` ended with exit code {process.returncode}.")
            raise _Stopped


def _start(stage: _Stage, library: list[tuple[Path, Path]]) -> None:
    stage.project.mkdir(parents=True)
    stage.remote.mkdir()
    stage.chapter("A project: its code in git, its data with xver." if stage.with_git else "A project, without git.")
    stage.say(f"$ cd {shlex.quote(str(stage.project))}")
    if stage.with_git:
        stage.git("init", "--quiet", "--initial-branch=main")
        if not _succeeds(["git", "var", "GIT_COMMITTER_IDENT"], stage.project):
            stage.git("config", "user.name", "xver demo")
            stage.git("config", "user.email", "demo@localhost")
    stage.xver("init")
    size = _fill(stage.project, library)
    stage.chapter(f"data/raw: the sources of this Python's library, {len(library):,} files, {size / 1e6:.1f} MB.")


def _fill(project: Path, library: list[tuple[Path, Path]]) -> int:
    """Copy the scripts and the data into a project; return the bytes of data."""
    for script in ("prepare.py", "train.py"):
        shutil.copyfile(SCRIPTS / script, project / script)
    size = 0
    for source, name in library:
        target = project / "data" / "raw" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        size += os.path.getsize(shutil.copyfile(source, target))
    return size


def _first_version(stage: _Stage) -> None:
    stage.xver("add", "data/raw")
    stage.xver("remote", "add", "origin", str(stage.remote))
    stage.track_code("prepare.py", "train.py")
    stage.xver("commit", "-m", "sources of the library, and two scripts")

    stage.chapter("prepare.py counts the words of each file. Nothing is declared: xver sees what it reads and writes.")
    stage.python("prepare.py")
    stage.say("$ mkdir models")
    (stage.project / "models").mkdir()
    stage.xver("add", "data/features", "models")
    stage.xver("commit", "-m", "features")

    stage.chapter("train.py learns which package a file belongs to; it writes models/model.npz and metrics.json.")
    stage.python("train.py", "--lr", "{lr}", params=["lr=0.5"])
    stage.track_code("metrics.json")
    stage.xver("commit", "-m", "first model")

    stage.chapter("Where does the model come from?")
    stage.xver("lineage", "models/model.npz")


def _second_version(stage: _Stage) -> None:
    first = _accuracy(stage.project)
    cleaned, removed = _clean_up(stage.project / "data" / "raw")
    stage.chapter(
        "The data change. Names of copyright holders give some packages away: those comments go, "
        f"in {cleaned:,} files.",
        f"And data/raw/encodings goes: {removed:,} files that are mostly tables made by a program.",
    )
    stage.xver("add", "data/raw")
    stage.python("prepare.py")
    stage.python("train.py", "--lr", "{lr}", params=["lr=0.5"])
    stage.track_code("metrics.json")
    stage.xver("commit", "-m", "without licence comments and machine-made tables")

    stage.chapter("The same question again: other data, other features, the same code.")
    stage.xver("lineage", "models/model.npz")
    stage.chapter(
        f"Accuracy on held-out files: {first:.3f} with the first data, {_accuracy(stage.project):.3f} now,",
        "measured on fewer files: those of encodings are in neither part any more.",
    )


def _share(stage: _Stage) -> bool:
    stage.chapter("Share it. The remote is a folder here; s3://bucket/prefix works the same way.")
    stage.xver("push")
    stage.say(f"$ cd {shlex.quote(str(stage.folder))}")
    stage.xver("clone", str(stage.remote), "clone", cwd=stage.folder)

    tracked = ["data/raw", "data/features", "models"]
    if not stage.with_git:
        tracked += ["prepare.py", "train.py", "metrics.json"]
    stage.chapter("Every file of the clone against every file of the project, by SHA-256:")
    ours, theirs = _digests(stage.project, tracked), _digests(stage.clone, tracked)
    different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if different or not ours:
        for name in different[:10]:
            stage.say(f"different: {name}")
        stage.say(f"{len(different):,} of {len(ours):,} files differ: this is a bug in xver, please report it.")
        return False
    stage.say(f"{len(ours):,} files, {', '.join(tracked)}: identical")
    stage.say("")
    stage.say(f"All of it is in {stage.folder}. Go on there, for example:")
    stage.say(f"  cd {shlex.quote(str(stage.project))}")
    for command in ("xver log", "xver runs", "xver status", "xver diff HEAD~1 HEAD"):
        stage.say(f"  {command}")
    return True


def _library() -> list[tuple[Path, Path]]:
    """Return the sources of Python's own library: where each lies, and its name below it.

    Tests come last, so that they are what a limit cuts. Raises `NotFound` where Python was installed without sources.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = sorted(_sources(root), key=lambda path: ("test" in path.parts, path))
    taken, size = [], 0
    for path in found:
        size += path.stat().st_size
        if size > MAX_BYTES:
            break
        taken.append((path, path.relative_to(root)))
    if len(taken) < 200:
        raise NotFound(f"{root} holds no sources of Python's library, which the demo is about")
    return taken


def _sources(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _NOT_SOURCES]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def _clean_up(raw: Path) -> tuple[int, int]:
    """Change the data as a person would; return how many files were edited and how many removed."""
    tables = raw / "encodings"
    removed = sum(1 for _ in tables.rglob("*.py"))
    shutil.rmtree(tables)
    cleaned = 0
    for path in raw.rglob("*.py"):
        source = path.read_bytes()
        rest = _LEGAL_LINE.sub(b"", source)
        if rest != source:
            path.write_bytes(rest)
            cleaned += 1
    return cleaned, removed


def _accuracy(project: Path) -> float:
    return float(json.loads((project / "metrics.json").read_text(encoding="utf-8"))["accuracy"])


def _digests(root: Path, tracked: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of each file below the tracked paths, by its name below `root`."""
    files = [file for path in tracked for file in [root / path, *(root / path).rglob("*")] if file.is_file()]
    return {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _environment() -> dict[str, str]:
    # UTF-8 on both sides of the pipe, whatever the console's encoding.
    kept = {name: value for name, value in os.environ.items() if name not in _PLACES}
    return {**kept, "PYTHONUTF8": "1"}


def _succeeds(command: Sequence[str], cwd: Path) -> bool:
    return not subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, check=False).returncode
