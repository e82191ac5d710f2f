"""What the head of a source's HTTP reply says, judged by what was asked: accepted as what, or which failure.

Pure: status, headers and question in, a value or an error out. Storage and fleet hosts speak the same HTTP, so the
rules are here once. How a request is sent and what follows a failure is in ``http_source``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..errors import NotModified, RangeNotSatisfiable, SourceUnavailable
from ..playback.byte_range import ByteSpan, RangeRequest, parse_content_range
from ..playback.conditions import parse_http_date
from ..playback.source import ContentInfo

_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e]{0,512})"', re.ASCII)  # RFC 9110 §8.8.3, less obs-text
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9+/=._:-]{1,128}", re.ASCII)  # x-amz-id-2 is Base64 of 76 characters or so

# What a decoder exists for: the bytes are others than the recording's. Stores keep any other word as metadata of an
# upload (aws-chunked, base64, utf-8) in front of plain bytes.
_CODINGS = frozenset(("gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"))


class Accepted(NamedTuple):
    """What a reply proves.

    Attributes:
        info: the whole recording; its length is None where the head does not tell it.
        span: the part that the body carries; None for the whole.
        body_length: how many bytes the body must have; None where only its end will tell.
        is_whole_or_part: whether a 200 to a ranged request may carry the whole recording or just the part.
    """

    info: ContentInfo
    span: ByteSpan | None
    body_length: int | None
    is_whole_or_part: bool = False


def judge(
    status: int, headers: Mapping[str, str], wanted: RangeRequest | None = None, unless_etag: str | None = None
) -> Accepted:
    """Judge the head of a reply to GET, or to HEAD where nothing else was asked.

    Args:
        status: the HTTP status.
        headers: the reply's headers, looked up without regard to case.
        wanted: the range that was asked.
        unless_etag: the If-None-Match that was sent, without quotes.

    Returns:
        What it proves.

    Raises:
        NotModified: 304 to the validator that was sent.
        RangeNotSatisfiable: 416 to the range that was asked.
        SourceUnavailable: any other status, or headers that contradict the request or each other.
    """
    if status == 304 and unless_etag is not None:
        raise NotModified(_not_modified(headers, unless_etag))
    content_range = headers.get("content-range")
    span, total = parse_content_range(content_range) or (None, None)
    if status == 416 and wanted is not None:
        if total is not None and wanted.resolve(total) is not None:
            raise SourceUnavailable("416 to a range that the recording has", status=status)
        raise RangeNotSatisfiable(total)
    if status != 200 and not (status == 206 and wanted is not None):
        raise status_failure(status, headers)
    body_length = _body_length(status, headers)
    if content_range is None and status == 200:
        is_either = wanted is not None and not _must_be_whole(wanted, body_length)
        return Accepted(describe_headers(headers, body_length), None, body_length, is_either)
    # rclone's server answers a range with 200 and Content-Range: the header counts, whatever the status.
    asked = wanted or RangeRequest(0, None)
    if span is None or not _is_what_was_asked(span, total, asked):
        raise SourceUnavailable("the Content-Range does not fit what was asked", status=status)
    if body_length not in (None, span.length):
        raise SourceUnavailable("Content-Length and Content-Range disagree", status=status)
    return Accepted(describe_headers(headers, total), span if wanted else None, span.length)


def _not_modified(headers: Mapping[str, str], unless_etag: str) -> ContentInfo:
    # Validators alone: a Content-Type on a 304 is the server's default for an empty page, not the recording's.
    info = replace(describe_headers(headers, None), media_type=None)
    if info.etag is None:
        return replace(info, etag=unless_etag)
    if info.etag != unless_etag:
        raise SourceUnavailable("304 with another validator than was sent", status=304)
    return info


def _body_length(status: int, headers: Mapping[str, str]) -> int | None:
    """The length of a body that carries a recording's own bytes; None where its end will tell."""
    codings = {coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")}
    if codings & _CODINGS:
        raise SourceUnavailable("the reply has a Content-Encoding", status=status)
    if headers.get("transfer-encoding", "chunked").lower() != "chunked":
        # http.client takes chunks apart under this one name only; under any other, a cut passes for the end.
        raise SourceUnavailable("the reply has an unknown Transfer-Encoding", status=status)
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise SourceUnavailable("several parts to a request for one", status=status)
    value = headers.get("content-length")
    if value is None or "transfer-encoding" in headers:  # RFC 9112 §6.3: a transfer coding voids the length
        return None
    if not _NUMBER.fullmatch(value.strip()):
        raise SourceUnavailable("the Content-Length is not a number", status=status)
    return int(value)


def _must_be_whole(wanted: RangeRequest, body_length: int | None) -> bool:
    """Whether a body of this length, in a 200 to `wanted`, can't be the wanted part of a longer recording."""
    if wanted == RangeRequest(0, None) or body_length == 0:  # a part is never empty
        return True
    if body_length is None:
        return False
    if wanted.first is None:
        return body_length != wanted.last
    if wanted.last is None:
        return False
    part = wanted.last - wanted.first + 1
    return body_length > part or (wanted.first == 0 and body_length < part)


def _is_what_was_asked(span: ByteSpan, total: int | None, asked: RangeRequest) -> bool:
    if total is not None:
        return span == asked.resolve(total)
    # "bytes a-b/*": whether b is the last byte is found out later, with the length.
    if asked.first is None:
        return asked.last is not None and span.length <= asked.last
    return span.start == asked.first and (asked.last is None or span.stop <= asked.last + 1)


def status_failure(status: int, headers: Mapping[str, str], code: str = "") -> SourceUnavailable:
    """The failure of a status that is no answer to the question.

    Args:
        status: the HTTP status.
        headers: for Retry-After.
        code: the source's own word for it; empty where there is none.
    """
    return SourceUnavailable(f"status {status} {code}".rstrip(), status=status, retry_after=_retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110 §10.2.3); None where the header is absent or malformed."""
    value = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(value):
        return float(value)
    date = parse_http_date(value or None)
    return None if date is None else max(date.timestamp() - time.time(), 0.0)


def describe_headers(headers: Mapping[str, str], length: int | None) -> ContentInfo:
    """What a reply's headers say of a whole recording of `length` bytes; a malformed validator counts as none."""
    etag = _ETAG.fullmatch(headers.get("etag", "").strip())
    return ContentInfo(
        length=length,
        etag=etag[2] if etag else None,
        etag_is_weak=bool(etag and etag[1]),
        last_modified=parse_http_date(headers.get("last-modified")),
        media_type=headers.get("content-type"),
    )


def word(value: str | None) -> str:
    """A word of a source's that may go to a log or a terminal as it is; empty for anything else."""
    return value if value is not None and _WORD.fullmatch(value) else ""


def request_id(headers: Mapping[str, str]) -> str:
    """The store's own ids of a request, ``x-amz-request-id`` and ``x-amz-id-2``, as far as a log may have them.

    Its operator finds the request by them. Anything that is no such id is left out: the headers come from outside.
    """
    sent = (headers.get(name, "").strip() for name in ("x-amz-request-id", "x-amz-id-2"))
    return " ".join(value for value in sent if _REQUEST_ID.fullmatch(value))
