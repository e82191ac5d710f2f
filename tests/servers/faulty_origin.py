"""An origin that breaks as a test's script says, on raw sockets: an S3 store and a fleet host in one.

``/{bucket}/{key}`` and ``/recordings/{key}`` are the same to it: what follows the first segment is the key. It knows
GET and HEAD, one range, If-None-Match, ETag and Last-Modified, and takes any signature and any secret for good.
It parses requests by itself, so that it can't share a mistake with the library.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Protocol

import pytest

from . import free_port
from .faulty_conversation import Conversation, Fault, Received, Validator, reset_on_close

MAX_CONNECTIONS = 256  # at once; more wait in the listener's queue


class FaultyOrigin:
    """An origin on a port of its own.

    Attributes:
        recordings: what it has, by key; may be changed at any time.
        script: the faults of the next requests, one each, consumed.
        standing: the fault of all requests after them; None for a healthy origin.
        validator: whether responses have an ETag and a Last-Modified.
        requests: what came in, in order.
    """

    def __init__(
        self,
        recordings: Mapping[str, bytes] | None = None,
        script: Iterable[Fault] = (),
        standing: Fault | None = None,
        *,
        validator: Validator = "strong",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.recordings = dict(recordings or {})
        self.script = list(script)
        self.standing = standing
        self.validator = validator
        self.requests: list[Received] = []
        self._tls = tls
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener = self._bind()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.refuses = True
        self.listen()

    def storage_settings(self, **changes: object) -> dict[str, object]:
        """The ``minio`` section of the system settings for this origin, with `changes`."""
        section: dict[str, object] = {"endpoint": self.url, "access_key": "key", "secret_key": "secret"}
        return section | {"bucket": "bucket"} | changes

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
            self._start(self._accept, self._listener)

    def refuse(self) -> None:
        """Refuse connections from now on, and reset those that are open; the port stays taken."""
        self.refuses = True
        with suppress(OSError):  # it refuses already
            # Ends the listening and wakes the thread that accepts; bound it stays, so nobody else gets the port.
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._snapshot():
            with suppress(OSError):
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

    def _bind(self) -> socket.socket:
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

    def _snapshot(self) -> list[socket.socket]:
        with self._lock:
            return list(self._connections)

    def _start(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        def run() -> None:
            try:
                target(argument)
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:  # refuse() closed it
                return
            while not self._slots.acquire(timeout=0.1):
                if self._stopping.is_set():
                    connection.close()
                    return
            with self._lock:
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError):  # a client that went away, or refuse()
                port: int = connection.getpeername()[1]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    connection = self._wrap(self._tls, connection)
                Conversation(self, connection, port).hold()
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()
            self._slots.release()

    def _wrap(self, tls: ssl.SSLContext, connection: socket.socket) -> ssl.SSLSocket:
        wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:  # the socket below it has given its descriptor away
            self._connections.discard(connection)
            self._connections.add(wrapped)
        return wrapped  # the first read shakes hands

    def next_fault(self, received: Received) -> Fault | None:
        """Record a request, and take its fault out of the script."""
        with self._lock:
            self.requests.append(received)
            return self.script.pop(0) if self.script else self.standing

    def pause(self, seconds: float) -> bool:
        """Wait; False when the origin is being stopped."""
        return not self._stopping.wait(seconds)


class FaultyOriginFactory(Protocol):
    """Starts an origin; the arguments are those of :class:`FaultyOrigin`."""

    def __call__(
        self,
        recordings: Mapping[str, bytes] | None = None,
        script: Iterable[Fault] = (),
        standing: Fault | None = None,
        *,
        validator: Validator = "strong",
        tls: ssl.SSLContext | None = None,
    ) -> FaultyOrigin: ...


@pytest.fixture
def faulty_origin() -> Iterator[FaultyOriginFactory]:
    """A factory of origins, each on its own port."""
    origins: list[FaultyOrigin] = []

    def start(
        recordings: Mapping[str, bytes] | None = None,
        script: Iterable[Fault] = (),
        standing: Fault | None = None,
        *,
        validator: Validator = "strong",
        tls: ssl.SSLContext | None = None,
    ) -> FaultyOrigin:
        origins.append(FaultyOrigin(recordings, script, standing, validator=validator, tls=tls))
        return origins[-1]

    yield start
    for origin in origins:
        origin.stop()
