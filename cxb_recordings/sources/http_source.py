"""What storage and a fleet host have in common: both are asked by HTTP, from urllib3's response on.

A subclass sends one request and says what a refusal means. Here are the rest: a connection that went stale, the length
of a recording that a reply does not tell, and the body. What a head means is judged in ``reply``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPException
from typing import Any, NoReturn

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from ..errors import RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from ..playback.byte_range import ByteSpan, RangeRequest
from ..playback.recognition import is_suspect
from ..playback.source import ContentInfo, OpenedRecording
from .failures import connection_broke, transport_failure
from .reply import Accepted, judge, request_id

_JUDGED = (200, 206, 304, 416)  # by `judge`; what any other status means, each kind of source knows
_WITHOUT_HEAD = (405, 501)
ATTEMPT_SECONDS = 5.0  # after which an attempt at one source begins no further request
_EVERYTHING, _FIRST_BYTE = RangeRequest(0, None), RangeRequest(0, 0)


class HttpSource(ABC):
    """A source of recordings that is asked by HTTP; see :class:`cxb_recordings.playback.source.RecordingSource`."""

    name: str

    @abstractmethod
    def send(self, method: str, key: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """Send one request, follow no redirect, read nothing of the body.

        Args:
            method: GET or HEAD.
            key: the storage key, as it is.
            headers: Range or If-None-Match; none of them is signed.

        Raises:
            HTTPError, OSError, ValueError: there was no response.
            SourceUnavailable, RecordingMissing: the request is not to be sent at all.
        """

    @abstractmethod
    def refuse(self, response: BaseHTTPResponse) -> NoReturn:
        """Raise what a status means that is none of 200, 206, 304 and 416; the body need not be read."""

    def require_readable(self, headers: Mapping[str, str]) -> None:  # noqa: B027 - most sources have no such header
        """Raise what it means where the headers of a HEAD's 200 say that a GET would be refused."""

    def exchange(self, *request: Any) -> BaseHTTPResponse:
        """Send a request, and once more where its connection broke: a kept one may have gone stale.

        Args:
            request: what :meth:`send` takes.

        Returns:
            The response, whatever its status; its body is open.

        Raises:
            SourceUnavailable: there was no response, or only an interim one.
        """
        for is_last in (False, True):
            try:
                response = self.send(*request)
                break
            except (HTTPError, OSError, ValueError) as exc:
                # A source that says nothing is not asked again: each time would take the whole `read_timeout`.
                broke = connection_broke(exc)
                if is_last or not broke:
                    raise SourceUnavailable(transport_failure(exc), responded=False, is_transient=broke) from exc
        if response.status < 200:
            # http.client passes over 100 alone (RFC 9110 §15.2 wants all). Left in the pool, the connection would give
            # the reply behind it to the next request: a listener would hear somebody else's recording.
            UpstreamBody(response).close()
            raise SourceUnavailable(f"status {response.status}", status=response.status)
        return response

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.open`."""
        attempt = _Attempt(self, key)
        response = self.exchange("GET", key, _headers(wanted, unless_etag))
        accepted, body = attempt.received(response, wanted, unless_etag)
        return attempt.complete(attempt.believed(accepted, body), wanted)

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`."""
        return _Attempt(self, key).describe()


class _Attempt:
    """One attempt to get a recording: one request, and more where a reply does not tell the length.

    HEAD is asked once at most, and no further request begins after :data:`ATTEMPT_SECONDS`: a listener waits.
    """

    __slots__ = ("_asked_head", "_key", "_source", "_started", "_told")

    def __init__(self, source: HttpSource, key: str) -> None:
        self._source = source
        self._key = key
        self._started = time.monotonic()
        self._asked_head = False
        self._told: ContentInfo | None = None  # by HEAD

    def complete(self, opened: OpenedRecording | None, wanted: RangeRequest | None) -> OpenedRecording:
        """The recording of the first reply, to `wanted`, with its length where anything tells that."""
        if opened is not None and opened.span is not None and opened.info.length is None:
            opened = self._with_total(opened, opened.span, wanted)
        if opened is None:  # the part is not available, or looks like the whole
            opened = self._whole()
        if opened.info.length is None:
            opened = self._with_length(opened)
        if opened.info.length is None:
            opened = self._empty_or_lengthless(opened)
        return opened

    def describe(self) -> ContentInfo:
        """See :meth:`HttpSource.describe`."""
        self._asked_head, self._told = True, self._head()
        info = self._told
        if info is not None and info.length is not None:
            return info
        with suppress(RangeNotSatisfiable):  # an empty recording has no first byte
            accepted, body = self._ask(_FIRST_BYTE)
            with closing(body):
                if accepted.info.length is not None and not accepted.is_whole_or_part:
                    return accepted.info
                if accepted.info.length is None and accepted.is_whole_or_part:
                    return _with(accepted.info, 0) if body.is_empty() else accepted.info
        opened = self.complete(self.believed(*self._ask()), None)
        opened.body.close()
        return opened.info

    def _require_time(self) -> None:
        if time.monotonic() - self._started >= ATTEMPT_SECONDS:
            raise SourceUnavailable("takes too long to tell the length", is_transient=True)

    def believed(self, accepted: Accepted, body: UpstreamBody) -> OpenedRecording | None:
        """What a reply carries; None for one to a range that may carry the part or the whole."""
        if accepted.is_whole_or_part:
            body.close()
            return None
        return OpenedRecording(accepted.info, accepted.span, body, self._source)

    def _ask(self, wanted: RangeRequest | None = None) -> tuple[Accepted, UpstreamBody]:
        self._require_time()
        return self.received(self._source.exchange("GET", self._key, _headers(wanted)), wanted)

    def received(
        self, response: BaseHTTPResponse, wanted: RangeRequest | None, unless_etag: str | None = None
    ) -> tuple[Accepted, UpstreamBody]:
        """What the reply to a GET means, and its body."""
        body = UpstreamBody(response)
        try:
            if response.status not in _JUDGED:
                self._source.refuse(response)
            accepted = judge(response.status, response.headers, wanted, unless_etag)
        except SourceUnavailable as exc:
            body.close()
            exc.request_id = body.request_id
            raise
        except BaseException:
            body.close()
            raise
        body.length = accepted.body_length
        return accepted, body

    def _whole(self) -> OpenedRecording:
        accepted, body = self._ask()
        return OpenedRecording(accepted.info, None, body, self._source)

    def _head(self) -> ContentInfo | None:
        """What a HEAD tells; None from a source without HEAD."""
        self._require_time()
        response = self._source.exchange("HEAD", self._key, {})
        # Never left to the next request: some servers send a body behind the head of HEAD, too.
        UpstreamBody(response).close()
        if response.status in _WITHOUT_HEAD:
            return None
        try:
            if response.status != 200:
                self._source.refuse(response)
            self._source.require_readable(response.headers)
            return judge(200, response.headers).info
        except SourceUnavailable as exc:
            exc.request_id = request_id(response.headers)
            raise

    def _with_total(
        self, opened: OpenedRecording, span: ByteSpan, wanted: RangeRequest | None
    ) -> OpenedRecording | None:
        """A part whose reply tells no total (``bytes a-b/*``), with the total that HEAD tells; None where none fits."""
        info = self._told_by_head(opened.info)
        if info is not None and info.length is not None and wanted and wanted.resolve(info.length) == span:
            return OpenedRecording(_with(opened.info, info.length), span, opened.body, self._source)
        opened.body.close()
        return None

    def _with_length(self, opened: OpenedRecording) -> OpenedRecording:
        """The whole of a recording whose length the reply did not tell.

        Only with a length can a client tell a broken transfer from a finished one: ``bytes=0-`` is asked for, whose
        Content-Range tells it, then HEAD.
        """
        opened.body.close()
        try:
            counted = self.believed(*self._ask(_EVERYTHING))
        except RangeNotSatisfiable as exc:  # no byte, so no range; a 416 that tells no length proves nothing
            whole = self._whole()
            return whole if exc.length is None else self._promising(whole, exc.length)
        if counted is None:
            return self._whole()
        if counted.info.length is not None:
            return OpenedRecording(counted.info, None, counted.body, self._source)
        info = self._told_by_head(counted.info)
        length = info.length if info else None
        if counted.span is None:
            return counted if length is None else self._promising(counted, length)
        if length == counted.span.stop:
            return OpenedRecording(_with(counted.info, length), None, counted.body, self._source)
        counted.body.close()
        return self._whole()

    def _empty_or_lengthless(self, opened: OpenedRecording) -> OpenedRecording:
        """A recording whose length nothing tells: 0 bytes where its body ends at once."""
        body = opened.body
        try:
            is_empty = isinstance(body, UpstreamBody) and body.is_empty()
        except BaseException:
            body.close()
            raise
        return self._promising(opened, 0) if is_empty else opened

    def _promising(self, opened: OpenedRecording, length: int) -> OpenedRecording:
        """A whole recording of a length that its own reply does not tell; its body fails where it has another."""
        if isinstance(opened.body, UpstreamBody):
            opened.body.length = length
        return OpenedRecording(_with(opened.info, length), None, opened.body, self._source)

    def _told_by_head(self, seen: ContentInfo) -> ContentInfo | None:
        """What HEAD says of the version that was seen; None where it does not."""
        if not self._asked_head:
            self._asked_head = True
            with suppress(SourceUnavailable, RecordingMissing):
                self._told = self._head()
        info = self._told
        if info is None or is_suspect(info.media_type) != is_suspect(seen.media_type):  # a page in its place
            return None
        return info if seen.etag is None or info.etag in (None, seen.etag) else None


def _headers(wanted: RangeRequest | None, unless_etag: str | None = None) -> dict[str, str]:
    headers = {}
    if wanted is not None:
        headers["Range"] = str(wanted)
    if unless_etag is not None:
        headers["If-None-Match"] = f'"{unless_etag}"'
    return headers


def _with(info: ContentInfo, length: int | None) -> ContentInfo:
    return ContentInfo(length, info.etag, info.etag_is_weak, info.last_modified, info.media_type)


class UpstreamBody:
    """A body as urllib3 receives it: raw bytes, never decoded, as they arrive.

    Attributes:
        length: how many bytes it must have; None where only its end tells.
    """

    __slots__ = ("_ahead", "_raw", "_received", "length")

    def __init__(self, raw: BaseHTTPResponse) -> None:
        self._raw = raw
        self._ahead = b""  # read to see whether there is any
        self._received = 0
        self.length: int | None = None

    @property
    def request_id(self) -> str:
        """See :func:`cxb_recordings.playback.source.request_id_of`."""
        return request_id(self._raw.headers)

    def is_empty(self) -> bool:
        """Whether it ends before its first byte, which is waited for and kept."""
        self._ahead = self._ahead or self.read(1)
        return not self._ahead

    def read(self, size: int) -> bytes:
        """See :meth:`cxb_recordings.playback.source.RecordingBody.read`."""
        if self._ahead and size:
            chunk, self._ahead = self._ahead, b""
            return chunk
        chunk = self._read_some(size)
        self._received += len(chunk)
        if self.length is None:
            if not chunk and self._raw.length_remaining is None and "transfer-encoding" not in self._raw.headers:
                # RFC 9112 §8: such an end can't be told from a break.
                raise SourceUnavailable("the transfer ended, and nothing tells whether it was all", is_transient=True)
        elif self._received > self.length or (chunk and self._received == self.length and self._goes_on()):
            raise SourceUnavailable("the body is longer than the head says")
        elif not chunk and self._received < self.length:
            raise SourceUnavailable(f"the transfer ended {self.length - self._received} bytes early", is_transient=True)
        return chunk

    def _read_some(self, size: int) -> bytes:
        try:
            # read1 makes one recv at most: a large `size` does not hold back bytes that are there.
            chunk = self._raw.read1(size, decode_content=False) or b""
        except (HTTPError, HTTPException, OSError, ValueError) as exc:
            raise SourceUnavailable(f"the transfer broke ({transport_failure(exc)})", is_transient=True) from exc
        if len(chunk) > size:
            raise SourceUnavailable("more bytes than were asked for")
        return chunk

    def _goes_on(self) -> bool:
        """Whether bytes follow those that were promised; nobody reads behind a Content-Length."""
        return self._raw.length_remaining is None and self._read_some(1) != b""

    def close(self) -> None:
        """Free the connection: back into its pool where the body was read whole, else closed."""
        self._raw.close()
        self._raw.release_conn()
