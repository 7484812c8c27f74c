"""What `xver doctor` looks at in a repository: its indexes, how git works with it, and how far its remote is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from xver.cli.finding import Finding
from xver.cli.human import count, plural
from xver.errors import XverError
from xver.git.command import GitCommand
from xver.places import find_places
from xver.repo import Repo, open_repo
from xver.settings import Remote


def examine_repository(folder: Path) -> Iterator[Finding]:
    """Yield what is found in the repository around a folder."""
    if find_places(folder) is None:
        yield Finding("repository", True, "none here", "xver init")
        return
    try:
        repo = open_repo(folder)
        tracked = plural(len(repo.lock.entries), "tracked path")
        yield Finding("repository", True, f"{repo.root}: {tracked}, {count(repo.store.log.n)} log entries")
        yield _index(repo)
        if repo.git is not None:
            yield _beside_git(repo.git)
        remotes = list(repo.settings.remotes.values())
    except XverError as error:
        yield Finding("repository", False, error.message, error.hint or "")
        return
    if not remotes:
        yield Finding("remote", True, "none", "xver remote add origin s3://bucket/prefix")
    for remote in remotes:
        yield _remote(repo, remote)


def _index(repo: Repo) -> Finding:
    try:
        opened = repo.store.index.opened()
    except XverError as error:
        return Finding("index", False, error.message, error.hint or "xver fsck --repair")
    objects = f"{count(repo.store.index.rows())} objects in {count(len(opened))} pack indexes"
    return Finding("index", True, f"{objects}; stats of {plural(len(repo.stat_index.paths()), 'tracked path')}")


def _beside_git(git: GitCommand) -> Finding:
    from xver.git.drivers import missing_drivers
    from xver.git.hooks import NAMES, missing_hooks

    missing = [*missing_hooks(git), *missing_drivers(git)]
    if len(missing) > len(NAMES):
        return Finding("beside git", True, "no hooks and drivers: git does not take the data along", "xver install")
    if missing:
        return Finding("beside git", False, f"missing or of another version: {', '.join(missing)}", "xver install")
    if shutil.which("xver") is None:
        return Finding(
            "beside git", False, "hooks and drivers do nothing: xver is not on the PATH", "add it to the PATH"
        )
    return Finding("beside git", True, "hooks, merge driver and diff driver are installed")


def _remote(repo: Repo, remote: Remote) -> Finding:
    from xver.sync.checking import reach

    name = f"remote {remote.name}"
    try:
        return Finding(name, True, f"{remote.url}, round trip {reach(repo, remote) * 1000:.1f} ms")
    except XverError as error:
        return Finding(name, False, error.message, error.hint or f"xver remote check {remote.name}")
