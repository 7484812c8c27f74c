"""A server of SFTP on loopback, in this process, and a home with the keys and the configuration that lead to it.

asyncssh's own server: renames and links as OpenSSH's does, one request after the other. `breaks` cuts the connection
before (or after) chosen requests are done.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import asyncssh
import pytest

USER: Final = "ada"


@dataclass
class SshServer:
    """A running server: its port, the folder it serves, the home of who may log in, and what it was asked to do."""

    port: int
    root: Path
    folder: Path
    home: Path
    calls: list[str] = field(default_factory=list)
    breaks: Callable[[str, int], str | None] = lambda _call, _number: None
    has_links: bool = True

    @property
    def url(self) -> str:
        return f"sftp://{USER}@127.0.0.1:{self.port}{self.folder}"

    def entered(self, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Begin anew in an empty folder, at home where the key is; nothing breaks."""
        self.folder = self.root / uuid.uuid4().hex
        self.folder.mkdir()
        self.calls.clear()
        self.breaks = lambda _call, _number: None
        self.has_links = True
        self.home = self.root.parent / "home"
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        return self


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Serve `folder`/served by SFTP to the user of `folder`/home."""
    home, served = folder / "home", folder / "served"
    (home / ".ssh").mkdir(parents=True)
    served.mkdir()
    key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key.write_private_key(str(home / ".ssh" / "id_ed25519"))
    (home / ".ssh" / "id_ed25519").chmod(0o600)
    (folder / "authorized").write_bytes(key.export_public_key())
    server = SshServer(0, served, served, home)
    connections: list[asyncssh.SSHServerConnection] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def on_loop(call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, loop).result(30)

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(folder / "authorized"),
            acceptor=connections.append,
            sftp_factory=lambda channel: _Watched(channel, server),
            reuse_address=True,
        )

    listener = on_loop(listen())
    server.port = listener.get_port()
    known = host_key.export_public_key().decode().split()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {known[0]} {known[1]}\n")

    async def stop() -> None:
        listener.close()
        await listener.wait_closed()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await asyncio.sleep(0)  # transports say goodbye in the next round of the loop

    try:
        yield server
    finally:
        on_loop(stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


class _Watched(asyncssh.SFTPServer):
    """asyncssh's server, which notes every call, and cuts the line where it is told to."""

    def __init__(self, channel: Any, server: SshServer) -> None:
        super().__init__(channel)
        self._server = server

    def _note(self, call: str) -> bool:
        """Note a call; cut the line now, or tell that it is to be cut when the call is done."""
        self._server.calls.append(call)
        when = self._server.breaks(call, self._server.calls.count(call))
        if when == "before":
            self._cut()
        return when == "after"

    def _cut(self) -> None:
        self.channel.get_connection().abort()
        raise asyncssh.SFTPConnectionLost("cut")

    def _done(self, is_cut: bool, result: Any) -> Any:
        if is_cut:
            self._cut()
        return result

    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        is_cut = self._note("open for writing" if pflags & asyncssh.FXF_WRITE else "open")
        return self._done(is_cut, super().open(path, pflags, attrs))

    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        is_cut = self._note("read")
        return self._done(is_cut, super().read(file_obj, offset, size))

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        is_cut = self._note("write")
        return self._done(is_cut, super().write(file_obj, offset, data))

    def link(self, oldpath: bytes, newpath: bytes) -> Any:
        is_cut = self._note("link")
        if not self._server.has_links:
            raise asyncssh.SFTPOpUnsupported("no links here")
        return self._done(is_cut, super().link(oldpath, newpath))

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        is_cut = self._note("rename")
        return self._done(is_cut, super().rename(oldpath, newpath))

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        is_cut = self._note("posix_rename")
        return self._done(is_cut, super().posix_rename(oldpath, newpath))

    def remove(self, path: bytes) -> Any:
        is_cut = self._note("remove")
        return self._done(is_cut, super().remove(path))

    def stat(self, path: bytes) -> Any:
        is_cut = self._note("stat")
        return self._done(is_cut, super().stat(path))
