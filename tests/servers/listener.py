"""A port on loopback that holds each connection in a thread of its own: what the scripted servers of tests share."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from . import free_port

Self = TypeVar("Self", bound="Listener")


class Listener(ABC):
    """Accepts connections; a subclass says in :meth:`hold` what is done with one.

    Attributes:
        port: where it listens.
        accepted: how many connections have ever come in.
        refuses: whether connections are refused at the moment.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.accepted = 0
        self.refuses = True
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener = _bind()
        self.port: int = self._listener.getsockname()[1]

    @abstractmethod
    def hold(self, connection: socket.socket, number: int) -> None:
        """Serve a connection, the `number`-th one from 1 on, to its end; OSError ends it quietly."""

    @property
    def open_connections(self) -> int:
        """How many clients are connected."""
        with self._lock:
            return len(self._connections)

    def listen(self) -> None:
        """Accept connections, also again after :meth:`refuse`."""
        if self.refuses:
            self.refuses = False
            self._listener.listen(128)
            self._start(self._accept)

    def refuse(self) -> None:
        """Refuse connections from now on, and reset those that are open; the port stays taken."""
        self.refuses = True
        with suppress(OSError):  # it refuses already
            # Ends the listening and wakes the thread that accepts; bound it stays, so nobody else gets the port.
            self._listener.shutdown(socket.SHUT_RDWR)
        self.disconnect(resets=True)

    def disconnect(self, *, resets: bool = False) -> None:
        """End the connections that are open, with FIN or with RST."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):  # the client was quicker
                if resets:
                    reset_on_close(connection)
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Free the port, every connection and every thread; harmless when repeated."""
        self._stopping.set()
        self.refuse()
        self._listener.close()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10)

    def pause(self, seconds: float) -> bool:
        """Wait; False when the listener is being stopped."""
        return not self._stopping.wait(seconds)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            try:
                with suppress(OSError):  # a client that went away, or refuse()
                    target(*arguments)
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            connection, _ = self._listener.accept()
            self.accepted += 1
            with self._lock:
                self._connections.add(connection)
            self._start(self._serve, connection, self.accepted)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._wrap(self._tls, connection)
            self.hold(connection, number)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _wrap(self, tls: ssl.SSLContext, connection: socket.socket) -> ssl.SSLSocket:
        wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:  # the socket below it has given its descriptor away
            self._connections.discard(connection)
            self._connections.add(wrapped)
        return wrapped  # the first read shakes hands


def _bind() -> socket.socket:
    for _ in range(20):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", free_port()))  # by number: only such a binding outlives shutdown()
            listener.listen()  # two may be bound to one port until one of them listens
        except OSError:  # somebody was quicker
            listener.close()
        else:
            return listener
    raise RuntimeError("no free port in twenty tries")


def reset_on_close(connection: socket.socket) -> None:
    """Have the connection end with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
