"""Projects in which commands are run and recorded: with git or without, as a person would set them up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.repos import write_tree
from xver.model.ids import Kind, RunId
from xver.model.refs import RUNS, Target, TargetKind
from xver.model.runs import Input, Output, Run
from xver.provenance.recording import RunOptions, record_command
from xver.repo import Repo, init_repo, open_repo
from xver.versioning.tracking import add

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is read is watched on Linux only")
posix = pytest.mark.skipif(os.name == "nt", reason="signals and forks as POSIX has them")


def clean_environment() -> dict[str, str]:
    """Return the environment without what belongs to git or to a run that these tests are part of."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("XVER_", "GIT_"))}


def git(root: Path, *arguments: str) -> str:
    """Run git as somebody with a name and no configuration."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    environment = {**clean_environment(), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.strip()


def project(root: Path, files: Mapping[str, bytes], *, tracked: tuple[str, ...] = (), beside_git: bool = False) -> Repo:
    """Make a repository with files, some of them tracked; beside git the others are committed there."""
    root.mkdir(parents=True, exist_ok=True)
    if beside_git:
        git(root, "init", "-q")
    repo, _ = init_repo(root)
    write_tree(root, files)
    if tracked:
        add(repo, tracked)
    if beside_git:
        git(root, "add", ".")
        git(root, "commit", "-qm", "start")
    return open_repo(root)


def python(repo: Repo, code: str, *, folder: str = ".", options: RunOptions | None = None, **variables: str) -> Run:
    """Run lines of Python and record them."""
    return execute(repo, sys.executable, "-c", code, folder=folder, options=options, **variables)


def execute(repo: Repo, *command: str, folder: str = ".", options: RunOptions | None = None, **variables: str) -> Run:
    """Run a command and record it."""
    return record_command(
        repo,
        command,
        directory=os.path.normpath(repo.root / folder),
        environment={**clean_environment(), **variables},
        options=options or RunOptions(),
    )


def inputs(run: Run) -> dict[str, Input]:
    """Return what a run read, by path."""
    return {one.path: one for one in run.inputs}


def outputs(run: Run) -> dict[str, Output]:
    """Return what a run wrote, by path."""
    return {one.path: one for one in run.outputs}


def stored(repo: Repo, ulid: str, record: dict[str, object]) -> None:
    """File a record under a run's name, as a remote could that wishes us ill."""
    data = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    with repo.store.packer() as packer:
        id = RunId(packer.put(Kind.RUN, data))
        repo.store.move("hostile", {RUNS + ulid: Target(TargetKind.RUN, id)}, packer.finish())
