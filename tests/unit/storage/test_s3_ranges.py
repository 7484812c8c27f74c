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

    def do_GET(self) -> None:
        start, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
        body = BODY[int(start) : int(end) + 1 + self.more]
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(more: int, status: int = 206) -> Iterator[str]:
    handler = type("Handler", (_Server,), {"more": more, "status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
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
