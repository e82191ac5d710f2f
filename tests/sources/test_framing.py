"""Replies and connections that are broken on the wire, from storage and from a fleet host alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from cxb_recordings.errors import RecordingError, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import RecordingSource
from tests.servers.origin import ScriptedOrigin
from tests.servers.replies import reply

from . import read

DATA = b"0123456789"


@pytest.mark.parametrize("status", [101, 102, 103, 199])
def test_nobody_hears_the_reply_that_came_behind_an_interim_one(
    status: int, ask_either: Callable[..., RecordingSource]
) -> None:
    interim = f"HTTP/1.1 {status} X\r\n\r\n".encode()
    scripts = [[interim + reply(200, {}, b"of bob")], [reply(200, {}, b"of eve")]]
    with ScriptedOrigin(*scripts) as server:
        source = ask_either(server.url)
        with pytest.raises(SourceUnavailable, match=f"status {status}"):
            source.open("bob")

        assert read(source.open("eve")) == b"of eve"


def test_a_reply_behind_100_is_the_reply(ask_either: Callable[..., RecordingSource]) -> None:
    with ScriptedOrigin([b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200, {}, DATA)] * 2) as server:
        assert read(ask_either(server.url).open("k")) == DATA


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity", "chun", "", "xchunked"])
def test_a_transfer_coding_other_than_chunked_is_refused(
    coding: str, ask_either: Callable[..., RecordingSource]
) -> None:
    answer = f"HTTP/1.1 200 X\r\nTransfer-Encoding: {coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()
    with ScriptedOrigin([answer], closes=True) as server, pytest.raises(SourceUnavailable, match="Transfer-Encoding"):
        ask_either(server.url).open("k")


def test_a_head_that_is_cut_off_is_no_empty_recording(ask_either: Callable[..., RecordingSource]) -> None:
    whole = b'HTTP/1.1 200 X\r\nETag: "x"\r\nTransfer-Encoding: chunked\r\n\r\n'
    for end in range(len("HTTP/1.1 200 X\r\n"), len(whole)):
        with ScriptedOrigin([whole[:end]], closes=True) as server, pytest.raises(SourceUnavailable):
            assert read(ask_either(server.url).open("k")) is None, whole[:end]


def test_a_reply_in_parts_to_a_request_for_one_range_is_refused(ask_either: Callable[..., RecordingSource]) -> None:
    headers = {"Content-Range": "bytes 2-5/10", "Content-Type": "multipart/byteranges; boundary=x"}
    with ScriptedOrigin([reply(206, headers, b"2345")]) as server, pytest.raises(SourceUnavailable, match="parts"):
        ask_either(server.url).open("k", RangeRequest(2, 5))


DEFECTS = {
    "a space before the colon": b"Bad Name: 1",
    "no colon": b"junk",
    "no name": b": 1",
    "a control character in a name": b"Bad\x01Name: 1",
    "a lone carriage return": b"X: 1\rY: 2",
    "a nul": b"X: \x00",
    "a name beyond ASCII": "Nämé: 1".encode(),
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_a_head_with_defects_is_no_answer(defect: bytes, ask_either: Callable[..., RecordingSource]) -> None:
    for around in (b"Content-Length: 3\r\n%s\r\nContent-Encoding: gzip", b"%s\r\nContent-Length: 3"):
        head = b"HTTP/1.1 200 X\r\n" + around % defect + b"\r\n\r\n"
        with ScriptedOrigin([head + b"abc"]) as server:
            for attempt in (ask_either(server.url).open, ask_either(server.url).describe):
                with pytest.raises(SourceUnavailable) as failure:
                    attempt("k")
                assert defect.decode("latin-1")[:3] not in failure.value.reason


def test_a_head_without_its_end_is_no_answer_to_anything(ask_either: Callable[..., RecordingSource]) -> None:
    heads = [
        b'HTTP/1.1 200 X\r\nETag: "x"\r\nContent-Length: 300000\r\n\r\n',
        b"HTTP/1.1 304 X\r\nDate: now\r\n\r\n",
        b"HTTP/1.1 416 X\r\nContent-Range: bytes */300000\r\n\r\n",
        b"HTTP/1.1 404 X\r\nX: y\r\n\r\n",
    ]
    asks: list[Callable[[RecordingSource], object]] = [
        lambda source: source.describe("k"),
        lambda source: source.open("k", unless_etag="x"),
        lambda source: source.open("k", RangeRequest(400_000, None)),
    ]
    for head in heads:
        for end in (len("HTTP/1.1 200 X\r\n"), len(head) // 2, *range(len(head) - 10, len(head) - 1)):
            with ScriptedOrigin([head[:end]], closes=True) as server:
                for attempt in asks:
                    with pytest.raises(SourceUnavailable):
                        attempt(ask_either(server.url))


def chunked(*pieces: bytes) -> bytes:
    return b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(pieces)


MALFORMED_CHUNKS = {
    "a negative size": [b"-5\r\n", b"x" * 9000],
    "a size with a sign": [b"+5\r\nabcde\r\n0\r\n\r\n"],
    "a size with a prefix": [b"0x5\r\nabcde\r\n0\r\n\r\n"],
    "a size with an underscore": [b"0_5\r\nabcde\r\n0\r\n\r\n"],
    "a space before the size": [b" 5\r\nabcde\r\n0\r\n\r\n"],
    "no size": [b"\r\nabcde\r\n0\r\n\r\n"],
    "a size beyond any": [b"f" * 17 + b"\r\n", b"x" * 9000],
    "a size that ends in a line feed": [b"5\nabcde\r\n0\r\n\r\n"],
    "more data than its size": [b"3\r\nabcde\r\n0\r\n\r\n"],
    "two bytes of data more than its size": [b"3\r\nabc12", b"3\r\nabc\r\n0\r\n\r\n"],
    "less data than its size": [b"9\r\nabcde"],
    "a last size that is cut off": [b"5\r\nabcde\r\n00"],
    "an endless extension": [b"5;" + b"x" * 9000 + b"\r\nabcde\r\n0\r\n\r\n"],
    "endless trailers": [b"5\r\nabcde\r\n0\r\n" + b"X: y\r\n" * 200],
}


@pytest.mark.parametrize("size", [3, 10, 100_000])
@pytest.mark.parametrize("pieces", MALFORMED_CHUNKS.values(), ids=MALFORMED_CHUNKS)
def test_a_malformed_chunk_is_a_break_and_never_more_than_was_asked_for(
    pieces: list[bytes], size: int, ask_either: Callable[..., RecordingSource]
) -> None:
    with ScriptedOrigin([chunked(*pieces)], closes=True) as server:
        received = b""
        with pytest.raises(SourceUnavailable):
            opened = ask_either(server.url).open("k", RangeRequest(0, None))
            with closing(opened.body):
                while part := opened.body.read(size):
                    assert len(part) <= size
                    received += part
        assert b"abcdefgh"[: len(received)] == received[:8], "no byte of the framing is taken for one of the body"


WELL_FORMED_CHUNKS = {
    "in one piece": [b"a\r\n0123456789\r\n0\r\n\r\n"],
    "in pieces": [b"4\r\n0123\r\n", b"6\r\n456789\r\n", b"0\r\n\r\n"],
    "with extensions": [b'4;a="b"\r\n0123\r\n', b"006 ; x\r\n456789\r\n000;last\r\n\r\n"],
    "with trailers": [b"A\r\n0123456789\r\n0\r\nX-Checksum: 1\r\nY: z\r\n\r\n"],
}


@pytest.mark.parametrize("size", [1, 3, 4, 100])
@pytest.mark.parametrize("pieces", WELL_FORMED_CHUNKS.values(), ids=WELL_FORMED_CHUNKS)
def test_chunks_come_to_the_bytes_within(
    pieces: list[bytes], size: int, ask_either: Callable[..., RecordingSource]
) -> None:
    with ScriptedOrigin([chunked(*pieces)] * 9) as server:
        source = ask_either(server.url)
        for _ in range(2):
            opened = source.open("k", RangeRequest(0, None))
            with closing(opened.body):
                assert b"".join(iter(lambda body=opened.body: body.read(size), b"")) == DATA  # type: ignore[misc]


@pytest.mark.parametrize("length", [9, 11])
def test_chunks_that_come_to_another_length_than_the_range_are_a_break(
    length: int, ask_either: Callable[..., RecordingSource]
) -> None:
    head = b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 5-14/50\r\n\r\n"
    with ScriptedOrigin([head + b"%x\r\n%s\r\n0\r\n\r\n" % (length, b"x" * length)]) as server:
        opened = ask_either(server.url).open("k", RangeRequest(5, 14))
        with closing(opened.body), pytest.raises(SourceUnavailable):
            while opened.body.read(100):
                pass


def test_the_last_bytes_wait_until_the_chunks_have_ended(ask_either: Callable[..., RecordingSource]) -> None:
    head = b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-9/10\r\n\r\n"
    with ScriptedOrigin([head + b"4\r\n0123\r\n6\r\n456789\r\n7\r\nsurplus\r\n0\r\n\r\n"]) as server:
        opened = ask_either(server.url).open("k", RangeRequest(0, None))
        with closing(opened.body):
            assert opened.body.read(100) == b"0123"
            with pytest.raises(SourceUnavailable, match="longer"):
                opened.body.read(100)


BODILESS = {
    "HEAD": reply(200, {"Content-Length": "11"}),
    "304": b'HTTP/1.1 304 X\r\nETag: "x"\r\n\r\n',
    "404": reply(404),
    "416": reply(416, {"Content-Range": "bytes */3"}),
    "403": reply(403, {}, b"no"),
    "500": reply(500),
    "204": b"HTTP/1.1 204 X\r\n\r\n",
}


@pytest.mark.parametrize("kind", BODILESS)
def test_nobody_hears_what_came_behind_a_reply_without_a_recordings_bytes(
    kind: str, ask_either: Callable[..., RecordingSource]
) -> None:
    forged = reply(200, {}, b"of bob, forged")  # sent when the next request is there
    scripts = [[BODILESS[kind], forged], [reply(200, {}, b"of eve")] * 9]
    with ScriptedOrigin(*scripts) as server:
        source = ask_either(server.url)
        with suppress(RecordingError):
            if kind == "HEAD":
                source.describe("bob")
            else:
                wanted, tag = (RangeRequest(5, 9), None) if kind == "416" else (None, "x" if kind == "304" else None)
                source.open("bob", wanted, unless_etag=tag)

        assert read(source.open("eve")) == b"of eve"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity"])
def test_the_body_of_a_redirect_is_neither_read_nor_decoded(
    coding: str, ask_either: Callable[..., RecordingSource]
) -> None:
    # A bomb's beginning, cut off: a client that decodes it raises, one that reads it waits.
    headers = {"Content-Encoding": coding, "Location": "http://127.0.0.1:1/"}
    with ScriptedOrigin([reply(302, {**headers, "Content-Length": "100000"}, b"\x1f\x8b\x08\x00junk")]) as server:
        for attempt in (ask_either(server.url).open, ask_either(server.url).describe):
            with pytest.raises(SourceUnavailable, match="status 302"):
                attempt("k")


def test_a_kept_alive_connection_that_the_server_has_closed_is_replaced_once(
    ask_either: Callable[..., RecordingSource],
) -> None:
    with ScriptedOrigin([reply(200, {}, DATA)]) as server:
        source = ask_either(server.url)
        assert [read(source.open("k")) for _ in range(2)] == [DATA, DATA]

        assert (server.accepted, len(server.requests)) == (2, 3)


def test_a_server_that_drops_every_connection_is_tried_twice_and_did_not_respond(
    ask_either: Callable[..., RecordingSource],
) -> None:
    with ScriptedOrigin([]) as server:
        with pytest.raises(SourceUnavailable) as failure:
            ask_either(server.url).open("k")

        assert not failure.value.responded
        assert server.accepted == 2


CUT_SHORT = {
    "a length": reply(200, {"Content-Length": "11"}, DATA),
    "a length in a range": reply(206, {"Content-Range": "bytes 2-5/10", "Content-Length": "4"}, DATA[2:5]),
    "chunks": b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + DATA,
    "the last chunk": b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 2-5/10\r\n\r\n9\r\n2345",
}


@pytest.mark.parametrize("closes", [True, False], ids=["ends", "stalls"])
@pytest.mark.parametrize("answer", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_body_that_ends_early_or_stalls_breaks_after_what_came(
    answer: bytes, closes: bool, ask_either: Callable[..., RecordingSource]
) -> None:
    with ScriptedOrigin([answer], closes=closes) as server:
        opened = ask_either(server.url, read_timeout=30 if closes else 0.2).open("k", RangeRequest(2, 5))
        received = b""
        with closing(opened.body), pytest.raises(SourceUnavailable, match="the transfer broke") as failure:
            while part := opened.body.read(4096):
                received += part

    assert failure.value.responded
    # Where only the end of the chunks tells that a part is whole, its last bytes are not handed out before.
    assert received == (b"" if b"206" in answer and b"chunked" in answer else answer.rpartition(b"\n")[2])


def test_a_server_that_says_nothing_did_not_respond_within_the_read_timeout(
    ask_either: Callable[..., RecordingSource],
) -> None:
    with ScriptedOrigin([b""]) as silent:
        source = ask_either(silent.url, read_timeout=0.2)
        for attempt in (source.open, source.describe):
            with pytest.raises(SourceUnavailable, match="ReadTimeout") as failure:
                attempt("k")
            assert (failure.value.responded, failure.value.is_transient) == (False, False)
