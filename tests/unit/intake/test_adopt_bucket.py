"""A bucket adopted: its objects stay where they are, and are read there."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.adopted import codecs_of
from tests.support.repos import SOMEBODY, new_repo, read_tree, reopened, write_tree
from tests.support.servers import BUCKET, LossyProxy, Server, s3_client
from xver.errors import AlreadyExists, Conflict, DirtyWorktree, ForeignChanged, InvalidInput, NotFound
from xver.format.codecs import Codec
from xver.intake.adopting import Adopted, adopt_bucket
from xver.model.entries import File
from xver.model.ids import Kind
from xver.repo import Repo
from xver.settings import Remote, add_remote
from xver.storage.local import LocalStorage
from xver.store.content import read_all
from xver.store.store import open_store
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.copies import Source
from xver.upkeep.fsck import NOTHING, check
from xver.upkeep.purging import Place, Wanted, purge
from xver.upkeep.repair import repair
from xver.versioning.commits import commit
from xver.versioning.restoring import checkout, follow
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import entry_at

pytestmark = pytest.mark.server

FILES = {"a.csv": b"a", "deep/b.bin": bytes(range(256)) * 40_000, "deep/c d é": b"", "z": b"z" * 300_000}


class Bucket:
    """A folder of a bucket, as its owner sees it."""

    def __init__(self, server: Server) -> None:
        self._client: Any = s3_client(server)
        self._prefix = uuid.uuid4().hex
        self.url = f"s3://{BUCKET}/{self._prefix}"
        self.endpoint_url = server.endpoint_url

    def put(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            self._client.put_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}", Body=data)

    def delete(self, *names: str) -> None:
        for name in names:
            self._client.delete_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}")

    def keep_versions(self, status: str) -> None:
        self._client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    def adopt(self, repo: Repo, path: str = "raw", *, below: str = "", endpoint_url: str | None = None) -> Adopted:
        return adopt_bucket(repo, self.url + below, path, endpoint_url=endpoint_url or self.endpoint_url)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "repo")


@pytest.fixture
def bucket(seaweedfs: Server) -> Bucket:
    bucket = Bucket(seaweedfs)
    bucket.put(FILES)
    return bucket


@pytest.fixture
def keeper(moto: Server) -> Iterator[Bucket]:
    """A bucket that keeps versions."""
    bucket = Bucket(moto)
    bucket.keep_versions("Enabled")
    bucket.put(FILES)
    yield bucket
    bucket.keep_versions("Suspended")


def content(repo: Repo, path: str, rev: str | None = None) -> bytes:
    entry = entry_at(repo, rev, path)
    assert isinstance(entry, File)
    return read_all(repo.store, entry.id, entry.size)


def committed(repo: Repo, url: Path) -> Remote:
    """Commit what was adopted, and make a remote."""
    commit(repo, "adopted", author=SOMEBODY)
    remote = Remote("origin", str(url))
    add_remote(repo.settings_path, remote)
    return remote


def test_a_bucket_is_tracked_without_a_copy_and_read_where_it_is(repo: Repo, bucket: Bucket) -> None:
    done = bucket.adopt(repo)
    size = sum(map(len, FILES.values()))
    assert (done.files, done.size, done.copied, done.left) == (4, size, 0, ())
    assert codecs_of(repo.store, Kind.CHUNK) == {Codec.FOREIGN}
    assert sum(one.size for one in repo.storage.list("packs/") if one.key.endswith(".data")) < 500 * len(
        list(repo.store.index.ids())
    )
    assert {name: content(repo, f"raw/{name}") for name in FILES} == FILES
    assert read_tree(repo.root) == {}
    assert status(repo).away.keys() == {"raw"}


def test_a_checkout_writes_it_to_the_disk(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo)
    checkout(repo, ["raw"])
    assert read_tree(repo.root) == {f"raw/{name}": data for name, data in FILES.items()}
    assert not status(repo).changed


def test_nothing_comes_to_the_disk_that_was_not_named(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo)
    checkout(repo)
    follow(repo)
    assert read_tree(repo.root) == {}
    checkout(repo, ["raw/deep"])
    assert sorted(read_tree(repo.root)) == ["raw/deep/b.bin", "raw/deep/c d é"]
    follow(repo)
    assert sorted(read_tree(repo.root)) == ["raw/deep/b.bin", "raw/deep/c d é"]


def test_what_was_never_on_the_disk_does_not_leave_the_dataset(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo)
    write_tree(repo.root, {"raw/deep/new": b"new"})
    with pytest.raises(DirtyWorktree, match="never on this disk"):
        add(repo, ["raw/deep"])
    add(repo, ["raw/deep/new"])
    assert content(repo, "raw/deep/new") == b"new"
    assert content(repo, "raw/deep/b.bin") == FILES["deep/b.bin"]


def test_a_single_object(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo, "model.bin", below="/deep/b.bin")
    assert content(repo, "model.bin") == FILES["deep/b.bin"]


def test_again_only_what_is_new_is_read(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo)
    assert bucket.adopt(repo).files == 0
    bucket.put({"a.csv": b"changed", "new": b"n"})
    bucket.delete("z")
    done = bucket.adopt(repo)
    assert (done.files, done.size) == (2, 8)
    assert content(repo, "raw/a.csv") == b"changed"
    assert content(repo, "raw/deep/b.bin") == FILES["deep/b.bin"]
    with pytest.raises(NotFound):
        content(repo, "raw/z")


def test_what_changes_while_it_is_read_is_refused_and_the_rest_is_not_read_again(
    repo: Repo, bucket: Bucket, seaweedfs: Server
) -> None:
    bucket.put({f"many/{n:02}": b"%d" % n for n in range(40)})
    once = threading.Lock()

    def change(method: str, path: str) -> None:
        # At most eight are asked for ahead of what is read, so the last one is not yet when the first one is.
        if method == "GET" and "/many/" in path and once.acquire(blocking=False):
            bucket.put({"many/39": b"changed"})

    with LossyProxy(seaweedfs, change) as proxy:
        with pytest.raises(Conflict, match="many/39 is another one"):
            bucket.adopt(repo, below="/many", endpoint_url=proxy.endpoint_url)
        assert repo.lock.entries == {}
        again = reopened(repo)
        assert bucket.adopt(again, below="/many", endpoint_url=proxy.endpoint_url).files == 1
        assert content(again, "raw/39") == b"changed"


def test_versions_that_the_bucket_keeps_are_read_when_it_has_others(repo: Repo, keeper: Bucket) -> None:
    assert keeper.adopt(repo).unkept == 0
    keeper.put({"a.csv": b"other", "deep/b.bin": b"other"})
    keeper.delete("z")
    assert {name: content(repo, f"raw/{name}") for name in FILES} == FILES
    assert check(repo, sample=NOTHING).problems == ()
    assert keeper.adopt(repo, "now").files == 2
    assert content(repo, "now/deep/b.bin") == b"other"


def test_without_versions_what_was_overwritten_is_told_and_brought_from_a_remote(
    repo: Repo, bucket: Bucket, tmp_path: Path
) -> None:
    assert bucket.adopt(repo).unkept == 4
    remote = committed(repo, tmp_path / "remote")
    push(repo, remote)
    bucket.put({"a.csv": b"x", "deep/b.bin": b"shorter"})
    bucket.delete("z")
    for name, what in (("a.csv", "was changed"), ("deep/b.bin", "has 7 bytes where 10,240,000"), ("z", "is gone")):
        with pytest.raises(ForeignChanged, match=f"{bucket.url}/{name}, which holds .* {what}"):
            content(repo, f"raw/{name}")
    problems = check(repo, sample=NOTHING).problems
    for name in ("a.csv", "deep/b.bin", "z"):
        assert any(f"{bucket.url}/{name}, where it lies" in line and f"raw/{name}" in line for line in problems)
    there = open_store(LocalStorage(remote.url), client="a test")
    _, found = repair(repo.store, lambda: check(repo), [Source("origin", there)], may_be_elsewhere=True)
    assert found.problems == ()
    assert {name: content(repo, f"raw/{name}") for name in FILES} == FILES


def test_what_was_only_written_again_is_whole(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo)
    bucket.put({"z": FILES["z"]})
    assert check(repo, sample=NOTHING).problems == ()
    assert content(repo, "raw/z") == FILES["z"]


def test_a_push_sends_the_bytes_so_that_the_remote_is_whole(repo: Repo, bucket: Bucket, tmp_path: Path) -> None:
    bucket.adopt(repo)
    remote = committed(repo, tmp_path / "remote")
    push(repo, remote)
    assert Codec.FOREIGN not in codecs_of(open_store(LocalStorage(remote.url), client="a test"), Kind.CHUNK)
    bucket.delete(*FILES)
    shutil.rmtree(repo.root)
    other = tmp_path / "other"
    clone(remote.url, other)
    assert read_tree(other) == {f"raw/{name}": data for name, data in FILES.items()}


def test_a_purge_names_the_objects_that_remain(repo: Repo, bucket: Bucket) -> None:
    bucket.adopt(repo)
    record, _ = purge(repo, [Place("here", repo.store, repo)], Wanted(paths=["raw/z"], words=["raw/z"]))
    assert any(f"{bucket.url}/z" in line for line in record["remains"])


def test_what_lies_on_the_disk_is_not_replaced(repo: Repo, bucket: Bucket) -> None:
    (repo.root / "raw").mkdir()
    with pytest.raises(AlreadyExists):
        bucket.adopt(repo)


def test_an_address_where_nothing_is(repo: Repo, bucket: Bucket) -> None:
    with pytest.raises(NotFound, match="there is nothing at"):
        bucket.adopt(repo, below="/none")


def test_a_key_that_no_path_can_be_is_refused(repo: Repo, bucket: Bucket) -> None:
    bucket.put({".git/x": b"x"})
    with pytest.raises(InvalidInput, match="cannot be tracked"):
        bucket.adopt(repo)


def test_an_address_that_is_no_bucket_s_is_refused(repo: Repo) -> None:
    with pytest.raises(InvalidInput, match="is no bucket"):
        adopt_bucket(repo, "ftp://host/raw", "raw")
