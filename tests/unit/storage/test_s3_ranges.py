"""What a bucket's server answers to a range: the bytes, fewer, or more than were asked for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from xver.errors import StorageError
from xver.storage.base import Part
from xver.storage.s3 import locate_s3

BODY = bytes(range(256)) * 4096  # 1 MiB


class _Server(http.server.BaseHTTPRequestHandler):
    """Answers every range with the bytes [start, end + more)."""

    more = 0
    status = 206
    gate: _Gate | None = None

    def do_GET(self) -> None:
        start, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
        if self.gate is not None:
            self.gate.passed()
        body = BODY[int(start) : int(end) + 1 + self.more]
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Many(http.server.ThreadingHTTPServer):
    request_queue_size = 64


@contextmanager
def served(more: int, status: int = 206, gate: _Gate | None = None) -> Iterator[str]:
    handler = type("Handler", (_Server,), {"more": more, "status": status, "gate": gate})
    with _Many(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


PARTS = [("packs/0.a-0.data", Part(at, 600_000)) for at in (0, 100_000, 400_000)]


def test_ranges_come_whole_and_in_their_order() -> None:
    with served(0) as url:
        found = [bytes(one) for one in locate_s3("s3://bucket/x", url).get_many(PARTS)]
    assert found == [BODY[part.offset : part.offset + part.length] for _, part in PARTS]


@pytest.mark.parametrize(("more", "status"), [(-1, 206), (1, 206), (300_000, 200)])
def test_a_range_that_is_not_what_was_asked_for_is_refused(more: int, status: int) -> None:
    with served(more, status) as url:
        storage = locate_s3("s3://bucket/x", url)
        with pytest.raises(StorageError):
            storage.get(*PARTS[0])
        with pytest.raises(StorageError):
            list(storage.get_many(PARTS[:2]))


class _Gate:
    """Holds each request until as many are there as `wanted`; `most` is how many there were at a time."""

    def __init__(self, wanted: int) -> None:
        self.barrier = threading.Barrier(wanted)
        self.most = self.now = 0
        self._lock = threading.Lock()

    def passed(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.barrier.wait(60)
        with self._lock:
            self.now -= 1


@pytest.mark.parametrize(("length", "together"), [(100, 32), (64 * 1024, 32), (256 * 1024, 8), (900_000, 8)])
def test_of_small_ranges_more_are_on_their_way_at_a_time(length: int, together: int) -> None:
    with served(0, gate=(gate := _Gate(together))) as url:
        parts = [("packs/0.a-0.data", Part(at, length)) for at in range(2 * together)]
        found = [bytes(one) for one in locate_s3("s3://bucket/x", url).get_many(parts)]
    assert found == [BODY[at : at + length] for at in range(2 * together)]
    assert gate.most == together
