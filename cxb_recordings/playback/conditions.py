"""Which answer a request gets, by RFC 9110 §13.2.2: one pure function over what was asked and what is known.

Nothing is fetched here. Werkzeug parses entity tags and dates; If-Range is read here, since Werkzeug's parser drops
the weakness of its tag. ``Response.make_conditional`` is not used: it answers 416 to unknown units and several ranges,
and lets Range win over preconditions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from werkzeug.datastructures import ETags, Headers
from werkzeug.http import parse_date, parse_etags

from .byte_range import ByteSpan, RangeRequest
from .source import ContentInfo

# Tags of an empty object: the MD5 of nothing, and nginx's for a file of size 0. An empty object counts only where no
# other source has the recording, and a 304 does not tell its length.
_EMPTY_TAG = re.compile(r"d41d8cd98f00b204e9800998ecf8427e|[0-9a-f]+-0", re.ASCII)
# What a source can be sent: anything else is refused by clients or servers, and a source would pass for a failing one.
_OPAQUE_TAG = re.compile(r"[\x21\x23-\x7e]{1,512}", re.ASCII)  # §8.8.3, less obs-text


@dataclass(frozen=True, slots=True)
class PlaybackRequest:
    """What a client asked of a recording: method, range and preconditions.

    Attributes:
        head: whether only the headers are wanted.
        wanted: the range; None where there is none, or where it must be ignored.
        if_range: the If-Range header as it came; None without a range (§13.1.5).
    """

    head: bool = False
    wanted: RangeRequest | None = None
    if_match: ETags | None = None
    if_none_match: ETags | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None
    if_range: str | None = None

    @classmethod
    def from_headers(cls, method: str, headers: Mapping[str, str] | Headers) -> PlaybackRequest:
        """Read a request's method and headers (looked up without regard to case)."""
        head = method == "HEAD"
        wanted = None if head else RangeRequest.parse(headers.get("Range"))  # §14.2: Range is defined for GET only
        return cls(
            head=head,
            wanted=wanted,
            if_match=_etags(headers.get("If-Match")),
            if_none_match=_etags(headers.get("If-None-Match")),
            if_modified_since=parse_http_date(headers.get("If-Modified-Since")),
            if_unmodified_since=parse_http_date(headers.get("If-Unmodified-Since")),
            if_range=headers.get("If-Range") if wanted else None,
        )

    @property
    def unless_etag(self) -> str | None:
        """The one strong tag that a source may be sent as If-None-Match with exactly the outcome of `negotiate`."""
        tags = self.if_none_match
        if tags is None or tags.star_tag or self.wanted or self.if_match is not None or self.if_unmodified_since:
            return None
        strong, weak = tags.as_set(), tags.as_set(include_weak=True)
        tag = next(iter(strong)) if len(weak) == 1 and len(strong) == 1 else None
        return tag if tag and _OPAQUE_TAG.fullmatch(tag) and not _EMPTY_TAG.fullmatch(tag) else None

    @property
    def is_conditional(self) -> bool:
        """Whether anything but the range has a say."""
        preconditions = (self.if_match, self.if_none_match, self.if_modified_since, self.if_unmodified_since)
        return self.if_range is not None or any(precondition is not None for precondition in preconditions)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a client is answered.

    Attributes:
        status: 200, 206, 304, 412 or 416.
        span: the part of the recording in a 206; None in every other case.
    """

    status: int
    span: ByteSpan | None = None


def negotiate(request: PlaybackRequest, info: ContentInfo) -> Decision:
    """Decide the answer to `request` for a recording that is there, in the order of RFC 9110 §13.2.2.

    Args:
        request: what the client asked.
        info: what the source that has the recording knows of it; without a length, ranges are not possible.
    """
    if request.if_match is not None:  # step 1, §13.1.1: strong comparison
        if not _matches(request.if_match, info.strong_etag):
            return Decision(412)
    elif _changed_since(request.if_unmodified_since, info) is True:  # step 2, §13.1.4
        return Decision(412)
    if request.if_none_match is not None:  # step 3, §13.1.2: weak comparison
        if _matches(request.if_none_match, info.etag, weak=True):
            return Decision(304)
    elif _changed_since(request.if_modified_since, info) is False:  # step 4, §13.1.3
        return Decision(304)
    if request.wanted is None or request.head or info.length is None:
        return Decision(200)
    if request.if_range is not None and not _if_range_holds(request.if_range, info):  # step 5, §13.1.5
        return Decision(200)
    span = request.wanted.resolve(info.length)
    if span is not None:
        return Decision(206, span)
    if info.length == 0 and request.wanted.first is None and request.wanted.last:
        return Decision(200)  # §14.1.2: a suffix longer than the recording is all of it; here, nothing
    return Decision(416)


def parse_http_date(value: str | None) -> datetime | None:
    """Read an HTTP date (RFC 9110 §5.6.7) as UTC; None for an absent or malformed one, which must be ignored."""
    try:
        date = parse_date(value)
        return None if date is None else date.astimezone(timezone.utc)
    except (OverflowError, ValueError):
        return None


def _etags(header: str | None) -> ETags | None:
    return None if header is None else parse_etags(header)


def _matches(tags: ETags, etag: str | None, *, weak: bool = False) -> bool:
    if tags.star_tag:  # "*" asks only whether there is a current representation, and there is
        return True
    return etag is not None and (tags.contains_weak(etag) if weak else tags.is_strong(etag))


def _changed_since(date: datetime | None, info: ContentInfo) -> bool | None:
    """Whether the recording is newer than `date`; None where one of the two dates is not there."""
    if date is None or info.last_modified is None:
        return None
    return info.last_modified > date


def _if_range_holds(value: str, info: ContentInfo) -> bool:
    value = value.strip()
    if value.startswith('"'):  # strong comparison: a tag with W/ in front never holds
        return info.strong_etag is not None and value == f'"{info.strong_etag}"'
    return info.last_modified is not None and parse_http_date(value) == info.last_modified
