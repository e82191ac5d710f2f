"""An HTTP server that sends exactly the bytes a test wants, be they HTTP or not; an S3 store or a fleet host as needed.

One answer for each connection, which is closed after it: so an answer may lack a length, or end too early.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.parser import BytesParser

from .fleet_host import Received


def reply(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, length: bool = True) -> bytes:
    """A reply as it should be: with `body`, and with its Content-Length unless `headers` or `length` say otherwise."""
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if length and not any(name.lower() == "content-length" for name in headers or {}):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def s3_error(status: int, code: str) -> bytes:
    """A store's refusal."""
    document = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>secret detail</Message></Error>"
    return reply(status, {"Content-Type": "application/xml"}, document.encode())


class ScriptedOrigin:
    """A server on a port of its own.

    Attributes:
        url: its address.
        answer: what to send to a request; may be changed at any time.
        requests: what came in, in order.
    """

    def __init__(self, answer: Callable[[Received], bytes], *, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[Received] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.origin = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True).start()

    def storage(self) -> dict[str, object]:
        """The system settings of this server as an S3 store, and no other source."""
        keys = {"access_key": "origin-access-key", "secret_key": "origin-secret-key"}
        return {"minio": {"endpoint": self.url, "bucket": "recordings", **keys}}

    def fleet(self) -> dict[str, object]:
        """The system settings of this server as a fleet host, and no other source."""
        return {"cxbcore_fleet": [self.url]}

    def stop(self) -> None:
        """Free the port."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    origin: ScriptedOrigin


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError):  # a client that has heard enough
            line = self.rfile.readline(65536).decode("latin-1")
            if not line:
                return
            headers = BytesParser().parsebytes(b"".join(iter(self.rfile.readline, b"\r\n")), headersonly=True)
            method, target, _ = line.split(" ")
            received = Received(method, target, headers)
            self.server.origin.requests.append(received)
            self.wfile.write(self.server.origin.answer(received))
            # Not closed at once: unread bytes would turn the end into a reset.
            self.connection.shutdown(socket.SHUT_WR)
            self.rfile.read()
