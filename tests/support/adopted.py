"""Projects that other tools made, and what of them lies where."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from xver.format.codecs import Codec
from xver.model.ids import Kind
from xver.repo import Repo, init_repo
from xver.store.store import Store
from xver.versioning.restoring import restore
from xver.versioning.versions import entries_at

DVC_PROJECT = Path(__file__).parents[1] / "data" / "dvc-project.tar.gz"
_NOISE = hashlib.shake_128(b"noise").digest(600_000)
LFS_REVISIONS: list[dict[str, bytes]] = [
    {"a.bin": b"first", "big.bin": _NOISE},
    {"a.bin": b"second", "sub/c d.bin": b"new"},
    {"big.bin": _NOISE[:300_000] + b"!" + _NOISE[300_000:]},
]


def unpack_dvc(folder: Path) -> tuple[Repo, dict[str, dict[str, str]]]:
    """Unpack the project that the released DVC made, and make it a repository of ours.

    Returns with it what DVC checked out at each commit, oldest first: the SHA-256 of each file by its path.
    """
    with tarfile.open(DVC_PROJECT) as archive:
        archive.extractall(folder, filter="data")
    said: dict[str, dict[str, dict[str, str]]] = json.loads((folder / "checkouts.json").read_bytes())
    repo, _ = init_repo(folder / "project")
    return repo, said["checkouts"]


def checked_out(repo: Repo, commit: str) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path, that a checkout of what a commit tracked writes to the disk."""
    tops = list(entries_at(repo, commit))
    for top in tops:
        shutil.rmtree(repo.root / top, ignore_errors=True)
    restore(repo, tops, rev=commit, force=True)
    files = [path for top in tops for path in [repo.root / top, *(repo.root / top).rglob("*")] if path.is_file()]
    return {
        path.relative_to(repo.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


def state_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return the bytes, the mode and the time of every file below a folder: what tells whether somebody touched it."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def codecs_of(store: Store, kind: Kind) -> set[Codec]:
    """Return how the objects of a kind are stored."""
    return {place.codec for index in store.index.opened() for place in index.places() if place.kind is kind}


def git(root: Path, *words: str) -> str:
    """Run git in a folder as somebody; return what it printed."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "core.hooksPath=/dev/null")
    done = subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()


def pointed(root: Path) -> list[dict[str, str]]:
    """Make a repository as git-lfs leaves it, by its specification; return the SHA-256 of each file at each commit."""
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    files: dict[str, bytes] = {}
    said = []
    for number, change in enumerate(LFS_REVISIONS):
        files |= change
        for name, data in change.items():
            oid = hashlib.sha256(data).hexdigest()
            held = root / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
            held.parent.mkdir(parents=True, exist_ok=True)
            held.write_bytes(data)
            path = root / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n")
        (root / "code.py").write_text(f"print({number})\n")
        git(root, "add", "-A")
        git(root, "commit", "-qm", f"revision {number + 1}")
        said.append({name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())})
    return said


def taken(repo: Repo) -> list[dict[str, str]]:
    """Return what checkouts of ours write at each commit."""
    return [checked_out(repo, commit) for commit in git(repo.root, "rev-list", "--reverse", "main").split()]
