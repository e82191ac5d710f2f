"""A fleet host that does as a test says: ``{base}/recordings/{key}`` over HTTP/1.1, well-behaved or not.

It parses ranges by itself, so that it can't share a mistake with the library.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol
from urllib.parse import unquote

import pytest

Behaviour = Literal[
    "ok",
    "404",
    "500",
    "302",  # to `FleetHost.elsewhere`, which must not be called
    "refuses",  # nothing listens on the port
    "wrong secret",  # 403, whatever is sent
    "no length",  # chunked, also where a range is asked; a HEAD without Content-Length
    "length only in ranges",  # chunked, but an ordinary 206 where a range is asked
    "ignores Range",
    "no HEAD",  # 405
    "HEAD is 501",
    "no validator",
    "weak ETag",
    "gzip",  # though nobody accepts it
    "wrong Content-Range",  # begins one byte later than was asked
]

LAST_MODIFIED = "Wed, 01 May 2024 10:00:00 GMT"
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came in: `target` is the raw request target, as it stood on the request line."""

    method: str
    target: str
    headers: Message


class FleetHost:
    """A fleet host on a port of its own.

    Attributes:
        recordings: what it has, by key; may be changed at any time.
        secret: what X-CXBCore-Secret must be; None asks for none.
        behaviour: may be changed at any time, but for "refuses": that is :meth:`refuse`.
        base: path under which the recordings lie, such as ``/core``.
        requests: what came in, in order.
        elsewhere: where "302" leads; the fixture checks that nobody went there.
    """

    def __init__(
        self,
        recordings: Mapping[str, bytes] | None = None,
        *,
        secret: str | None = None,
        behaviour: Behaviour = "ok",
        base: str = "",
        media_type: str | None = "audio/wav",
    ) -> None:
        self.recordings = dict(recordings or {})
        self.secret = secret
        self.behaviour = behaviour
        self.base = base
        self.media_type = media_type
        self.requests: list[Received] = []
        self.elsewhere: FleetHost | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.host = self
        self._reserved: socket.socket | None = None
        self.url = f"http://127.0.0.1:{self._server.server_port}{base}"
        threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True).start()
        if behaviour == "refuses":
            self.refuse()

    def entry(self) -> dict[str, str]:
        """This host as an entry of ``cxbcore_fleet``."""
        return {"url": self.url} | ({"secret": self.secret} if self.secret is not None else {})

    def refuse(self) -> None:
        """Refuse connections from now on, and break those that are open; the port stays taken."""
        self.behaviour = "refuses"
        self._server.stop()
        # Bound, but not listening: connections are refused, and nobody else gets the port.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(self._server.server_address)

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._server.connections)

    def disconnect(self) -> None:
        """Break the connections that are open, and go on serving."""
        self._server.disconnect()

    def stop(self) -> None:
        """Free the port and every connection; harmless when repeated."""
        self._server.stop()
        if self._reserved is not None:
            self._reserved.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    host: FleetHost

    def __init__(self, *args: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*args)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self.disconnect()

    def disconnect(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):  # the client was quicker
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):  # a client that went away
            super().finish()

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client that went away
            super().handle()

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        # Not self.path: http.server merges the slashes that it begins with.
        target = self.requestline.split(" ")[1]
        host = self.server.host
        host.requests.append(Received(self.command, target, self.headers))
        if host.behaviour == "wrong secret" or host.secret not in (None, self.headers["X-CXBCore-Secret"]):
            return self._answer(403)
        if host.behaviour == "302":
            assert host.elsewhere is not None
            return self._answer(302, {"Location": host.elsewhere.url + target.removeprefix(host.base)})
        if host.behaviour in ("404", "500"):
            return self._answer(int(host.behaviour))
        if host.behaviour == "no HEAD" and self.command == "HEAD":
            return self._answer(405, {"Allow": "GET"})
        if host.behaviour == "HEAD is 501" and self.command == "HEAD":
            return self._answer(501)
        path, _, _ = target.partition("?")
        prefix = f"{host.base}/recordings/"
        data = host.recordings.get(unquote(path.removeprefix(prefix))) if path.startswith(prefix) else None
        return self._answer(404) if data is None else self._deliver(host, data)

    def _deliver(self, host: FleetHost, data: bytes) -> None:
        headers = {"Content-Type": host.media_type} if host.media_type else {}
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        if host.behaviour != "no validator":
            headers |= {"ETag": f"W/{tag}" if host.behaviour == "weak ETag" else tag, "Last-Modified": LAST_MODIFIED}
            if self.headers["If-Match"] not in (None, "*", headers["ETag"]):
                return self._answer(412)
            if self.headers["If-None-Match"] in ("*", tag, f"W/{tag}"):
                return self._answer(304, headers)
        if host.behaviour == "gzip":
            return self._answer(200, headers | {"Content-Encoding": "gzip"}, gzip.compress(data))
        if host.behaviour == "no length":
            return self._answer(200, headers, data, chunked=True)
        if host.behaviour == "ignores Range":
            return self._answer(200, headers, data)
        wanted = self._wanted(len(data), headers.get("ETag"))
        headers["Accept-Ranges"] = "bytes"
        if wanted is None:
            return self._answer(200, headers, data, chunked=host.behaviour == "length only in ranges")
        start, stop = wanted
        if start >= stop:
            return self._answer(416, {"Content-Range": f"bytes */{len(data)}"})
        if host.behaviour == "wrong Content-Range":
            start += 1
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        return self._answer(206, headers, data[start:stop])

    def _wanted(self, length: int, etag: str | None) -> tuple[int, int] | None:
        """Start and stop of the range that is asked for; None where the whole recording is."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"] or "")
        validators = {LAST_MODIFIED, etag} if etag and not etag.startswith("W/") else {LAST_MODIFIED}
        holds = self.headers["If-Range"] is None or (etag is not None and self.headers["If-Range"] in validators)
        if match is None or not holds or self.command == "HEAD" or match[0] == "bytes=-":
            return None
        if not match[1]:
            return max(length - int(match[2]), 0), length
        return int(match[1]), min(int(match[2]) + 1, length) if match[2] else length

    def _answer(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, chunked: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        for start in range(0, len(body), _CHUNK):
            part = body[start : start + _CHUNK]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")


class FleetHostFactory(Protocol):
    """Starts a fleet host; the arguments are those of :class:`FleetHost`."""

    def __call__(
        self,
        recordings: Mapping[str, bytes] | None = None,
        *,
        secret: str | None = None,
        behaviour: Behaviour = "ok",
        base: str = "",
        media_type: str | None = "audio/wav",
    ) -> FleetHost: ...


@pytest.fixture
def fleet_host() -> Iterator[FleetHostFactory]:
    """A factory of fleet hosts, each on its own port."""
    hosts: list[FleetHost] = []

    def start(recordings: Mapping[str, bytes] | None = None, **options: Any) -> FleetHost:
        host = FleetHost(recordings, **options)
        hosts.append(host)
        host.elsewhere = FleetHost(recordings)
        return host

    yield start
    for host in hosts:
        host.stop()
        if host.elsewhere is not None:
            host.elsewhere.stop()
            assert host.elsewhere.requests == [], "a redirect of a fleet host was followed"
