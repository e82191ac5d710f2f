"""Whatever a server sends, a source raises nothing but the errors of its interface; and which statuses are failures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from cxb_recordings.errors import NotModified, RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import OpenedRecording, RecordingSource
from tests.servers.origin import ScriptedOrigin
from tests.servers.replies import reply

STATUSES = (
    *(201, 202, 203, 204, 206, 207, 226, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 405, 408, 410, 412, 416),
    *(418, 429, 500, 501, 502, 503, 504, 599, 999),
)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_that_was_not_asked_for_is_a_failure_and_is_not_followed(
    status: int, ask_either: Callable[..., RecordingSource]
) -> None:
    text = b"" if status in (204, 304) else b"<Error><Message>of the source</Message></Error>"
    with ScriptedOrigin([]) as elsewhere:
        answer = reply(status, {"Location": f"{elsewhere.url}/recordings/k"}, text)
        with ScriptedOrigin([answer]) as server, pytest.raises(SourceUnavailable) as failure:
            ask_either(server.url).open("k")

    assert (failure.value.status, failure.value.responded) == (status, True)
    assert "of the source" not in str(failure.value)
    assert (len(server.requests), elsewhere.accepted) == (1, 0)


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
    "two different lengths": reply(200, {"Content-Length": "4", "content-length": "9"}, b"0123"),
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    "an error without an end": reply(500, {}, b"<Error><Code>"),
    "an error inside another": reply(400, {}, b"<Error><Error><Code>x</Code></Error><Code/></Error>"),
    "an error that is cut short": reply(500, {"Content-Length": "100"}, b"<Error>"),
    "an error whose code is a tree": reply(403, {}, b"<Error><Code><x>1</x></Code></Error>"),
    "an error with two codes": reply(403, {}, b"<Error><Code>A</Code><Code>B</Code></Error>"),
    "an error in a code": reply(400, {}, b"<Code><Error></Error><Region/></Code>"),
    "an error as deep as the sea": reply(500, {}, b"<Error>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</Error>"),
}
# These are still a recording, or the absence of one.
USED = {
    *("status without a reason", "version 9", "latin-1 in a header", "utf-8 in a header", "folded header"),
    *("no length", "404 that is no xml", "nul in a header", "length and chunks"),
}


@pytest.mark.parametrize("name", RAW)
def test_junk_is_a_failure_and_nothing_else(name: str, ask_either: Callable[..., RecordingSource]) -> None:
    def read(opened: OpenedRecording) -> None:
        with closing(opened.body):
            while opened.body.read(4096):
                pass

    asks: list[Callable[[RecordingSource], object]] = [
        lambda source: read(source.open("k")),
        lambda source: read(source.open("k", RangeRequest(1, 2))),
        lambda source: source.describe("k"),
        lambda source: read(source.open("k", unless_etag="a")),
    ]
    with ScriptedOrigin([RAW[name]], closes=True) as server:
        for ask in asks:
            used = suppress(SourceUnavailable, NotModified, RangeNotSatisfiable, RecordingMissing)
            with used if name in USED else pytest.raises(SourceUnavailable):
                ask(ask_either(server.url))
