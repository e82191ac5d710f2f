"""A relay in front of any HTTP server: it passes bytes on untouched, and tells which requests and connections it saw.

The requests must have no bodies, as those for recordings have none.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from .conversation import Received
from .listener import Listener

_BUFFER = 262144


class Relay(Listener):
    """A relay on a port of its own.

    Attributes:
        url: its address, without a path.
        requests: what came in, in order.
    """

    def __init__(self, target: str) -> None:
        """Pass everything on to the server at the URL `target`."""
        super().__init__()
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[Received] = []
        self.listen()

    def hold(self, connection: socket.socket, number: int) -> None:
        """Pass on what comes, in both directions, until one side ends."""
        buffer = b""
        with socket.create_connection(self._target) as upstream:
            answers = threading.Thread(target=_pass_on, args=(upstream, connection), daemon=True)
            answers.start()
            with suppress(OSError):
                while data := connection.recv(_BUFFER):
                    *heads, buffer = (buffer + data).split(b"\r\n\r\n")
                    self.requests += [Received.of(head, number) for head in heads]
                    upstream.sendall(data)
            _shut(upstream)
            answers.join()


def _pass_on(upstream: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := upstream.recv(_BUFFER):
            client.sendall(data)
    _shut(client)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
