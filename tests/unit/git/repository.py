"""A real git repository in a temporary folder, built step by step."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from xver.git.command import GitCommand


class Repository:
    """A work tree and the git commands a test needs to bring it into a state; each commit is a minute later."""

    def __init__(self, root: Path, *, init: bool = True) -> None:
        self.root = root
        self.command = GitCommand(root)
        self._clock = 1_700_000_000
        if init:
            root.mkdir(parents=True, exist_ok=True)
            self.run("init", "--quiet", "--initial-branch=main")

    def run(self, *args: str, input: bytes | None = None) -> str:
        done = subprocess.run(["git", *args], cwd=self.root, input=input, capture_output=True)
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def save(self, message: str, **files: str) -> str:
        """Write the files (`lock=` is xver.lock), stage everything, commit and return the id."""
        for name, content in files.items():
            self.write("xver.lock" if name == "lock" else name, content)
        self.run("add", "--all")
        return self.commit("--allow-empty", "-m", message)

    def commit(self, *args: str) -> str:
        self._tick("commit", "--quiet", *args)
        return self.run("rev-parse", "HEAD")

    def merge(self, *args: str) -> str:
        self._tick("merge", "--quiet", "--no-edit", "--no-ff", *args)
        return self.run("rev-parse", "HEAD")

    def _tick(self, *args: str) -> None:
        self._clock += 60
        date = f"{self._clock} +0130"
        done = subprocess.run(
            ["git", *args],
            cwd=self.root,
            env={**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
            capture_output=True,
        )
        assert done.returncode == 0, (args, done.stdout, done.stderr)
