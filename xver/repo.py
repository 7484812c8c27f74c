"""A repository: its parts, opened when first asked for. Holds no algorithm."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xver.errors import CorruptData, InvalidInput, Locked, NotFound, RepositoryNotFound
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import Lock, decode_lock, encode_lock
from xver.git.command import GitCommand
from xver.git.history import head, lock_at
from xver.git.locate import find_git
from xver.lock_copies import has_copy, way_back
from xver.model.entries import Entries
from xver.model.paths import is_anchored, stand_in
from xver.model.refs import LOCK, SNAPSHOTS
from xver.model.scopes import Scope
from xver.patience import replace
from xver.places import Places, find_places, places_in_git, places_outside
from xver.settings import NAME as SETTINGS_NAME
from xver.settings import Settings, create_settings, read_settings
from xver.worktree.holding import alone
from xver.worktree.ignore import Ignore
from xver.worktree.profile import read_profile
from xver.worktree.stat_index import StatIndex

if TYPE_CHECKING:
    from xver.storage.local import LocalStorage
    from xver.store.store import Store

_ANEW: Final = "xver restore --staged writes it anew, as HEAD has it, and leaves the disk alone"
_RANDOM_NAME: Final = re.compile(r"[0-9a-f]{16}")
LOCK_TIMEOUT: Final = 60.0
"""Seconds to wait for another command that works in the same work tree."""


class Repo:
    """One work tree with its store. Open one with `open_repo`; one instance serves one thread."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.root = places.root
        self.on_wait: Callable[[str], None] = lambda _: None
        """Called with who holds the work tree when `held` has to wait."""
        self.noting = False
        """Whether an operation goes on that `undo` can take back: what it is made of is not noted besides."""
        self._holds = 0

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
        """Where the local store lies; what killed writers left there long ago goes when it is opened."""
        from xver.local_store import open_storage

        return open_storage(self.places.shared / "store")

    @cached_property
    def store(self) -> Store:
        """The local store.

        In a fresh git clone of a repository made with xver there is none yet: it is made, under the repository's id.

        Raises:
            RepositoryNotFound: outside git the store is gone, and with it the history that was here.
        """
        from xver.local_store import create_local, open_local

        try:
            return open_local(self.storage, client_name())
        except RepositoryNotFound:
            if not self.lock_path.exists():
                if self.git is not None:
                    self.require_no_lost_lock()
                raise RepositoryNotFound(f"{self.root} has no store and no {LOCK_NAME}", hint="xver init") from None
            if self.git is None and not (self.places.shared / "store" / "log").is_dir():
                raise RepositoryNotFound(
                    f"the store of this repository, {self.storage.url}, is gone", hint=self._way_back
                ) from None
            return create_local(self.storage, client_name(), self.lock.repository)

    @property
    def _way_back(self) -> str:
        if self.settings.remotes:
            return "xver init, then xver pull brings what was pushed; or bring that folder back from a copy"
        return "bring that folder back from a copy; or xver init, then xver add takes in what is on the disk"

    @cached_property
    def stat_index(self) -> StatIndex:
        """What each file was when last seen."""
        return StatIndex(self.places.own / "stat-index")

    @cached_property
    def ignore(self) -> Ignore:
        """What is not versioned."""
        return Ignore(self.root)

    @property
    def sparse_path(self) -> Path:
        """The sparse profile."""
        return self.places.own / "sparse"

    @cached_property
    def sparse(self) -> Scope:
        """What this work tree wants on the disk. Outside of it, what is not on the disk was not removed."""
        return read_profile(self.sparse_path)

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
        """What `xver.lock` says now; where there never was one, what was adopted for HEAD.

        Raises:
            NotFound: it is gone, and git, or outside git the store, knows of it.
            CorruptData: it is damaged; the hint of both says how it comes back.
            InvalidInput: it has merge conflicts.
        """
        try:
            lock = decode_lock(self.lock_path.read_bytes())
        except FileNotFoundError:
            self.require_no_lost_lock()
            return Lock(self.store.repository, dict(self.adopted()))
        except CorruptData as error:
            raise CorruptData(error.message, hint=self._lock_hint) from error
        if sys.platform == "win32" and (outside := next(filter(is_anchored, lock.entries), None)):
            raise CorruptData(f"{LOCK_NAME} names {outside!r}, which lies outside of the work tree on Windows")
        return lock

    def adopted(self) -> Entries:
        """Return what was adopted for HEAD, beside git, where that has no `xver.lock`."""
        if self.git is None or not (known := self.store.log.refs_under(SNAPSHOTS)):
            return {}
        from xver.history.adopted import adopted_entries

        commit = head(self.git)
        is_one = commit is not None and commit in known and lock_at(self.git) is None
        return adopted_entries(self.store, commit) if commit is not None and is_one else {}

    def require_no_lost_lock(self) -> None:
        """Refuse to take a lost `xver.lock` for one that tracks nothing: a checkout would remove what it tracked.

        Raises:
            NotFound: there is none on the disk, and git, or outside git the store, knows of it.
        """
        if self.git is not None:
            is_lost = has_copy(self.git)
        else:
            from xver.local_store import tracks_anything

            is_lost = tracks_anything(self.store, self.lock_ref)
        if is_lost:
            raise NotFound(f"{LOCK_NAME} is gone", hint=self._lock_hint)

    @property
    def _lock_hint(self) -> str:
        """What brings `xver.lock` back where it is gone or damaged."""
        found = None if self.git is None else way_back(self.git)
        return found or _ANEW

    def write_lock(self, lock: Lock) -> None:
        """Replace `xver.lock`, written beside and renamed; untouched if it says so already."""
        data = encode_lock(lock)
        if self.lock_path.exists() and self.lock_path.read_bytes() == data:
            return
        beside = self.root / f".{LOCK_NAME}.tmp"
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            replace(beside, self.lock_path)
        finally:
            beside.unlink(missing_ok=True)

    @cached_property
    def lock_ref(self) -> str:
        """The ref that keeps what this work tree's `xver.lock` names: `lock/<random id>`."""
        return LOCK + _random_name(self.places.own / "worktree")

    @cached_property
    def clone(self) -> str:
        """The random name of this clone, by which others tell it from the rest."""
        return _random_name(self.places.shared / "clone")

    @contextlib.contextmanager
    def held(self, *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
        """Hold the work tree: one command at a time writes `xver.lock` and the stat index.

        Inside another `held` of the same instance it does nothing. What others wrote while we waited is read anew.

        Raises:
            Locked: another process holds it for longer than `timeout` seconds; the message names it.
        """
        if self._holds:
            yield
            return
        path = self.places.own / "lock"
        holder = path.with_name("lock-holder")
        with alone(
            path,
            timeout,
            wait=lambda: self.on_wait(_who_holds(holder)),
            refusal=lambda: f"the work tree is in use by {_who_holds(holder)} since more than {timeout:g} s",
        ):
            self._holds = 1
            try:
                holder.write_text(f"pid {os.getpid()} on {_host()}\n", encoding="utf-8")
                for name in ("stat_index", "ignore", "settings", "sparse"):
                    self.__dict__.pop(name, None)
                if "store" in self.__dict__:
                    self.store.refresh()
                yield
            finally:
                self._holds = 0

    @contextlib.contextmanager
    def promising(self, *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
        """Hold what remotes keep for the store: of all its work trees one command at a time changes or relies on it.

        Promises that others wrote while we waited are read anew.

        Raises:
            Locked: another process holds it for longer than `timeout` seconds.
        """
        with alone(
            self.places.shared / "promises-lock",
            timeout,
            wait=lambda: self.on_wait("xver evict"),
            refusal=lambda: f"another command has been giving up content of this store for more than {timeout:g} s",
        ):
            self.store.promises.forget()
            yield

    def keep_stats(self) -> None:
        """Write the stat index where that disturbs nobody: it is a cache, and reading must not wait or fail for it."""
        if not self.stat_index.is_changed:
            return
        # Neither waits for a command that works here, nor overwrites what one has written since ours was read; and
        # a repository that may only be read is as good as any.
        with contextlib.suppress(Locked, OSError), self._held_now():
            if self.stat_index.is_current:
                self.stat_index.write()

    @contextlib.contextmanager
    def _held_now(self) -> Iterator[None]:
        if self._holds:
            yield
            return
        path = self.places.own / "lock"
        with alone(path, 0, wait=lambda: None, refusal=lambda: "the work tree is in use"):
            yield

    def relative(self, path: str | os.PathLike[str], *, start: Path) -> str:
        """Return a path a user typed in folder `start` as one relative to the root; links inside are not followed.

        Raises:
            InvalidInput: it is empty, or lies outside.
        """
        if not os.fspath(path):
            raise InvalidInput("an empty path", hint="for everything, give the folder: .")
        whole = os.path.normpath(os.path.join(os.fspath(start), os.fspath(path)))
        if not Path(whole).is_relative_to(self.root):
            # The way to the root may lead over a link, as /tmp does on macOS.
            folder, name = os.path.split(whole)
            whole = os.path.join(os.path.realpath(folder), name)
        if not Path(whole).is_relative_to(self.root):
            raise InvalidInput(
                f"{os.fspath(path)} lies outside of the repository {self.root}",
                hint="xver add PATH --as NAME tracks what lies elsewhere",
            )
        found = os.path.relpath(whole, self.root)
        return "" if found == os.curdir else found.replace(os.sep, "/")


def open_repo(start: str | os.PathLike[str] = ".") -> Repo:
    """Open the repository that holds a folder.

    Raises:
        RepositoryNotFound: there is none, up to the root of the file system.
    """
    places = find_places(Path(start))
    if places is None:
        raise RepositoryNotFound("this is no xver repository, nor is any folder above it", hint="xver init")
    _stand(places.root)
    return Repo(places)


def init_repo(folder: Path, *, repository: str | None = None) -> tuple[Repo, bool]:
    """Make a repository in a folder, beside git where git has one; tell whether it is new.

    Everything that is there already stays as it is. `repository` is the id to take on, for a clone.

    Raises:
        NotFound: its `xver.lock` is gone by accident.
        CorruptData, InvalidInput: `xver.lock` cannot be read.
    """
    folder = folder.resolve()
    git = find_git(folder)
    places = places_in_git(git) if git is not None else places_outside(folder)
    if git is not None and (there := find_places(git.root)) is not None and there.git is None:
        places = there
    _stand(places.root)
    repo = Repo(places)
    is_new = not (places.shared / "store" / "xver.json").exists()
    if not repo.lock_path.exists() and (repo.git is not None or not is_new):
        repo.require_no_lost_lock()
    places.shared.mkdir(parents=True, exist_ok=True)
    if is_new:
        if repo.lock_path.exists():
            repository = repo.lock.repository
        from xver.local_store import create_local

        repo.store = create_local(repo.storage, client_name(), repository)
        if places.git is None:
            # Should git come later, it must not take the store for files of the project.
            (places.shared / ".gitignore").write_text("*\n", encoding="ascii", newline="\n")
    if not repo.lock_path.exists():
        repo.write_lock(Lock(repo.store.repository, {}))
    create_settings(repo.settings_path)
    return repo, is_new


def _stand(root: Path) -> None:
    """Let hints name paths as one types them in the working directory."""
    with contextlib.suppress(OSError):  # it may have been removed
        here = Path.cwd()
        stand_in("" if here == root or not here.is_relative_to(root) else here.relative_to(root).as_posix())


def _random_name(path: Path) -> str:
    """Return the name that a file holds; one is drawn where there is none yet."""
    try:
        name = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        name = ""
    if not _RANDOM_NAME.fullmatch(name):  # none yet, or cut short by a power failure
        name = os.urandom(8).hex()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name + "\n", encoding="ascii")
    return name


def _who_holds(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"


def client_name() -> str:
    """Return what log entries say about who wrote them."""
    return f"xver on {_host() or 'an unnamed host'}"


def _host() -> str:
    import platform

    return platform.node()
