"""Small repositories without git, and ways to compare what they hold with the files it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from xver.model.ids import chunk_id
from xver.model.snapshots import Author
from xver.places import places_outside
from xver.repo import Repo, init_repo
from xver.settings import Remote, add_remote
from xver.store.store import create_store
from xver.upkeep.gc import Collection, Patience, collect, marks_here
from xver.versioning.commits import commit
from xver.versioning.tracking import add

SOMEBODY = Author("Ada", "ada@example.org")


def write_tree(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, by relative path."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def read_tree(root: Path) -> dict[str, bytes]:
    """Return every file below a folder but xver's own, by relative path."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".xver", ".git")]
        for name in names:
            if name not in (".git", "xver.lock", "xver.toml", ".gitignore", ".gitattributes"):
                path = Path(folder, name)
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def new_repo(
    root: Path, files: Mapping[str, bytes] | None = None, *, remote: str | None = None, like: Repo | None = None
) -> Repo:
    """Make a repository with one commit of `files`, whose first path parts are tracked; `remote` becomes origin.

    It has the id of the repository `like`, where one is given, as a clone has.
    """
    root.mkdir(parents=True, exist_ok=True)
    repo, _ = init_repo(root, repository=None if like is None else like.lock.repository)
    if remote is not None:
        add_remote(repo.settings_path, Remote("origin", remote))
    if files:
        save(repo, files)
    return repo


def save(repo: Repo, files: Mapping[str, bytes], message: str = "a version") -> str:
    """Write files, add what they are in and commit; return the commit's id."""
    write_tree(repo.root, files)
    add(repo, sorted({name.partition("/")[0] for name in files}))
    return commit(repo, message, author=SOMEBODY).id


def reopened(repo: Repo) -> Repo:
    """Return the repository as a new process would see it."""
    return Repo(repo.places)


def partial_clone(repo: Repo, root: Path, *, without: bytes) -> Repo:
    """Return a clone that has all of the store but one small content, as after a pull of a part; no files yet."""
    root.mkdir()
    clone = Repo(places_outside(root))
    create_store(clone.storage, client="a test", repository=repo.lock.repository)
    with clone.store.packer() as packer:
        for id in sorted(set(repo.store.index.ids()) - {chunk_id(without)}):
            kind = repo.store.locate(id).kind
            packer.put(kind, repo.store.get(kind, id), id)
        clone.store.move("copy", {}, packer.finish())
    clone.write_lock(repo.lock)
    return clone


def collect_here(repo: Repo, patience: Patience) -> Collection:
    """Collect in the local store, as `xver gc` does."""
    return collect(repo.store, marks_here(repo), patience)
