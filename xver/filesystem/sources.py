"""Where versions are read from: a repository of this machine, or a remote; opened once for each thread and process.

A `Store` serves one thread, and connections do not survive a fork, so what is shared is only what never changes.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

from xver.errors import RevisionNotFound
from xver.filesystem.trees import Tree
from xver.history.graph import read_snapshot
from xver.history.revisions import resolve_snapshot
from xver.model.entries import Entry
from xver.model.ids import SnapshotId
from xver.model.paths import TrackedPath
from xver.model.refs import HEADS, TargetKind
from xver.repo import Repo, client_name, open_repo
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.storage.reading import ReadingStorage
from xver.store.reading import ReadingStore, open_reading
from xver.store.remembered import Remembered
from xver.store.store import Store
from xver.sync.elsewhere import read_through
from xver.versioning.versions import entries_at, root_entries

_DEFAULT: Final = ("main", "master")
_SUFFIX: Final = re.compile("[~^@:]")


class Source(Protocol):
    """Gives the trees of versions; use it from any thread."""

    def tree(self, rev: str | None) -> Tree:
        """Return the files of a version, for use in this thread; None is the default version.

        Raises:
            RevisionNotFound: there is no such version.
        """


class LocalSource:
    """A repository of this machine; the default version is HEAD. What is not here is read from its remotes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._here = threading.local()

    def tree(self, rev: str | None) -> Tree:
        """Return the files of a version as of now: a commit made meanwhile is seen."""
        repo, trees = self._opened()
        word = "HEAD" if rev is None else rev
        state = _state(repo, word)
        known = trees.get(word)
        if known is None or known[0] != state:
            repo.store.refresh()
            known = state, Tree(repo.store, entries_at(repo, word))
            trees[word] = known
        return known[1]

    def _opened(self) -> tuple[Repo, dict[str, tuple[object, Tree]]]:
        here = self._here
        if getattr(here, "process", None) != os.getpid():
            here.repo, here.trees, here.process = open_repo(self._root), {}, os.getpid()
            read_through(here.repo)
        return here.repo, here.trees


class RemoteSource:
    """A store anywhere, read without a clone. The default version is its branch main, master, or the only one.

    A version once looked up stays what it was for as long as this lives, so all of a job reads the same.
    """

    def __init__(self, url: str, *, endpoint_url: str | None = None) -> None:
        self._url = url
        self._endpoint_url = endpoint_url
        self._entries: dict[str | None, Mapping[TrackedPath, Entry]] = {}
        self._first: ReadingStore | None = None
        self._locks: dict[int, threading.Lock] = {}
        self._here = threading.local()

    def tree(self, rev: str | None) -> Tree:
        """Return the files of a version."""
        store = self.store
        entries = self._entries.get(rev)
        if entries is None:
            snapshot = read_snapshot(store, self.resolve(rev))
            entries = self._entries.setdefault(rev, root_entries(store, snapshot.root))
        return Tree(store, entries)

    def resolve(self, rev: str | None) -> SnapshotId:
        """Return the snapshot that a version is; raises `RevisionNotFound`."""
        return resolve_at(self.store, rev, self._url)

    @property
    def store(self) -> ReadingStore:
        """The store, for use in this thread."""
        here = self._here
        if getattr(here, "process", None) != os.getpid():
            # A lock that another thread held at a fork would never be released here: each process has its own.
            with self._locks.setdefault(os.getpid(), threading.Lock()):
                if self._first is None:
                    self._first = self._open()
                here.store, here.process = self._first.twin(), os.getpid()
        store: ReadingStore = here.store
        return store

    def _open(self) -> ReadingStore:
        cache = cache_folder(os.environ, sys.platform)
        name = blake2b(f"{self._url} {self._endpoint_url or ''}".encode(), digest_size=8).hexdigest()
        inner = locate(self._url, base=Path.cwd(), endpoint_url=self._endpoint_url)
        storage = ReadingStorage(inner, LocalStorage(cache / "remotes" / name))
        storage.catch_up()
        return open_reading(storage, client=client_name(), remembered=Remembered(cache))


def resolve_at(store: Store, rev: str | None, url: str) -> SnapshotId:
    """Return the snapshot that a version of the store at `url` is, None the default one; raises `RevisionNotFound`."""
    head = default_branch(store)
    if rev is None and head is None:
        names = sorted(store.log.refs_under(HEADS))
        raise RevisionNotFound(
            f"which version of {url}? " + (f"There are {', '.join(names)}" if names else "It has no branch"),
            hint="name one behind an @, as in //data/labels.csv@v1.0",
        )
    return resolve_snapshot(store, "HEAD" if rev is None else rev, head=head)


def default_branch(store: Store) -> SnapshotId | None:
    """Return the newest snapshot of the branch that is meant where none is named; None if that cannot be told."""
    heads = store.log.refs_under(HEADS)
    meant = [str(one) for one in _DEFAULT if one in heads] or (list(heads) if len(heads) == 1 else [])
    if not meant or heads[meant[0]].kind is not TargetKind.SNAPSHOT:
        return None
    return SnapshotId(heads[meant[0]].id)


def cache_folder(environ: Mapping[str, str], platform: str) -> Path:
    """Return the folder for what can be read again: XVER_CACHE, or where the user's caches are on this system."""
    if named := environ.get("XVER_CACHE"):
        return Path(named).expanduser()
    if platform == "win32":
        base = environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "xver" / "Cache"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "xver"
    base = environ.get("XDG_CACHE_HOME", "")
    # The XDG Base Directory Specification: what is not absolute is to be passed over.
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "xver"


def _state(repo: Repo, word: str) -> object:
    """Return what changes whenever a revision may have come to mean another commit."""
    if repo.git is None or repo.places.git is None:
        repo.store.refresh()
        return repo.store.log.n, _stamp(repo.places.own / "HEAD")
    places = repo.places.git
    head = places.git_dir / "HEAD"
    files = [head, places.git_dir / "logs" / "HEAD", places.common_dir / "packed-refs"]
    files.append(places.common_dir / "reftable" / "tables.list")
    names = [_SUFFIX.split(word, maxsplit=1)[0]]
    try:
        names.append(head.read_text(encoding="utf-8").removeprefix("ref:").strip().removeprefix("refs/heads/"))
    except OSError:
        names.append("")
    for name in filter(None, names):
        files += [places.common_dir / "refs" / kind / name for kind in ("heads", "tags", "remotes")]
    return tuple(map(_stamp, files))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
