"""Small files that say what another tool tracks: those of a commit, or those on the disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from xver.git.command import CatFile, GitCommand
from xver.places import OWN_FOLDER


class Item(NamedTuple):
    """A file of a tree: what git calls its bytes ("" on the disk), its size in bytes, whether it is executable."""

    id: str
    size: int
    executable: bool


class Tree(Protocol):
    """Files by their paths from the root, with `/`."""

    @property
    def items(self) -> Mapping[str, Item]:
        """What there is."""

    @property
    def kept(self) -> Collection[str]:
        """Those that git has; without git there are none."""

    def read(self, path: str) -> bytes:
        """Return the bytes of one of them."""


class CommitTree:
    """What git has at a commit; `files` answers for all commits."""

    def __init__(self, git: GitCommand, commit: str, files: CatFile) -> None:
        self._files = files
        self.items = dict(_listed(git, commit))

    @property
    def kept(self) -> Collection[str]:
        """All of them."""
        return self.items.keys()

    def read(self, path: str) -> bytes:
        """Return the bytes of one of its files."""
        return self._files.read(self.items[path].id) or b""


class DiskTree:
    """What lies in a work tree: beside git, what it does not ignore."""

    def __init__(self, root: Path, git: GitCommand | None) -> None:
        self._root = root
        self._git = git

    @cached_property
    def items(self) -> Mapping[str, Item]:
        """What there is; looked for when somebody asks."""
        git, root = self._git, self._root
        names = _walked(root) if git is None else git.paths("ls-files", "-zco", "--exclude-standard")
        return {name: item for name in names if (item := _item(root / name)) is not None}

    @cached_property
    def kept(self) -> Collection[str]:
        """What git has in its index."""
        return frozenset(() if self._git is None else self._git.paths("ls-files", "-z"))

    def read(self, path: str) -> bytes:
        """Return the bytes of one of its files."""
        return (self._root / path).read_bytes()


def _listed(git: GitCommand, commit: str) -> Iterator[tuple[str, Item]]:
    for line in git.paths("ls-tree", "-rlz", "--full-tree", commit):
        facts, _, path = line.partition("\t")
        mode, kind, id, size = facts.split()
        if kind == "blob" and mode.startswith("100"):
            yield path, Item(id, int(size), mode == "100755")


def _item(path: Path) -> Item | None:
    if path.is_symlink() or not path.is_file():
        return None
    found = path.stat()
    return Item("", found.st_size, bool(found.st_mode & 0o100) and os.name != "nt")


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".dvc", ".git", OWN_FOLDER)]
        for name in names:
            yield (Path(folder) / name).relative_to(root).as_posix()
