"""The contestants: xver, and what people use instead, each with its own words for the same work.

A tool's repository is a folder that holds the data in `data`. Every tool starts unconfigured: no user's settings, a
home of its own, an identity from the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support import Command, Options, Timing, run, timed

DATA: Final = "data"
_REMOTE: Final = "{remote}"
_IDENTITY: Final = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "benchmark"), ("EMAIL", "benchmark@localhost"))
}


@dataclass(frozen=True, slots=True)
class Tool:
    """One contestant: its commands, run in the repository; the word {remote} stands for the remote's address."""

    name: str
    environment: Mapping[str, str]
    version: Command
    add: Command
    status: Command
    push: Command
    stores_in: str
    create: tuple[Command, ...] = ()
    commit: tuple[Command, ...] = ()
    connect: tuple[Command, ...] = ()
    stores_before_it_pushes: bool = True

    @property
    def installed(self) -> bool:
        """Whether its program is on the PATH."""
        return shutil.which(self.version[0]) is not None

    @property
    def release(self) -> str:
        """The first line of what it says of itself."""
        if not self.installed:
            return "not installed"
        done = subprocess.run(self.version, env=self.environment, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().partition("\n")[0] or f"exit code {done.returncode}"

    def run(self, repository: Path, *commands: Command, remote: str = "") -> None:
        """Run commands untimed. Raises FailedCommand."""
        for command in commands:
            run(_addressed(command, remote), cwd=repository, env=self.environment)

    def timed(self, repository: Path, command: Command, *, remote: str = "", flush: bool = False) -> Timing:
        """Time a command; with `flush` until the disk has its data. Raises FailedCommand."""
        return timed(_addressed(command, remote), cwd=repository, env=self.environment, flush=flush)

    def store(self, repository: Path) -> Path:
        """Return the folder of stored content."""
        return repository / self.stores_in


def contestants(options: Options, home: Path, *, more: Mapping[str, str] | None = None) -> dict[str, Tool]:
    """Return all tools by name, the yardstick first; `more` is added to their environment."""
    home.mkdir(exist_ok=True)
    # PYTHON…: an installed program has its bytecode, and would be compiled anew each time where none may be written.
    foreign = ("GIT_", "XVER_", "XDG_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment = {
        **kept,
        **_IDENTITY,
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        # Else git packs in the background what it has just added, while its next command is timed.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "gc.auto",
        "GIT_CONFIG_VALUE_0": "0",
        "DVC_NO_ANALYTICS": "1",
        "RESTIC_PASSWORD": "benchmark",
        **(more or {}),
    }
    xver = options.xver
    git_init = ("git", "init", "-q", "-b", "main")
    tools = [
        Tool(
            "cp",
            environment,
            version=("cp", "--version"),
            add=("cp", "-r", DATA, "copy"),
            status=("diff", "-rq", DATA, "copy"),
            push=("cp", "-r", DATA, _REMOTE),
            stores_in="copy",
        ),
        Tool(
            "xver",
            environment,
            version=(*xver, "--version"),
            create=(git_init, (*xver, "init")),
            add=(*xver, "add", DATA),
            status=(*xver, "status"),
            commit=((*xver, "commit", "-m", "benchmark"),),
            connect=((*xver, "remote", "add", "origin", _REMOTE),),
            push=(*xver, "push"),
            stores_in=".git/xver/store",
        ),
        Tool(
            "git",
            environment,
            version=("git", "--version"),
            create=(git_init,),
            add=("git", "add", DATA),
            status=("git", "status", "--porcelain"),
            commit=(("git", "commit", "-q", "-m", "benchmark"),),
            connect=(("git", "init", "-q", "--bare", _REMOTE), ("git", "remote", "add", "origin", _REMOTE)),
            push=("git", "push", "-q", "origin", "main"),
            stores_in=".git/objects",
        ),
        Tool(
            "dvc",
            environment,
            version=("dvc", "--version"),
            create=(("dvc", "init", "-q", "--no-scm"),),
            add=("dvc", "add", "-q", DATA),
            status=("dvc", "status"),
            connect=(("dvc", "remote", "add", "-q", "-d", "origin", _REMOTE),),
            push=("dvc", "push", "-q"),
            stores_in=".dvc/cache",
        ),
        Tool(
            "restic",
            environment,
            version=("restic", "version"),
            create=(("restic", "-q", "-r", "backup", "init"),),
            add=("restic", "-q", "-r", "backup", "backup", DATA),
            status=("restic", "-q", "-r", "backup", "backup", "--dry-run", DATA),
            connect=(("restic", "-q", "-r", _REMOTE, "init"),),
            push=("restic", "-q", "-r", _REMOTE, "backup", DATA),
            stores_in="backup",
            stores_before_it_pushes=False,
        ),
    ]
    return {tool.name: tool for tool in tools}


def without(tools: Mapping[str, Tool], *names: str) -> dict[str, Tool]:
    """Return the tools but those named."""
    return {name: tool for name, tool in tools.items() if name not in names}


def _addressed(command: Command, remote: str) -> Command:
    return [remote if word == _REMOTE else word for word in command]
