"""Which answer a request gets: RFC 9110 §13.2.2 as a table."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from cxb_recordings.playback.byte_range import ByteSpan
from cxb_recordings.playback.conditions import Decision, PlaybackRequest, negotiate, parse_http_date
from cxb_recordings.playback.source import ContentInfo

BEFORE = "Wed, 01 May 2024 09:00:00 GMT"
THEN = "Wed, 01 May 2024 10:00:00 GMT"
AFTER = "Wed, 01 May 2024 11:00:00 GMT"
STRONG = ContentInfo(100, "a", last_modified=datetime(2024, 5, 1, 10, tzinfo=timezone.utc))
WEAK = ContentInfo(100, "a", etag_is_weak=True, last_modified=STRONG.last_modified)
BARE = ContentInfo(100)
EMPTY = ContentInfo(0, "a")
UNKNOWN = ContentInfo(None, "a")
PART = Decision(206, ByteSpan(0, 10))


@pytest.mark.parametrize(
    ("info", "headers", "expected"),
    [
        (STRONG, {}, Decision(200)),
        (STRONG, {"Range": "bytes=0-9"}, PART),
        (STRONG, {"Range": "bytes=90-"}, Decision(206, ByteSpan(90, 100))),
        (STRONG, {"Range": "bytes=90-200"}, Decision(206, ByteSpan(90, 100))),
        (STRONG, {"Range": "bytes=-10"}, Decision(206, ByteSpan(90, 100))),
        (STRONG, {"Range": "bytes=-1000"}, Decision(206, ByteSpan(0, 100))),
        (STRONG, {"Range": "bytes=100-"}, Decision(416)),
        (STRONG, {"Range": "bytes=-0"}, Decision(416)),
        (EMPTY, {}, Decision(200)),
        (EMPTY, {"Range": "bytes=0-"}, Decision(416)),
        (EMPTY, {"Range": "bytes=-5"}, Decision(200)),
        (EMPTY, {"Range": "bytes=-0"}, Decision(416)),
        (UNKNOWN, {"Range": "bytes=0-9"}, Decision(200)),
        (STRONG, {"If-Match": '"a"'}, Decision(200)),
        (STRONG, {"If-Match": '"b"'}, Decision(412)),
        (STRONG, {"If-Match": '"b", "a"'}, Decision(200)),
        (STRONG, {"If-Match": "*"}, Decision(200)),
        (BARE, {"If-Match": "*"}, Decision(200)),
        (BARE, {"If-Match": '"a"'}, Decision(412)),
        (STRONG, {"If-Match": 'W/"a"'}, Decision(412)),
        (WEAK, {"If-Match": '"a"'}, Decision(412)),
        (STRONG, {"If-Match": '"b"', "Range": "bytes=500-"}, Decision(412)),
        (STRONG, {"If-Unmodified-Since": BEFORE}, Decision(412)),
        (STRONG, {"If-Unmodified-Since": THEN}, Decision(200)),
        (STRONG, {"If-Unmodified-Since": "junk"}, Decision(200)),
        (BARE, {"If-Unmodified-Since": BEFORE}, Decision(200)),
        (STRONG, {"If-Match": '"a"', "If-Unmodified-Since": BEFORE}, Decision(200)),
        (STRONG, {"If-None-Match": '"a"'}, Decision(304)),
        (STRONG, {"If-None-Match": 'W/"a"'}, Decision(304)),
        (WEAK, {"If-None-Match": '"a"'}, Decision(304)),
        (STRONG, {"If-None-Match": "*"}, Decision(304)),
        (STRONG, {"If-None-Match": '"b"'}, Decision(200)),
        (STRONG, {"If-None-Match": '"a"', "Range": "bytes=0-9"}, Decision(304)),
        (STRONG, {"If-None-Match": '"a"', "Range": "bytes=500-"}, Decision(304)),
        (STRONG, {"If-None-Match": '"b"', "If-Modified-Since": AFTER}, Decision(200)),
        (STRONG, {"If-Modified-Since": THEN}, Decision(304)),
        (STRONG, {"If-Modified-Since": AFTER}, Decision(304)),
        (STRONG, {"If-Modified-Since": BEFORE}, Decision(200)),
        (BARE, {"If-Modified-Since": AFTER}, Decision(200)),
        (STRONG, {"If-Match": '"b"', "If-None-Match": '"a"'}, Decision(412)),
        (STRONG, {"Range": "bytes=0-9", "If-Range": '"a"'}, PART),
        (STRONG, {"Range": "bytes=0-9", "If-Range": '"b"'}, Decision(200)),
        (STRONG, {"Range": "bytes=0-9", "If-Range": 'W/"a"'}, Decision(200)),
        (WEAK, {"Range": "bytes=0-9", "If-Range": '"a"'}, Decision(200)),
        (WEAK, {"Range": "bytes=0-9", "If-Range": 'W/"a"'}, Decision(200)),
        (STRONG, {"Range": "bytes=0-9", "If-Range": THEN}, PART),
        (STRONG, {"Range": "bytes=0-9", "If-Range": BEFORE}, Decision(200)),
        (STRONG, {"Range": "bytes=0-9", "If-Range": AFTER}, Decision(200)),
        (BARE, {"Range": "bytes=0-9", "If-Range": THEN}, Decision(200)),
        (STRONG, {"Range": "bytes=0-9", "If-Range": "junk"}, Decision(200)),
        (STRONG, {"Range": "bytes=500-", "If-Range": '"b"'}, Decision(200)),
        (STRONG, {"Range": "bytes=500-", "If-Range": '"a"'}, Decision(416)),
        (STRONG, {"If-Range": '"b"'}, Decision(200)),
    ],
)
def test_the_decision_follows_the_order_of_rfc_9110(
    info: ContentInfo, headers: dict[str, str], expected: Decision
) -> None:
    assert negotiate(PlaybackRequest.from_headers("GET", headers), info) == expected


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Range": "bytes=0-9"}, 200),
        ({"Range": "bytes=500-"}, 200),
        ({"Range": "bytes=0-9", "If-Range": '"b"'}, 200),
        ({"If-None-Match": '"a"'}, 304),
        ({"If-Match": '"b"'}, 412),
    ],
)
def test_preconditions_count_for_head_and_ranges_do_not(headers: dict[str, str], status: int) -> None:
    assert negotiate(PlaybackRequest.from_headers("HEAD", headers), STRONG) == Decision(status)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"If-None-Match": '"a"'}, "a"),
        ({"If-None-Match": 'W/"a"'}, None),
        ({"If-None-Match": '"a", "b"'}, None),
        ({"If-None-Match": '"a", W/"b"'}, None),
        ({"If-None-Match": "*"}, None),
        ({"If-None-Match": ""}, None),
        ({"If-None-Match": '"\xe9"'}, None),
        ({"If-None-Match": '"a b"'}, None),
        ({"If-None-Match": 'a"b'}, None),
        ({"If-None-Match": "x" * 513}, None),
        ({"If-None-Match": '"d41d8cd98f00b204e9800998ecf8427e"'}, None),  # of an empty object, which a 304 would hide
        ({"If-None-Match": '"6745a1b2-0"'}, None),
        ({"If-None-Match": '"6745a1b2-10"'}, "6745a1b2-10"),
        ({"If-None-Match": '"a"', "Range": "bytes=0-9"}, None),
        ({"If-None-Match": '"a"', "If-Match": '"a"'}, None),
        ({"If-None-Match": '"a"', "If-Unmodified-Since": THEN}, None),
        ({"If-None-Match": '"a"', "If-Modified-Since": THEN}, "a"),
    ],
)
def test_a_validator_goes_upstream_only_where_that_is_exact(headers: dict[str, str], expected: str | None) -> None:
    assert PlaybackRequest.from_headers("GET", headers).unless_etag == expected


@pytest.mark.parametrize(
    "value",
    [None, "", "junk", "Wed, 99 May 2024 10:00:00 GMT", THEN[:-3] + "+999999999999", "Fri, 31 Dec 9999 23:59:59 -0100"],
)
def test_a_date_that_can_not_be_read_is_ignored(value: str | None) -> None:
    assert parse_http_date(value) is None
