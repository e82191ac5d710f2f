"""The body: exactly the promised bytes, and the upstream closed on every exit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings.errors import StreamBroken
from cxb_recordings.playback.byte_range import ByteSpan
from cxb_recordings.playback.source import ContentInfo, OpenedRecording
from cxb_recordings.playback.stream import BASE_CHUNK_SIZE, RecordingStream, StreamEnd
from tests.fakes import FakeBody, FakeSource

DATA = bytes(range(256)) * 4096  # 1 MB


def stream(
    body: FakeBody, span: ByteSpan | None = None, carried: ByteSpan | None = None, length: int | None = len(DATA)
) -> tuple[RecordingStream, list[StreamEnd]]:
    ends: list[StreamEnd] = []
    opened = OpenedRecording(ContentInfo(length), carried, body, FakeSource({}))
    return RecordingStream(opened, span, max_chunk_size=65536, on_end=ends.append), ends


def test_a_whole_recording_is_handed_out_and_its_upstream_closed() -> None:
    body = FakeBody(DATA)
    recording, ends = stream(body)
    assert b"".join(recording) == DATA
    assert body.closed
    assert ends == [StreamEnd(len(DATA), complete=True, error=None)]


def test_chunks_begin_at_8_kb_and_grow_to_the_ceiling_while_data_is_there() -> None:
    sizes = [len(chunk) for chunk in stream(FakeBody(DATA))[0]]
    assert sizes[:5] == [BASE_CHUNK_SIZE, 16384, 32768, 65536, 65536]
    assert max(sizes) == 65536


def test_chunks_stay_small_while_data_trickles_in() -> None:
    class Slow(FakeBody):
        def read(self, size: int) -> bytes:
            return super().read(min(size, 1000))

    body = Slow(DATA[:20000])
    assert b"".join(stream(body, length=20000)[0]) == DATA[:20000]
    assert max(body.sizes) == 1000


@given(st.integers(0, 5000), st.integers(1, 5000))
def test_a_range_is_cut_out_of_a_whole_recording(start: int, length: int) -> None:
    body = FakeBody(DATA)
    assert b"".join(stream(body, ByteSpan(start, start + length))[0]) == DATA[start : start + length]
    assert body.position == start + length, "nothing is read beyond the range"


def test_a_source_that_ends_early_raises_so_that_the_server_cuts_the_connection() -> None:
    body = FakeBody(DATA[:-1])
    recording, ends = stream(body)
    with pytest.raises(StreamBroken):
        b"".join(recording)
    assert body.closed
    assert ends[0].delivered == len(DATA) - 1
    assert not ends[0].complete
    assert ends[0].error is not None


def test_a_source_that_breaks_raises_after_the_bytes_that_were_there() -> None:
    recording, ends = stream(FakeBody(DATA, breaks_after=10_000))
    received = []
    with pytest.raises(StreamBroken):
        for chunk in recording:
            received.append(chunk)  # noqa: PERF402 - what came before the error is kept
    assert b"".join(received) == DATA[:10_000]
    assert ends[0].delivered == 10_000


def test_no_more_than_what_was_promised_is_handed_out() -> None:
    assert b"".join(stream(FakeBody(DATA + b"more"))[0]) == DATA


def test_a_recording_of_unknown_length_ends_with_its_source() -> None:
    recording, ends = stream(FakeBody(DATA), length=None)
    assert b"".join(recording) == DATA
    assert ends[0].complete


def test_closing_before_the_first_byte_frees_the_upstream() -> None:
    body = FakeBody(DATA)
    recording, ends = stream(body)
    recording.close()
    recording.close()
    assert body.closed
    assert ends == [StreamEnd(0, complete=False, error=None)]


def test_a_client_that_leaves_is_neither_complete_nor_an_error() -> None:
    body = FakeBody(DATA)
    recording, ends = stream(body)
    chunks = iter(recording)
    next(chunks)
    recording.close()
    assert body.closed
    assert ends == [StreamEnd(BASE_CHUNK_SIZE, complete=False, error=None)]
