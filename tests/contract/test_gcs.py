"""A bucket of Google's keeps the contract, on an emulator of its JSON API."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import ClassVar
from urllib.parse import quote

import pytest

from tests.contract.buckets import BucketContract, use
from tests.contract.storage import AtomicCreateContract
from tests.support.servers import BUCKET, Server, free_ports
from xver.errors import NotFound, StorageError, TransientStorageError
from xver.storage.base import Storage
from xver.storage.gcs import locate_gcs

pytestmark = pytest.mark.server


class TestFakeGcsServer(BucketContract, AtomicCreateContract):
    upload: ClassVar[str] = "POST"
    missing_hint: ClassVar[str] = "gcloud storage buckets create gs://no-such-bucket"

    @pytest.fixture
    def server(self, gcs: Server) -> Server:
        return gcs

    def through(self, endpoint_url: str) -> Storage:
        return locate_gcs(f"gs://{BUCKET}/{self.prefix}", endpoint_url)

    def absent(self) -> Storage:
        return locate_gcs("gs://no-such-bucket/a", self.to.endpoint_url)

    def stored(self, storage: Storage, key: str) -> bytes | None:
        name = quote(f"{self.prefix}/{key}", safe="")
        try:
            with urllib.request.urlopen(f"{self.to.endpoint_url}/storage/v1/b/{BUCKET}/o/{name}?alt=media") as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        name = quote(f"{self.prefix}/{key}", safe="")
        url = f"{self.to.endpoint_url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
        urllib.request.urlopen(urllib.request.Request(url, data=data, method="POST")).close()

    def test_a_list_names_the_versions_that_a_look_does(self, storage: Storage) -> None:
        self.store(storage, "raw/a", b"a")
        [one] = storage.list("raw/")
        seen = storage.stat("raw/a")
        assert seen is not None
        assert one.version == seen.version != ""

    def test_an_emulator_knows_nobody(self, storage: Storage) -> None:
        assert storage.identity() == "nobody (an emulator)"


@pytest.mark.parametrize("call", ["get", "create", "list"])
def test_a_server_that_is_down_is_an_error_that_may_pass(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    [port] = free_ports(1)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    with pytest.raises(TransientStorageError, match="cannot be reached"):
        use(locate_gcs("gs://bucket/a"), call)


def test_without_credentials_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: str) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", f"{tmp_path}/none.json")
    with pytest.raises(StorageError, match="there are no credentials for gs://bucket/a") as caught:
        locate_gcs("gs://bucket/a").get("x")
    assert "gcloud auth application-default login" in (caught.value.hint or "")
    assert not isinstance(caught.value, TransientStorageError | NotFound)
