"""A relay in front of any HTTP server: it passes bytes on untouched, and tells which requests and connections it saw.

The requests must have no bodies, as those for recordings have none.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from email.parser import BytesParser
from urllib.parse import urlsplit

from .fleet_host import Received

_BUFFER = 262144


class Relay:
    """A relay on a port of its own.

    Attributes:
        url: its address, without a path.
        requests: what came in, in order.
        accepted: how many connections have ever come in.
    """

    def __init__(self, target: str) -> None:
        """Pass everything on to the server at the URL `target`."""
        parts = urlsplit(target)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.relay = self
        self._server.target = (parts.hostname or "", parts.port or 0)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.requests: list[Received] = []
        self.accepted = 0
        threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True).start()

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._server.connections)

    def stop(self) -> None:
        """Free the port and every connection."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            _shut(connection)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    relay: Relay
    target: tuple[str, int]

    def __init__(self, *args: object) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*args)  # type: ignore[arg-type]


class _Handler(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.server.relay.accepted += 1
        self.server.connections.add(self.request)
        heads = _Heads(self.server.relay.requests)
        try:
            with socket.create_connection(self.server.target) as upstream, suppress(OSError):
                answers = threading.Thread(target=self._answer, args=(upstream,), daemon=True)
                answers.start()
                while data := self.request.recv(_BUFFER):
                    heads.feed(data)
                    upstream.sendall(data)
                _shut(upstream)
                answers.join()
        finally:
            self.server.connections.discard(self.request)

    def _answer(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while data := upstream.recv(_BUFFER):
                self.request.sendall(data)
        _shut(self.request)


class _Heads:
    """Finds the requests in what a client sends."""

    def __init__(self, requests: list[Received]) -> None:
        self._requests = requests
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        *heads, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for head in heads:
            line, _, fields = head.partition(b"\r\n")
            method, target, _ = line.decode("latin-1").split(" ")
            headers = BytesParser().parsebytes(fields + b"\r\n\r\n", headersonly=True)
            self._requests.append(Received(method, target, headers))


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
