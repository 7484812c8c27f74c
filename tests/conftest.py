"""What every test has: deterministic hypothesis, and servers that are started when the first test asks for them.

`pytest --hypothesis-profile deep` tries more, and other, examples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support import clouds, servers
from tests.support.servers import Server

if TYPE_CHECKING:
    from tests.support.ssh import SshServer

# Deadlines measure the machine, which tests share with each other.
settings.register_profile("deterministic", derandomize=True, database=None, deadline=None)
settings.register_profile(
    "deep", max_examples=5_000, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("deterministic")


@pytest.fixture(scope="session", autouse=True)
def _no_rules_of_this_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the person who runs the tests leaves out of all repositories must not be left out of theirs."""
    nowhere = str(tmp_path_factory.mktemp("configuration"))
    os.environ["APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME"] = nowhere


@pytest.fixture(scope="session")
def running_seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SeaweedFS, one for each process of the tests."""
    reason = servers.missing_seaweedfs()
    if reason is not None:
        pytest.skip(reason)
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def running_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """moto, one for each process of the tests."""
    with servers.moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def seaweedfs(running_seaweedfs: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """SeaweedFS, and an environment with the credentials for it and none of this machine's."""
    return _enter(running_seaweedfs, monkeypatch)


@pytest.fixture
def moto(running_moto: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """moto, and an environment with credentials."""
    return _enter(running_moto, monkeypatch)


@pytest.fixture(scope="session")
def running_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """fake-gcs-server, one for each process of the tests."""
    reason = clouds.missing_gcs()
    if reason is not None:
        pytest.skip(reason)
    with clouds.gcs(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture(scope="session")
def running_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Azurite, one for each process of the tests."""
    reason = clouds.missing_azurite()
    if reason is not None:
        pytest.skip(reason)
    with clouds.azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def gcs(running_gcs: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """fake-gcs-server, and an environment that leads to it."""
    return _enter(running_gcs, monkeypatch)


@pytest.fixture
def azurite(running_azurite: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Azurite, and an environment that leads to it."""
    return _enter(running_azurite, monkeypatch)


@pytest.fixture(scope="session")
def running_ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A server of SFTP, one for each process of the tests."""
    if os.name == "nt":
        pytest.skip("the server's paths are POSIX's")
    from tests.support.ssh import ssh_server

    with ssh_server(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture
def ssh(running_ssh: SshServer, monkeypatch: pytest.MonkeyPatch) -> SshServer:
    """A server of SFTP with a folder of its own for the test, and a home whose key it lets in."""
    return running_ssh.entered(monkeypatch)


def _enter(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server
