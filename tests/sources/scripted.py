"""A server that answers each connection with prepared bytes, for what no well-behaved server shows."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader


class ScriptedServer:
    """Answers the requests of its first connection with the replies of the first script, and so on.

    The last script serves all further connections. A request beyond the end of a script is read, and the connection
    closed without an answer, as by a server that closed a kept-alive connection meanwhile.

    Attributes:
        heads: the request heads that came in, in order.
        connections: how many were accepted.
    """

    def __init__(self, *scripts: Sequence[bytes], closes: bool = False, tls: ssl.SSLContext | None = None) -> None:
        """Serve `scripts`; with `closes`, each connection is closed after its last reply, with `tls` it is HTTPS."""
        self.heads: list[str] = []
        self.connections = 0
        self._scripts = scripts
        self._closes = closes
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self._listener.accept()
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection, script), daemon=True).start()

    def _serve(self, connection: socket.socket, script: Sequence[bytes]) -> None:
        with suppress(OSError), connection:
            self._answer(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection, script)

    def _answer(self, connection: socket.socket, script: Sequence[bytes]) -> None:
        with connection, connection.makefile("rb") as received:
            for reply in script:
                if not self._read_head(received):
                    return
                connection.sendall(reply)
            if not self._closes:
                self._read_head(received)

    def _read_head(self, received: BufferedReader) -> bool:
        head = b""
        while (line := received.readline()) not in (b"", b"\r\n"):
            head += line
        if head:
            self.heads.append(head.decode("latin-1"))
        return bool(head)


def reply(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """The bytes of a reply; `length` is a Content-Length that lies."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
