"""A repository: where its parts are, opened when first asked for. Holds no algorithm.

in git        <git common dir>/xver/   store/ runs/ cache/       shared by linked worktrees
<git dir>/xver/          stat-index lock worktree  of this worktree
outside git   .xver/                   all of it
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from xver.errors import Locked, RepositoryNotFound
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import Lock, decode_lock, encode_lock
from xver.git.command import GitCommand
from xver.git.locate import GitPlaces, find_git
from xver.model.refs import LOCK
from xver.settings import NAME as SETTINGS_NAME
from xver.settings import Settings, create_settings, read_settings
from xver.storage.local import LocalStorage
from xver.store.store import Store, create_store, open_store
from xver.worktree.ignore import Ignore
from xver.worktree.stat_index import StatIndex

OWN_FOLDER: Final = ".xver"
LOCK_TIMEOUT: Final = 60.0
"""Seconds to wait for another command that works in the same work tree."""


@dataclass(frozen=True, slots=True)
class Places:
    """Absolute paths: the work tree's root, the folder all worktrees share, and the one of this worktree."""

    root: Path
    shared: Path
    own: Path
    git: GitPlaces | None


class Repo:
    """One work tree with its store. Open one with `open_repo`; one instance serves one thread."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.root = places.root

    @cached_property
    def settings(self) -> Settings:
        """What `xver.toml` says."""
        return read_settings(self.root / SETTINGS_NAME)

    @cached_property
    def git(self) -> GitCommand | None:
        """The git beside us, None outside git."""
        return None if self.places.git is None else GitCommand(self.root)

    @cached_property
    def storage(self) -> LocalStorage:
        """Where the local store lies."""
        return LocalStorage(self.places.shared / "store")

    @cached_property
    def store(self) -> Store:
        """The local store.

        In a fresh git clone of a repository made with xver there is none yet: it is made, under the repository's id.
        """
        try:
            return open_store(self.storage, client=client_name())
        except RepositoryNotFound:
            return create_store(self.storage, client=client_name(), repository=self.lock.repository)

    @cached_property
    def stat_index(self) -> StatIndex:
        """What each file was when last seen."""
        return StatIndex(self.places.own / "stat-index")

    @cached_property
    def ignore(self) -> Ignore:
        """What is not versioned."""
        return Ignore(self.root)

    @property
    def runs(self) -> Path:
        """The folder of runs in flight."""
        return self.places.shared / "runs"

    @property
    def cache(self) -> Path:
        """The folder of what can be computed again."""
        return self.places.shared / "cache"

    @property
    def lock_path(self) -> Path:
        """`xver.lock`."""
        return self.root / LOCK_NAME

    @property
    def settings_path(self) -> Path:
        """`xver.toml`."""
        return self.root / SETTINGS_NAME

    @property
    def lock(self) -> Lock:
        """What `xver.lock` says now; nothing is tracked where there is none."""
        try:
            return decode_lock(self.lock_path.read_bytes())
        except FileNotFoundError:
            return Lock(self.store.repository, {})

    def write_lock(self, lock: Lock) -> None:
        """Replace `xver.lock`, written beside and renamed; untouched if it says so already."""
        data = encode_lock(lock)
        if self.lock_path.exists() and self.lock_path.read_bytes() == data:
            return
        beside = self.root / f".{LOCK_NAME}.{os.getpid()}.tmp"
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.lock_path)
        finally:
            beside.unlink(missing_ok=True)

    @cached_property
    def lock_ref(self) -> str:
        """The ref that keeps what this work tree's `xver.lock` names: `lock/<random id>`."""
        path = self.places.own / "worktree"
        try:
            name = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            name = os.urandom(8).hex()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name + "\n", encoding="ascii")
        return LOCK + name

    @contextlib.contextmanager
    def held(self, *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
        """Hold the work tree: one command at a time writes `xver.lock` and the stat index.

        Raises:
            Locked: another process holds it for longer than `timeout` seconds; the message names it.
        """
        import filelock

        path = self.places.own / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = path.with_name("lock-holder")
        try:
            with filelock.FileLock(path, timeout=timeout):
                holder.write_text(f"pid {os.getpid()} on {platform.node()}\n", encoding="utf-8")
                yield
        except filelock.Timeout as error:
            who = holder.read_text(encoding="utf-8").strip() if holder.exists() else "another process"
            raise Locked(
                f"the work tree is in use by {who} since more than {timeout:.0f} s", hint="wait for it, then try again"
            ) from error

    def relative(self, path: str | os.PathLike[str], *, start: Path) -> str:
        """Return a path a user typed in folder `start` as one relative to the root; links in it are not followed.

        Raises:
            RepositoryNotFound: it lies outside.
        """
        whole = os.path.normpath(os.path.join(os.fspath(start), os.fspath(path)))
        found = os.path.relpath(whole, self.root)
        if found == os.pardir or found.startswith(os.pardir + os.sep) or os.path.isabs(found):
            raise RepositoryNotFound(f"{os.fspath(path)} lies outside of the repository {self.root}")
        return "" if found == os.curdir else found.replace(os.sep, "/")


def open_repo(start: str | os.PathLike[str] = ".") -> Repo:
    """Open the repository that holds a folder.

    Raises:
        RepositoryNotFound: there is none, up to the root of the file system.
    """
    places = find_places(Path(start))
    if places is None:
        raise RepositoryNotFound("this is no xver repository, nor is any folder above it", hint="xver init")
    return Repo(places)


def find_places(start: Path) -> Places | None:
    """Return where the repository around a folder keeps its parts, None if there is none."""
    start = start.resolve()
    git = find_git(start)
    own = next((folder for folder in (start, *start.parents) if (folder / OWN_FOLDER / "store").is_dir()), None)
    if git is not None and (own is None or len(own.parts) <= len(git.root.parts)):
        places = places_in_git(git)
        # A clone made by git has the two files and no store yet; that makes it a repository of ours all the same.
        marks = (places.shared / "store", git.root / LOCK_NAME, git.root / SETTINGS_NAME)
        if any(mark.exists() for mark in marks):
            return places
    return None if own is None else places_outside(own)


def places_in_git(git: GitPlaces) -> Places:
    """Return the places of a repository beside git."""
    return Places(git.root, git.common_dir / "xver", git.git_dir / "xver", git)


def places_outside(root: Path) -> Places:
    """Return the places of a repository without git."""
    return Places(root, root / OWN_FOLDER, root / OWN_FOLDER, None)


def init_repo(folder: Path, *, repository: str | None = None) -> tuple[Repo, bool]:
    """Make a repository in a folder, beside git where git has one; tell whether it is new.

    Everything that is there already stays as it is. `repository` is the id to take on, for a clone.
    """
    folder = folder.resolve()
    git = find_git(folder)
    places = places_in_git(git) if git is not None else places_outside(folder)
    places.shared.mkdir(parents=True, exist_ok=True)
    repo = Repo(places)
    is_new = not (places.shared / "store" / "xver.json").exists()
    if is_new:
        if repo.lock_path.exists():
            repository = decode_lock(repo.lock_path.read_bytes()).repository
        repo.store = create_store(repo.storage, client=client_name(), repository=repository)
    if not repo.lock_path.exists():
        repo.write_lock(Lock(repo.store.repository, {}))
    create_settings(repo.settings_path)
    return repo, is_new


def client_name() -> str:
    """Return what log entries say about who wrote them."""
    return f"xver on {platform.node() or 'an unnamed host'}"
