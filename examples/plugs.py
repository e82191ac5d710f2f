"""A plug for each embedded source: a relay on a port of its own that can be pulled, and put back.

It knows no HTTP. A pulled plug breaks the connections that are open and refuses new ones, as a machine that lost its
power does. What comes back through a plug is paced, so that a long recording is still under way when it is pulled.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

LOOPBACK = "127.0.0.1"
BURST = 512 * 1024  # bytes of a connection that pass at once: short recordings, seeks and heads don't wait
PACE = 48 * 1024  # bytes a second after that: three times as fast as the demonstration's WAV files play
_BLOCK = 16384
_WAIT = 0.2  # seconds


class Plug:
    """A relay to a server on loopback. Thread-safe; it starts plugged in.

    Attributes:
        url: its address, to be used in place of the server's.
    """

    def __init__(self, port: int, *, burst: int = BURST, pace: int = PACE) -> None:
        """Relay to the loopback `port`.

        Args:
            port: where the server listens.
            burst: bytes of a connection that come back at once.
            pace: bytes a second after them.
        """
        self._target = (LOOPBACK, port)
        self._burst = burst
        self._pace = pace
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._is_in = False
        self._socket = _bound(0)
        self._port = self._socket.getsockname()[1]
        self._accepting: threading.Thread | None = None
        self.url = f"http://{LOOPBACK}:{self._port}"
        self.put_in()

    @property
    def is_in(self) -> bool:
        """Whether the source can be reached."""
        return self._is_in

    def put_in(self) -> None:
        """Let connections through from now on; harmless when they are already."""
        with self._lock:
            if self._is_in:
                return
            self._is_in = True
            self._socket.listen(128)
            self._socket.settimeout(_WAIT)
            self._accepting = threading.Thread(target=self._accept, args=(self._socket,), daemon=True)
            self._accepting.start()

    def pull(self) -> None:
        """Break what is under way and refuse what comes; harmless when it is pulled already."""
        with self._lock:
            if not self._is_in:
                return
            self._is_in = False
            _shut(self._socket)  # wakes the thread that accepts
            self._socket.close()
            if self._accepting is not None:
                self._accepting.join()
            for connection in list(self._connections):
                _shut(connection)
            # Bound, but not listening: connections are refused, and nobody else gets the port.
            self._socket = _bound(self._port)

    def close(self) -> None:
        """Pull it for good, and free its port."""
        self.pull()
        self._socket.close()

    def _accept(self, listener: socket.socket) -> None:
        while self._is_in:
            try:
                client, _ = listener.accept()
            except TimeoutError:  # not every system wakes a thread whose listening socket is shut
                continue
            except OSError:
                return
            if not self._is_in:
                client.close()
                return
            self._connections.add(client)
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        try:
            with client, suppress(OSError), socket.create_connection(self._target) as server:
                answers = threading.Thread(target=self._answer, args=(server, client), daemon=True)
                answers.start()
                while data := client.recv(_BLOCK):
                    server.sendall(data)
                _shut(server)
                answers.join()
        finally:
            self._connections.discard(client)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        allowed, since = float(self._burst), time.monotonic()
        with suppress(OSError):
            while data := server.recv(_BLOCK):
                now = time.monotonic()
                allowed = min(self._burst, allowed + (now - since) * self._pace) - len(data)
                since = now
                if allowed < 0:
                    time.sleep(-allowed / self._pace)
                client.sendall(data)
        _shut(client)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, port))
    return bound


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
