"""A repository of two versions, its store pushed to a folder, and fsspec that knows our protocols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest

from tests.support.repos import new_repo, save
from xver.filesystem.files import register
from xver.repo import Repo
from xver.sync.push import push
from xver.sync.remotes import choose_remote

FIRST = {
    "data/labels.csv": b"name,label\nada,1\n",
    "data/deep/er/x.bin": bytes(range(256)) * 3_000,
    "data/deep/y.txt": b"why",
    "data/mail@home.csv": b"at\n",
    "other/z.txt": b"zed",
}
SECOND = {**FIRST, "data/labels.csv": b"name,label\nada,2\n", "data/new.txt": b"new"}


@dataclass(frozen=True)
class Home:
    """Where things are: the repository, and the address of its remote."""

    repo: Repo
    store: Path

    @property
    def url(self) -> str:
        """The address of the remote, for a path and a version behind it."""
        return f"xver+file://{self.store.as_posix()}//"


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    store = folder / "store"
    repo = new_repo(folder / "repo", FIRST, remote=str(store))
    save(repo, SECOND)
    push(repo, choose_remote(repo, None))
    return Home(repo, store)


@pytest.fixture(autouse=True)
def _inside(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    for protocol in ("xver", "xver+file", "xver+s3"):
        fsspec.get_filesystem_class(protocol).clear_instance_cache()
    monkeypatch.chdir(home.repo.root)
    monkeypatch.setenv("XVER_CACHE", str(tmp_path / "cache"))
