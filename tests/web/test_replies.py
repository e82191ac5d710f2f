"""What a source's reply must be like to be believed, and that no reply makes a 500."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.replies import reply, s3_error

from .site import Route, Scripted

DATA = b"0123456789"
WHOLE = {"Content-Type": "audio/wav", "ETag": '"tag"', "Last-Modified": "Wed, 01 May 2024 10:00:00 GMT"}
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
PART = WHOLE | {"Content-Range": "bytes 2-4/10"}


def skips(caplog: pytest.LogCaptureFixture) -> list[tuple[str, bool]]:
    """Why sources were skipped, and whether that is a failure."""
    return [(vars(record)["reason"], record.failed) for record in caplog.records if hasattr(record, "failed")]


@pytest.mark.parametrize(
    "status",
    [201, 202, 203, 204, 206, 207, 226, 300, 301, 302, 307, 308, 400, 401, 403, 408, 410, 418, 429]
    + [304, 412, 416, 500, 501, 502, 503, 504, 599, 999],
)
def test_any_other_status_to_a_get_is_a_failure_and_named(
    scripted: Scripted, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.answers(reply(status, WHOLE | {"Location": "http://127.0.0.1:1/x"}, b"" if status == 304 else DATA))

    assert scripted.ask().status_code == 404
    asked = 3 if status in TRANSIENT else 1
    assert skips(caplog) == [(f"status {status}", True)] * asked


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(scripted: Scripted, status: int) -> None:
    scripted.answers(reply(status, {"Location": f"{scripted.origin.url}/elsewhere"}))

    for method in ("GET", "HEAD"):
        scripted.origin.requests.clear()
        assert scripted.ask(method).status_code == 404
        assert [sent.method for sent in scripted.origin.requests] == [method]


def test_a_bucket_that_is_not_there_is_a_failure_and_an_absent_key_is_none(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    for code, failed in (("NoSuchKey", False), ("NoSuchBucket", scripted.kind == "storage")):
        caplog.clear()
        scripted.answers(s3_error(404, code))
        with caplog.at_level("INFO"):
            assert scripted.ask().status_code == 404
        assert [told for _, told in skips(caplog)] == [failed]


@pytest.mark.parametrize(
    "headers",
    [
        WHOLE,
        WHOLE | {"Content-Range": "bytes 3-5/10"},
        WHOLE | {"Content-Range": "bytes 2-3/10"},
        WHOLE | {"Content-Range": "bytes 2-4/*"},
        WHOLE | {"Content-Range": "bytes */10"},
        WHOLE | {"Content-Range": "bytes 2-4/4"},
        WHOLE | {"Content-Range": "bytes 4-2/10"},
        WHOLE | {"Content-Range": "items 2-4/10"},
        WHOLE | {"Content-Range": "junk"},
        WHOLE | {"Content-Range": "bytes 2-4/" + "9" * 30},
        PART | {"Content-Length": "4"},
        PART | {"Content-Encoding": "gzip"},
    ],
)
def test_a_206_that_is_not_what_was_asked_is_not_believed(scripted: Scripted, headers: dict[str, str]) -> None:
    scripted.answers(reply(206, headers, b"234"))

    assert scripted.ask(headers={"Range": "bytes=2-4"}).status_code == 404


def test_a_206_with_the_asked_start_and_a_total_is_believed(scripted: Scripted) -> None:
    scripted.answers(reply(206, PART, b"234"))

    answer = scripted.ask(headers={"Range": "bytes=2-4"})

    assert (answer.status_code, answer.data, answer.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")


@pytest.mark.parametrize(("wanted", "start", "stop"), [("bytes=2-4", 2, 5), ("bytes=-3", 7, 10), ("bytes=9-", 9, 10)])
def test_a_range_is_cut_from_a_200(scripted: Scripted, wanted: str, start: int, stop: int) -> None:
    scripted.answers(reply(200, WHOLE, DATA))

    answer = scripted.ask(headers={"Range": wanted})

    assert (answer.status_code, answer.data) == (206, DATA[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/10"
    # Where the 200 might carry just the part, the whole is asked for.
    assert len(scripted.origin.requests) == (2 if wanted == "bytes=9-" else 1)


def test_a_range_beyond_a_200_is_416(scripted: Scripted) -> None:
    scripted.answers(reply(200, WHOLE, DATA))

    answer = scripted.ask(headers={"Range": "bytes=10-"})

    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")


@pytest.mark.parametrize(
    "encoding", ["gzip", "br", "deflate", "gzip, identity", "X-GZIP", "aws-chunked,zstd", "identity,\tcompress"]
)
def test_a_reply_with_a_content_encoding_is_not_usable(
    scripted: Scripted, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.answers(reply(200, WHOLE | {"Content-Encoding": encoding}, DATA))

    assert scripted.ask().status_code == 404
    assert skips(caplog) == [("the reply has a Content-Encoding", True)]


@pytest.mark.parametrize(
    "encoding", ["identity", "", "aws-chunked", "identity,aws-chunked", "base64", "utf-8", "x", ",", "gzipped"]
)
def test_a_content_encoding_that_encodes_nothing_changes_nothing(scripted: Scripted, encoding: str) -> None:
    scripted.answers(reply(200, WHOLE | {"Content-Encoding": encoding}, DATA))

    answer = scripted.ask()

    assert (answer.status_code, answer.data) == (200, DATA)
    assert "Content-Encoding" not in answer.headers


def test_bytes_that_look_compressed_are_handed_on_as_they_are(scripted: Scripted) -> None:
    data = b"\x1f\x8b\x08\x00junk"
    scripted.answers(reply(200, WHOLE, data))

    assert scripted.ask().data == data


def test_no_more_than_the_promised_bytes_are_handed_on(scripted: Scripted) -> None:
    scripted.answers(reply(200, WHOLE | {"Content-Length": "4"}, DATA))
    assert scripted.ask().data == DATA[:4]

    scripted.answers(reply(206, PART | {"Content-Length": "3"}, DATA[2:]))
    assert scripted.ask(headers={"Range": "bytes=2-4"}).data == b"234"


@pytest.mark.parametrize("kept", [PART, PART | {"Content-Range": "bytes 2-4/10", "ETag": '"other"'}])
def test_preconditions_and_if_range_come_before_a_416(scripted: Scripted, kept: dict[str, str]) -> None:
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


@pytest.mark.parametrize("headers", [{}, {"Content-Range": "junk"}, {"Content-Range": "bytes */*"}])
def test_a_416_without_a_total_costs_one_head_more(scripted: Scripted, headers: dict[str, str]) -> None:
    scripted.answers(reply(416, headers), reply(200, WHOLE | {"Content-Length": "10"}))

    answer = scripted.ask(headers={"Range": "bytes=99-"})

    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")
    assert [sent.method for sent in scripted.origin.requests] == ["GET", "HEAD"]


@pytest.mark.parametrize(
    "tag",
    ["", "tag", '"', '"a" "b"', '"a"b"', "W/tag", 'w/"a"', '"a b"', '"\xe9"', '"\x01"', '"' + "x" * 600 + '"', "*"],
)
def test_a_malformed_validator_of_a_source_counts_as_none(scripted: Scripted, tag: str) -> None:
    dates = ["", "junk", "-1", "0", "Fri, 31 Dec 9999 23:59:59 -0100", "Wed, 99 May 2024 10:00:00 GMT", "9" * 5000]
    for date in dates:
        scripted.answers(reply(200, {"ETag": tag, "Last-Modified": date}, DATA))
        answer = scripted.ask()
        assert (answer.status_code, answer.data) == (200, DATA)
        assert "ETag" not in answer.headers
        assert "Last-Modified" not in answer.headers


def test_a_304_that_was_asked_for_keeps_the_validator(scripted: Scripted) -> None:
    for headers in ({"ETag": '"tag"'}, {"ETag": 'W/"tag"'}, {}, {"ETag": "junk"}):
        scripted.answers(reply(304, headers, length=False))
        answer = scripted.ask(headers={"If-None-Match": '"tag"'})
        assert (answer.status_code, answer.headers["ETag"].removeprefix("W/")) == (304, '"tag"')
        assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_cookie_of_a_source_is_not_sent_back(scripted: Scripted) -> None:
    scripted.answers(reply(200, WHOLE | {"Set-Cookie": "session=1; Path=/"}, DATA))

    for _ in range(2):
        assert "Set-Cookie" not in scripted.ask().headers
    assert [sent.headers["Cookie"] for sent in scripted.origin.requests] == [None, None]


RAW = {
    "nothing": b"",
    "no status line": b"hello\r\n\r\n",
    "HTTP/0.9": b"<html>",
    "status only": b"HTTP/1.1 200",
    "status without a reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "status below 100": b"HTTP/1.1 99 x\r\n\r\n",
    "status of 5 digits": b"HTTP/1.1 20000 x\r\n\r\n",
    "endless informational": b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "version 9": b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "long line": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\njunk\r\nContent-Length: 4\r\n\r\n0123",
    "nul in a header": b"HTTP/1.1 200 OK\r\nContent-Type: audio/\x00wav\r\nContent-Length: 4\r\n\r\n0123",
    "latin-1 in a header": b"HTTP/1.1 200 OK\r\nContent-Type: audio/\xe9\r\nContent-Length: 4\r\n\r\n0123",
    "utf-8 in a header": b'HTTP/1.1 200 OK\r\nETag: "\xd1\x8f"\r\nContent-Length: 4\r\n\r\n0123',
    "folded header": b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav;\r\n x=y\r\nContent-Length: 4\r\n\r\n0123",
    "bare carriage return": b'HTTP/1.1 200 OK\r\nETag: "a\rSet-Cookie: b"\r\nContent-Length: 4\r\n\r\n0123',
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\n0123",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n0123",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n0123",
    "length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\n0123",
    "hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\n0123",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0123",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n0123",
    "xml that expands": b"HTTP/1.1 403 No\r\nContent-Type: application/xml\r\nContent-Length: 70\r\n\r\n"
    b"<!DOCTYPE e [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><Error>&b;</Error>",
    "error that is no xml": b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    "404 that is no xml": b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n<a",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_no_reply_of_a_source_makes_a_500(scripted: Scripted, route: Route, raw: bytes) -> None:
    for method, headers in (
        ("GET", {}),
        ("GET", {"Range": "bytes=1-2"}),
        ("HEAD", {}),
        ("GET", {"If-None-Match": '"a"'}),
    ):
        scripted.answers(raw)
        with scripted.client.open(
            scripted.path(route=route), method=method, headers={**scripted.admin, **headers}
        ) as answer:
            assert answer.status_code in (200, 206, 404, 416), (method, headers)
            assert_clean(answer)


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
