"""`xver.open` and `xver.open_repo`: from the folder one is in, from an address, of the version one means."""

from __future__ import annotations

from pathlib import Path

import pytest

import xver
from tests.support.repos import new_repo, save
from tests.unit.filesystem.conftest import FIRST, SECOND, Home
from xver.errors import InvalidInput, NotFound, RepositoryNotFound, RevisionNotFound
from xver.filesystem.repositories import RemoteRepo
from xver.filesystem.sources import cache_folder
from xver.repo import Repo
from xver.sync.push import push
from xver.sync.remotes import choose_remote


def test_a_path_is_taken_from_the_current_folder(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.repo.root / "data").mkdir(exist_ok=True)
    monkeypatch.chdir(home.repo.root / "data")
    with xver.open("labels.csv") as file:
        assert file.read() == "name,label\nada,2\n"
    with xver.open("labels.csv", rev="main~1", mode="rb") as file:
        assert file.read() == FIRST["data/labels.csv"]
    with xver.open(Path("mail@home.csv"), "rb") as file:
        assert file.read() == FIRST["data/mail@home.csv"]


def test_an_address_says_where(home: Home) -> None:
    for url in ("xver://", f"xver://{home.repo.root.as_posix()}//", home.url):
        with xver.open(f"{url}data/labels.csv@main~1", mode="rb") as file:
            assert file.read() == FIRST["data/labels.csv"]
        with xver.open(f"{url}data/labels.csv", rev="main~1", encoding="ascii") as file:
            assert file.readline() == "name,label\n"
    with pytest.raises(InvalidInput, match="another one"):
        xver.open("xver://data/labels.csv@main", rev="main~1")


@pytest.mark.parametrize(
    ("path", "options", "error"),
    [
        ("data/no", {}, FileNotFoundError),
        ("data/labels.csv", {"rev": "v9"}, FileNotFoundError),
        ("data/labels.csv", {"mode": "w"}, InvalidInput),
        ("s3://bucket/x", {}, InvalidInput),
        ("../elsewhere", {}, InvalidInput),
        ("data", {}, IsADirectoryError),
    ],
)
def test_what_cannot_be_opened(path: str, options: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        xver.open(path, **options)


def test_a_remote_is_a_repository_without_a_clone(home: Home, tmp_path: Path) -> None:
    before = sorted(home.store.rglob("*"))
    for address in (str(home.store), home.store.as_uri(), "xver+" + home.store.as_uri() + "//"):
        remote = xver.open_repo(address)
        assert isinstance(remote, RemoteRepo)
        assert remote.id == home.repo.store.repository
        assert remote.ls() == ["data/", "other/"]
        assert remote.ls("data/") == remote.ls("data")
        assert remote.ls("data", rev="main~1") == ["data/deep/", "data/labels.csv", "data/mail@home.csv"]
        assert remote.ls("data/labels.csv") == ["data/labels.csv"]
        assert [len(version.parents) for version in remote.log()] == [1, 0]
        assert remote.log()[0].id == remote.branches["main"] == remote.default
        assert remote.tags == {}
        assert remote.open("data/labels.csv", rev="main~1").read() == FIRST["data/labels.csv"].decode()
        assert remote.open("data/labels.csv", mode="rb").read() == SECOND["data/labels.csv"]
        for path in ("no", "data"):
            with pytest.raises(NotFound):
                remote.open(path)
        with pytest.raises(InvalidInput):
            remote.open("data/labels.csv", mode="w")
        with pytest.raises(RevisionNotFound):
            remote.ls(rev="v9")
    assert sorted(home.store.rglob("*")) == before


def test_a_remote_stays_what_it_was_until_it_is_refreshed(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "repo", {"data/x": b"1"}, remote=str(tmp_path / "store"))
    push(repo, choose_remote(repo, None))
    remote = xver.open_repo(str(tmp_path / "store"))
    assert isinstance(remote, RemoteRepo)
    assert remote.open("data/x").read() == "1"
    save(repo, {"data/x": b"2"})
    push(repo, choose_remote(repo, None))
    assert remote.open("data/x").read() == "1"
    with xver.open(f"xver+file://{tmp_path.as_posix()}/store//data/x") as file:
        assert file.read() == "2"
    remote.refresh()
    assert remote.open("data/x").read() == "2"


def test_a_folder_is_a_repository_as_ever(home: Home, tmp_path: Path) -> None:
    assert isinstance(xver.open_repo(), Repo)
    assert isinstance(xver.open_repo(home.repo.root), Repo)
    with pytest.raises(RepositoryNotFound):
        xver.open_repo(tmp_path)
    with pytest.raises(RepositoryNotFound):
        xver.open_repo((tmp_path / "nothing").as_uri())


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, Path.home() / ".cache" / "xver"),
        ("linux", {"XDG_CACHE_HOME": "/big"}, Path("/big/xver")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "xver"),
        ("darwin", {"XDG_CACHE_HOME": "/big"}, Path.home() / "Library" / "Caches" / "xver"),
        ("win32", {"LOCALAPPDATA": "/ada/local"}, Path("/ada/local/xver/Cache")),
        ("win32", {}, Path.home() / "AppData" / "Local" / "xver" / "Cache"),
        ("linux", {"XVER_CACHE": "/mine", "XDG_CACHE_HOME": "/big"}, Path("/mine")),
    ],
)
def test_what_can_be_read_again_lies_where_the_system_wants_it(
    platform: str, environ: dict[str, str], expected: Path
) -> None:
    assert cache_folder(environ, platform) == expected
