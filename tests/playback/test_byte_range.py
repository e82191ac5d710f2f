"""Ranges: what is read, what is ignored, and the arithmetic as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings.playback.byte_range import LARGEST_POSITION, ByteSpan, RangeRequest, parse_content_range


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-", 5, None),
        ("bytes=5-9", 5, 9),
        ("BYTES=5-9", 5, 9),
        ("bytes= 5-9 ,", 5, 9),
        ("bytes=-3", None, 3),
        ("bytes=-0", None, 0),
        ("bytes=0007-0009", 7, 9),
        pytest.param("bytes=0-" + "9" * 5000, 0, LARGEST_POSITION, id="5000 digits at the end"),
        pytest.param("bytes=" + "9" * 5000 + "-", LARGEST_POSITION, None, id="5000 digits at the start"),
        pytest.param(
            "bytes=" + "8" * 5000 + "-" + "9" * 5000, LARGEST_POSITION, LARGEST_POSITION, id="5000 digits twice"
        ),
        pytest.param("bytes=-" + "9" * 5000, None, LARGEST_POSITION, id="5000 digits of suffix"),
    ],
)
def test_one_range_is_read(header: str, first: int | None, last: int | None) -> None:
    assert RangeRequest.parse(header) == RangeRequest(first, last)


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,3-4", "bytes=-1,-2", "items=0-1"]
    + [f"bytes={2**63 + 1}-{2**63}", "bytes=" + "9" * 5000 + "-" + "8" * 5000, f"bytes={2**63}-0000{2**63 - 1}"]
    + ["bytes=0 - 1", "bytes=+1-2", "bytes=0x1-2", "bytes=1-2\n", "bytes=٣-٤", "bytes =0-1", "0-1", "bytes=--1"],
)
def test_a_malformed_range_an_unknown_unit_and_several_ranges_are_ignored(header: str | None) -> None:
    assert RangeRequest.parse(header) is None


positions = st.integers(0, LARGEST_POSITION) | st.integers(0, 30)
requests = st.builds(lambda a, b: RangeRequest(min(a, b), max(a, b)), positions, positions) | st.builds(
    RangeRequest, st.none() | positions, positions
).filter(lambda wanted: wanted.first is None)


@given(requests, st.integers(0, 40))
def test_a_resolved_range_is_the_part_that_slicing_gives(wanted: RangeRequest, length: int) -> None:
    data = bytes(range(length))
    if wanted.first is None:
        expected = data[-wanted.last :] if wanted.last else b""
    else:
        expected = data[wanted.first : None if wanted.last is None else wanted.last + 1]
    span = wanted.resolve(length)
    assert (data[span.start : span.stop] if span else b"") == expected


@given(requests)
def test_a_range_that_is_written_is_read_again(wanted: RangeRequest) -> None:
    assert RangeRequest.parse(str(wanted)) == wanted


@given(st.text(max_size=30) | st.text("bytes=-0123456789,", max_size=30))
def test_no_text_makes_the_parser_raise(header: str) -> None:
    RangeRequest.parse(header)
    parse_content_range(header)


def test_an_empty_span_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="no bytes"):
        ByteSpan(3, 3)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 0-3/10", (ByteSpan(0, 4), 10)),
        ("bytes 0-3/*", (ByteSpan(0, 4), None)),
        ("bytes */10", (None, 10)),
        ("bytes 0-10/10", None),
        ("bytes 4-3/10", None),
        ("items 0-3/10", None),
        ("bytes=0-3/10", None),
        ("bytes 0-3", None),
        (None, None),
    ],
)
def test_a_content_range_is_believed_only_when_it_does_not_contradict_itself(
    header: str | None, expected: object
) -> None:
    assert parse_content_range(header) == expected


@given(st.integers(0, 100), st.integers(1, 100), st.integers(0, 100))
def test_a_content_range_that_is_written_is_read_again(start: int, length: int, rest: int) -> None:
    span, total = ByteSpan(start, start + length), start + length + rest
    assert parse_content_range(span.content_range(total)) == (span, total)
