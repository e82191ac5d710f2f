"""A stand-in for stores that can't be had here: one that names another region, or whose clock is wrong.

It gives fixed answers over real HTTP and judges nothing; what Ceph can do is tested on Ceph.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Store(ThreadingHTTPServer):
    """A store that gives one answer to everything, but for the targets that `others` knows by a part of them."""

    daemon_threads = True
    status: int
    headers: Mapping[str, str]
    body: str
    others: Mapping[str, tuple[int, str]]


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_GET(self) -> None:
        others = [reply for part, reply in self.server.others.items() if part in self.path]
        status, body = (*others, (self.server.status, self.server.body))[0]
        self.send_response_only(status)
        if "Date" not in self.server.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def store(
    status: int, body: str, others: Mapping[str, tuple[int, str]] | None = None, **headers: str
) -> Iterator[dict[str, str]]:
    """The ``minio`` settings of a store that answers so; underscores in header names stand for hyphens."""
    server = Store(("127.0.0.1", 0), _Handler)
    server.status, server.body, server.others = status, body, others or {}
    server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    thread = threading.Thread(target=server.serve_forever, args=(0.002,), daemon=True)
    thread.start()
    try:
        yield {
            "endpoint": f"http://127.0.0.1:{server.server_port}",
            "access_key": "key",
            "secret_key": "storage-secret",
            "bucket": "recordings",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def error(code: str, extra: str = "") -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{extra}</Error>"
