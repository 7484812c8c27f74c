"""git-lfs: small files in git point to content by its SHA-256, which lies in a folder of git's own.

    version https://git-lfs.github.com/spec/v1        pointers are what git has; the files on the disk are whole
    oid sha256:4d7a…                                  ─► .git/lfs/objects/4d/7a/4d7a…
    size 12345

git-lfs itself is not needed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from xver.errors import InvalidInput
from xver.git.command import GitCommand
from xver.git.locate import find_git
from xver.intake.held import Held, HeldFile
from xver.intake.tools import Left, Member, Proof, Tracked
from xver.intake.trees import Item, Tree

_POINTER_MAX: Final = 1024
_POINTER: Final = re.compile(
    rb"version https://(?:git-lfs\.github\.com/spec|hawser\.github\.com/spec)/v1\n"
    rb"(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]+)\n"
)


class Lfs:
    """The store of git-lfs beside a git repository.

    Raises:
        InvalidInput: there is none.
    """

    name = "git-lfs"
    bring = "git lfs fetch --all"
    cleaner = "git lfs prune"
    is_in_git = True

    def __init__(self, git: GitCommand) -> None:
        self._store = _store(git)
        if not self._store.is_dir():
            raise InvalidInput(f"there is no store of git-lfs at {self._store}", hint="git lfs fetch --all")
        self._known: dict[str, str | None] = {}
        self.refusals: list[str] = []

    def says(self, path: str, item: Item) -> bool:  # noqa: ARG002 - the size tells
        """Tell whether a file is small enough for a pointer."""
        return 0 < item.size < _POINTER_MAX

    def tracked(self, tree: Tree) -> Iterator[Tracked | Left]:
        """Yield the files whose content git-lfs has; empty ones are in git as they are."""
        for path, item in tree.items.items():
            if self.says(path, item) and (oid := self._oid(tree, path, item)) is not None:
                yield Tracked(path, [Member("", oid, item.executable)], is_folder=False)

    def find_many(self, keys: Collection[str]) -> dict[str, Held]:
        """Return the files that hold the content of pointers."""
        paths = {key: self._store / key[:2] / key[2:4] / key for key in keys}
        return {key: HeldFile(str(path)) for key, path in paths.items() if path.is_file()}

    def proof(self, key: str) -> Proof:
        """Return the SHA-256 that it is named by."""
        return hashlib.sha256, key

    def _oid(self, tree: Tree, path: str, item: Item) -> str | None:
        if item.id not in self._known:
            found = _POINTER.fullmatch(tree.read(path))
            self._known[item.id] = None if found is None else found[1].decode()
        return self._known[item.id]


def _store(git: GitCommand) -> Path:
    places = find_git(git.root)
    assert places is not None, "asked beside git"
    said = git.text("config", "--get", "lfs.storage", check=False).strip()
    return places.common_dir / os.path.expanduser(said or "lfs") / "objects"
