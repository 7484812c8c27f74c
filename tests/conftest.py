"""What every test has: deterministic hypothesis, and servers that are started when the first test asks for them.

`pytest --hypothesis-profile deep` tries more, and other, examples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import servers
from tests.support.servers import Server

# Deadlines measure the machine, which tests share with each other.
settings.register_profile("deterministic", derandomize=True, database=None, deadline=None)
settings.register_profile(
    "deep", max_examples=5_000, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("deterministic")


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


def _enter(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server
