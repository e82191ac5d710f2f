"""What a client gets where a source's reply is odd: never a 500, and no header of the source's."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.replies import reply

from .site import Scripted

DATA = b"0123456789"
WHOLE = {"Content-Type": "audio/wav", "ETag": '"tag"', "Last-Modified": "Wed, 01 May 2024 10:00:00 GMT"}


@pytest.mark.parametrize(("wanted", "start", "stop"), [("bytes=2-4", 2, 5), ("bytes=-3", 7, 10), ("bytes=9-", 9, 10)])
def test_a_range_is_cut_from_a_200(scripted: Scripted, wanted: str, start: int, stop: int) -> None:
    scripted.answers(reply(200, WHOLE, DATA))

    answer = scripted.ask(headers={"Range": wanted})

    assert (answer.status_code, answer.data) == (206, DATA[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/10"
    # Where the 200 might carry just the part, the whole is asked for.
    assert len(scripted.origin.requests) == (2 if wanted == "bytes=9-" else 1)


def test_bytes_that_look_compressed_are_handed_on_as_they_are(scripted: Scripted) -> None:
    data = b"\x1f\x8b\x08\x00junk"
    scripted.answers(reply(200, WHOLE, data))

    assert scripted.ask().data == data


def test_preconditions_and_if_range_come_before_a_416(scripted: Scripted) -> None:
    refusal = reply(416, {"Content-Range": "bytes */10"})
    for conditions, status, then in (
        ({"If-None-Match": '"tag"'}, 304, [reply(200, WHOLE, DATA)]),
        ({"If-Match": '"x"'}, 412, [reply(200, WHOLE, DATA)]),
        ({"If-Range": '"tag"'}, 416, [reply(200, WHOLE, DATA)]),
        ({"If-Range": '"x"'}, 200, [reply(200, WHOLE, DATA)]),
        ({}, 416, [reply(200, WHOLE, DATA)]),
    ):
        scripted.answers(refusal, *then)
        answer = scripted.ask(headers={"Range": "bytes=99-", **conditions})
        assert answer.status_code == status, conditions
        methods = [sent.method for sent in scripted.origin.requests]
        assert methods == ["GET", *(["HEAD"] if conditions else []), *(["GET"] if status == 200 else [])]


def test_a_304_that_was_asked_for_keeps_the_validator(scripted: Scripted) -> None:
    for headers in ({"ETag": '"tag"'}, {"ETag": 'W/"tag"'}, {}, {"ETag": "junk"}):
        scripted.answers(reply(304, headers, length=False))
        answer = scripted.ask(headers={"If-None-Match": '"tag"'})
        assert (answer.status_code, answer.headers["ETag"].removeprefix("W/")) == (304, '"tag"')
        assert answer.headers["Cache-Control"] == "private, no-cache"


ALLOWED = re.compile(
    "Accept-Ranges|Cache-Control|Content-(Disposition|Length|Range|Security-Policy|Type)|Cross-Origin-Resource-Policy|ETag"
    "|Last-Modified|Referrer-Policy|X-(Content-Type-Options|Robots-Tag)"
)


def assert_clean(answer: Any) -> None:
    """Only headers of ours are sent, and every server can send them."""
    for name, value in answer.headers:
        assert ALLOWED.fullmatch(name), name
        assert value.isascii(), name
        assert value.isprintable(), name


values = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
lengths = st.integers(-1, 30).map(str)
reply_headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["audio/wav", "text/html", "audio/ogg; codecs=opus"]) | values,
        "Content-Length": lengths | values,
        "Content-Range": st.builds("bytes {}-{}/{}".format, lengths, lengths, lengths | st.just("*")) | values,
        "Content-Encoding": st.sampled_from(["gzip", "identity"]) | values,
        "Transfer-Encoding": st.sampled_from(["chunked", "gzip"]) | values,
        "ETag": st.sampled_from(['"a"', 'W/"a"', '""']) | values,
        "Last-Modified": st.sampled_from(["Wed, 01 May 2024 10:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0100"]) | values,
        "Location": values,
        "Set-Cookie": values,
        "X-Accel-Redirect": values,
        "Retry-After": values,
        "x-amz-request-id": values,
    },
)
request_headers = st.fixed_dictionaries(
    {},
    optional={
        "Range": st.sampled_from(["bytes=0-", "bytes=2-4", "bytes=-3", "bytes=-0", "bytes=99-"]),
        "If-Range": st.sampled_from(['"a"', 'W/"a"']),
        "If-None-Match": st.sampled_from(['"a"', 'W/"a"', "*", '""', "a"]),
        "If-Match": st.sampled_from(['"a"', "*"]),
        "If-Modified-Since": st.sampled_from(["Wed, 01 May 2024 10:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0100"]),
    },
)


@settings(
    max_examples=settings().max_examples * 3 // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    status=st.sampled_from([200, 206, 304, 404, 412, 416, 500]),
    headers=reply_headers,
    body=st.binary(max_size=20),
    asked=request_headers,
    method=st.sampled_from(["GET", "HEAD"]),
)
def test_no_headers_of_a_source_make_a_500_or_reach_the_client(
    scripted: Scripted, status: int, headers: dict[str, str], body: bytes, asked: dict[str, str], method: str
) -> None:
    scripted.answers(reply(status, headers, body, length=False))

    with scripted.client.open(scripted.path(), method=method, headers=asked) as answer:
        assert answer.status_code in (200, 206, 304, 404, 412, 416)
        assert_clean(answer)
