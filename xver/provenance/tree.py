"""The work tree before and after a run: which files appeared or changed, by their stats alone.

Left out are git's and xver's own places, virtual environments, and the caches that interpreters and tools keep.
"""

from __future__ import annotations

import os
import stat as stat_
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xver.model.paths import PathSet
from xver.worktree.ignore import OWN, Ignore
from xver.worktree.stats import pack_stat

_BYTECODE: Final = "__pycache__"
_CACHES: Final = frozenset(
    {
        _BYTECODE, ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox",
        "node_modules", "site-packages", ".hypothesis", ".cache",
    }
)  # fmt: skip
_ENVIRONMENTS: Final = frozenset({"pyvenv.cfg", "conda-meta"})
"""What lies at the top of a Python environment."""
_PASSING: Final = (".pyc", ".tmp", ".swp", "~", ".lock")


@dataclass(frozen=True, slots=True)
class TreeState:
    """Every file's stat by its path relative to the root, and every directory.

    `bytecode` are the folders where Python keeps compiled modules: a module read from there is read all the same.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    bytecode: tuple[str, ...] = ()

    def changed_since(self, before: TreeState) -> set[str]:
        """Return the files that were not there before, or have another stat."""
        return {path for path, stat in self.files.items() if before.files.get(path) != stat}


def look(root: Path, ignore: Ignore, tracked: Collection[str] = ()) -> TreeState:
    """Return the state of the work tree; what cannot be read is left out: watching must not break a run.

    At and below `tracked` paths everything counts that is versioned, whatever it is called.
    """
    files: dict[str, bytes] = {}
    directories: list[str] = []
    bytecode: list[str] = []
    tops = PathSet(tracked)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        directories.append(folder)
        try:
            entries = list(os.scandir(root / folder if folder else root))
        except OSError:
            continue
        if folder and any(entry.name in _ENVIRONMENTS for entry in entries):
            directories.pop()
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                is_directory = entry.is_dir(follow_symlinks=False)
                if is_directory and entry.name == _BYTECODE:
                    bytecode.append(path)
                if is_passing(path) and tops.above(path) is None:
                    continue
                if ignore(path, is_directory=is_directory):
                    continue
                if is_directory:
                    waiting.append(path)
                    continue
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat_.S_ISREG(found.st_mode) or stat_.S_ISLNK(found.st_mode):
                files[path] = pack_stat(found)
    return TreeState(files, tuple(directories), tuple(bytecode))


def module_of(path: str) -> str:
    """Return the source of a compiled module (PEP 3147: `a/__pycache__/b.cpython-311.pyc` is of `a/b.py`).

    Any other path is returned as it is.
    """
    folder, _, name = path.rpartition("/")
    above, _, last = folder.rpartition("/")
    if last != _BYTECODE or not name.endswith(".pyc"):
        return path
    source = name.split(".")[0] + ".py"
    return f"{above}/{source}" if above else source


def is_passing(path: str) -> bool:
    """Tell whether a path belongs to no result: caches, compiled modules, files of editors, xver's own."""
    parts = path.split("/")
    if any(part in _CACHES or part in OWN for part in parts):
        return True
    name = parts[-1]
    return name.endswith(_PASSING) or path in ("xver.toml", ".gitignore") or name.startswith(".xver-")
