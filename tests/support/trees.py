"""Folders as values: every file, link and folder below a root, to write and to compare."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xver.worktree.folders import NamedFolders, OpenFolders

OWN = frozenset({".git", ".xver", "xver.lock", "xver.toml", ".gitignore"})


def _reads_everything() -> bool:
    if os.name == "nt":
        return False
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return os.access(file.name, os.R_OK, effective_ids=True)


not_root = pytest.mark.skipif(_reads_everything(), reason="root may read and write everything")
windows = pytest.mark.skipif(os.name != "nt", reason="what only Windows does")
posix = pytest.mark.skipif(os.name == "nt", reason="needs links, pipes and modes as POSIX has them")

WAYS = [
    pytest.param(
        OpenFolders,
        marks=pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="no descriptors of directories here"),
    ),
    NamedFolders,
]
"""Both ways to write below a root; the second is that of Windows, and runs everywhere."""


def picture(root: Path) -> dict[str, bytes | str]:
    """Return what lies below a folder but git's and xver's own: bytes of files, `-> target` of links, `/` of folders.

    An executable file's bytes follow a line `#x`.
    """
    found: dict[str, bytes | str] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in OWN]
        for name in (*folders, *names):
            path = Path(folder, name)
            key = path.relative_to(root).as_posix()
            if name in OWN:
                continue
            if path.is_symlink():
                found[key] = f"-> {os.readlink(path)}"
            elif path.is_dir():
                if not any(path.iterdir()):
                    found[key] = "/"
            elif path.is_file():
                found[key] = (b"#x\n" if os.name != "nt" and path.stat().st_mode & 0o100 else b"") + path.read_bytes()
            else:
                found[key] = "special"
    return found


def rewrite_unseen(path: Path, data: bytes) -> None:
    """Overwrite a file with as many bytes, and give it back its times: only its ctime and its bytes tell."""
    before = path.stat()
    assert before.st_size == len(data)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextmanager
def later(patch: pytest.MonkeyPatch, seconds: float = 10) -> Iterator[None]:
    """Let the clock be ahead: what was just written counts as old."""
    now = time.time_ns
    with patch.context() as inner:
        inner.setattr(time, "time_ns", lambda: now() + int(seconds * 1e9))
        yield
