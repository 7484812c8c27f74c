"""A folder behind SSH keeps the contract, with links and without, and over connections that break."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import ClassVar

import asyncssh
import pytest

from tests.contract.storage import TEN, AtomicCreateContract, StorageContract
from tests.support.servers import free_ports
from tests.support.ssh import SshServer
from xver.errors import NotFound, StorageError, TransientStorageError
from xver.storage.base import Part, Storage
from xver.storage.sftp import locate_sftp

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(os.name == "nt", reason="the server's paths are POSIX's"),
]


@pytest.fixture
def server(ssh: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshServer:
    """Return the server, with a copy of the home that a test may change."""
    ssh.home = Path(shutil.copytree(ssh.home, tmp_path / "home"))
    monkeypatch.setenv("HOME", str(ssh.home))
    return ssh


class Served:
    """The objects are files below the folder that is served."""

    @pytest.fixture(autouse=True)
    def _folder(self, server: SshServer) -> None:
        self.server = server
        self.folder = server.folder / "remote"

    @pytest.fixture
    def storage(self, server: SshServer) -> Storage:
        return locate_sftp(f"{server.url}/remote")

    def stored(self, storage: Storage, key: str) -> bytes | None:
        file = self.folder / key
        return file.read_bytes() if file.exists() else None

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        file = self.folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def test_nothing_is_left_in_tmp(self, storage: Storage) -> None:
        storage.put("packs/1", TEN)
        storage.create("log/0", b"first")
        storage.create("log/0", b"second")
        assert list((self.folder / "tmp").iterdir()) == []

    def test_what_changes_its_size_in_one_second_is_another_version(self, storage: Storage) -> None:
        def seen() -> tuple[str, str]:
            self.store(storage, "import/a", data)
            os.utime(self.folder / "import/a", (1_700_000_000, 1_700_000_000))
            one, (listed,) = storage.stat("import/a"), storage.list("import/")
            assert one is not None
            return one.version, listed.version

        data = b"before"
        before = seen()
        data = b"afterwards"
        assert set(seen()).isdisjoint(before)
        data = b"BEFORE"
        assert seen() == before


class TestWithLinks(Served, StorageContract, AtomicCreateContract):
    many: ClassVar[int] = 60  # there are no pages

    def test_a_create_never_renames(self, storage: Storage) -> None:
        assert storage.create("log/0", b"first")
        assert not storage.create("log/0", b"second")
        assert "link" in self.server.calls
        assert not {"rename", "posix_rename"} & set(self.server.calls)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("call", ["open for writing", "write", "link", "remove"])
    def test_a_create_over_a_line_that_breaks_is_done_once(self, storage: Storage, call: str, when: str) -> None:
        self.server.breaks = lambda now, number: when if (now, number) == (call, 1) else None
        assert storage.create("log/0", b"ours") is True
        assert storage.create("log/0", b"others") is False
        assert self.stored(storage, "log/0") == b"ours"

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_create_that_lost_over_a_line_that_breaks_has_lost(self, storage: Storage, when: str) -> None:
        self.store(storage, "log/0", b"theirs")
        self.server.breaks = lambda now, number: when if (now, number) == ("link", 1) else None
        assert storage.create("log/0", b"ours") is False
        assert self.stored(storage, "log/0") == b"theirs"

    @pytest.mark.parametrize("number", [1, 3, 7])
    def test_reading_and_writing_go_on_over_a_new_connection(self, storage: Storage, number: int) -> None:
        body = os.urandom(1_000_000)
        self.server.breaks = lambda now, at: "before" if now in ("read", "write") and at == number else None
        storage.put("packs/1", body)
        assert storage.get("packs/1") == body
        assert list(storage.get_many([("packs/1", Part(n * 1_000, 1_000)) for n in range(40)])) == [
            body[n * 1_000 : (n + 1) * 1_000] for n in range(40)
        ]

    def test_a_line_that_always_breaks_is_an_error(self, storage: Storage) -> None:
        self.store(storage, "packs/1", TEN)
        self.server.breaks = lambda now, _: "before" if now == "open" else None
        with pytest.raises(TransientStorageError, match="broke off"):
            storage.get("packs/1")

    def test_a_large_object_is_many_requests_on_their_way_at_a_time(self, storage: Storage) -> None:
        body = os.urandom(20 << 20)
        storage.put("packs/1", body)
        assert self.server.calls.count("write") >= 5
        assert storage.get("packs/1") == body
        assert self.server.calls.count("read") >= 5

    def test_what_killed_writers_left_goes_after_a_day(self, storage: Storage) -> None:
        storage.put("packs/1", TEN)
        for name, age in (("old", 100_000), ("new", 1_000)):
            (self.folder / "tmp" / name).write_bytes(b"x")
            os.utime(self.folder / "tmp" / name, (time.time() - age,) * 2)
        storage.sweep()
        assert [file.name for file in (self.folder / "tmp").iterdir()] == ["new"]
        assert storage.get("packs/1") == TEN

    def test_who_we_are_is_told(self, storage: Storage) -> None:
        assert storage.identity() == "ada, by a key"


class TestWithoutLinks(Served, AtomicCreateContract):
    """A server that knows only the protocol's own rename, which must not replace anything."""

    @pytest.fixture(autouse=True)
    def _no_links(self, server: SshServer) -> None:
        server.has_links = False

    def test_a_create_renames_and_never_as_posix_does(self, storage: Storage) -> None:
        assert storage.create("log/0", b"first")
        assert not storage.create("log/0", b"second")
        assert self.stored(storage, "log/0") == b"first"
        assert "rename" in self.server.calls
        assert "posix_rename" not in self.server.calls


def test_a_host_that_is_not_known_is_refused(server: SshServer) -> None:
    (server.home / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(StorageError, match=r"the host key of 127.0.0.1 is not known") as caught:
        locate_sftp(f"{server.url}/remote").get("a")
    assert f"ssh -p {server.port} ada@127.0.0.1" in (caught.value.hint or "")
    assert server.calls == []


def test_a_host_whose_key_has_changed_is_refused(server: SshServer) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()
    (server.home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other[0]} {other[1]}\n")
    with pytest.raises(StorageError, match=r"the host key of 127.0.0.1 is not known"):
        locate_sftp(f"{server.url}/remote").get("a")


def test_a_configuration_that_knows_no_hosts_is_refused(server: SshServer) -> None:
    (server.home / ".ssh" / "config").write_text("Host *\n  UserKnownHostsFile none\n")
    with pytest.raises(StorageError, match="knows no hosts"):
        locate_sftp(f"{server.url}/remote").get("a")


def test_a_key_that_is_not_let_in_is_said_to_be_that(server: SshServer) -> None:
    (server.home / ".ssh" / "id_ed25519").unlink()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(server.home / ".ssh" / "id_ed25519"))
    with pytest.raises(StorageError, match="accepts none of your keys") as caught:
        locate_sftp(f"{server.url}/remote").get("a")
    assert "ssh-copy-id ada@127.0.0.1" in (caught.value.hint or "")
    assert not isinstance(caught.value, NotFound)


def test_names_of_the_user_s_own_configuration_are_understood(server: SshServer) -> None:
    text = f"Host lab\n  HostName 127.0.0.1\n  Port {server.port}\n  User ada\n  HostKeyAlias 127.0.0.1\n"
    (server.home / ".ssh" / "config").write_text(text)
    known = (server.home / ".ssh" / "known_hosts").read_text()
    (server.home / ".ssh" / "known_hosts").write_text(known.replace(f"[127.0.0.1]:{server.port}", "127.0.0.1") + known)
    storage = locate_sftp(f"sftp://lab{server.folder}/remote")
    storage.put("a", TEN)
    assert storage.get("a") == TEN


def test_a_host_that_is_down_is_an_error_that_may_pass(server: SshServer) -> None:
    [port] = free_ports(1)
    with pytest.raises(TransientStorageError, match="cannot be reached"):
        locate_sftp(f"sftp://127.0.0.1:{port}/a").get("x")


def test_a_folder_that_may_not_be_written_says_so(server: SshServer) -> None:
    if os.geteuid() == 0:
        (server.folder / "remote").write_bytes(b"a file in the way")
        with pytest.raises(StorageError):
            locate_sftp(f"{server.url}/remote").put("a", TEN)
        return
    server.folder.chmod(0o500)
    with pytest.raises(StorageError, match="denies access"):
        locate_sftp(f"{server.url}/remote").put("a", TEN)
    server.folder.chmod(0o700)
