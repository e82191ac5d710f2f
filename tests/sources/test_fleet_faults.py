"""Fleet hosts that break off, contradict themselves or drop their connections."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import ContentInfo
from cxb_recordings.sources.fleet import FleetHost
from tests.servers.origin import ScriptedOrigin
from tests.servers.replies import reply

from . import read

DATA = b"0123456789"
RANGE = RangeRequest(2, 5)


def test_a_kept_alive_connection_that_the_host_has_closed_is_replaced_once(ask: Callable[..., FleetHost]) -> None:
    with ScriptedOrigin([reply(200, {}, DATA)]) as server:
        source = ask(server.url)
        assert [read(source.open("k")) for _ in range(2)] == [DATA, DATA]

        assert (server.accepted, len(server.heads)) == (2, 3)


def test_a_host_that_drops_every_connection_is_tried_twice_and_did_not_respond(ask: Callable[..., FleetHost]) -> None:
    with ScriptedOrigin([]) as server:
        with pytest.raises(SourceUnavailable) as failure:
            ask(server.url).open("k")

        assert not failure.value.responded
        assert server.accepted == 2


CUT_SHORT = {
    "a length": reply(200, {"Content-Length": "11"}, DATA),
    "a length in a range": reply(206, {"Content-Range": "bytes 2-5/10", "Content-Length": "4"}, DATA[2:5]),
    "chunks": b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + DATA,
    "the last chunk": b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 2-5/10\r\n\r\n9\r\n2345",
}


@pytest.mark.parametrize("answer", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_body_that_ends_early_breaks_after_what_came(answer: bytes, ask: Callable[..., FleetHost]) -> None:
    with ScriptedOrigin([answer], closes=True) as server:
        opened = ask(server.url).open("k", RANGE)
        received = b""
        with pytest.raises(SourceUnavailable, match="the transfer broke") as failure:
            while part := opened.body.read(4096):
                received += part
        opened.body.close()

    assert failure.value.responded
    # Where only the end of the chunks tells that a part is whole, its last bytes are not handed out before.
    assert received == (b"" if b"206" in answer and b"chunked" in answer else answer.rpartition(b"\n")[2])


def test_a_host_that_says_nothing_more_breaks_after_the_read_timeout(ask: Callable[..., FleetHost]) -> None:
    with ScriptedOrigin([reply(200, {"Content-Length": "11"}, DATA)]) as server, ScriptedOrigin([b""]) as silent:
        opened = ask(server.url, read_timeout=0.2).open("k")
        assert opened.body.read(4096) == DATA
        with pytest.raises(SourceUnavailable, match="the transfer broke"):
            opened.body.read(4096)
        opened.body.close()
        with pytest.raises(SourceUnavailable) as failure:
            ask(silent.url, read_timeout=0.2).open("k")
    assert not failure.value.responded


CONTRADICTIONS = {
    "no Content-Range": reply(206, {}, b"2345"),
    "another start": reply(206, {"Content-Range": "bytes 3-6/10"}, b"2345"),
    "another end": reply(206, {"Content-Range": "bytes 2-4/10"}, b"234"),
    "more than was asked": reply(206, {"Content-Range": "bytes 2-6/10"}, b"23456"),
    "no total": reply(206, {"Content-Range": "bytes 2-5/*"}, b"2345"),
    "an end beyond the total": reply(206, {"Content-Range": "bytes 2-5/5"}, b"2345"),
    "another length": reply(206, {"Content-Range": "bytes 2-5/10"}, b"23456"),
    "several parts": reply(206, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x--"),
    "an encoding": reply(206, {"Content-Range": "bytes 2-5/10", "Content-Encoding": "br"}, b"2345"),
    "a length that is no number": reply(200, {"Content-Length": "ten"}, DATA),
    "two lengths": reply(200, {"Content-Length": "10", "content-length": "11"}, DATA),
}


@pytest.mark.parametrize("answer", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_reply_that_contradicts_the_request_or_itself_is_not_used(
    answer: bytes, ask: Callable[..., FleetHost]
) -> None:
    with ScriptedOrigin([answer], closes=True) as server, pytest.raises(SourceUnavailable):
        ask(server.url).open("k", RANGE)


def test_a_416_that_tells_no_length_does_not_make_a_recording_empty(ask: Callable[..., FleetHost]) -> None:
    chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + DATA + b"\r\n0\r\n\r\n"
    with ScriptedOrigin([chunked], [reply(416)], [chunked]) as server:
        opened = ask(server.url).open("k")

        assert (opened.info, opened.span, read(opened)) == (ContentInfo(None), None, DATA)
