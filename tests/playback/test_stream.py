"""The body: exactly the promised bytes, and the upstream closed on every exit."""

from __future__ import annotations

import sys
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings.errors import StreamBroken
from cxb_recordings.playback.byte_range import ByteSpan
from cxb_recordings.playback.chunk_size import BASE_CHUNK_SIZE
from cxb_recordings.playback.conditions import Decision
from cxb_recordings.playback.events import Event, Listener, RecordingServed
from cxb_recordings.playback.source import ContentInfo, OpenedRecording
from cxb_recordings.playback.stream import RecordingStream, StreamLimits
from cxb_recordings.testing import InMemoryBody, InMemorySource
from tests.fakes import FakeTime

DATA = bytes(range(256)) * 4096  # 1 MB


LIMITS = StreamLimits(max_chunk_size=65536, read_timeout=10, resume_attempts=0, resume_timeout=60)


def stream(
    body: InMemoryBody,
    span: ByteSpan | None = None,
    carried: ByteSpan | None = None,
    length: int | None = len(DATA),
    time: FakeTime | None = None,
) -> tuple[RecordingStream, list[RecordingServed]]:
    """A stream that is never mended, started as the service does, and what it reports at its end."""
    ends: list[RecordingServed] = []
    time = time or FakeTime()
    opened = OpenedRecording(ContentInfo(length), carried, body, InMemorySource(name="fake"))

    def tell(event: Event) -> None:
        if isinstance(event, RecordingServed):
            ends.append(event)

    decision = Decision(206 if span else 200, span)
    recording = RecordingStream(
        opened, decision, "a", [], list, LIMITS, listener=Listener(), tell=tell, clock=time.clock, sleep=time.sleep
    )
    recording.start(0, timeout=20)
    return recording, ends


def end(delivered: int, *, complete: bool = False) -> RecordingServed:
    """The end of a whole recording that did not break."""
    return RecordingServed(Listener(), "fake", 200, delivered, complete, None, 0, None, 0, 0)


def test_a_whole_recording_is_handed_out_and_its_upstream_closed() -> None:
    body = InMemoryBody(DATA)
    recording, ends = stream(body)
    assert b"".join(recording) == DATA
    assert body.closed
    assert ends == [end(len(DATA), complete=True)]


class Arriving(InMemoryBody):
    """A body that brings some numbers of bytes, and then all that is asked for."""

    def __init__(self, data: bytes, *arriving: int) -> None:
        super().__init__(data)
        self.arriving = iter(arriving)
        self.asked: list[int] = []

    def read(self, size: int) -> bytes:
        self.asked.append(size)
        return super().read(min(size, next(self.arriving, size)))


@pytest.mark.parametrize(
    ("arriving", "first"),
    [((), 65536), ((BASE_CHUNK_SIZE,), BASE_CHUNK_SIZE), ((7800,), 65536), ((7800, 300, 200), 8300), ((9000,), 9000)],
)
def test_the_first_chunk_waits_for_8_kb_and_has_what_else_has_arrived(arriving: tuple[int, ...], first: int) -> None:
    body = Arriving(DATA, *arriving)
    recording, _ = stream(body)
    assert body.position == first, "no more is read before the response's head goes out"
    chunks = list(recording)
    assert [len(chunk) for chunk in chunks[:2]] == [first, 65536]
    assert b"".join(chunks) == DATA


@pytest.mark.parametrize(
    ("length", "first"), [(100, 100), (8192, 8192), (8193, 8192), (20000, 20000 - 8192), (70000, 70000 - 8192)]
)
def test_the_end_of_all_but_a_short_recording_is_read_after_the_head_went_out(length: int, first: int) -> None:
    body = InMemoryBody(DATA[:length])
    recording, _ = stream(body, length=length)
    assert body.position == first, "a break at the end, or chunks that go on there, would fail the search"
    assert b"".join(recording) == DATA[:length]


def test_a_source_that_brings_little_is_asked_for_little_after_the_first_8_kb() -> None:
    body = Arriving(DATA[:20000], *[1000] * 20)
    assert b"".join(stream(body, length=20000)[0]) == DATA[:20000]
    assert max(body.asked[9:]) == BASE_CHUNK_SIZE


@given(st.integers(0, 5000), st.integers(1, 5000))
def test_a_range_is_cut_out_of_a_whole_recording(start: int, length: int) -> None:
    body = InMemoryBody(DATA)
    assert b"".join(stream(body, ByteSpan(start, start + length))[0]) == DATA[start : start + length]
    assert body.position == start + length, "nothing is read beyond the range"


def test_a_source_that_ends_early_raises_so_that_the_server_cuts_the_connection() -> None:
    body = InMemoryBody(DATA[:-1])
    recording, ends = stream(body)
    with pytest.raises(StreamBroken):
        b"".join(recording)
    assert body.closed
    [served] = ends
    assert (served.delivered, served.complete, served.broken) == (len(DATA) - 1, False, True)


def test_a_source_that_breaks_raises_after_the_bytes_that_were_there() -> None:
    recording, ends = stream(InMemoryBody(DATA, breaks_after=10_000))
    received = []
    with pytest.raises(StreamBroken):
        for chunk in recording:
            received.append(chunk)  # noqa: PERF402 - what came before the error is kept
    assert b"".join(received) == DATA[:10_000]
    assert [(end.delivered, end.complete) for end in ends] == [(10_000, False)]


def test_no_more_than_what_was_promised_is_handed_out() -> None:
    assert b"".join(stream(InMemoryBody(DATA + b"more"))[0]) == DATA


def test_a_recording_of_unknown_length_ends_with_its_source() -> None:
    recording, ends = stream(InMemoryBody(DATA), length=None)
    assert b"".join(recording) == DATA
    assert [end.complete for end in ends] == [True]


def test_closing_before_the_first_byte_frees_the_upstream() -> None:
    body = InMemoryBody(DATA)
    recording, ends = stream(body)
    recording.close()
    recording.close()
    assert body.closed
    assert ends == [end(0)]


def test_a_client_that_leaves_is_neither_complete_nor_an_error() -> None:
    body = InMemoryBody(DATA)
    recording, ends = stream(body)
    first = next(iter(recording))
    recording.close()
    assert body.closed
    assert ends == [end(len(first))]


def test_a_chunk_that_went_out_is_not_held_while_the_next_one_is_waited_for() -> None:
    counts: list[int] = []

    class Watched(InMemoryBody):
        last = b""

        def read(self, size: int) -> bytes:
            if self.last:
                counts.append(sys.getrefcount(self.last))
            self.last = super().read(size)
            return self.last

    deque(stream(Watched(DATA))[0], maxlen=0)  # a listener who keeps nothing
    assert max(counts) <= 2, "the body's own reference, and that of the argument"


def test_a_listener_who_holds_a_chunk_for_long_gets_small_ones() -> None:
    time = FakeTime()
    asked: list[int] = []

    class Watched(InMemoryBody):
        def read(self, size: int) -> bytes:
            asked.append(size)
            return super().read(size)

    recording, _ = stream(Watched(DATA), time=time)
    received = b""
    for chunk in recording:
        received += chunk
        time.sleep(5)
    assert received == DATA
    assert set(asked[2:-1]) == {BASE_CHUNK_SIZE}
