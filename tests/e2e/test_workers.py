"""Workers for real: a Dask cluster of three processes and SeaweedFS, one worker killed in the middle of an upload."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import SOMEBODY, read_tree, write_tree
from tests.support.servers import BUCKET, Loss, LossyProxy, Server, s3_client
from tests.support.spread import FILES, ORIGIN, kept, read_everything, repo_at, store_at
from xver.errors import Conflict, InvalidInput, StorageError, WorkersFailed
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.locate import locate
from xver.sync import executors, spreading, tasks
from xver.sync.copying import spread_copy
from xver.sync.executors import crew
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.sources import Bucket, Folder
from xver.versioning.commits import commit
from xver.versioning.tracking import add

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

pytestmark = [
    pytest.mark.server,
    # A worker that is killed is missed by those it talked to; that is logged, and warned of, as it should be.
    pytest.mark.filterwarnings("default"),
]

MANY = {f"data/{n % 7}/{n}": random.Random(n).randbytes(n * 37 % 5000) for n in range(140)}

KEYS = {**{name.removeprefix("data/"): data for name, data in FILES.items()}, "ü/a b+c%20": b"odd", "tmp/x": b"x"}


@pytest.fixture(scope="module")
def cluster(running_seaweedfs: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Three worker processes on loopback, with the credentials for SeaweedFS."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running_seaweedfs.environment.items():
            patch.setenv(name, value)
        with distributed.LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tcp://",
            dashboard_address=None,
            worker_dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
            silence_logs=50,
        ) as found:
            yield found


@pytest.fixture
def words(cluster: Any) -> str:
    return "dask://" + str(cluster.scheduler_address).removeprefix("tcp://")


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASK_FILES", 20)


def at(server: Server, name: str, endpoint_url: str | None = None) -> Remote:
    return Remote("origin", f"s3://{BUCKET}/{name}", endpoint_url or server.endpoint_url)


def storage_of(remote: Remote) -> Storage:
    return locate(remote.url, base=Path("/"), endpoint_url=remote.endpoint_url)


def plain_lock(root: Path, files: dict[str, bytes]) -> bytes:
    plain = repo_at(root)
    write_tree(plain.root, files)
    add(plain, ["data"])
    return plain.lock_path.read_bytes()


def new(root: Path, remote: Remote, files: dict[str, bytes]) -> Repo:
    repo = repo_at(root, remote)
    write_tree(repo.root, files)
    return repo


def test_a_worker_is_killed_in_the_middle_of_an_upload(
    seaweedfs: Server, cluster: Any, words: str, small_tasks: None, tmp_path: Path
) -> None:
    uploading, killed = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> Loss | None:
        if method == "PUT" and "/packs/" in path and not killed.is_set():
            uploading.set()
            killed.wait(60)
        return None

    with LossyProxy(seaweedfs, hold) as proxy, distributed.Client(cluster, set_as_default=False) as client:
        remote = at(seaweedfs, "killed", proxy.endpoint_url)
        files = {**FILES, **MANY}
        repo = new(tmp_path / "work", remote, files)
        pids = client.run(os.getpid)
        victims: list[str] = []

        def kill() -> None:
            assert uploading.wait(60)
            # Which of the workers it is, the proxy cannot tell; whoever is in a task waits for its first upload, too.
            busy = [worker for worker, stacks in client.call_stack().items() if stacks]
            victims.append(busy[0])
            os.kill(pids[busy[0]], signal.SIGKILL)
            killed.set()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            spreading.add(repo, ["data"], to=remote, executor=words)
        finally:
            killed.set()
            killer.join()
        assert len(victims) == 1
        assert victims[0] not in client.scheduler_info(n_workers=-1)["workers"]
        assert repo.lock_path.read_bytes() == plain_lock(tmp_path / "plain", files)
        there = store_at(storage_of(at(seaweedfs, "killed")))
        assert sum(read_everything(there).values()) >= sum(len(data) for data in set(files.values()))
        assert there.log.n <= 4
        commit(repo, "sent ahead", author=SOMEBODY)
        assert push(repo, remote).size < 1000
    remote = at(seaweedfs, "killed")
    copy = clone(remote.url, tmp_path / "copy", endpoint_url=remote.endpoint_url)
    assert read_tree(copy.root) == files
    assert kept(store_at(storage_of(remote))) == {}


@pytest.mark.soak
def test_an_executor_of_a_client_that_is_open_already_is_taken_as_it_is(
    cluster: Any, small_tasks: None, tmp_path: Path
) -> None:
    """To a folder that all workers see."""
    repo = new(tmp_path / "work", ORIGIN, MANY)
    with distributed.Client(cluster, set_as_default=False) as client:
        spreading.add(repo, ["data"], to=ORIGIN, executor=client.get_executor())
        assert client.submit(int, "1").result() == 1
    assert repo.lock_path.read_bytes() == plain_lock(tmp_path / "plain", MANY)
    read_everything(store_at(tmp_path / "remote"))


def test_workers_push_what_was_added_here(words: str, small_tasks: None, tmp_path: Path) -> None:
    repo = new(tmp_path / "work", ORIGIN, MANY)
    add(repo, ["data"])
    commit(repo, "here", author=SOMEBODY)
    with crew(words) as workers:
        push(repo, ORIGIN, copy=spread_copy(repo, ORIGIN, workers))
    assert read_tree(clone(str(tmp_path / "remote"), tmp_path / "copy").root) == MANY


def test_a_worker_with_another_version_is_named_before_anything_is_done(
    cluster: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "__version__", "9.9")
    with pytest.raises(WorkersFailed, match=r"tcp://127\.0\.0\.1:\d+ has xver .*, this is 9\.9"), crew(words):
        pass


def test_a_worker_that_cannot_read_the_files_is_named(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = new(tmp_path / "work", ORIGIN, FILES)
    monkeypatch.setattr(spreading, "Folder", lambda _: Folder(str(tmp_path / "not shared")))
    with pytest.raises(InvalidInput, match=r"worker tcp://127\.0\.0\.1:\d+: cannot read .*not shared") as caught:
        spreading.add(repo, ["data"], to=ORIGIN, executor=words)
    assert "file system that all workers share" in str(caught.value.hint)


@pytest.mark.soak
def test_workers_without_credentials_are_named(cluster: Any, seaweedfs: Server, words: str, tmp_path: Path) -> None:
    remote = at(seaweedfs, "forbidden")
    repo = new(tmp_path / "work", remote, FILES)
    with distributed.Client(cluster, set_as_default=False) as client:
        secret = seaweedfs.environment["AWS_SECRET_ACCESS_KEY"]
        client.run(lambda: os.environ.update(AWS_SECRET_ACCESS_KEY="wrong"))
        try:
            with pytest.raises(StorageError, match=r"worker tcp://127\.0\.0\.1:\d+: ") as caught:
                spreading.add(repo, ["data"], to=remote, executor=words)
        finally:
            client.run(lambda: os.environ.update(AWS_SECRET_ACCESS_KEY=secret))
    assert "the workers need their own way in" in str(caught.value.hint)


class TestBuckets:
    """Objects of a bucket become a dataset that nobody has on the disk."""

    @pytest.fixture
    def source(self, seaweedfs: Server) -> Bucket:
        prefix = f"raw-{os.urandom(4).hex()}"
        with closing(s3_client(seaweedfs)) as client:
            for key, data in KEYS.items():
                client.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=data)
        return Bucket(f"s3://{BUCKET}/{prefix}", seaweedfs.endpoint_url)

    def test_workers_take_them_from_one_bucket_to_the_other(
        self, seaweedfs: Server, words: str, source: Bucket, tmp_path: Path
    ) -> None:
        remote = at(seaweedfs, "taken-in")
        repo = repo_at(tmp_path / "work", remote)
        done = spreading.add_bucket(repo, source, "data", to=remote, executor=words)
        files = {f"data/{key}": data for key, data in KEYS.items()}
        assert done.added[0].entry.size == sum(map(len, files.values()))
        assert repo.lock_path.read_bytes() == plain_lock(tmp_path / "plain", files)
        assert not (repo.root / "data").exists()
        commit(repo, "taken in", author=SOMEBODY)
        push(repo, remote)
        copy = clone(remote.url, tmp_path / "copy", endpoint_url=remote.endpoint_url)
        assert read_tree(copy.root) == files

    def test_one_that_changes_meanwhile_is_refused_and_the_next_add_takes_what_is_there(
        self, seaweedfs: Server, source: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Into the local store, by threads."""
        repo = repo_at(tmp_path / "work")
        prefix = source.url.rpartition("/")[2]

        def write(task: Any) -> Any:
            taken = tasks.take(task)
            with closing(s3_client(seaweedfs)) as client:
                client.put_object(Bucket=BUCKET, Key=f"{prefix}/a", Body=b"other")  # as long as before
            return taken

        with monkeypatch.context() as patch:
            patch.setattr(spreading, "take", write)
            with pytest.raises(Conflict, match=r"/a changes while it is read"):
                spreading.add_bucket(repo, source, "data")
        assert repo.lock.entries == {}
        spreading.add_bucket(repo, source, "data")
        files = {**{f"data/{key}": data for key, data in KEYS.items()}, "data/a": b"other"}
        assert repo.lock_path.read_bytes() == plain_lock(tmp_path / "plain", files)
        read_everything(repo.store)
