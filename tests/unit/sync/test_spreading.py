"""Adds whose files are read by workers: what they give is what any add gives, and nothing else is believed."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.repos import SOMEBODY, collect_here, read_tree, reopened, write_tree
from tests.support.spread import BIG, FILES, ORIGIN, InPlace, kept, read_everything, repo_at, store_at, there
from tests.support.trees import later, picture, posix
from xver.errors import Conflict, CorruptData
from xver.model.ids import chunk_id
from xver.model.refs import EVICTED, HEADS
from xver.repo import Repo
from xver.settings import Remote
from xver.store.log import Change
from xver.sync import spreading, tasks
from xver.sync.copying import spread_copy
from xver.sync.executors import crew
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_of
from xver.versioning.commits import commit
from xver.versioning.restoring import checkout
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


def of_plain_add(repo: Repo, *paths: str) -> tuple[bytes, dict[str, Any]]:
    """Return the lock and the stat index's knowledge that a plain add of the same files gives."""
    plain = repo_at(repo.root.parent / "plain")
    for path in paths:
        shutil.copytree(repo.root / path, plain.root / path, symlinks=True)
    add(plain, list(paths))
    return plain.lock_path.read_bytes(), known(plain)


def known(repo: Repo) -> dict[str, Any]:
    trees = reopened(repo).stat_index
    return {f"{top}/{path}": one for top in trees.paths() for path, one in trees.tree(top).files()}  # type: ignore[union-attr]


class TestEquality:
    @pytest.mark.parametrize("to", [None, ORIGIN], ids=["into the store", "to a remote"])
    @pytest.mark.parametrize("executor", ["threads:3", "processes:2"])
    def test_lock_ids_and_stat_index_are_those_of_a_plain_add(
        self, repo: Repo, executor: str, to: Any, small_tasks: None
    ) -> None:
        spreading.add(repo, ["data"], to=to, executor=executor)
        assert (repo.lock_path.read_bytes(), known(repo)) == of_plain_add(repo, "data")

    @posix
    @settings(max_examples=25)
    @example({"a": b"x", "a-b": b"y", "a/c": b"z"})
    @given(
        st.dictionaries(
            st.sampled_from(["a", "a-b", "b/c", "b/d/e", "b/d/é", "Z", "z" * 200]),
            st.binary(max_size=40) | st.integers(262_143, 262_146).map(bytes) | st.just(BIG),
            min_size=1,
        )
    )
    def test_of_any_files_in_any_tasks(self, files: dict[str, bytes]) -> None:
        files = {name: data for name, data in files.items() if not any(one.startswith(name + "/") for one in files)}
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: None)
            patch.setattr(tasks, "TASK_SIZE", 300_000)
            repo = repo_at(Path(folder, "work"))
            write_tree(repo.root / "data", files)
            (repo.root / "data" / "link").symlink_to("a")
            (repo.root / "data" / next(iter(files))).chmod(0o755)
            spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace())
            assert (repo.lock_path.read_bytes(), known(repo)) == of_plain_add(repo, "data")
            read_everything(store_at(there(repo)))

    def test_a_part_of_a_dataset_and_single_files(self, repo: Repo, small_tasks: None) -> None:
        add(repo, ["data"])
        write_tree(repo.root, {"data/b/c": b"other", "data/b/new": BIG[1:], "one": b"small", "two": BIG[2:]})
        (repo.root / "data/b/big").unlink()
        spreading.add(repo, ["data/b", "one", "two"], to=ORIGIN, executor=InPlace())
        plain = repo_at(repo.root.parent / "plain")
        shutil.copytree(repo.root, plain.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".xver", "xver.*"))
        add(plain, ["data", "one", "two"])
        assert repo.lock_path.read_bytes() == plain.lock_path.read_bytes()
        read_everything(store_at(there(repo)))


class TestToARemote:
    def test_content_is_there_and_not_here(self, repo: Repo) -> None:
        done = spreading.add(repo, ["data"], to=ORIGIN)
        assert chunk_id(b"first") not in repo.store
        assert done.added[0].new >= len(BIG)
        assert done.stored > 0
        sizes = read_everything(store_at(there(repo)))
        assert sum(sizes.values()) == len(b"first" + b"second") + len(BIG)
        assert check(repo).problems == ()

    def test_status_is_idle_and_another_add_reads_nothing(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        with later(monkeypatch):
            spreading.add(repo, ["data"], to=ORIGIN)
            repo = reopened(repo)
            for name in ("steady.steadily", "reading.steadily"):
                monkeypatch.setattr(f"xver.worktree.{name}", None)
            assert status(repo).changed == {}
            assert add(repo, ["data"]).added[0].new == 0
            workers = InPlace()
            again = spreading.add(repo, ["data"], to=ORIGIN, executor=workers)
            assert (workers.tasks, again.stored) == ([], 0)

    def test_a_file_that_was_just_written_is_looked_at_again(self, repo: Repo) -> None:
        spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace())
        before = (repo.root / "data/a").stat()
        (repo.root / "data/a").write_bytes(b"secon")
        os.utime(repo.root / "data/a", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert [one.path for one in status(reopened(repo)).changed.popitem()[1].differences] == ["a"]

    def test_what_is_committed_and_pushed_is_everywhere(self, repo: Repo, tmp_path: Path) -> None:
        spreading.add(repo, ["data"], to=ORIGIN)
        assert kept(store_at(there(repo))).keys() == {"lock"}
        commit(repo, "sent ahead", author=SOMEBODY)
        assert push(repo, ORIGIN).size < 1000
        remote = store_at(there(repo))
        assert kept(remote) == {}
        assert HEADS + "main" in remote.log.refs
        copy = clone(str(there(repo)), tmp_path / "copy")
        assert read_tree(copy.root) == FILES
        read_everything(remote)

    def test_what_is_deleted_here_comes_back_by_a_pull(self, repo: Repo) -> None:
        spreading.add(repo, ["data"], to=ORIGIN)
        commit(repo, "sent ahead", author=SOMEBODY)
        push(repo, ORIGIN)
        (repo.root / "data/a").unlink()
        pull(repo, ORIGIN, ["data/a"])
        assert read_tree(repo.root) == FILES

    def test_a_version_that_is_in_a_commit_is_kept_until_it_is_pushed(self, repo: Repo) -> None:
        spreading.add(repo, ["data"], to=ORIGIN)
        first = kept(store_at(there(repo)))["lock"]
        commit(repo, "first", author=SOMEBODY)
        (repo.root / "data/a").write_bytes(b"another")
        spreading.add(repo, ["data"], to=ORIGIN)
        refs = kept(store_at(there(repo)))
        assert refs.pop("lock") != first
        assert list(refs.values()) == [first]
        push(repo, ORIGIN)
        assert kept(store_at(there(repo))).keys() == {"lock"}
        commit(repo, "second", author=SOMEBODY)
        push(repo, ORIGIN)
        assert kept(store_at(there(repo))) == {}
        read_everything(store_at(there(repo)))

    def test_a_version_that_was_never_committed_is_kept_for_whatever_shares_it(self, repo: Repo) -> None:
        spreading.add(repo, ["data"], to=ORIGIN)
        first = kept(store_at(there(repo)))["lock"]
        write_tree(repo.root, {"more/x": b"first"})
        add(repo, ["more"])
        assert chunk_id(b"first") not in repo.store  # the remote keeps it
        for name in ("a", "twin"):
            (repo.root / "data" / name).write_bytes(b"another")
        spreading.add(repo, ["data"], to=ORIGIN)
        assert first in kept(store_at(there(repo))).values()
        commit(repo, "second", author=SOMEBODY)
        push(repo, ORIGIN)
        assert {chunk_id(b"first"), chunk_id(b"another")} <= read_everything(store_at(there(repo))).keys()

    def test_what_another_remote_keeps_is_read_again_by_the_workers(self, repo: Repo, tmp_path: Path) -> None:
        other = Remote("other", "../other")
        spreading.add(repo, ["data"], to=other)
        spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace())
        assert sum(read_everything(store_at(there(repo))).values()) >= len(BIG)
        assert chunk_id(b"first") not in repo.store

    def test_after_a_push_a_version_keeps_it_as_what_was_evicted(self, repo: Repo) -> None:
        for number in range(3):
            (repo.root / "data/a").write_bytes(str(number).encode())
            spreading.add(repo, ["data"], to=ORIGIN)
            commit(repo, "again", author=SOMEBODY)
            push(repo, ORIGIN)
            remote = store_at(there(repo))
            pins = [one for name, one in remote.log.refs.items() if name.startswith(EVICTED + repo.clone)]
            assert pins == [remote.log.refs[HEADS + "main"]]

    def test_what_was_added_here_before_goes_along(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        workers = InPlace()
        with later(monkeypatch):
            add(repo, ["data"])
            spreading.add(repo, ["data"], to=ORIGIN, executor=workers)
        assert workers.tasks == []
        assert chunk_id(b"second") in read_everything(store_at(there(repo)))

    def test_collections_keep_it_and_sweep_what_a_dead_worker_left(self, repo: Repo) -> None:
        def upload_twice(task: Any) -> None:
            tasks.take(replace(task))  # whose answer nobody hears

        spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace(upload_twice))
        before = len(list(there(repo).glob("packs/*")))
        collect_here(repo, NONE)
        remote = store_at(there(repo))
        collect(remote, marks_of(remote), NONE)
        assert len(list(there(repo).glob("packs/*"))) < before
        assert sum(read_everything(store_at(there(repo))).values()) >= len(BIG)
        repo = reopened(repo)
        assert (status(repo).changed, check(repo).problems) == ({}, ())
        commit(repo, "kept", author=SOMEBODY)
        push(repo, ORIGIN)
        remote = store_at(there(repo))
        collect(remote, marks_of(remote), NONE)
        assert read_tree(clone(str(there(repo)), repo.root.parent / "copy").root) == FILES

    def test_two_clients_at_once_both_keep_what_they_sent(self, tmp_path: Path) -> None:
        repos = [repo_at(tmp_path / str(number)) for number in range(2)]
        for number, one in enumerate(repos):
            write_tree(one.root, {**FILES, f"data/own{number}": str(number).encode() * 1000})
        barrier = threading.Barrier(2, timeout=60)

        def meet(_: Any) -> None:
            barrier.wait()

        workers = InPlace(meet)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: spreading.add(one, ["data"], to=ORIGIN, executor=workers), repos))
        remote = store_at(tmp_path / "remote")
        assert sum(name.startswith("clones/") for name in remote.log.refs) == 2
        assert {chunk_id(str(number).encode() * 1000) for number in range(2)} <= read_everything(remote).keys()

    def test_a_collection_meanwhile_makes_it_start_again(self, repo: Repo) -> None:
        spreading.add(repo, ["data"], to=ORIGIN)
        (repo.root / "data/a").write_bytes(b"another")
        fences = iter([True])

        def collect(_: Any, taken: Any) -> Any:
            if next(fences, False):
                # What was uploaded and is in no entry yet may be swept from here on.
                store = store_at(there(repo))
                store.log.append(Change("gc", fence=store.log.n + 1))
            return taken

        workers = InPlace(after=collect)
        spreading.add(repo, ["data"], to=ORIGIN, executor=workers)
        assert len(workers.tasks) == 2
        assert chunk_id(b"another") in read_everything(store_at(there(repo)))


class TestFilesThatChange:
    def test_before_its_turn_it_is_taken_as_it_is_then(self, repo: Repo) -> None:
        spreading.add(
            repo, ["data"], to=ORIGIN, executor=InPlace(lambda _: write_tree(repo.root, {"data/a": b"later"}))
        )
        assert chunk_id(b"later") in read_everything(store_at(there(repo)))
        assert status(reopened(repo)).changed == {}

    def test_again_before_the_client_looks_it_is_refused(self, repo: Repo) -> None:
        before = repo.lock_path.read_bytes()

        def write(_: Any, result: Any = None) -> Any:
            write_tree(repo.root, {"data/a": b"seen by the worker" if result is None else b"seen by the client"})
            os.utime(repo.root / "data/a", (1 if result is None else 2,) * 2)
            return result

        with pytest.raises(Conflict, match=r"data.a changes while it is read"):
            spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace(write, write))
        assert repo.lock_path.read_bytes() == before
        assert kept(store_at(there(repo))) == {}

    def test_one_that_came_after_the_tasks_were_made_is_taken_as_well(
        self, repo: Repo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spreading._Spread, "expect", lambda self, files: None)
        spreading.add(repo, ["data"], to=ORIGIN, executor=InPlace())
        assert (repo.lock_path.read_bytes(), known(repo)) == of_plain_add(repo, "data")
        assert chunk_id(b"second") in read_everything(store_at(there(repo)))


class TestPush:
    def test_workers_send_what_any_push_sends(self, repo: Repo, small_tasks: None, tmp_path: Path) -> None:
        add(repo, ["data"])
        commit(repo, "here", author=SOMEBODY)
        with crew("processes:2") as workers:
            done = push(repo, ORIGIN, copy=spread_copy(repo, ORIGIN, workers))
        assert done.commits == 1
        assert done.packs >= 3
        assert read_tree(clone(str(there(repo)), tmp_path / "copy").root) == FILES
        read_everything(store_at(there(repo)))

    def test_a_worker_that_lies_moves_no_branch(self, repo: Repo) -> None:
        add(repo, ["data"])
        commit(repo, "here", author=SOMEBODY)
        with (
            crew(InPlace(after=lambda _, sent: replace(sent, index=None))) as workers,
            pytest.raises(CorruptData, match="its index does not have it"),
        ):
            push(repo, ORIGIN, copy=spread_copy(repo, ORIGIN, workers))
        assert not any(name.startswith(HEADS) for name in store_at(there(repo)).log.refs)


def test_checkout_of_what_is_elsewhere_changes_nothing_on_the_disk(repo: Repo) -> None:
    spreading.add(repo, ["data"], to=ORIGIN)
    before = picture(repo.root)
    checkout(reopened(repo))
    assert picture(repo.root) == before
