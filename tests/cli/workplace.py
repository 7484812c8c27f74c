"""A user's folder with git or without, in which commands run, and where nothing of the machine's own configuration
is seen."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import xver as xver_package
from tests.support.repos import write_tree
from xver.cli.app import main

TRIAL = Path(__file__).with_name("trial.py")

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada Łovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Łovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "LOGNAME": "ada",
    "USER": "ada",
    "USERNAME": "ada",
}


def command(*arguments: str) -> list[str]:
    """Return the command line of xver as the tests run it, with a command more."""
    return [sys.executable, str(TRIAL), *arguments]


class Answer(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Workplace:
    """A folder, the commands typed there, and what they answered."""

    def __init__(self, root: Path, home: Path, *, git: bool, hooks: bool = False) -> None:
        """Make the folder; with `hooks` git finds xver on its PATH, so that hooks and drivers call it."""
        self.root = root
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XVER_", "_XVER"))}
        self.environment = (
            kept
            | AUTHOR
            | {
                "HOME": str(home),
                "XDG_CONFIG_HOME": str(home),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CEILING_DIRECTORIES": str(root.parent),
                "PATH": path_of(root.parent / "bin") if hooks else _path_without_xver(),
                "PYTHONUTF8": "1",
                "PYTHONPATH": str(Path(xver_package.__file__).parents[1]),
                "TZ": "UTC",
            }
        )
        self.environment.pop("NO_COLOR", None)
        root.mkdir(parents=True)
        if git:
            self.git("init", "-q", "-b", "main")
        self.ok("init")

    def __call__(self, *words: str, where: str = "") -> Answer:
        """Run xver in a folder of this place; in our own process, as starting one costs a third of a second."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        threshold = gc.get_threshold()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            contextlib.chdir(self.root / where),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(words)
        gc.set_threshold(*threshold)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return Answer(code, *texts)

    def process(self, *words: str) -> subprocess.Popen[str]:
        """Start xver as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "xver", *words],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def ok(self, *words: str, where: str = "") -> str:
        """Run xver, which must end well, and return what it printed."""
        done = self(*words, where=where)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return plain(done.stdout)

    def fails(self, code: int, *words: str, where: str = "") -> list[str]:
        """Run xver, which must end with `code` and print no answer, and return the lines on stderr."""
        done = self(*words, where=where)
        assert (done.returncode, done.stdout) == (code, ""), (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return [plain(line) for line in done.stderr.splitlines()]

    def json(self, *words: str) -> Any:
        """Run xver with --json and return its document."""
        done = self(words[0], "--json", *words[1:])
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def git(self, *words: str, check: bool = True) -> str:
        """Run git and return what it printed; each commit is a minute after the one before."""
        done = subprocess.run(
            ["git", *words], cwd=self.root, env=self.environment, capture_output=True, encoding="utf-8", check=False
        )
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def write(self, **files: str | bytes) -> None:
        """Write files; `__` in a name is a slash and `_dot_` a dot."""
        named = {name.replace("__", "/").replace("_dot_", "."): data for name, data in files.items()}
        write_tree(self.root, {name: data.encode() if isinstance(data, str) else data for name, data in named.items()})

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        return (self.root / path).read_bytes()

    def save(self, message: str, **files: str | bytes) -> str:
        """Write files, add the folders they are in, commit, and return HEAD's id."""
        self.write(**files)
        self.ok("add", *sorted({name.partition("__")[0].replace("_dot_", ".") for name in files}))
        self.ok("commit", "-m", message)
        return str(self.json("show")["id"])


def path_of(folder: Path) -> str:
    """Return a PATH on which `xver` is that of the tests, in a folder that is made for it."""
    folder.mkdir(exist_ok=True)
    program = folder / "xver"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m xver \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    return os.pathsep.join([str(folder), _path_without_xver()])


def _path_without_xver() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(one for one in folders if shutil.which("xver", path=one) is None)


def plain(text: str) -> str:
    """Return a transcript with what differs each time masked: ids of commits, durations, sizes as stored."""
    text = re.sub(r"\b[0-9a-f]{40,64}\b", "<ID>", text)
    text = re.sub(r"(?m)(^|[ \[])[0-9a-f]{7}(?=[ \]\n]|$)", r"\1<id>", text)
    text = re.sub(r"in \d[\d.]* (ms|s)\b", "in <time>", text)
    text = re.sub(r"\([^()]* new[^()]*\)", "(<new>)", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", "<date>", text)
