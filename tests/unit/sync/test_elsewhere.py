"""Reads of what is not here: from the remotes, only when something lacks, verified, and never kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, reopened, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned, remote_packs, there
from xver.errors import ContentNotFound, CorruptData, StorageError, TransientStorageError
from xver.model.entries import File
from xver.model.ids import Kind
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.locate import locate
from xver.store.content import read_content
from xver.store.ranges import open_content
from xver.store.store import Wanted
from xver.sync import arranging, remotes
from xver.sync.elsewhere import read_through
from xver.sync.pull import clone
from xver.sync.push import push
from xver.versioning.logs import log
from xver.versioning.state import status
from xver.versioning.versions import entry_at

Watch = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def bare(repo: Repo) -> Repo:
    """A clone that has the history and no data."""
    push(repo, ORIGIN)
    return clone(str(repo.root.parent / "remote"), repo.root.parent / "bare", checks_out=False)


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a remote, by the end of its address, be out of reach."""

    def cut(name: str) -> None:
        def refuse(method: str, key: str) -> None:
            raise TransientStorageError(f"{name} cannot be reached ({method} {key})")

        def located(url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
            found = locate(url, base=base, endpoint_url=endpoint_url)
            return FaultyStorage(found, before=refuse) if url.endswith(name) else found

        monkeypatch.setattr(remotes, "locate", located)

    return cut


def content_id(repo: Repo, path: str) -> bytes:
    entry = entry_at(repo, "HEAD", path)
    assert isinstance(entry, File)
    return entry.id


def read(repo: Repo, path: str) -> bytes:
    entry = entry_at(repo, "HEAD", path)
    assert isinstance(entry, File)
    return b"".join(read_content(repo.store, entry.id, entry.size))


class TestReadThrough:
    def test_content_that_is_not_here_is_read_and_not_kept(self, bare: Repo) -> None:
        read_through(bare)
        before = list(bare.store.index.ids())
        for path, data in FILES.items():
            assert read(bare, path) == data
        assert list(bare.store.index.ids()) == before

    def test_without_it_nothing_is_asked_of_anybody(self, bare: Repo, watch: Watch) -> None:
        with pytest.raises(ContentNotFound):
            read(bare, "data/a")
        assert watch() == []

    def test_what_is_here_is_read_here_and_no_remote_is_opened(self, repo: Repo, watch: Watch) -> None:
        push(repo, ORIGIN)
        watch()
        told: list[Remote] = []
        read_through(repo, tell=told.append)
        assert read(repo, "data/sub/b") == FILES["data/sub/b"]
        assert status(repo).is_clean
        assert len(log(repo)) == 1
        assert (told, watch()) == ([], [])

    def test_it_is_told_once(self, bare: Repo) -> None:
        told: list[Remote] = []
        read_through(bare, tell=told.append)
        for _ in range(2):
            read(bare, "data/a")
        assert [one.name for one in told] == ["origin"]

    def test_what_lacks_together_is_read_together(self, repo: Repo, watch: Watch) -> None:
        save(repo, {f"data/many/{n}": f"file {n}".encode() for n in range(500)})
        push(repo, ORIGIN)
        bare = clone(str(repo.root.parent / "remote"), repo.root.parent / "bare", checks_out=False)
        read_through(bare)
        entries = [entry_at(bare, "HEAD", f"data/many/{n}") for n in range(500)]
        watch()
        found = dict(bare.store.get_many(Wanted(Kind.CHUNK, one.id) for one in entries if isinstance(one, File)))
        assert len(found) == 500
        assert sum(key.startswith("packs/") for _, key in watch()) == 1

    def test_a_part_of_both_comes_from_both(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(repo, {"data/c": b"third"})
        push(repo, ORIGIN)
        read_through(copy)
        ids = [content_id(repo, path) for path in ("data/a", "data/c")]
        found = dict(copy.store.get_many(Wanted(Kind.CHUNK, id) for id in ids))
        assert [bytes(found[id]) for id in ids] == [b"first", b"third"]

    def test_what_was_pushed_after_the_remote_was_opened_is_found(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        bare = clone(str(repo.root.parent / "remote"), repo.root.parent / "bare", checks_out=False)
        read_through(bare)
        read(bare, "data/a")
        save(repo, {"data/c": b"third"})
        push(repo, ORIGIN)
        assert bare.store.get(Kind.CHUNK, content_id(repo, "data/c")) == b"third"

    def test_an_open_file_is_read_where_somebody_looks(self, bare: Repo) -> None:
        read_through(bare)
        entry = entry_at(bare, "HEAD", "data/sub/b")
        assert isinstance(entry, File)
        with open_content(bare.store, entry.id, entry.size) as file:
            file.seek(399_000)
            assert file.read(500) == FILES["data/sub/b"][399_000:399_500]

    def test_what_no_remote_has_is_an_error_that_says_so(self, bare: Repo) -> None:
        read_through(bare)
        with pytest.raises(ContentNotFound, match="is not in this store") as caught:
            bare.store.get(Kind.CHUNK, bytes(32))
        assert "no remote has it" in str(caught.value.hint)

    def test_a_second_remote_is_asked_where_the_first_cannot_be_reached(
        self, bare: Repo, gone: Callable[[str], None]
    ) -> None:
        shutil.copytree(bare.root.parent / "remote", bare.root.parent / "backup")
        arranging.add(bare, Remote("backup", str(bare.root.parent / "backup")))
        gone("remote")
        bare = reopened(bare)
        read_through(bare)
        assert read(bare, "data/a") == b"first"

    def test_where_no_remote_can_be_reached_its_error_is_what_is_told(
        self, bare: Repo, gone: Callable[[str], None]
    ) -> None:
        gone("remote")
        read_through(bare)
        with pytest.raises(StorageError, match="cannot be reached"):
            read(bare, "data/a")

    def test_a_remote_to_which_nothing_was_pushed_yet_is_passed_over(self, bare: Repo) -> None:
        arranging.add(bare, Remote("another", "../nothing"))
        bare = reopened(bare)
        read_through(bare)
        with pytest.raises(ContentNotFound):
            bare.store.get(Kind.CHUNK, bytes(32))

    def test_wrong_bytes_of_a_remote_are_refused(self, bare: Repo) -> None:
        for pack in remote_packs(bare):
            if pack.suffix == ".data":
                data = bytearray(pack.read_bytes())
                data[12:-80] = bytes(byte ^ 1 for byte in data[12:-80])
                pack.write_bytes(data)
        read_through(bare)
        for path in FILES:
            with pytest.raises(CorruptData):
                read(bare, path)


def test_a_repository_that_is_written_to_elsewhere_is_left_as_it_was(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)
    push(repo, ORIGIN)
    bare = clone(str(tmp_path / "remote"), tmp_path / "bare", checks_out=False)
    before = there(repo).log.n
    read_through(bare)
    read(bare, "data/a")
    assert there(repo).log.n == before
