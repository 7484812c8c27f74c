"""Views: the files of a version in a folder of the machine, whole or not at all, and nobody's to change."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.repos import new_repo, read_tree, save
from tests.support.trees import not_root, picture, posix
from xver.errors import ContentNotFound, NotFound, StorageError
from xver.filesystem import views as module
from xver.filesystem.views import drop_views, make_view
from xver.format.listings import Row
from xver.model.entries import Dataset, External
from xver.model.ids import Kind, chunk_id, object_id
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.store.content import read_rows
from xver.store.listings import put_listing
from xver.store.remembered import Remembered
from xver.store.store import Store
from xver.versioning.tracking import add

FILES = {"data/a/one": b"one", "data/a/two": b"two" * 200_000, "data/b": b"b", "model": b"model", "sub/x/y": b"y"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work", FILES)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "cache"
    drop_views(tmp_path / "cache", days=0)


def folders(cache: Path) -> list[str]:
    return sorted(os.listdir(cache / "views"))


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("data", {"a/one": b"one", "a/two": b"two" * 200_000, "b": b"b"}),
        ("data/a", {"one": b"one", "two": b"two" * 200_000}),
        ("data/b", {"b": b"b"}),
        ("model", {"model": b"model"}),
        ("sub", {"x/y": b"y"}),
        ("", FILES),
    ],
)
def test_a_view_holds_what_was_tracked(repo: Repo, cache: Path, path: str, files: dict[str, bytes]) -> None:
    view = make_view(repo.store, repo.lock.entries, path, cache=cache)
    assert read_tree(view.folder) == files
    assert folders(cache) == [view.id.hex()]
    again = make_view(repo.store, repo.lock.entries, path, cache=cache)
    assert (again.folder, view.is_new, again.is_new) == (view.folder, True, False)


def test_one_listing_is_one_view_whatever_leads_to_it(repo: Repo, cache: Path) -> None:
    before = repo.lock.entries
    data = before[TrackedPath("data")]
    assert isinstance(data, Dataset)
    save(repo, {"data/b": b"another"})
    views = [make_view(repo.store, entries, "data", cache=cache) for entries in (before, repo.lock.entries, before)]
    assert views[0].id == data.id
    assert [one.folder for one in views][0::2] == [views[0].folder] * 2
    assert len(folders(cache)) == 2
    assert (views[0].folder / "b").read_bytes() == b"b"


@posix
def test_nothing_in_it_may_be_written_and_kinds_stay(repo: Repo, cache: Path) -> None:
    tool = repo.root / "data/tool"
    tool.write_bytes(b"#!/bin/sh")
    tool.chmod(0o755)
    (repo.root / "data/a/link").symlink_to("one")
    add(repo, ["data"])
    view = make_view(repo.store, repo.lock.entries, "data", cache=cache)
    assert picture(view.folder) == picture(repo.root / "data")
    files = [one for one in view.folder.rglob("*") if not one.is_symlink()]
    modes = {one.relative_to(view.folder).as_posix(): stat.S_IMODE(one.stat().st_mode) for one in files}
    assert modes == {"a": 0o555, "a/one": 0o444, "a/two": 0o444, "b": 0o444, "tool": 0o555}
    assert stat.S_IMODE(view.folder.stat().st_mode) == 0o555


@not_root
def test_a_cache_that_cannot_be_written_says_so(repo: Repo, cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o555)
    with pytest.raises(StorageError, match="cannot be written"):
        make_view(repo.store, repo.lock.entries, "data", cache=cache)


def test_where_a_file_lies_no_folder_can_be_made(repo: Repo, cache: Path) -> None:
    cache.write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        make_view(repo.store, repo.lock.entries, "data", cache=cache)
    cache.unlink()


def test_what_is_not_tracked_has_no_view(repo: Repo, cache: Path) -> None:
    with pytest.raises(NotFound, match="nowhere is not tracked"):
        make_view(repo.store, repo.lock.entries, "nowhere", cache=cache)
    assert not cache.exists()


def test_of_what_is_only_referred_to_there_is_no_view(repo: Repo, cache: Path) -> None:
    rows = [Row(TrackedPath("a"), External("s3://bucket/a", "etag", 1))]
    with repo.store.packer() as packer:
        dataset = put_listing(packer, rows)
        repo.store.move("refer", {}, packer.finish())
    with pytest.raises(NotFound, match="raw is only referred to, and not stored"):
        make_view(repo.store, {TrackedPath("raw"): dataset}, "raw", cache=cache)
    assert not cache.exists()


def test_a_view_that_cannot_be_finished_is_not_there(repo: Repo, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def torn(store: Store, rows: Iterable[Row]) -> Iterator[tuple[Row, Iterator[bytes | memoryview]]]:
        for row, parts in list(real(store, rows))[:2]:
            yield row, parts
            seen.append(folders(cache))
        raise ContentNotFound(chunk_id(b"b"))

    real = read_rows
    monkeypatch.setattr(module, "read_rows", torn)
    with pytest.raises(ContentNotFound):
        make_view(repo.store, repo.lock.entries, "data", cache=cache)
    assert seen
    assert all(name.startswith(".") for names in seen for name in names)
    assert folders(cache) == []


@posix
def test_the_disk_has_a_view_before_it_has_its_name(repo: Repo, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, bytes]] = []

    def sync() -> None:
        (beside,) = (cache / "views").iterdir()
        seen.append((beside.name.startswith("."), (beside / "b").read_bytes()))

    monkeypatch.setattr(os, "sync", sync)
    make_view(repo.store, repo.lock.entries, "data", cache=cache)
    make_view(repo.store, repo.lock.entries, "data", cache=cache)
    assert seen == [(True, b"b")]


def test_two_at_once_make_one(repo: Repo, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    def met(beside: Path, folder: Path) -> bool:
        both.wait(60)
        return real(beside, folder)

    real = module._name
    monkeypatch.setattr(module, "_name", met)
    made = []

    def make() -> None:
        here = Repo(repo.places)
        made.append(make_view(here.store, here.lock.entries, "data", cache=cache))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one.is_new for one in made) == [False, True]
    assert folders(cache) == [made[0].id.hex()]
    assert read_tree(made[0].folder)["b"] == b"b"


def test_a_view_that_is_not_ours_to_remove_stays_and_others_go(
    repo: Repo, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = (make_view(repo.store, repo.lock.entries, path, cache=cache).folder for path in ("data", "model"))
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == theirs:
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        assert drop_views(cache, days=0) == [ours]
    assert folders(cache) == [theirs.name]
    assert read_tree(theirs)["b"] == b"b"


def test_what_is_remembered_beside_them_takes_nothing_from_views(repo: Repo, cache: Path) -> None:
    made = make_view(repo.store, repo.lock.entries, "data", cache=cache)
    objects = [b"%d" % at * 2_000 for at in range(100)]
    remembered = Remembered(cache, limit=100_000)  # a view has more
    for data in objects:
        remembered.put(Kind.NODE, object_id(Kind.NODE, data), data)
    assert read_tree(made.folder) == {"a/one": b"one", "a/two": b"two" * 200_000, "b": b"b"}
    last = object_id(Kind.NODE, objects[-1])
    assert Remembered(cache).get(Kind.NODE, last) == objects[-1]


def test_views_go_by_when_they_were_asked_for(repo: Repo, cache: Path) -> None:
    paths = ("data", "model", "sub")
    old, new, used = (make_view(repo.store, repo.lock.entries, path, cache=cache).folder for path in paths)
    left = [cache / "views" / name for name in (".dead", ".alive")]
    for one in left:
        one.mkdir()
    long_ago = old.stat().st_mtime - 40 * 86_400
    for one in (old, used, left[0]):
        os.utime(one, (long_ago, long_ago))
    make_view(repo.store, repo.lock.entries, "sub", cache=cache)
    assert drop_views(cache, days=30) == [old]
    assert folders(cache) == sorted([".alive", new.name, used.name])
    assert set(drop_views(cache, days=0)) == {new, used}
    assert folders(cache) == [".alive"]
    assert drop_views(cache / "nowhere", days=0) == []
