"""Containers of Azure Blob Storage, through adlfs.

The account is named by `endpoint_url` (https://ACCOUNT.blob.core.windows.net), by AZURE_STORAGE_ACCOUNT_NAME or by
AZURE_STORAGE_CONNECTION_STRING; credentials are those of that environment, or what `az login` left. A create is one Put
Blob with `If-None-Match: *`, never a list of blocks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from xver.errors import InvalidInput, StorageError
from xver.storage.addresses import check_endpoint, need, split_bucket
from xver.storage.base import Stat
from xver.storage.cloud import Body, Client, CloudStorage, http_time
from xver.storage.cloud_errors import Address, Advice

_PAGE: Final = 5_000
SHAPE: Final = "az://container/prefix"
_CREDENTIALS: Final = "az login, or set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and …_KEY"
_SERVER: Final = "--endpoint-url https://ACCOUNT.blob.core.windows.net"


def locate_azure(url: str, endpoint_url: str | None = None) -> CloudStorage:
    """Return the storage at `az://container/prefix`; `endpoint_url` names the account.

    Raises:
        InvalidInput: an address that cannot be one, that holds credentials, or whose client is not installed.
    """
    container, prefix = split_bucket(
        url,
        shape=f"{SHAPE}, with the account in {_SERVER}",
        bucket="container",
        credentials="from az login or in AZURE_STORAGE_CONNECTION_STRING",
    )
    server = check_endpoint(endpoint_url)
    if server is not None and urlsplit(server).scheme != "https":
        raise InvalidInput(f"an account of Azure is spoken to by https only: {server}", hint=_SERVER)
    need("adlfs", scheme="az", extra="azure")
    account = f" --account-name {account_of(server)}" if server else ""
    advice = Advice(
        make_bucket=f"az storage container create --name {container}{account}",
        credentials=_CREDENTIALS,
        refused="az login, or check the AZURE_STORAGE_… variables",
        renew="az login",
        certificate="export REQUESTS_CA_BUNDLE=…, the file of its authority",
        rights="ask its owner for a role: Storage Blob Data Reader to read, … Contributor to write and collect",
        bucket="container",
    )
    address = Address(f"az://{container}/{prefix}".rstrip("/"), container, server, prefix=prefix, advice=advice)
    return CloudStorage(address, lambda: AzureClient(address))


def account_of(endpoint_url: str) -> str:
    """Return the name of an account: the first label of its host, or the path where the host is an emulator's."""
    parts = urlsplit(endpoint_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


class AzureClient(Client):
    """One container, through adlfs."""

    def __init__(self, address: Address) -> None:
        from adlfs import AzureBlobFileSystem

        self._container = address.bucket
        names: dict[str, str] = {}
        if address.endpoint_url is not None:
            parts = urlsplit(address.endpoint_url)
            names = {"account_name": account_of(address.endpoint_url), "account_host": parts.netloc + parts.path}
        elif not any(os.environ.get(f"AZURE_STORAGE_{name}") for name in ("ACCOUNT_NAME", "CONNECTION_STRING")):
            raise StorageError(f"no account is named for {address.url}", hint=f"{_SERVER}, or {_CREDENTIALS}")
        self._files: Any = AzureBlobFileSystem(
            **names,
            skip_instance_cache=True,
            use_listings_cache=False,
            assume_container_exists=True,
            # One GET an object: ranges are our own to spread.
            max_concurrency=1,
            connection_timeout=5,
            read_timeout=60,
        )
        self._service: Any = self._files.service_client
        for policy in self._service._pipeline._impl_policies:  # noqa: SLF001 - adlfs hands no options through
            if hasattr(policy, "initial_backoff"):
                # Three tries as everywhere, without its pauses of 15, 18 and 24 seconds.
                policy.total_retries, policy.initial_backoff, policy.random_jitter_range = 2, 0, 0
                policy.increment_base = 1
        if names and self._service.account_name != names["account_name"]:
            raise StorageError(
                f"AZURE_STORAGE_CONNECTION_STRING is for the account {self._service.account_name}, "
                f"and {address.url} lies in {names['account_name']}",
                hint="unset AZURE_STORAGE_CONNECTION_STRING",
            )

    def read(self, path: str, start: int | None, end: int | None) -> bytes:
        if start is not None and start < 0:
            # It knows no ranges from the end.
            size = self.look(path).size
            start = max(0, size + start)
            if size == 0:
                return b""
        return bytes(self._files.cat_file(f"{self._container}/{path}", start=start, end=end))

    def write(self, path: str, body: Body, *, is_new: bool) -> None:
        mode = "create" if is_new else "overwrite"
        self._files.pipe_file(f"{self._container}/{path}", body, mode=mode)

    def look(self, path: str) -> Stat:
        async def ask() -> Stat:
            async with self._service.get_blob_client(self._container, path) as blob:
                found = await blob.get_blob_properties()
                return Stat(path, int(found.size), str(found.etag or ""))

        found: Stat = self._sync(ask)
        return found

    def find(self, prefix: str) -> Iterator[Stat]:
        async def ask() -> tuple[list[Stat], str | None]:
            async with self._service.get_container_client(self._container) as container:
                pages = container.list_blobs(name_starts_with=prefix, results_per_page=_PAGE).by_page(
                    continuation_token=token
                )
                async for page in pages:
                    found = [Stat(blob.name, int(blob.size), str(blob.etag or "")) async for blob in page]
                    return found, pages.continuation_token
            return [], None

        token = None
        while True:
            found, token = self._sync(ask)
            yield from found
            if not token:
                return

    def remove(self, path: str) -> None:
        async def ask() -> None:
            async with self._service.get_blob_client(self._container, path) as blob:
                await blob.delete_blob()

        self._sync(ask)

    def identity(self) -> str:
        credential = self._service.credential
        kind = type(credential).__name__ if credential is not None else "a shared access signature, or nobody"
        words = {"SharedKeyCredentialPolicy": "the account's key", "DefaultAzureCredential": "the user of az login"}
        return f"{words.get(kind, kind)}, account {self._service.account_name}"

    def clock(self) -> float | None:
        dates: list[str | None] = []

        def note(said: Any) -> None:
            dates.append(said.http_response.headers.get("Date"))

        async def ask() -> None:
            async with self._service.get_container_client(self._container) as container:
                async for _ in container.list_blobs(results_per_page=1, raw_response_hook=note).by_page():
                    return

        self._sync(ask)
        return http_time(dates[0]) if dates else None

    def _sync(self, ask: Any) -> Any:
        from fsspec.asyn import sync

        return sync(self._files.loop, ask)
