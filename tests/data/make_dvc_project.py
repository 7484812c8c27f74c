"""Make a DVC project of three revisions with a folder and a file, and say what DVC checks out at each of them.

    python tests/data/make_dvc_project.py tests/data/dvc-project.tar.gz      (with `dvc`, the released one, on the PATH)

The archive holds `project/` (git's folder, DVC's cache, the last revision checked out) and `checkouts.json`: DVC's
version, and of each commit, oldest first, the SHA-256 of every file that `dvc checkout` gives.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_TIME = 1_700_000_000
_BIG = "".join(f"{n},{'x' * 40}\n" for n in range(9_000)).encode()
_REVISIONS: list[dict[str, bytes | None]] = [
    {"data/images/a.txt": b"first\n", "data/images/sub/b.bin": bytes(range(256)) * 40, "model.csv": _BIG},
    {"data/images/a.txt": b"second\n", "data/images/c d.txt": b"new\n", "data/images/empty": b""},
    {"data/images/sub/b.bin": None, "model.csv": _BIG[:200_000] + b"changed\n" + _BIG[200_000:]},
]
_TRACKED = ("data/images", "model.csv")


def make_project(root: Path) -> list[dict[str, str]]:
    """Make the project in a folder that is not there yet; return what is checked out at each commit, oldest first."""
    root.mkdir(parents=True)
    _run(root, "git", "init", "-q", "-b", "main")
    _run(root, "dvc", "init", "-q")
    _run(root, "dvc", "config", "core.analytics", "false")
    for number, files in enumerate(_REVISIONS):
        for name, data in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is None:
                path.unlink()
            else:
                path.unlink(missing_ok=True)
                path.write_bytes(data)
        _run(root, "dvc", "add", "-q", *_TRACKED)
        _run(root, "git", "add", "-A")
        _run(root, "git", "commit", "-qm", f"revision {number + 1}", time=_TIME + number)
    return [checked_out(root, commit) for commit in commits(root)]


def commits(root: Path) -> list[str]:
    """Return the commits of the branch, oldest first."""
    return _run(root, "git", "rev-list", "--reverse", "main").split()


def checked_out(root: Path, commit: str) -> dict[str, str]:
    """Return the SHA-256 of every file that git and DVC check out at a commit, and go back to the branch."""
    _run(root, "git", "checkout", "-q", commit)
    _run(root, "dvc", "checkout", "-q")
    found = hashes(root)
    _run(root, "git", "checkout", "-q", "main")
    _run(root, "dvc", "checkout", "-q")
    return found


def hashes(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every tracked file that is there, by its path."""
    names = [root / name for name in _TRACKED]
    files = [path for name in names for path in ([name] if name.is_file() else sorted(name.rglob("*")))]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name != ".gitignore"
    }


def _run(root: Path, *words: str, time: int = _TIME) -> str:
    stamp = f"{time} +0000"
    fixed = {
        "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_DATE": stamp,
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(root.parent),
    }
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    done = subprocess.run(
        words, cwd=root, env={**os.environ, **fixed, **who}, check=True, capture_output=True, text=True
    )
    return done.stdout


def _main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        found = make_project(root)
        version = _run(root, "dvc", "--version").strip()
        said = {"dvc": version, "checkouts": dict(zip(commits(root), found, strict=True))}
        (root.parent / "checkouts.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        with tarfile.open(target, "w:gz") as archive:
            for name in ("project", "checkouts.json"):
                archive.add(root.parent / name, name, filter=_plain)


def _plain(one: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "/.dvc/tmp" in one.name or "/hooks/" in one.name:
        return None
    one.uid = one.gid = 0
    one.uname = one.gname = ""
    one.mode = 0o755 if one.isdir() else 0o644
    return one


if __name__ == "__main__":
    _main(Path(sys.argv[1]).resolve())
