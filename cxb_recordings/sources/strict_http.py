"""http.client and urllib3's pools, stricter about what a server sends: the head whole and well-formed, chunks exact.

http.client stops reading headers at one that it can't parse, takes a head that is cut off for a whole one, and reads
chunk sizes with ``int()``, which knows ``-5`` and ``1_0``. What a well-formed reply means is judged in ``reply``.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HeaderParsingError
from urllib3.util.response import assert_header_parsing

_LONGEST_LINE = 8192  # bytes: a chunk's size with its extensions, or a trailer
_MOST_TRAILERS = 100
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")  # RFC 9112 §7.1


class MalformedReply(HTTPException):
    """Raised where a head or a chunk is none by RFC 9112, or the connection ended within a head."""


class StrictResponse(HTTPResponse):
    """A reply whose head is refused unless it is whole, and whose chunks are taken apart to the letter."""

    _chunk_left = 0
    _chunk_is_open = False  # whether the line break behind a chunk's data is still to come

    def begin(self) -> None:
        """Read the head.

        Raises:
            MalformedReply: it is cut off, or http.client would overlook a part of it.
        """
        stream = self.fp
        head = _HeadReader(stream)
        self.fp = head  # type: ignore[assignment]  # http.client reads a head by readline() only
        try:
            super().begin()
        finally:
            self.fp = None if self.fp is None else stream
        if not head.is_complete:
            raise MalformedReply("the connection ended within the head")
        try:
            assert_header_parsing(self.msg)
        except HeaderParsingError as exc:  # its text has the headers
            raise MalformedReply("the head has a line that is no header") from exc

    def read1(self, n: int = -1) -> bytes:
        """Return what has arrived, at least one byte and at most `n` where that is not negative; empty at the end.

        Raises:
            MalformedReply: a chunk is malformed.
            IncompleteRead: the connection ended before the last chunk.
        """
        if not self.chunked or self.length == 0:  # the latter: a reply to HEAD
            return super().read1(n)
        if self.fp is None or n == 0:
            return b""
        if not self._chunk_left:
            self._chunk_left = self._next_chunk_size()
            if not self._chunk_left:
                self._skip_trailers()
                self.close()
                return b""
        data = self.fp.read1(self._chunk_left if n < 0 else min(n, self._chunk_left))
        if not data:
            raise IncompleteRead(b"", self._chunk_left)
        self._chunk_left -= len(data)
        self._chunk_is_open = True
        return data

    def _next_chunk_size(self) -> int:
        if self._chunk_is_open and (end := self.fp.read(2)) != b"\r\n":
            raise MalformedReply("a chunk has another length than it says") if len(end) == 2 else IncompleteRead(end)
        self._chunk_is_open = False
        line = self.fp.readline(_LONGEST_LINE)
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise MalformedReply("a chunk's size is malformed") if line.endswith(b"\n") else IncompleteRead(line)
        return int(size[1], 16)

    def _skip_trailers(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if self.fp.readline(_LONGEST_LINE) in (b"\r\n", b"\n", b""):  # some end without the last line break
                return
        raise MalformedReply("there are too many trailers")


class _HeadReader:
    """The lines of a head, and whether it came to its end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.is_complete = False

    def readline(self, limit: int) -> bytes:
        """The next line; http.client's parser would take a lone carriage return for the end of one."""
        line: bytes = self._stream.readline(limit)
        self.is_complete = line in (b"\r\n", b"\n")
        if b"\r" in line[:-2] or b"\0" in line:
            raise MalformedReply("the head has a control character")
        return line

    def close(self) -> None:
        """See :meth:`io.IOBase.close`."""
        self._stream.close()


class _ServesAgainOnlyAfterABody:
    """A connection that may hold unread bytes serves nobody again: the next listener would get them as his reply.

    Some servers send a body behind the head of HEAD or 304, or more of an error page than they said. So a connection
    goes on only after a GET that was answered with a recording's bytes, which urllib3 keeps only where they were read
    to their end.
    """

    response_class: Any = StrictResponse
    _is_head = False
    _is_spent = False

    def putrequest(self, method: str, *arguments: Any, **options: Any) -> None:
        """See :meth:`http.client.HTTPConnection.putrequest`."""
        self._is_head, self._is_spent = method == "HEAD", False
        super().putrequest(method, *arguments, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """See :meth:`http.client.HTTPConnection.getresponse`."""
        response = super().getresponse()  # type: ignore[misc]
        self._is_spent = self._is_head or response.status not in (200, 206)
        return response

    @property
    def is_connected(self) -> bool:
        """What a pool asks before it uses a connection again."""
        return super().is_connected and not self._is_spent  # type: ignore[misc]


class _StrictHTTPConnection(_ServesAgainOnlyAfterABody, HTTPConnection):
    pass


class _StrictHTTPSConnection(_ServesAgainOnlyAfterABody, HTTPSConnection):
    @property
    def is_connected(self) -> bool:
        """The same; bytes behind a body that TLS has decrypted already are seen by no ``select``."""
        return super().is_connected and not self.sock.pending()  # type: ignore[union-attr]


class StrictHTTPConnectionPool(HTTPConnectionPool):
    """A pool whose replies are :class:`StrictResponse`."""

    ConnectionCls = _StrictHTTPConnection


class StrictHTTPSConnectionPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _StrictHTTPSConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {
    "http": StrictHTTPConnectionPool,
    "https": StrictHTTPSConnectionPool,
}  # by the URL's scheme


class StrictAdapter(HTTPAdapter):
    """The transport of a requests session, with the pools of this module."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See ``HTTPAdapter``."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS
