"""The table of replies: status × headers × what was asked → what is accepted, or which failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from cxb_recordings.errors import NotModified, RangeNotSatisfiable, SourceUnavailable
from cxb_recordings.playback.byte_range import ByteSpan, RangeRequest
from cxb_recordings.sources.reply import Accepted, judge, status_failure

EVERYTHING, MIDDLE, REST, SUFFIX = (RangeRequest.parse(f"bytes={text}") for text in ("0-", "2-5", "2-", "-4"))
EITHER = "the whole or the part"  # a 200 that proves nothing about a range

#: What was asked, status, Content-Range and Content-Length; then the length and the span that are proven, or a failure.
TABLE: list[tuple[RangeRequest | None, int, str | None, int | None, object]] = [
    # 200 without Content-Range
    (None, 200, None, 10, (10, None)),
    (None, 200, None, None, (None, None)),
    (EVERYTHING, 200, None, 10, (10, None)),
    (EVERYTHING, 200, None, None, (None, None)),
    (MIDDLE, 200, None, 10, (10, None)),
    (MIDDLE, 200, None, 5, (5, None)),
    (MIDDLE, 200, None, 4, EITHER),
    (MIDDLE, 200, None, 3, EITHER),
    (MIDDLE, 200, None, None, EITHER),
    (RangeRequest(0, 3), 200, None, 10, (10, None)),
    (RangeRequest(0, 3), 200, None, 3, (3, None)),
    (RangeRequest(0, 3), 200, None, 4, EITHER),
    (RangeRequest(0, 3), 200, None, None, EITHER),
    (REST, 200, None, 10, EITHER),
    (REST, 200, None, 8, EITHER),
    (SUFFIX, 200, None, 10, (10, None)),
    (SUFFIX, 200, None, 3, (3, None)),
    (SUFFIX, 200, None, 4, EITHER),
    # Content-Range, under 206 and under 200
    *(
        row
        for status in (206, 200)
        for row in [
            (MIDDLE, status, "bytes 2-5/10", 4, (10, ByteSpan(2, 6))),
            (MIDDLE, status, "bytes 2-5/10", None, (10, ByteSpan(2, 6))),
            (MIDDLE, status, "bytes 2-5/*", 4, (None, ByteSpan(2, 6))),
            (MIDDLE, status, "bytes 2-3/*", 2, (None, ByteSpan(2, 4))),
            (MIDDLE, status, "bytes 2-3/4", 2, (4, ByteSpan(2, 4))),
            (REST, status, "bytes 2-9/10", 8, (10, ByteSpan(2, 10))),
            (REST, status, "bytes 2-9/*", 8, (None, ByteSpan(2, 10))),
            (SUFFIX, status, "bytes 6-9/10", 4, (10, ByteSpan(6, 10))),
            (SUFFIX, status, "bytes 6-9/*", 4, (None, ByteSpan(6, 10))),
            (EVERYTHING, status, "bytes 0-9/10", 10, (10, ByteSpan(0, 10))),
            (MIDDLE, status, "bytes 2-5/10", 10, "disagree"),
            (MIDDLE, status, "bytes 2-5/10", 3, "disagree"),
            *(
                (MIDDLE, status, f"bytes {told}", 4, "does not fit")
                for told in ("3-6/10", "2-6/10", "2-4/10", "1-5/10")
            ),
            *(
                (MIDDLE, status, told, 4, "does not fit")
                for told in ("bytes */10", "bytes 5-2/10", "items 2-5/10", "x", "")
            ),
            *((MIDDLE, status, f"bytes {told}", 4, "does not fit") for told in ("2-5/5", "2-6/*", "3-5/*")),
            (MIDDLE, status, "bytes 2-5/10, bytes 2-5/10", 4, "does not fit"),
            (REST, status, "bytes 2-8/10", 7, "does not fit"),
            (SUFFIX, status, "bytes 5-9/*", 5, "does not fit"),
        ]
    ),
    (MIDDLE, 206, None, 4, "does not fit"),
    (None, 200, "bytes 0-9/10", 10, (10, None)),
    (None, 200, "bytes 0-9/10", None, (10, None)),
    (None, 200, "bytes 2-9/10", 8, "does not fit"),
    (None, 200, "bytes 0-9/10", 9, "disagree"),
    (None, 206, "bytes 0-9/10", 10, "status 206"),
    # 416
    (MIDDLE, 416, "bytes */2", 0, RangeNotSatisfiable(2)),
    (MIDDLE, 416, "bytes */0", 0, RangeNotSatisfiable(0)),
    (MIDDLE, 416, "bytes */*", 0, RangeNotSatisfiable(None)),
    (MIDDLE, 416, None, 0, RangeNotSatisfiable(None)),
    (MIDDLE, 416, "bytes */3", 0, "range that the recording has"),
    (MIDDLE, 416, "bytes */10", 0, "range that the recording has"),
    (EVERYTHING, 416, "bytes */1", 0, "range that the recording has"),
    (None, 416, "bytes */10", 0, "status 416"),
]


@pytest.mark.parametrize(("wanted", "status", "content_range", "length", "outcome"), TABLE)
def test_a_reply_is_accepted_as_what_it_proves_or_refused(
    wanted: RangeRequest | None, status: int, content_range: str | None, length: int | None, outcome: object
) -> None:
    headers = {} if content_range is None else {"content-range": content_range}
    headers |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}

    if isinstance(outcome, RangeNotSatisfiable):
        with pytest.raises(RangeNotSatisfiable) as outside:
            judge(status, headers, wanted)
        assert outside.value.length == outcome.length
    elif isinstance(outcome, str) and outcome != EITHER:
        with pytest.raises(SourceUnavailable, match=outcome):
            judge(status, headers, wanted)
    else:
        accepted = judge(status, headers, wanted)
        assert accepted.is_whole_or_part == (outcome == EITHER)
        if outcome != EITHER:
            assert (accepted.info.length, accepted.span) == outcome
            body = accepted.span.length if accepted.span else accepted.info.length if content_range else length
            assert accepted.body_length == body


ranges = st.one_of(
    st.builds(RangeRequest, st.integers(0, 12), st.none()),
    st.integers(0, 12).flatmap(lambda first: st.builds(RangeRequest, st.just(first), st.integers(first, 14))),
    st.builds(RangeRequest, st.none(), st.integers(1, 14)),
)


@given(ranges, st.integers(0, 14), st.booleans())
def test_a_200_is_the_whole_only_where_no_longer_recording_has_a_part_of_its_length(
    wanted: RangeRequest, length: int, is_chunked: bool
) -> None:
    headers = {"transfer-encoding": "chunked"} if is_chunked else {"content-length": str(length)}
    lengths = range(40) if is_chunked else [length]
    parts = {span.length for total in range(40) if (span := wanted.resolve(total)) and span != ByteSpan(0, total)}

    assert judge(200, headers, wanted).is_whole_or_part == any(told in parts for told in lengths)


TAGS = [('"t"', "t", False), ('W/"t"', "t", True), (None, "t", False), ("junk", "t", False), ('"other"', None, False)]


@pytest.mark.parametrize(("told", "etag", "is_weak"), TAGS)
def test_a_304_is_believed_unless_it_names_another_tag(told: str | None, etag: str | None, is_weak: bool) -> None:
    headers = {} if told is None else {"etag": told}

    with pytest.raises(SourceUnavailable if etag is None else NotModified) as answer:
        judge(304, headers, None, "t")
    if isinstance(answer.value, NotModified):
        assert (answer.value.info.etag, answer.value.info.etag_is_weak) == (etag, is_weak)
    with pytest.raises(SourceUnavailable, match="status 304"):
        judge(304, headers)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"])
@pytest.mark.parametrize("written", ["{}", "identity, {}", "{},aws-chunked", " {} ,", "aws-chunked,\t{}"])
def test_a_coding_that_a_decoder_knows_is_refused_wherever_it_is_listed(coding: str, written: str) -> None:
    for spelled in (coding, coding.upper()):
        headers = {"content-encoding": written.format(spelled), "content-length": "10"}
        for wanted in (None, EVERYTHING):
            with pytest.raises(SourceUnavailable, match="Content-Encoding"):
                judge(200, headers, wanted)


@pytest.mark.parametrize(
    "coding", ["", "identity", "aws-chunked", "identity,aws-chunked", "base64", "utf-8", "gzippy", ","]
)
def test_any_other_coding_is_metadata_of_an_upload_over_plain_bytes(coding: str) -> None:
    assert judge(200, {"content-encoding": coding, "content-length": "10"}).info.length == 10


def test_headers_that_came_twice_are_read_together() -> None:
    headers = HTTPHeaderDict({"Content-Length": "10"})
    headers.add("Content-Encoding", "identity")
    headers.add("Content-Encoding", "gzip")
    with pytest.raises(SourceUnavailable, match="Content-Encoding"):
        judge(200, headers)
    headers = HTTPHeaderDict({"Content-Length": "10"})
    headers.add("Content-Length", "11")
    with pytest.raises(SourceUnavailable, match="Content-Length"):
        judge(200, headers)


RETRY_AFTER = [("2", 2.0), ("0", 0.0), ("-1", None), ("soon", None), ("1.5", None), ("9" * 30, None), ("", None)]


@pytest.mark.parametrize(("told", "seconds"), [*RETRY_AFTER, ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
def test_retry_after_is_read_as_seconds_or_a_date(told: str, seconds: float | None) -> None:
    assert status_failure(503, {"retry-after": told}).retry_after == seconds


def test_what_a_head_proves_of_the_body_is_its_length() -> None:
    assert judge(206, {"content-range": "bytes 2-5/10"}, MIDDLE) == Accepted(
        judge(200, {"content-length": "10"}).info, ByteSpan(2, 6), 4
    )


TAGS_OF_NO_USE = [
    *("", "tag", '"', '"a" "b"', '"a"b"', "W/tag", 'w/"a"', '"a b"', '"\xe9"', '"\x01"', '"' + "x" * 600 + '"', "*"),
]
DATES_OF_NO_USE = ["", "junk", "-1", "0", "Fri, 31 Dec 9999 23:59:59 -0100", "Wed, 99 May 2024 10:00:00 GMT", "9" * 99]


@pytest.mark.parametrize("tag", TAGS_OF_NO_USE)
def test_a_malformed_validator_counts_as_none(tag: str) -> None:
    for date in DATES_OF_NO_USE:
        info = judge(200, {"content-length": "10", "etag": tag, "last-modified": date}).info
        assert (info.etag, info.last_modified) == (None, None)
