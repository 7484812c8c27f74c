"""A bucket keeps the contract: on a real server, and where the answers are worded as Amazon words them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import Any

import pytest

from tests.contract.storage import TEN, AtomicCreateContract, StorageContract
from tests.support.servers import BUCKET, Loss, LossyProxy, Server, credentials, free_ports, s3_client
from xver.errors import NotFound, StorageError, TransientStorageError
from xver.storage.base import Part, Storage
from xver.storage.cloud import CloudStorage

pytestmark = pytest.mark.server


class BucketContract(StorageContract):
    """The objects are those below a prefix of their own; amazon's own client goes around the backend."""

    @pytest.fixture(autouse=True)
    def _client(self, server: Server) -> None:
        self.to = server
        self.prefix = f"{uuid.uuid4().hex}/a"
        self.client = s3_client(server)

    @pytest.fixture
    def storage(self) -> Storage:
        return self.through(self.to.endpoint_url)

    def through(self, endpoint_url: str) -> CloudStorage:
        return CloudStorage(f"s3://{BUCKET}/{self.prefix}", endpoint_url)

    def stored(self, storage: Storage, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}", Body=data)

    def test_each_call_is_one_request(self) -> None:
        with LossyProxy(self.to) as proxy:
            storage = self.through(proxy.endpoint_url)

            def requests(call: Any) -> list[str]:
                proxy.seen.clear()
                call()
                return [method for method, _ in proxy.seen]

            assert requests(lambda: storage.put("packs/1", bytes(32 * 1024 * 1024))) == ["PUT"]
            assert requests(lambda: storage.get("packs/1")) == ["GET"]
            assert requests(lambda: storage.get("packs/1", Part(5, 5))) == ["GET"]
            assert requests(lambda: storage.get("packs/1", Part(-5, 5))) == ["GET"]
            assert requests(lambda: storage.create("log/0", b"x")) == ["PUT"]
            assert requests(lambda: list(storage.list("log/"))) == ["GET"]
            assert requests(lambda: list(storage.list("none/"))) == ["GET"]
            assert requests(lambda: storage.stat("log/0")) == ["HEAD"]
            assert requests(lambda: storage.delete("log/0")) == ["DELETE"]

    @pytest.mark.parametrize("lost", range(1, 4))
    def test_a_create_whose_answers_are_lost_is_read_back(self, lost: int) -> None:
        puts: list[str] = []

        def loses(method: str, path: str) -> Loss | None:
            if method != "PUT":
                return None
            puts.append(path)
            return Loss.ANSWER if len(puts) <= lost else None

        with LossyProxy(self.to, loses) as proxy:
            storage = self.through(proxy.endpoint_url)
            assert storage.create("log/0", b"ours") is True
            assert storage.create("log/0", b"others") is False
        assert self.stored(storage, "log/0") == b"ours"

    def test_a_create_that_lost_without_hearing_it_has_lost(self, storage: Storage) -> None:
        self.store(storage, "log/0", b"theirs")
        with LossyProxy(self.to, lambda method, _: Loss.ANSWER if method == "PUT" else None) as proxy:
            assert self.through(proxy.endpoint_url).create("log/0", b"ours") is False
        assert self.stored(storage, "log/0") == b"theirs"

    def test_an_answer_that_breaks_off_is_asked_for_again(self, storage: Storage) -> None:
        self.store(storage, "packs/1", TEN * 1_000)
        gets: list[str] = []

        def loses(method: str, path: str) -> Loss | None:
            gets.append(path)
            return Loss.HALF_THE_ANSWER if len(gets) % 2 else None

        with LossyProxy(self.to, loses) as proxy:
            there = self.through(proxy.endpoint_url)
            assert there.get("packs/1") == TEN * 1_000
            assert there.get("packs/1", Part(5, 5_000)) == (TEN * 1_000)[5:5_005]
            assert list(there.get_many([("packs/1", Part(0, 10))] * 3)) == [TEN] * 3

    @pytest.mark.parametrize("call", ["get", "get_part", "put", "create", "stat", "list", "delete", "get_many"])
    def test_without_the_bucket_every_call_says_so(self, call: str) -> None:
        storage = CloudStorage("s3://no-such-bucket/a", self.to.endpoint_url)
        with pytest.raises(StorageError, match="there is no bucket no-such-bucket") as caught:
            use(storage, call)
        assert caught.value.hint is not None
        assert f"aws s3 mb s3://no-such-bucket --endpoint-url {self.to.endpoint_url}" in caught.value.hint


class TestSeaweedFS(BucketContract, AtomicCreateContract):
    @pytest.fixture
    def server(self, seaweedfs: Server) -> Server:
        return seaweedfs

    def test_a_create_that_never_arrived_is_tried_again_and_then_fails(self, storage: Storage) -> None:
        with LossyProxy(self.to, lambda method, _: Loss.REQUEST if method == "PUT" else None) as proxy:
            with pytest.raises(TransientStorageError, match="broke off"):
                self.through(proxy.endpoint_url).create("log/0", b"ours")
            assert sum(method == "PUT" for method, _ in proxy.seen) > 3
        assert self.stored(storage, "log/0") is None

    def test_a_create_whose_fate_nobody_can_tell_is_an_error(self, storage: Storage) -> None:
        with (
            LossyProxy(self.to, lambda *_: Loss.ANSWER) as proxy,
            pytest.raises(TransientStorageError, match="broke off"),
        ):
            self.through(proxy.endpoint_url).create("log/0", b"ours")
        assert self.stored(storage, "log/0") == b"ours"

    def test_an_answer_that_always_breaks_off_is_an_error(self, storage: Storage) -> None:
        self.store(storage, "packs/1", TEN * 1_000)
        with (
            LossyProxy(self.to, lambda *_: Loss.HALF_THE_ANSWER) as proxy,
            pytest.raises(TransientStorageError, match="broke off"),
        ):
            self.through(proxy.endpoint_url).get("packs/1")

    def test_no_more_than_eight_parts_are_fetched_ahead_of_the_reader(self, storage: Storage) -> None:
        self.store(storage, "packs/1", TEN)
        with LossyProxy(self.to) as proxy:
            asked = self.through(proxy.endpoint_url).get_many([("packs/1", Part(n % 10, 1)) for n in range(40)])
            assert proxy.seen == []
            for n in range(40):
                assert next(asked) == b"%d" % (n % 10)
                assert len(proxy.seen) <= n + 8
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


class TestMoto(BucketContract):
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
        use(CloudStorage("s3://bucket/a", f"http://127.0.0.1:{port}"), call)


def test_without_credentials_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="there are no credentials for s3://bucket/a") as caught:
        CloudStorage("s3://bucket/a", "http://127.0.0.1:1").get("x")
    assert not isinstance(caught.value, TransientStorageError)
    assert not isinstance(caught.value, NotFound)


def use(storage: Storage, call: str) -> None:
    match call:
        case "get":
            storage.get("a")
        case "get_part":
            storage.get("a", Part(-1, 1))
        case "put":
            storage.put("a", TEN)
        case "create":
            storage.create("a", TEN)
        case "stat":
            storage.stat("a")
        case "list":
            list(storage.list("a/"))
        case "delete":
            storage.delete("a")
        case "get_many":
            list(storage.get_many([("a", Part(0, 1)), ("b", Part(0, 1))]))


_FORK = """
import os, sys
from xver.storage.cloud import CloudStorage
storage = CloudStorage(sys.argv[1], sys.argv[2])
storage.put("parent", b"parent")
child = os.fork()
if not child:
    storage.put("child", storage.get("parent").replace(b"parent", b"child"))
    os._exit(0 if storage.get("child") == b"child" else 1)
ended = os.waitpid(child, 0)[1]
assert storage.get("child") == b"child"
sys.exit(os.waitstatus_to_exitcode(ended))
"""
