"""What a source's HTTP reply says, believed only where it fits, and the body behind it.

Object storage and fleet hosts both speak HTTP through urllib3 (the latter below requests), so the judgement of a
reply and the reading of its body stand here once. How a request is made and signed does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from typing import NoReturn

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from ..errors import NotModified, RangeNotSatisfiable, SourceUnavailable
from ..playback.byte_range import ByteSpan, RangeRequest, parse_content_range
from ..playback.conditions import parse_http_date
from ..playback.source import ContentInfo

_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e]{0,512})"', re.ASCII)  # RFC 9110 §8.8.3, less obs-text
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

SHORT_BODY = 8192  # bytes: an error page

# Some S3-compatible stores keep the upload's transfer coding as the object's metadata; the bytes are plain.
_PLAIN_ENCODINGS = ("", "identity", "aws-chunked")


def believe(
    status: int, headers: Mapping[str, str], wanted: RangeRequest | None, unless_etag: str | None
) -> tuple[ContentInfo, ByteSpan | None]:
    """Judge the head of a reply to GET.

    Args:
        status: the HTTP status.
        headers: the reply's headers, looked up without regard to case.
        wanted: the range that was asked.
        unless_etag: the If-None-Match that was sent, without quotes.

    Returns:
        What is known of the whole recording, and the part that the body carries (None: all of it).

    Raises:
        NotModified: 304 to a validator that was sent.
        RangeNotSatisfiable: 416 to a range that was asked.
        SourceUnavailable: any other status, or headers that contradict the request or each other.
    """
    if status == 304 and unless_etag is not None:
        # Validators alone: a Content-Type on a 304 is the server's default for an empty page, not the recording's.
        info = replace(describe_headers(headers, None), media_type=None)
        raise NotModified(info if info.etag else replace(info, etag=unless_etag))
    if status == 416 and wanted is not None:
        unsatisfied = parse_content_range(headers.get("content-range"))
        raise RangeNotSatisfiable(unsatisfied[1] if unsatisfied else None)
    if status != 200 and not (status == 206 and wanted is not None):
        refuse(status)
    if headers.get("content-encoding", "").strip().lower() not in _PLAIN_ENCODINGS:
        raise SourceUnavailable("the reply has a Content-Encoding", status=status)
    if headers.get("transfer-encoding", "chunked").lower() != "chunked":
        # http.client takes chunks apart under this one name only; under any other, a cut passes for the end.
        raise SourceUnavailable("the reply has an unknown Transfer-Encoding", status=status)
    body_length = content_length(headers)
    if status == 200:
        return describe_headers(headers, body_length), None
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise SourceUnavailable("several parts to a request for one", status=status)
    span, total = parse_content_range(headers.get("content-range")) or (None, None)
    if span is None or total is None or wanted is None or span != wanted.resolve(total):
        raise SourceUnavailable("the Content-Range does not fit the range that was asked", status=status)
    if body_length not in (None, span.length):
        raise SourceUnavailable("Content-Length and Content-Range disagree", status=status)
    return describe_headers(headers, total), span


def require_final(response: BaseHTTPResponse) -> None:
    """Refuse a 1xx reply, behind which the real one comes; raises SourceUnavailable.

    http.client passes over 100 alone (RFC 9110 §15.2 wants all). Left in the pool, the connection would give the real
    reply to the next request: a listener would hear somebody else's recording.
    """
    if response.status < 200:
        response.close()
        response.release_conn()
        raise SourceUnavailable(f"status {response.status}", status=response.status)


def refuse(status: int) -> NoReturn:
    """Raise the SourceUnavailable of a status that is no answer to the question."""
    raise SourceUnavailable(f"status {status}", status=status)


def describe_headers(headers: Mapping[str, str], length: int | None) -> ContentInfo:
    """What a reply's headers tell of a whole recording of `length` bytes; a malformed validator counts as none."""
    etag = _ETAG.fullmatch(headers.get("etag", "").strip())
    return ContentInfo(
        length=length,
        etag=etag[2] if etag else None,
        etag_is_weak=bool(etag and etag[1]),
        last_modified=parse_http_date(headers.get("last-modified")),
        media_type=headers.get("content-type"),
    )


def content_length(headers: Mapping[str, str]) -> int | None:
    """The Content-Length; None where it is absent or void because of a transfer coding (RFC 9112 §6.3).

    Raises:
        SourceUnavailable: it is not a number.
    """
    value = headers.get("content-length")
    if value is None or "transfer-encoding" in headers:
        return None
    if not _LENGTH.fullmatch(value.strip()):
        raise SourceUnavailable("the Content-Length is not a number")
    return int(value)


def word(value: str | None) -> str:
    """A word of a source's that may go to a log or a terminal as it is; empty for anything else."""
    return value if value is not None and _WORD.fullmatch(value) else ""


def why(exc: BaseException) -> str:
    """Name a transport's failure for a log record: the kind, and the operating system's or TLS's own words.

    Never the exception's text: it may hold the URL, and with it the key.
    """
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"{type(exc).__name__}: {cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return type(exc).__name__


class UpstreamBody:
    """A body as urllib3 receives it: raw bytes, never decoded, as they arrive."""

    __slots__ = ("_raw",)

    def __init__(self, raw: BaseHTTPResponse) -> None:
        self._raw = raw

    def read(self, size: int) -> bytes:
        """See :meth:`cxb_recordings.playback.source.RecordingBody.read`."""
        try:
            # read1 makes one recv at most: a large `size` does not hold back bytes that are there.
            chunk = self._raw.read1(size, decode_content=False) or b""
        except (HTTPError, HTTPException, OSError, ValueError) as exc:
            raise SourceUnavailable(f"the transfer broke ({why(exc)})") from exc
        if not chunk and self._raw.length_remaining is None and "transfer-encoding" not in self._raw.headers:
            # RFC 9112 §8: such an end can't be told from a break, and http.client takes a head that is cut off for one.
            raise SourceUnavailable("the transfer ended, and nothing tells whether it was all")
        return chunk

    def discard(self) -> None:
        """Close a body that nobody wants; a short one is read, so that its connection can serve the next request."""
        with suppress(SourceUnavailable):
            if self._raw.length_remaining is not None and self._raw.length_remaining <= SHORT_BODY:
                self.read(SHORT_BODY)
        self.close()

    def close(self) -> None:
        """Free the connection: back into its pool where the body was read whole, else closed."""
        self._raw.close()
        self._raw.release_conn()
