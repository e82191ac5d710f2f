"""TLS connections whose wire a test controls: whole records, parts of one, and every kind of end."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .conversation import wait_until_acknowledged
from .listener import Listener, reset_on_close
from .tls import server_context

PATIENCE = 10  # seconds


class Wire:
    """The server's side of a connection, behind the handshake.

    Attributes:
        context: of the server.
        head: the HTTP request, where :meth:`TlsPeer` waits for one.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, peer: TlsPeer) -> None:
        self._connection = connection
        self._peer = peer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.head = b""

    def shake_hands(self) -> None:
        """Finish the handshake; what the server says last goes out with the first records."""
        while True:
            try:
                return self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._connection.sendall(self._outgoing.read())
                self._receive()

    def receive_request(self) -> None:
        """Read an HTTP request's head."""
        while b"\r\n\r\n" not in self.head:
            try:
                self.head += self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._receive()

    def records(self, data: bytes) -> bytes:
        """`data` as it goes over the wire, with what the handshake left."""
        for start in range(0, len(data), 16384):
            self._tls.write(data[start : start + 16384])
        return self._outgoing.read()

    def send(self, raw: bytes) -> None:
        """Send bytes of the wire, wait until the client's kernel has them, and tell the test so."""
        self._connection.sendall(raw)
        wait_until_acknowledged(self._connection, self._peer.pause)
        self._peer.arrived.release()

    def wait(self) -> None:
        """Wait until the test says :meth:`TlsPeer.go_on`."""
        assert self._peer.may_go_on.acquire(timeout=PATIENCE)

    def close_notify(self) -> None:
        """End as TLS wants it (RFC 8446 §6.1)."""
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._connection.sendall(self._outgoing.read())
        self.ragged_eof()

    def ragged_eof(self) -> None:
        """End with FIN alone."""
        self._connection.shutdown(socket.SHUT_WR)
        self._peer.arrived.release()

    def reset(self) -> None:
        """End with RST."""
        reset_on_close(self._connection)
        self._connection.close()
        self._peer.arrived.release()

    def stall(self) -> None:
        """Send nothing more, until the test has ended."""
        self._peer.pause(PATIENCE)

    def _receive(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionError("the client left")
        self._incoming.write(data)


class TlsPeer(Listener):
    """A server on a port of 127.0.0.1; each connection is handled by the script, in a thread of its own.

    Attributes:
        arrived: released once for each :meth:`Wire.send` and each end.
    """

    def __init__(
        self,
        certificate: Path,
        script: Callable[[Wire], None],
        *,
        waits_for_request: bool = True,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        super().__init__()
        self._context = server_context(certificate)
        self._context.maximum_version = version
        self._script = script
        self._waits_for_request = waits_for_request
        self.arrived = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)
        self.url = f"https://127.0.0.1:{self.port}"
        self.listen()

    def stop(self) -> None:
        """Free the port, and let a script that waits go on."""
        self.go_on()
        super().stop()

    def go_on(self) -> None:
        """Let the script pass its next :meth:`Wire.wait`."""
        self.may_go_on.release()

    def await_arrival(self) -> None:
        """Wait until what the script sent next, or its end, is in the client's kernel."""
        assert self.arrived.acquire(timeout=PATIENCE)

    def hold(self, connection: socket.socket, number: int) -> None:
        """Shake hands, and run the script; a client that does not trust the certificate ends it."""
        wire = Wire(connection, self._context, self)
        wire.shake_hands()
        if self._waits_for_request:
            wire.receive_request()
        self._script(wire)
        while connection.recv(65536):  # closed with unread bytes, the connection would end in a reset
            pass
