"""One connection to the faulty origin: requests that are parsed, and responses that break as they are told."""

from __future__ import annotations

import hashlib
import re
import select
import socket
import struct
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

if TYPE_CHECKING:
    from .faulty_origin import FaultyOrigin

Kind = Literal[
    # At an offset of the body, or before the headers:
    "reset",  # RST
    "fin",  # an orderly end, too early
    "stall",  # nothing more, and the connection stays open
    "trickle",  # one byte now and then
    "dies",  # RST, also to all other connections, and refuses from now on
    # Instead of what was asked:
    "garbage",  # bytes that are not HTTP
    "cut head",  # a head that ends in the middle of a line, orderly
    "500",
    "503",
    "403",
    "404",
    "wrong Content-Range",  # begins one byte later than was asked
    "changed",  # other bytes of the same length, with a validator of their own
    "other length",  # one byte more, with a validator of its own
    "ignores Range",  # 200 to a ranged request
    "200 with Content-Range",  # the part, under another status
    "no total",  # Content-Range: bytes a-b/*
    "no length",  # the whole in chunks, whatever was asked; HEAD tells none either
    "negative chunk",  # a chunk of -5 bytes
    "page",  # a login page
    "empty",  # a recording without a byte
    "defective head",  # with a line that is no header, and a coding behind it
    "body behind HEAD",  # and behind nothing else
    "more bytes",  # more than the Content-Length says
]
Validator = Literal["strong", "weak", "none"]
LAST_MODIFIED = "Wed, 01 May 2024 10:00:00 GMT"
_TRICKLE_PAUSE = 0.02  # seconds
_CHUNK = 65536
_PAGE = b"<!doctype html><title>Log in</title>" * 300
_FLIPPED = bytes(byte ^ 0x5A for byte in range(256))


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one response.

    Attributes:
        kind: what happens.
        offset: bytes of the body before it; None: before the headers. Only for the kinds that break a transfer.
    """

    kind: Kind
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came in; `headers` by their names in lower case, `port` the client's."""

    method: str
    target: str
    headers: Mapping[str, str]
    port: int


def changed(data: bytes) -> bytes:
    """Other bytes of the same length: none of them is equal."""
    return data.translate(_FLIPPED)


class _Broken(Exception):
    """The fault has happened: the connection ends here."""


class Conversation:
    """Answers the requests of one connection, until one of them is to break it."""

    def __init__(self, origin: FaultyOrigin, connection: socket.socket, port: int) -> None:
        self._origin = origin
        self._connection = connection
        self._port = port
        self._buffer = b""

    def hold(self) -> None:
        """Answer until the client leaves or a fault ends it; OSError where the client was quicker."""
        with suppress(_Broken):
            while (received := self._receive()) is not None:
                self._answer(received, self._origin.next_fault(received))

    def _receive(self) -> Received | None:
        while b"\r\n\r\n" not in self._buffer:
            data = self._connection.recv(_CHUNK)
            if not data:
                return None
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = request_line.split(" ")
        fields = (line.partition(":") for line in lines)
        return Received(method, target, {name.lower(): value.strip() for name, _, value in fields}, self._port)

    def _answer(self, received: Received, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        breaks = kind in ("reset", "fin", "stall", "trickle", "dies")
        if fault is not None and breaks and fault.offset is None:
            self._break(fault.kind, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Slow: ")
        if kind == "garbage":
            self._connection.sendall(b"\x00\x01 this is not HTTP\r\n\r\n" * 40)
            raise _Broken
        if kind == "defective head":
            self._connection.sendall(b"HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Encoding: gzip\r\n\r\nbytes")
            raise _Broken
        if kind == "page":
            self._send_head(200, {"Content-Type": "text/html"}, len(_PAGE))
            return None if received.method == "HEAD" else self._send(memoryview(_PAGE))
        if kind == "cut head":
            self._connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Le")
            raise _Broken
        if kind in ("500", "503", "403", "404"):
            assert kind is not None
            return self._refuse(received, int(kind), {"403": "AccessDenied", "404": "NoSuchKey"}.get(kind, "Error"))
        data = self._origin.recordings.get(unquote(received.target.partition("?")[0].split("/", 2)[-1]))
        if data is None:
            return self._refuse(received, 404, "NoSuchKey")
        if kind == "changed":
            data = changed(data)
        if kind == "other length":
            data += b"\x00"
        if kind == "empty":
            data = b""
        return self._deliver(received, data, fault)

    def _deliver(self, received: Received, data: bytes, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        headers = {"Content-Type": "audio/wav", "Accept-Ranges": "bytes"} | _validators(data, self._origin.validator)
        if received.headers.get("if-none-match") == headers.get("ETag", ""):
            return self._send_head(304, headers, None)
        if kind in ("no length", "negative chunk"):
            return self._deliver_chunks(received, headers, data, is_negative=kind == "negative chunk")
        span = None if kind == "ignores Range" else _span(received.headers.get("range", ""), len(data))
        if span is None or received.method == "HEAD":
            self._send_head(200, headers, len(data))
            body = memoryview(data)
        elif span[0] >= span[1]:
            return self._refuse(received, 416, "InvalidRange", {"Content-Range": f"bytes */{len(data)}"})
        else:
            start = span[0] + (kind == "wrong Content-Range")
            total = "*" if kind == "no total" else len(data)
            headers["Content-Range"] = f"bytes {start}-{span[1] - 1}/{total}"
            self._send_head(200 if kind == "200 with Content-Range" else 206, headers, span[1] - span[0])
            body = memoryview(data)[span[0] : span[1]]
        if received.method == "HEAD":
            return self._send(body) if kind == "body behind HEAD" else None
        if fault is not None and fault.offset is not None and fault.offset < len(body):
            self._send(body[: fault.offset])
            self._break(fault.kind, body[fault.offset :])
        self._send(body)
        if kind == "more bytes":
            self._connection.sendall(b"more than was promised" * 400)
        return None

    def _deliver_chunks(
        self, received: Received, headers: Mapping[str, str], data: bytes, *, is_negative: bool
    ) -> None:
        self._send_head(200, {**headers, "Transfer-Encoding": "chunked"}, None)
        if received.method == "HEAD":
            return
        if is_negative:
            self._connection.sendall(b"-5\r\n" + b"x" * 9000)
            raise _Broken
        for start in range(0, len(data), _CHUNK):
            part = data[start : start + _CHUNK]
            self._connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        self._connection.sendall(b"0\r\n\r\n")

    def _break(self, kind: Kind, rest: bytes | memoryview) -> None:
        """Do what the fault says; `rest` is what a trickle sends."""
        self._wait_until_sent()
        if kind == "dies":
            self._origin.refuse()
        elif kind == "reset":
            reset_on_close(self._connection)
        elif kind == "stall":
            self._wait_for_the_client()
        elif kind == "trickle":
            for position in range(len(rest)):
                self._connection.sendall(rest[position : position + 1])
                if not self._origin.pause(_TRICKLE_PAUSE):
                    break
        raise _Broken

    def _wait_until_sent(self) -> None:
        """Return when the client's side has all bytes (or does not read on): a reset would throw away the rest."""
        give_up = time.monotonic() + 5
        while struct.unpack("i", ioctl(self._connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]:
            if time.monotonic() > give_up or not self._origin.pause(0.001):
                return

    def _wait_for_the_client(self) -> None:
        """Return when the client has gone, or the origin is stopped."""
        while self._origin.pause(0):
            readable, _, _ = select.select([self._connection], [], [], 0.1)
            if readable and not self._connection.recv(_CHUNK):
                return

    def _refuse(self, received: Received, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'.encode()
        self._send_head(status, {"Content-Type": "application/xml"} | dict(headers or {}), len(body))
        if received.method != "HEAD":
            self._connection.sendall(body)

    def _send_head(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        if length is not None:
            headers = {**headers, "Content-Length": str(length)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._connection.sendall(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode())

    def _send(self, body: memoryview) -> None:
        for start in range(0, len(body), _CHUNK):
            self._connection.sendall(body[start : start + _CHUNK])


def _validators(data: bytes, validator: Validator) -> dict[str, str]:
    if validator == "none":
        return {}
    tag = f'"{hashlib.md5(data).hexdigest()}"'
    return {"ETag": f"W/{tag}" if validator == "weak" else tag, "Last-Modified": LAST_MODIFIED}


def _span(header: str, length: int) -> tuple[int, int] | None:
    """Start and stop of the range that is asked for; None where the whole recording is."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(length - int(match[2]), 0), length
    return int(match[1]), min(int(match[2]) + 1, length) if match[2] else length


def reset_on_close(connection: socket.socket) -> None:
    """Have the connection end with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
