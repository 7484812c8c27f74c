"""What holds for every bucket behind HTTP: one request a call, answers that are lost, buckets that are missing."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import pytest

from tests.contract.storage import TEN, StorageContract
from tests.support.servers import Loss, LossyProxy, Server
from xver.errors import StorageError, TransientStorageError
from xver.storage.base import Part, Storage


class BucketContract(StorageContract):
    """The objects are those below a prefix of their own; the provider's own client goes around the backend."""

    upload: ClassVar[str] = "PUT"
    from_the_end: ClassVar[list[str]] = ["GET"]
    missing_hint: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _client(self, server: Server) -> None:
        self.to = server
        self.prefix = f"{uuid.uuid4().hex}/a"

    @pytest.fixture
    def storage(self) -> Storage:
        return self.through(self.to.endpoint_url)

    def through(self, endpoint_url: str) -> Storage:
        """Return the storage as seen behind another address of its server."""
        raise NotImplementedError

    def absent(self) -> Storage:
        """Return the storage of a bucket `no-such-bucket`."""
        raise NotImplementedError

    def test_each_call_is_one_request(self) -> None:
        with LossyProxy(self.to) as proxy:
            storage = self.through(proxy.endpoint_url)

            def requests(call: Any) -> list[str]:
                proxy.seen.clear()
                call()
                return [method for method, _ in proxy.seen]

            assert requests(lambda: storage.put("packs/1", bytes(32 * 1024 * 1024))) == [self.upload]
            assert requests(lambda: storage.get("packs/1")) == ["GET"]
            assert requests(lambda: storage.get("packs/1", Part(5, 5))) == ["GET"]
            assert requests(lambda: storage.get("packs/1", Part(-5, 5))) == self.from_the_end
            assert requests(lambda: storage.create("log/0", b"x")) == [self.upload]
            assert requests(lambda: list(storage.list("log/"))) == ["GET"]
            assert requests(lambda: list(storage.list("none/"))) == ["GET"]
            assert requests(lambda: storage.stat("log/0")) in (["HEAD"], ["GET"])
            assert requests(lambda: storage.delete("log/0")) == ["DELETE"]

    @pytest.mark.parametrize("lost", range(1, 4))
    def test_a_create_whose_answers_are_lost_is_read_back(self, lost: int) -> None:
        puts: list[str] = []

        def loses(method: str, path: str) -> Loss | None:
            if method != self.upload:
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
        with LossyProxy(self.to, lambda method, _: Loss.ANSWER if method == self.upload else None) as proxy:
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
            # Two at once: of three, one could be asked for whenever it is its turn to fail.
            assert list(there.get_many([("packs/1", Part(0, 10))] * 2)) == [TEN] * 2

    def test_a_create_that_never_arrived_is_tried_again_and_then_fails(self, storage: Storage) -> None:
        with LossyProxy(self.to, lambda method, _: Loss.REQUEST if method == self.upload else None) as proxy:
            with pytest.raises(TransientStorageError, match="broke off"):
                self.through(proxy.endpoint_url).create("log/0", b"ours")
            assert sum(method == self.upload for method, _ in proxy.seen) > 3
        assert self.stored(storage, "log/0") is None

    def test_an_answer_that_always_breaks_off_is_an_error(self, storage: Storage) -> None:
        self.store(storage, "packs/1", TEN * 1_000)
        with (
            LossyProxy(self.to, lambda *_: Loss.HALF_THE_ANSWER) as proxy,
            pytest.raises(TransientStorageError, match="broke off"),
        ):
            self.through(proxy.endpoint_url).get("packs/1")

    @pytest.mark.parametrize("call", ["get", "get_part", "put", "create", "stat", "list", "delete", "get_many"])
    def test_without_the_bucket_every_call_says_so(self, call: str) -> None:
        with pytest.raises(StorageError, match=r"there is no (bucket|container) no-such-bucket") as caught:
            use(self.absent(), call)
        assert caught.value.hint is not None
        assert self.missing_hint in caught.value.hint

    def test_its_clock_is_told_without_a_change(self, storage: Storage) -> None:
        import time

        now = storage.clock()
        assert now is not None
        assert abs(now - time.time()) < 600
        assert list(storage.list("")) == []


def use(storage: Storage, call: str) -> None:
    """Call one method."""
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
