"""`xver.open_repo`: a repository here, or one at a remote, read-only and without a clone."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from xver.errors import InvalidInput, NotFound
from xver.filesystem.addresses import PREFIX, parse_address
from xver.filesystem.originals import Original
from xver.filesystem.sources import LocalSource, RemoteSource, default_branch
from xver.filesystem.trees import Folder, Tree
from xver.history.bounds import bounds_of
from xver.history.graph import history
from xver.model.entries import External, File, Link
from xver.model.refs import HEADS, TAGS
from xver.model.snapshots import Version
from xver.repo import Repo
from xver.repo import open_repo as open_local_repo
from xver.store.ranges import open_content
from xver.store.store import MARKER
from xver.versioning.versions import version_of

_SCHEME: Final = re.compile(r"(?:xver\+)?([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
MODES: Final = ("r", "rt", "rb")


def open_repo(address: str | os.PathLike[str] = ".", *, endpoint_url: str | None = None) -> Repo | RemoteRepo:
    """Open the repository around a folder, or a remote read-only by its address, with nothing checked out.

    A remote is `s3://bucket/prefix`, `file:///path`, or a folder that holds a store.

    Raises:
        RepositoryNotFound: there is none.
    """
    text = os.fspath(address)
    if _SCHEME.fullmatch(text):
        return RemoteRepo(text.removeprefix("xver+").rstrip("/"), endpoint_url=endpoint_url)
    if (Path(text) / MARKER).is_file():
        return RemoteRepo(Path(text).resolve().as_uri(), endpoint_url=endpoint_url)
    return open_local_repo(text)


def look_up(text: str, rev: str | None) -> tuple[Tree, str]:
    """Return the files of the version that an address names, or else `rev`, and the path in it.

    Raises:
        InvalidInput: it is no address of a versioned file.
        RepositoryNotFound: there is none at that address.
        RevisionNotFound: there is no such version.
    """
    scheme, _, below = text.partition("://")
    if scheme == PREFIX:
        address = parse_address(below, is_remote=False)
        return LocalSource(Path(address.store or ".")).tree(rev if address.rev is None else address.rev), address.path
    if not scheme.startswith(f"{PREFIX}+"):
        raise InvalidInput(
            f"{text} is no address of a versioned file",
            hint="xver://path@version of a repository here, xver+s3://bucket/prefix//path@version of a remote",
        )
    address = parse_address(below, is_remote=True)
    source = RemoteSource(f"{scheme.removeprefix(f'{PREFIX}+')}://{address.store}")
    return source.tree(rev if address.rev is None else address.rev), address.path


class RemoteRepo:
    """A repository at a remote, read-only and without a clone. Use it from any thread.

    What its branches were when it was opened they stay, until `refresh`.

    Raises:
        RepositoryNotFound: there is none at that address.
    """

    def __init__(self, url: str, *, endpoint_url: str | None = None) -> None:
        self.url = url
        self._endpoint_url = endpoint_url
        self._source = RemoteSource(url, endpoint_url=endpoint_url)
        self.id: str = self._source.store.repository

    def __repr__(self) -> str:
        return f"<xver repository at {self.url}>"

    def refresh(self) -> None:
        """See what was pushed since."""
        self._source = RemoteSource(self.url, endpoint_url=self._endpoint_url)

    @property
    def branches(self) -> Mapping[str, str]:
        """Branches and the ids of their newest versions."""
        return {name: target.id.hex() for name, target in self._source.store.log.refs_under(HEADS).items()}

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags and the ids of their versions."""
        return {name: target.id.hex() for name, target in self._source.store.log.refs_under(TAGS).items()}

    @property
    def default(self) -> str | None:
        """The id of the version that is meant where none is named."""
        id = default_branch(self._source.store)
        return None if id is None else id.hex()

    def log(self, rev: str | None = None) -> list[Version]:
        """Return a version and all before it, newest first."""
        store = self._source.store
        bounds = bounds_of(store)
        return [version_of(id, one, bounds) for id, one in history(store, self._source.resolve(rev))]

    def ls(self, path: str = "", *, rev: str | None = None) -> list[str]:
        """Return the paths directly below a folder, folders with a slash behind; `path` may have one as well."""
        tree, path = self._source.tree(rev), path.rstrip("/")
        prefix = f"{path}/" if path else ""
        if not isinstance(tree.find(path), Folder):
            self._file(tree, path)
            return [path]
        found = tree.children(path)
        return sorted(f"{prefix}{name}/" if isinstance(one, Folder) else f"{prefix}{name}" for name, one in found)

    def open(self, path: str, *, rev: str | None = None, mode: str = "r", encoding: str = "utf-8") -> IO[Any]:
        """Open a file for reading; raises `NotFound` if nothing of that path is in the version."""
        if mode not in MODES:
            raise InvalidInput(f"mode {mode!r}: a remote is only read", hint='mode="r" for text, mode="rb" for bytes')
        tree = self._source.tree(rev)
        found = tree.find(path)
        file: io.BufferedReader
        if isinstance(found, External):
            file = Original(found).open()
        else:
            stored = self._file(tree, path)
            file = open_content(tree.store, stored.id, stored.size)
        return file if mode == "rb" else io.TextIOWrapper(file, encoding=encoding)

    def _file(self, tree: Tree, path: str) -> File:
        found = tree.find(path)
        if isinstance(found, File):
            return found
        kinds = {Folder: "a folder", Link: "a link that leads out of its dataset", External: "not stored"}
        what = "not in this version" if found is None else kinds[type(found)]
        raise NotFound(f"{path} is {what}", hint=f'open_repo("{self.url}").ls() shows what is there')
