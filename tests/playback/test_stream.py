"""The body: exactly the promised bytes, and the upstream closed on every exit."""

from __future__ import annotations

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


def test_a_first_chunk_that_lacks_what_a_head_took_of_its_buffer_still_makes_the_next_ones_big() -> None:
    class Buffered(InMemoryBody):
        def read(self, size: int) -> bytes:
            return super().read(size if self.position else size - 400)

    sizes = [len(chunk) for chunk in stream(Buffered(DATA))[0]]
    assert sizes[:3] == [BASE_CHUNK_SIZE, 65536, 65536]


def test_chunks_stay_small_while_data_trickles_in() -> None:
    asked = []

    class Slow(InMemoryBody):
        def read(self, size: int) -> bytes:
            asked.append(size)
            return super().read(min(size, 1000))

    assert b"".join(stream(Slow(DATA[:20000]), length=20000)[0]) == DATA[:20000]
    assert max(asked) == BASE_CHUNK_SIZE


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
    chunks = iter(recording)
    next(chunks)
    recording.close()
    assert body.closed
    assert ends == [end(BASE_CHUNK_SIZE)]


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
