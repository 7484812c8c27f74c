"""A web server on loopback whose files, names for versions, and failures a test decides; it counts what it sends."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class WebFile:
    """A file: its bytes, what its server calls them, and after how many bytes each connection is cut, in turn."""

    data: bytes
    etag: str = ""
    modified: str = ""
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    has_length: bool = True
    has_ranges: bool = True


class WebServer:
    """Serves `files` by path; a context. `seen` lists (method, path, status), `sent` counts bytes of bodies."""

    def __init__(self) -> None:
        self.files: dict[str, WebFile] = {}
        self.seen: list[tuple[str, str, int]] = []
        self.sent = 0
        self.has_head = True
        self.has_conditions = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self, body=True)

            def do_HEAD(self) -> None:
                outer._answer(self, body=False)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        file = self.files.get(request.path, WebFile(b"", status=404))
        status, data, headers = file.status, file.data, dict[str, str]()
        if status == 200:
            asked = request.headers
            headers |= {"ETag": file.etag} if file.etag else {}
            headers |= {"Last-Modified": file.modified} if file.modified else {}
            is_known = self.has_conditions and asked.get("If-None-Match") == file.etag if file.etag else False
            if is_known or (self.has_conditions and file.modified and asked.get("If-Modified-Since") == file.modified):
                status = 304
            elif "Range" in asked and file.has_ranges and asked.get("If-Range") == file.etag:
                start = int(asked["Range"].removeprefix("bytes=").rstrip("-"))
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                status, data = 206, data[start:]
        if not body and not self.has_head:
            status = 405
        self.seen.append((request.command, request.path, status))
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if status not in (200, 206):
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if file.has_length:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if body:
            part = data[: file.cuts.pop(0)] if file.cuts else data
            self.sent += len(part)
            request.wfile.write(part)
