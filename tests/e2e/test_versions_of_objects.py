"""A purge in a bucket that keeps old versions of what is deleted: what is said of them, and that all goes on."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import new_repo, read_tree, save
from tests.support.servers import BUCKET, Server, s3_client
from xver.model.ids import chunk_id
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.s3 import locate_s3
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep import purging
from xver.upkeep.fsck import check_remote
from xver.upkeep.gc import NONE, collect, marks_of
from xver.upkeep.purging import Place, named

pytestmark = pytest.mark.server

SECRET = random.Random(1).randbytes(30_000)


class Bucket:
    """A bucket whose versioning can be turned on, as its owner sees it."""

    def __init__(self, server: Server) -> None:
        self.client: Any = s3_client(server)
        self.prefix = uuid.uuid4().hex
        self.remote = Remote("origin", f"s3://{BUCKET}/{self.prefix}", server.endpoint_url)

    def keep_versions(self, status: str) -> None:
        self.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    def old_versions(self) -> list[bytes]:
        """Return what an owner could still bring back of deleted packs."""
        found = self.client.list_object_versions(Bucket=BUCKET, Prefix=f"{self.prefix}/packs/")
        old = [one for one in found.get("Versions", ()) if not one["IsLatest"]]
        return [
            self.client.get_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
            for one in old
        ]

    def delete_versions(self) -> None:
        found = self.client.list_object_versions(Bucket=BUCKET, Prefix=f"{self.prefix}/packs/")
        for one in [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]:
            if not one["IsLatest"] or one in found.get("DeleteMarkers", ()):
                self.client.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])


@pytest.fixture
def bucket(moto: Server) -> Iterator[Bucket]:
    bucket = Bucket(moto)
    yield bucket
    bucket.keep_versions("Suspended")


def purge(repo: Repo, remote: Remote, what: str, *, dry_run: bool = False) -> list[str]:
    """Purge here and at the remote; return what the certificate says that remains there."""
    places = [Place("here", repo.store, repo), Place("origin", open_remote(repo, remote))]
    record, _ = purging.purge(repo, places, named(repo, places, [what], (), start=repo.root), dry_run=dry_run)
    return [line for line in record["remains"] if line.startswith("origin: ")]


@pytest.mark.parametrize("is_on_before", [True, False])
def test_old_versions_are_told_until_they_are_deleted(tmp_path: Path, bucket: Bucket, is_on_before: bool) -> None:
    if is_on_before:
        bucket.keep_versions("Enabled")
    repo = new_repo(tmp_path / "work", {"d/secret": SECRET, "d/rest": b"rest"})
    push(repo, bucket.remote)
    # What was there before versioning is turned on is the version "null" of its key.
    bucket.keep_versions("Enabled")
    plan = purge(repo, bucket.remote, "d/secret", dry_run=True)
    assert ("origin: the bucket keeps what is deleted: 2 packs." in plan) is is_on_before
    said = purge(repo, bucket.remote, "d/secret")
    assert any(SECRET in data for data in bucket.old_versions()), "this bucket keeps nothing, so this proves nothing"
    count = len(bucket.old_versions())
    word = "version" if count == 1 else "versions"
    line = f"origin: {count} old {word} of deleted packs, which the bucket keeps: delete them there."
    assert line in said
    # Asked again, the second purge finds nothing to delete, and the old versions are there as before.
    assert line in purge(repo, bucket.remote, "d/secret")
    there = open_remote(repo, bucket.remote)
    assert check_remote(there).problems == ()
    assert chunk_id(SECRET) not in there
    save(repo, {"e/more": b"more"})
    push(repo, bucket.remote)
    assert collect(there, marks_of(there), NONE) is not None
    assert check_remote(open_remote(repo, bucket.remote)).problems == ()
    bucket.delete_versions()
    assert bucket.old_versions() == []
    assert "origin: no old versions." in purge(repo, bucket.remote, "d/secret")
    copy = clone(bucket.remote.url, tmp_path / "copy", endpoint_url=bucket.remote.endpoint_url)
    assert read_tree(copy.root) == {"d/rest": b"rest", "e/more": b"more"}
    assert check_remote(open_remote(copy, copy.settings.remotes["origin"])).problems == ()


def test_a_bucket_that_never_kept_versions_has_none(tmp_path: Path, bucket: Bucket) -> None:
    repo = new_repo(tmp_path / "work", {"d/secret": SECRET, "d/rest": b"rest"})
    push(repo, bucket.remote)
    assert locate_s3(bucket.remote.url, bucket.remote.endpoint_url).old_versions("packs/") == []
    assert "origin: no old versions." in purge(repo, bucket.remote, "d/secret")
