"""One connection to an origin: requests that are read, and responses that break as they are told."""

from __future__ import annotations

import gzip
import hashlib
import re
import select
import socket
import struct
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from fcntl import ioctl
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from .listener import reset_on_close

if TYPE_CHECKING:
    from .origin import Origin

Kind = Literal[
    # At an offset of the body, or before the headers:
    "reset",  # RST
    "fin",  # an orderly end, too early
    "stall",  # nothing more, and the connection stays open
    "trickle",  # one byte now and then
    "dies",  # RST, also to all other connections, and refuses from now on
    "refuses",  # the same; an origin that is made with it refuses from the beginning
    # Instead of what was asked:
    "garbage",  # bytes that are not HTTP
    "cut head",  # a head that ends in the middle of a line, orderly
    "500",
    "503",
    "403",
    "404",
    "302",  # to itself, where nobody may follow
    "wrong Content-Range",  # begins one byte later than was asked
    "changed",  # other bytes of the same length, with a validator of their own
    "other length",  # one byte more, with a validator of its own
    "ignores Range",  # 200 to a ranged request
    "200 with Content-Range",  # the part, under another status
    "no total",  # Content-Range: bytes a-b/*
    "no length",  # the whole in chunks, whatever was asked; HEAD tells none either
    "length only in ranges",  # chunked, but an ordinary 206 where a range is asked
    "no HEAD",  # 405
    "HEAD is 501",
    "gzip",  # though nobody accepts it
    "negative chunk",  # a chunk of -5 bytes
    "page",  # a login page
    "empty",  # a recording without a byte
    "defective head",  # with a line that is no header, and a coding behind it
    "body behind HEAD",  # and behind nothing else
    "more bytes",  # more than the Content-Length says
]
Validator = Literal["strong", "weak", "none"]
LAST_MODIFIED = "Wed, 01 May 2024 10:00:00 GMT"
FOLLOWED = "/where-nobody-may-follow"
_TRICKLE_PAUSE = 0.02  # seconds
_CHUNK = 65536
_FLIPPED = bytes(byte ^ 0x5A for byte in range(256))
_RAW: dict[Kind, bytes] = {
    "garbage": b"\x00\x01 this is not HTTP\r\n\r\n" * 40,
    "defective head": b"HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Encoding: gzip\r\n\r\nbytes",
    "cut head": b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Le",
}
_PAGE = b"<!doctype html><title>Log in</title>" * 300
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 416: "InvalidRange"}


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
    """A request that came in.

    Attributes:
        target: the raw request target, as it stood on the request line.
        head: all of it, as text.
        connection: the number of its connection, from 1 on.
    """

    method: str
    target: str
    headers: Message
    head: str
    connection: int

    @classmethod
    def of(cls, head: bytes, connection: int) -> Received:
        """Read a request's head, without the empty line at its end."""
        line, _, fields = head.partition(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ")
        headers = BytesParser().parsebytes(fields + b"\r\n\r\n", headersonly=True)
        return cls(method, target, headers, head.decode("latin-1") + "\r\n", connection)


def changed(data: bytes) -> bytes:
    """Other bytes of the same length: none of them is equal."""
    return data.translate(_FLIPPED)


class Broken(Exception):
    """The fault has happened: the connection ends here."""


class Conversation:
    """Answers the requests of one connection, until one of them is to break it."""

    def __init__(self, origin: Origin, connection: socket.socket, number: int) -> None:
        self._origin = origin
        self._connection = connection
        self._number = number
        self._buffer = b""

    def hold(self) -> None:
        """Answer until the client leaves; :class:`Broken` and OSError where the connection ends before."""
        while (received := self._receive()) is not None:
            fault = self._origin.next_fault(received)
            if self._origin.answer is None:
                self._answer(received, fault)
            elif (raw := self._origin.answer(received)) is None:
                return
            else:
                for part in [raw] if isinstance(raw, bytes) else raw:
                    self._connection.sendall(part)
                if not self._origin.keeps_alive:
                    self._finish()
                    return

    def _finish(self) -> None:
        """End with FIN, and close when the client has: unread bytes would turn the end into a reset."""
        self._connection.shutdown(socket.SHUT_WR)
        while self._connection.recv(_CHUNK):
            pass

    def _receive(self) -> Received | None:
        while b"\r\n\r\n" not in self._buffer:
            data = self._connection.recv(_CHUNK)
            if not data:
                return None
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return Received.of(head, self._number)

    def _answer(self, received: Received, fault: Fault | None) -> None:
        kind, origin, is_head = fault.kind if fault else None, self._origin, received.method == "HEAD"
        breaks = kind in ("reset", "fin", "stall", "trickle", "dies", "refuses")
        if fault is not None and breaks and fault.offset is None:
            self._break(fault.kind, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Slow: ")
        if origin.secret not in (None, received.headers["X-CXBCore-Secret"]):
            return self._refuse(received, 403)
        if kind in _RAW:
            self._connection.sendall(_RAW[kind])
            raise Broken
        if kind == "page":
            self._send_head(200, {"Content-Type": "text/html"}, len(_PAGE))
            return None if is_head else self._send(memoryview(_PAGE))
        if kind in ("500", "503", "403", "404", "302"):
            assert kind is not None
            return self._refuse(received, int(kind), {"Location": origin.url + FOLLOWED} if kind == "302" else {})
        if is_head and kind in ("no HEAD", "HEAD is 501"):
            return self._refuse(received, 405 if kind == "no HEAD" else 501, {"Allow": "GET"})
        path = received.target.partition("?")[0].removeprefix(origin.base)
        data = origin.recordings.get(unquote(path.split("/", 2)[-1]))
        if data is None:
            return self._refuse(received, 404)
        if kind == "changed":
            data = changed(data)
        if kind == "other length":
            data += b"\x00"
        if kind == "empty":
            data = b""
        return self._deliver(received, data, fault)

    def _deliver(self, received: Received, data: bytes, fault: Fault | None) -> None:
        kind, is_head = fault.kind if fault else None, received.method == "HEAD"
        headers = self._headers(data)
        if received.headers["If-None-Match"] == headers.get("ETag", ""):
            return self._send_head(304, headers, None)
        if kind == "gzip":
            data, headers["Content-Encoding"] = gzip.compress(data), "gzip"
        span = None if kind in ("ignores Range", "gzip") else _span(received.headers["Range"] or "", len(data))
        if kind in ("no length", "negative chunk") or (kind == "length only in ranges" and (span is None or is_head)):
            return self._deliver_chunks(received, headers, data, is_negative=kind == "negative chunk")
        if span is None or is_head:
            self._send_head(200, headers, len(data))
            body = memoryview(data)
        elif span[0] >= span[1]:
            return self._refuse(received, 416, {"Content-Range": f"bytes */{len(data)}"})
        else:
            start = span[0] + (kind == "wrong Content-Range")
            total = "*" if kind == "no total" else len(data)
            headers["Content-Range"] = f"bytes {start}-{span[1] - 1}/{total}"
            self._send_head(200 if kind == "200 with Content-Range" else 206, headers, span[1] - span[0])
            body = memoryview(data)[span[0] : span[1]]
        if is_head:
            return self._send(body) if kind == "body behind HEAD" else None
        if fault is not None and fault.offset is not None and fault.offset < len(body):
            self._send(body[: fault.offset])
            self._break(fault.kind, body[fault.offset :])
        self._send(body)
        if kind == "more bytes":
            self._connection.sendall(b"more than was promised" * 400)
        return None

    def _headers(self, data: bytes) -> dict[str, str]:
        headers = {"Accept-Ranges": "bytes"}
        if self._origin.media_type is not None:
            headers["Content-Type"] = self._origin.media_type
        if self._origin.validator != "none":
            weak = "W/" if self._origin.validator == "weak" else ""
            headers |= {"ETag": f'{weak}"{hashlib.md5(data).hexdigest()}"', "Last-Modified": LAST_MODIFIED}
        return headers

    def _deliver_chunks(
        self, received: Received, headers: Mapping[str, str], data: bytes, *, is_negative: bool
    ) -> None:
        self._send_head(200, {**headers, "Transfer-Encoding": "chunked"}, None)
        if received.method == "HEAD":
            return
        if is_negative:
            self._connection.sendall(b"-5\r\n" + b"x" * 9000)
            raise Broken
        for start in range(0, len(data), _CHUNK):
            part = data[start : start + _CHUNK]
            self._connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        self._connection.sendall(b"0\r\n\r\n")

    def _break(self, kind: Kind, rest: bytes | memoryview) -> None:
        """Do what the fault says; `rest` is what a trickle sends."""
        wait_until_acknowledged(self._connection, self._origin.pause)
        if kind in ("dies", "refuses"):
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
        raise Broken

    def _wait_for_the_client(self) -> None:
        """Return when the client has gone, or the origin is stopped."""
        poll = select.poll()  # select() fails where the process has many files open
        poll.register(self._connection, select.POLLIN)
        while self._origin.pause(0):
            if poll.poll(100) and not self._connection.recv(_CHUNK):
                return

    def _refuse(self, received: Received, status: int, headers: Mapping[str, str] | None = None) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{_CODES.get(status, "Error")}</Code></Error>'.encode()
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


def _span(header: str, length: int) -> tuple[int, int] | None:
    """Start and stop of the range that is asked for; None where the whole recording is."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(length - int(match[2]), 0), length
    return int(match[1]), min(int(match[2]) + 1, length) if match[2] else length


def wait_until_acknowledged(connection: socket.socket, pause: Callable[[float], bool]) -> None:
    """Return when the client's kernel has all bytes (or does not read on): a reset would throw away the rest."""
    give_up = time.monotonic() + 5
    while struct.unpack("i", ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]:
        if time.monotonic() > give_up or not pause(0.001):
            return
