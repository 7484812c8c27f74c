"""A container of Azure's keeps the contract, on Microsoft's own emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.contract.buckets import BucketContract, use
from tests.contract.storage import AtomicCreateContract
from tests.support.clouds import ACCOUNT, azure_credentials, container_client
from tests.support.servers import BUCKET, Server, free_ports
from xver.errors import StorageError, TransientStorageError
from xver.storage import azure
from xver.storage.azure import locate_azure
from xver.storage.base import Storage

pytestmark = pytest.mark.server
_WRONG = "bm90LXRoZS1rZXk="


class TestAzurite(BucketContract, AtomicCreateContract):
    many: ClassVar[int] = 60
    from_the_end: ClassVar[list[str]] = ["HEAD", "GET"]  # Azure has no ranges from the end
    missing_hint: ClassVar[str] = "az storage container create --name no-such-bucket"

    @pytest.fixture
    def server(self, azurite: Server) -> Server:
        return azurite

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch, azurite: Server) -> Iterator[None]:
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(azure, "_PAGE", 50)
        with container_client(azurite) as self.microsoft:
            yield

    def through(self, endpoint_url: str) -> Storage:
        for name, value in azure_credentials(endpoint_url).items():
            self.monkeypatch.setenv(name, value)
        storage = locate_azure(f"az://{BUCKET}/{self.prefix}")
        assert storage.client  # it reads the environment when it is made
        return storage

    def absent(self) -> Storage:
        return locate_azure("az://no-such-bucket/a")

    def stored(self, storage: Storage, key: str) -> bytes | None:
        try:
            return bytes(self.microsoft.download_blob(f"{self.prefix}/{key}").readall())
        except ResourceNotFoundError:
            return None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        self.microsoft.upload_blob(f"{self.prefix}/{key}", data, overwrite=True)

    def test_the_account_is_told_and_no_key(self, storage: Storage) -> None:
        assert storage.identity() == f"the account's key, account {ACCOUNT}"

    @pytest.mark.parametrize("call", ["get", "get_part", "put", "create", "stat", "list", "delete"])
    def test_a_wrong_key_is_said_to_be_wrong(self, call: str) -> None:
        for name, value in azure_credentials(self.to.endpoint_url, _WRONG).items():
            self.monkeypatch.setenv(name, value)
        with pytest.raises(StorageError, match=r"does not accept these credentials \(Auth.*\)|denies access") as caught:
            use(locate_azure(f"az://{BUCKET}/a"), call)
        assert caught.value.hint


@pytest.mark.parametrize("call", ["get", "create", "list"])
def test_a_server_that_is_down_is_an_error_that_may_pass(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    [port] = free_ports(1)
    for name, value in azure_credentials(f"http://127.0.0.1:{port}").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TransientStorageError, match="cannot be reached"):
        use(locate_azure("az://bucket/a"), call)


def test_without_an_account_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT_NAME", "CONNECTION_STRING"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    with pytest.raises(StorageError, match="no account is named for az://bucket/a") as caught:
        locate_azure("az://bucket/a").get("x")
    assert "--endpoint-url https://ACCOUNT.blob.core.windows.net" in (caught.value.hint or "")


def test_a_connection_string_of_another_account_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure_credentials("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match=f"is for the account {ACCOUNT}, and az://bucket/a lies in ours"):
        locate_azure("az://bucket/a", "https://ours.blob.core.windows.net").get("x")
