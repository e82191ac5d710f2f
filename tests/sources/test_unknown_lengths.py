"""Replies that don't tell how long the recording is: who is asked then, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.byte_range import ByteSpan, RangeRequest
from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.sources import http_source
from tests.fakes import FakeTime
from tests.servers.conversation import Received
from tests.servers.origin import Origin
from tests.servers.replies import reply

from . import read

DATA = bytes(range(256)) * 40
RANGE = RangeRequest(100, None)


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin(answer=lambda received: reply(404))
    yield origin
    origin.stop()


def headers(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"ETag": etag}


def chunked(received: Received, data: bytes, etag: str | None = None) -> bytes:
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
    coded = headers(etag) | {"Transfer-Encoding": "chunked"}
    return reply(200, coded, b"" if received.method == "HEAD" else chunks, length=False)


def without_a_total(received: Received, etag: str | None) -> bytes:
    """A range with ``/*``, and all of it in chunks."""
    wanted = RangeRequest.parse(received.headers.get("Range"))
    if wanted is None or (span := wanted.resolve(len(DATA))) is None:
        return chunked(received, DATA, etag)
    part = {"Content-Range": f"bytes {span.start}-{span.stop - 1}/*"}
    return reply(206, headers(etag) | part, DATA[span.start : span.stop])


TAGS = [
    *((None, None, True), ('"a"', '"a"', True), ('W/"a"', 'W/"a"', True), ('"a"', 'W/"a"', True), (None, '"a"', True)),
    *(('"a"', None, True), ('"a"', '"b"', False), ('W/"a"', 'W/"b"', False)),
]


@pytest.mark.parametrize(("of_get", "of_head", "is_same"), TAGS)
@pytest.mark.parametrize("hides", ["the total of a part", "every length"])
def test_head_tells_the_length_unless_it_describes_another_version(
    hides: str,
    of_get: str | None,
    of_head: str | None,
    is_same: bool,
    origin: Origin,
    ask_either: Callable[..., RecordingSource],
) -> None:
    def answer(received: Received) -> bytes:
        if received.method == "HEAD":
            return reply(200, headers(of_head) | {"Content-Length": str(len(DATA))})
        return without_a_total(received, of_get) if hides == "the total of a part" else chunked(received, DATA, of_get)

    origin.answer = answer
    source = ask_either(origin.url)
    for wanted in (None, RANGE):
        origin.requests.clear()
        opened = source.open("k", wanted)

        span = ByteSpan(100, len(DATA)) if wanted and is_same and hides == "the total of a part" else None
        assert (opened.info.length, opened.span) == (len(DATA) if is_same else None, span)
        assert read(opened) == (DATA[100:] if span else DATA)
        if span:
            assert [received.method for received in origin.requests] == ["GET", "HEAD"]


@pytest.mark.parametrize("wanted", [None, RANGE, RangeRequest(0, None), RangeRequest(0, 0), RangeRequest(None, 5)])
def test_an_empty_recording_without_a_length_is_known_to_be_empty(
    wanted: RangeRequest | None, origin: Origin, ask_either: Callable[..., RecordingSource]
) -> None:
    origin.answer = lambda received: chunked(received, b"")
    source = ask_either(origin.url)

    opened = source.open("k", wanted)
    assert (opened.info.length, opened.span, read(opened)) == (0, None, b"")
    assert source.describe("k").length == 0


def test_an_empty_body_that_only_its_end_delimits_is_a_failure(
    origin: Origin, ask_either: Callable[..., RecordingSource]
) -> None:
    origin.answer = lambda received: reply(200, length=False)
    source = ask_either(origin.url)
    for attempt in (source.open, source.describe):
        with pytest.raises(SourceUnavailable, match="nothing tells"):
            attempt("k")


@pytest.mark.parametrize("data", [b"x", DATA])
def test_a_recording_without_a_length_is_whole_though_its_first_byte_was_looked_at(
    data: bytes, origin: Origin, ask_either: Callable[..., RecordingSource]
) -> None:
    origin.answer = lambda received: chunked(received, data)
    source = ask_either(origin.url)

    opened = source.open("k")
    assert (opened.info.length, read(opened)) == (None, data)
    assert source.describe("k").length is None


WANTED = [None, RANGE, RangeRequest(0, None), RangeRequest(0, 0), RangeRequest(None, 5), RangeRequest(len(DATA), None)]


@pytest.mark.parametrize("etag", [None, '"a"'])
@pytest.mark.parametrize("hides", [without_a_total, lambda received, etag: chunked(received, DATA, etag)])
@pytest.mark.parametrize("wanted", WANTED)
def test_head_is_asked_once_and_get_four_times_at_most(
    wanted: RangeRequest | None,
    hides: Callable[[Received, str | None], bytes],
    etag: str | None,
    origin: Origin,
    ask_either: Callable[..., RecordingSource],
) -> None:
    origin.answer = lambda received: hides(received, etag)
    source = ask_either(origin.url)
    for attempt in (lambda: source.open("k", wanted).body.close(), lambda: source.describe("k")):
        origin.requests.clear()
        attempt()

        methods = [received.method for received in origin.requests]
        assert methods.count("HEAD") <= 1
        assert methods.count("GET") <= 4


def test_a_slow_source_that_tells_no_length_is_not_asked_on_and_on(
    origin: Origin, ask_either: Callable[..., RecordingSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = FakeTime()
    monkeypatch.setattr(http_source, "time", SimpleNamespace(monotonic=now.clock))
    source = ask_either(origin.url)

    def answer(received: Received) -> bytes:
        now.sleep(http_source.ATTEMPT_SECONDS)
        return chunked(received, DATA)

    origin.answer = answer
    for attempt in (source.open, source.describe):
        origin.requests.clear()
        with pytest.raises(SourceUnavailable, match="takes too long to tell the length"):
            attempt("k")
        assert len(origin.requests) == 1


def test_a_416_that_tells_no_length_does_not_make_a_recording_empty(
    origin: Origin, ask_either: Callable[..., RecordingSource]
) -> None:
    origin.answer = lambda received: reply(416) if "Range" in received.headers else chunked(received, DATA)

    opened = ask_either(origin.url).open("k")
    assert (opened.info.length, opened.span, read(opened)) == (None, None, DATA)


@pytest.mark.parametrize("hides", [without_a_total, lambda received, etag: chunked(received, DATA, etag)])
def test_the_length_of_a_page_that_head_tells_is_not_the_recordings(
    hides: Callable[[Received, str | None], bytes], origin: Origin, ask_either: Callable[..., RecordingSource]
) -> None:
    def answer(received: Received) -> bytes:
        if received.method == "HEAD":
            return reply(200, {"Content-Type": "text/html", "Content-Length": "20000"})
        return hides(received, '"a"')

    origin.answer = answer
    opened = ask_either(origin.url).open("k", RANGE)

    assert (opened.info.length, opened.span, read(opened)) == (None, None, DATA)
