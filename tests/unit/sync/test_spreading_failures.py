"""Workers that lie, see other files, or die; people who press Ctrl-C: nothing changes, and the next add works."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import reopened, write_tree
from tests.support.spread import FILES, ORIGIN, InPlace, kept, read_everything, repo_at, store_at, there
from xver.errors import CorruptData, InvalidInput, RepositoryNotFound, WorkersFailed
from xver.model.ids import Kind
from xver.repo import Repo
from xver.storage.base import Stat
from xver.store import content
from xver.sync import spreading, tasks
from xver.sync.sources import Bucket, paths_of
from xver.versioning.state import status
from xver.versioning.tracking import add


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = repo_at(tmp_path / "work")
    write_tree(repo.root, FILES)
    return repo


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASK_FILES", 2)


class TestLies:
    @pytest.mark.parametrize(
        ("lie", "message"),
        [
            (lambda taken: replace(taken, index=None), "its index does not have it"),
            (lambda taken: replace(taken, readings=taken.readings[1:]), "answered for 4 of 5 files"),
            (
                lambda taken: replace(
                    taken,
                    readings=tuple(one._replace(known=one.known._replace(id=bytes(32))) for one in taken.readings),
                ),
                "its index does not have it",
            ),
            (
                lambda taken: replace(
                    taken,
                    index=replace(taken.index, packs={name: size + 1 for name, size in taken.index.packs.items()}),
                ),
                "packs that the log does not name",
            ),
            (lambda taken: replace(taken, index=replace(taken.index, checksum=1)), "is damaged"),
        ],
        ids=["no index", "too few", "another id", "a pack of another size", "another index"],
    )
    @pytest.mark.parametrize("to", [None, ORIGIN], ids=["into the store", "to a remote"])
    def test_an_answer_that_does_not_hold_is_refused(
        self, repo: Repo, lie: Callable[[Any], Any], message: str, to: Any
    ) -> None:
        before = repo.lock_path.read_bytes()
        with pytest.raises(CorruptData, match=message):
            spreading.add(repo, ["data"], to=to, executor=InPlace(after=lambda _, taken: lie(taken)))
        assert repo.lock_path.read_bytes() == before
        assert reopened(repo).stat_index.paths() == []
        assert not any(name.startswith("lock/") for name in repo.store.log.refs)
        if to is not None:
            assert kept(store_at(there(repo))) == {}
        spreading.add(repo, ["data"], to=to, executor=InPlace())
        assert status(repo).changed == {}

    def test_a_large_file_without_its_chunks_is_refused(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        """The node is in the worker's index, and a chunk that it names is nowhere."""
        put = content.put_stream

        class Forgets:
            def __init__(self, packer: Any) -> None:
                self._packer = packer

            def put(self, kind: Kind, data: bytes, id: bytes | None = None, **_: Any) -> bytes | None:
                return self._packer.put(kind, data, id) if kind is Kind.NODE else id

        def forgetful(packer: Any, blocks: Any, **_: Any) -> Any:
            return put(Forgets(packer), blocks)  # type: ignore[arg-type]

        monkeypatch.setattr("xver.worktree.reading.put_stream", forgetful)
        with pytest.raises(CorruptData, match=r"does not hold all of .*big"):
            spreading.add(repo, ["data/b/big"], to=ORIGIN, executor=InPlace())


class TestFailures:
    def test_ctrl_c_changes_nothing_and_the_next_add_works(self, repo: Repo, small_tasks: None) -> None:
        before = repo.lock_path.read_bytes()
        count = iter(range(10))

        def interrupt(_: Any) -> None:
            if next(count) == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace(interrupt))
        assert repo.lock_path.read_bytes() == before
        spreading.add(reopened(repo), ["data"], to=ORIGIN, executor=InPlace())
        read_everything(store_at(there(repo)))

    def test_a_worker_that_sees_another_folder_says_so(self, repo: Repo, tmp_path: Path) -> None:
        def hide(task: Any) -> None:
            object.__setattr__(task, "client", "elsewhere")
            (repo.root / "data").rename(tmp_path / "hidden")

        with pytest.raises(InvalidInput, match=r"process \d+ on .*: cannot read .*data.a") as caught:
            spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace(hide))
        assert caught.value.hint == "is it on a file system that all workers share, and may they read it?"

    def test_a_worker_that_writes_to_another_remote_is_found_out(self, repo: Repo, tmp_path: Path) -> None:
        """The remote is a folder, and where the worker runs, another one is mounted there."""

        def move(task: Any) -> None:
            repo_at(tmp_path / "far" / "work")
            shutil.copytree(tmp_path / "far" / "work" / ".xver" / "store", tmp_path / "far" / "remote")
            object.__setattr__(task.target, "base", str(tmp_path / "far" / "work"))
            object.__setattr__(task.target, "cache", None)

        with pytest.raises(CorruptData, match=r"says that it wrote packs/.* does not hold") as caught:
            spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace(move))
        assert caught.value.hint == "does the worker see another folder or bucket under this address?"
        assert kept(store_at(there(repo))) == {}

    def test_a_worker_that_finds_no_remote_says_so(self, repo: Repo, tmp_path: Path) -> None:
        def move(task: Any) -> None:
            object.__setattr__(task, "client", "elsewhere")
            object.__setattr__(task.target, "base", str(tmp_path / "far" / "work"))
            object.__setattr__(task.target, "cache", None)

        with pytest.raises(RepositoryNotFound, match=r"process \d+ on .*: there is no xver store at"):
            spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace(move))

    def test_the_executor_is_left_open_for_its_owner(self, repo: Repo) -> None:
        with ProcessPoolExecutor(1) as pool:
            with pytest.raises(InvalidInput, match="there is no nothing"):
                spreading.add(repo, ["nothing"], to=ORIGIN, executor=pool)
            assert pool.submit(int, "1").result() == 1

    def test_one_that_is_shut_down_is_named(self, repo: Repo) -> None:
        pool = ProcessPoolExecutor(1)
        pool.shutdown()
        with pytest.raises(WorkersFailed):
            spreading.add(repo, ["data"], to=ORIGIN, executor=pool)


class TestBuckets:
    """Keys of a bucket that no dataset can have are refused before a byte is read."""

    SOURCE = Bucket("s3://bucket/raw")

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            (["b", "b/c"], "s3://bucket/raw/b is an object, and a folder of b/c"),
            (["a", "a-b", "a/b/c"], "raw/a is an object, and a folder of a/b/c"),
            (["x/.git/config"], "raw/x/.git/config cannot be tracked"),
            (["x//y"], "raw/x//y cannot be tracked"),
            (["../y"], "cannot be tracked"),
            ([], "there is nothing below s3://bucket/raw"),
        ],
    )
    def test_keys_that_no_dataset_can_have(self, keys: list[str], message: str) -> None:
        with pytest.raises(InvalidInput, match=re.escape(message)):
            paths_of(self.SOURCE.url, keys)

    def test_keys_come_in_the_order_of_a_listing(self) -> None:
        assert list(paths_of(self.SOURCE.url, ["b", "é", "a/c", "a-b"])) == ["a-b", "a/c", "b", "é"]

    @pytest.mark.parametrize("url", ["data/raw", "file:///data/raw", "FILE:///x", "/data"])
    def test_a_folder_is_no_bucket(self, repo: Repo, url: str) -> None:
        with pytest.raises(InvalidInput, match="is no bucket"):
            spreading.add_bucket(repo, Bucket(url), "taken")

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("data", "there is something at data already"),
            ("data/b", "data/b overlaps data"),
            (".xver/x", "a place of git's or xver's own"),
        ],
    )
    def test_a_place_that_is_taken_is_refused(
        self, repo: Repo, path: str, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(repo, ["data"])
        monkeypatch.setattr(Bucket, "list", lambda self: {"k": Stat("k", 1)})
        with pytest.raises(InvalidInput, match=message):
            spreading.add_bucket(repo, self.SOURCE, path)
        assert list(repo.lock.entries) == ["data"]
