"""Buckets that are referred to: known by their listing, read where they are as long as they are what was listed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import xver
from tests.support.adopted import codecs_of
from tests.support.repos import SOMEBODY, new_repo, read_tree, write_tree
from tests.support.servers import BUCKET, LossyProxy, Server, s3_client
from xver.errors import AlreadyExists, Conflict, DirtyWorktree, InvalidInput, NotFound
from xver.filesystem.files import VersionedFiles
from xver.filesystem.places import parse_place
from xver.intake.choosing import find_origin
from xver.intake.getting import get
from xver.intake.importing import Brought, import_data, imports, origin_of, update
from xver.model.entries import External
from xver.model.ids import Kind
from xver.repo import Repo
from xver.settings import Remote, add_remote
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning.commits import commit
from xver.versioning.restoring import checkout
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import entry_at

pytestmark = pytest.mark.server

FILES = {"a.csv": b"a,b\n1,2\n", "deep/b c": bytes(range(256)) * 4_000, "deep/empty": b""}


class Bucket:
    """A folder of a bucket, as its owner sees it."""

    def __init__(self, server: Server) -> None:
        self._client: Any = s3_client(server)
        self._prefix = uuid.uuid4().hex
        self.url = f"s3://{BUCKET}/{self._prefix}"
        self.server = server

    def put(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            self._client.put_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}", Body=data)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}")

    def keep_versions(self, status: str) -> None:
        self._client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    def refer(self, repo: Repo, endpoint_url: str | None = None) -> Brought:
        server = endpoint_url or self.server.endpoint_url
        origin = find_origin(self.url, endpoint_url=server, start=repo.root, is_reference=True)
        return import_data(repo, origin, "raw", start=repo.root)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo = new_repo(tmp_path / "repo")
    monkeypatch.chdir(repo.root)
    return repo


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


def again(repo: Repo) -> Brought | None:
    [(top, one)] = imports(repo).items()
    return update(repo, top, one, origin_of(one, start=repo.root), start=repo.root)


def opened(path: str) -> bytes:
    with xver.open(path, "rb") as file:
        return bytes(file.read())


def test_a_bucket_is_listed_and_nothing_of_it_is_read(repo: Repo, bucket: Bucket) -> None:
    with LossyProxy(bucket.server) as proxy:
        done = bucket.refer(repo, proxy.endpoint_url)
        assert not [path for _, path in proxy.seen if path.partition("?")[0].endswith(tuple(FILES))]
    assert (done.entry.size, codecs_of(repo.store, Kind.CHUNK)) == (sum(map(len, FILES.values())), set())
    entry = entry_at(repo, None, "raw/a.csv")
    assert isinstance(entry, External)
    assert entry.uri == f"{bucket.url}/a.csv {proxy.endpoint_url}"
    assert read_tree(repo.root) == {}
    found = status(repo)
    assert (found.changed, found.absent, found.away) == ({}, (), {})
    assert check(repo).problems == ()


def test_it_is_read_where_it_is(repo: Repo, bucket: Bucket) -> None:
    bucket.refer(repo)
    commit(repo, "referred to", author=SOMEBODY)
    assert {name: opened(f"raw/{name}") for name in FILES} == FILES
    with xver.open("raw/deep/b c", "rb") as file:
        file.seek(-3, 2)
        assert file.read() == FILES["deep/b c"][-3:]
    files = VersionedFiles()
    assert files.cat_ranges(["raw/a.csv", "raw/deep/b c"], [4, 1], [7, 3]) == [b"1,2", b"\x01\x02"]
    assert files.isfile("raw/a.csv")


def test_get_writes_it(repo: Repo, bucket: Bucket, tmp_path: Path) -> None:
    bucket.refer(repo)
    commit(repo, "referred to", author=SOMEBODY)
    place = parse_place("@HEAD:raw", start=repo.root)
    assert place is not None
    assert get(place, tmp_path / "got").written == 3
    assert read_tree(tmp_path / "got") == FILES
    with pytest.raises(AlreadyExists):
        get(place, tmp_path / "got")


def test_what_is_another_one_now_is_refused_until_an_update(repo: Repo, bucket: Bucket) -> None:
    bucket.refer(repo)
    commit(repo, "referred to", author=SOMEBODY)
    assert again(repo) is None
    bucket.put({"a.csv": b"changed\n"})
    bucket.delete("deep/empty")
    with pytest.raises(Conflict, match=f"{bucket.url}/a.csv is another one"):
        opened("raw/a.csv")
    with pytest.raises(NotFound, match="empty is gone"):
        opened("raw/deep/empty")
    assert again(repo) is not None
    commit(repo, "updated", author=SOMEBODY)
    assert opened("raw/a.csv") == b"changed\n"
    assert [one.size for one in repo.lock.entries.values()] == [8 + len(FILES["deep/b c"])]


def test_versions_that_the_bucket_keeps_are_read_when_it_has_others(repo: Repo, keeper: Bucket) -> None:
    keeper.refer(repo)
    commit(repo, "referred to", author=SOMEBODY)
    keeper.put({"a.csv": b"changed\n"})
    keeper.delete("deep/b c")
    assert {name: opened(f"raw/{name}") for name in FILES} == FILES
    assert again(repo) is not None
    commit(repo, "updated", author=SOMEBODY)
    assert opened("raw/a.csv") == b"changed\n"


def test_a_clone_reads_it_too(repo: Repo, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.refer(repo)
    commit(repo, "referred to", author=SOMEBODY)
    remote = Remote("origin", str(tmp_path / "remote"))
    add_remote(repo.settings_path, remote)
    push(repo, remote)
    other = clone(remote.url, tmp_path / "other")
    monkeypatch.chdir(other.root)
    assert opened("raw/a.csv") == FILES["a.csv"]
    assert again(other) is None


def test_nothing_is_taken_in_from_the_disk(repo: Repo, bucket: Bucket) -> None:
    done = bucket.refer(repo)
    checkout(repo)
    add(repo, ["raw"])
    assert repo.lock.entries == {"raw": done.entry}
    write_tree(repo.root, {"raw/new": b"new"})
    with pytest.raises(InvalidInput, match="refers to what lies elsewhere"):
        add(repo, ["raw/new"])
    with pytest.raises((InvalidInput, DirtyWorktree)):
        add(repo, ["raw"])
    assert repo.lock.entries == {"raw": done.entry}


def test_only_a_bucket_can_be_referred_to(repo: Repo) -> None:
    with pytest.raises(InvalidInput, match="is no bucket"):
        find_origin("https://host/labels.csv", endpoint_url=None, start=repo.root, is_reference=True)
