"""A bucket keeps the contract: on a real server, and where the answers are worded as Amazon words them."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiobotocore.session import AioSession

from tests.contract.buckets import BucketContract, use
from tests.contract.storage import TEN, AtomicCreateContract
from tests.support.servers import BUCKET, Loss, LossyProxy, Server, credentials, free_ports, s3_client
from xver.errors import Conflict, NotFound, StorageError, TransientStorageError
from xver.storage.base import Part, Storage
from xver.storage.s3 import locate_s3

pytestmark = pytest.mark.server


class S3Contract(BucketContract):
    """Amazon's own client goes around the backend."""

    @pytest.fixture(autouse=True)
    def _amazon(self, server: Server) -> None:
        self.client = s3_client(server)
        self.missing_hint = f"aws s3 mb s3://no-such-bucket --endpoint-url {server.endpoint_url}"  # type: ignore[misc]

    def through(self, endpoint_url: str) -> Storage:
        return locate_s3(f"s3://{BUCKET}/{self.prefix}", endpoint_url)

    def absent(self) -> Storage:
        return locate_s3("s3://no-such-bucket/a", self.to.endpoint_url)

    def stored(self, storage: Storage, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}", Body=data)

    def test_a_part_with_a_pin_is_of_the_object_that_was_listed(self, storage: Storage) -> None:
        self.store(storage, "raw/a", TEN)
        self.store(storage, "raw/ab", b"other")
        found = {one.key: one for one in storage.list_kept("raw/a")}
        assert sorted(found) == ["raw/a", "raw/ab"]
        assert [one.version for one in storage.list("raw/")] == [one.version for one in found.values()]
        part = Part(2, 3, found["raw/a"].pin)
        assert storage.get("raw/a", part) == TEN[2:5]
        self.store(storage, "raw/a", TEN[::-1])
        with pytest.raises(Conflict, match="raw/a is another one"):
            storage.get("raw/a", part)

    def test_only_the_end_of_the_key_tells_who_we_are(self, storage: Storage) -> None:
        assert storage.identity() == "access key …ader"


class TestSeaweedFS(S3Contract, AtomicCreateContract):
    @pytest.fixture
    def server(self, seaweedfs: Server) -> Server:
        return seaweedfs

    def test_a_create_whose_fate_nobody_can_tell_is_an_error(self, storage: Storage) -> None:
        with (
            LossyProxy(self.to, lambda *_: Loss.ANSWER) as proxy,
            pytest.raises(TransientStorageError, match="broke off"),
        ):
            self.through(proxy.endpoint_url).create("log/0", b"ours")
        assert self.stored(storage, "log/0") == b"ours"

    @pytest.mark.parametrize(("length", "ahead"), [(1, 32), (300_000, 8)])
    def test_no_more_than_so_many_parts_are_fetched_ahead_of_the_reader(
        self, storage: Storage, length: int, ahead: int
    ) -> None:
        body = TEN * 31_000
        self.store(storage, "packs/1", body)
        with LossyProxy(self.to) as proxy:
            parts = [("packs/1", Part(n % 10, length)) for n in range(60)]
            asked = self.through(proxy.endpoint_url).get_many(parts)
            assert proxy.seen == []
            for n in range(60):
                assert next(asked) == body[n % 10 : n % 10 + length]
                assert len(proxy.seen) <= n + ahead
            assert list(asked) == []

    def test_both_sides_of_a_fork_use_it(self, storage: Storage) -> None:
        if not hasattr(os, "fork"):
            pytest.skip("there is no fork here")
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _FORK, storage.url, self.to.endpoint_url],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert self.stored(storage, "parent") == b"parent"
        assert self.stored(storage, "child") == b"child"

    @pytest.mark.parametrize("call", ["get", "get_part", "put", "create", "list", "delete", "get_many"])
    @pytest.mark.parametrize(
        ("key", "secret", "code"),
        [("reader", "wrong", "SignatureDoesNotMatch"), ("nobody", "not-a-secret", "InvalidAccessKeyId")],
    )
    def test_wrong_credentials_are_said_to_be_wrong(
        self, monkeypatch: pytest.MonkeyPatch, call: str, key: str, secret: str, code: str
    ) -> None:
        for name, value in credentials(key, secret).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StorageError, match=rf"does not accept these credentials \({code}\)"):
            use(self.through(self.to.endpoint_url), call)

    def test_wrong_credentials_are_no_missing_object(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(StorageError, match="denies access"):  # a HEAD's answer has no body to say more
            self.through(self.to.endpoint_url).stat("a")

    def test_storages_that_are_set_up_alike_share_what_takes_memory_and_time(self) -> None:
        def sessions() -> set[int]:
            gc.collect()
            return {id(one) for one in gc.get_objects() if isinstance(one, AioSession)}

        kept = [self.through(self.to.endpoint_url) for _ in range(4)]
        assert kept[0].stat("a") is None
        before = sessions()
        assert [one.stat("a") for one in kept] == [None] * 4
        assert sessions() == before

    def test_credentials_that_were_mended_in_their_file_are_taken(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "credentials"
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        file.write_text("[default]\naws_access_key_id = reader\naws_secret_access_key = wrong\n", encoding="utf-8")
        with pytest.raises(StorageError, match="does not accept these credentials"):
            self.through(self.to.endpoint_url).get("a")
        file.write_text(
            "[default]\naws_access_key_id = reader\naws_secret_access_key = not-a-secret\n", encoding="utf-8"
        )
        with pytest.raises(NotFound):
            self.through(self.to.endpoint_url).get("a")


class TestMoto(S3Contract):
    """Without the races: moto looks and writes in two steps."""

    @pytest.fixture
    def server(self, moto: Server) -> Server:
        return moto


@pytest.mark.parametrize("call", ["get", "create", "list"])
def test_a_server_that_is_down_is_an_error_that_may_pass(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    [port] = free_ports(1)
    with pytest.raises(TransientStorageError, match=f"cannot be reached at http://127.0.0.1:{port}"):
        use(locate_s3("s3://bucket/a", f"http://127.0.0.1:{port}"), call)


def test_without_credentials_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="there are no credentials for s3://bucket/a") as caught:
        locate_s3("s3://bucket/a", "http://127.0.0.1:1").get("x")
    assert not isinstance(caught.value, TransientStorageError)
    assert not isinstance(caught.value, NotFound)


_FORK = """
import os, sys
from xver.storage.s3 import locate_s3
storage = locate_s3(sys.argv[1], sys.argv[2])
storage.put("parent", b"parent")
child = os.fork()
if not child:
    storage.put("child", storage.get("parent").replace(b"parent", b"child"))
    os._exit(0 if storage.get("child") == b"child" else 1)
ended = os.waitpid(child, 0)[1]
assert storage.get("child") == b"child"
sys.exit(os.waitstatus_to_exitcode(ended))
"""
