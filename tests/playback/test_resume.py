"""A stream goes on at the exact next byte, or raises: which source is asked, for which range, with which proof."""

from __future__ import annotations

import gc
import random
import weakref
from typing import NoReturn

import pytest

from cxb_recordings.errors import SourceUnavailable, StreamBroken
from cxb_recordings.playback.byte_range import ByteSpan, RangeRequest
from cxb_recordings.playback.conditions import Decision
from cxb_recordings.playback.events import Event, Listener, RecordingServed, SourceFailed
from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.playback.splice import ENOUGH, HEADER, TAIL, Cursor
from cxb_recordings.playback.stream import RecordingStream, StreamLimits
from tests.fakes import BreakingSource, FakeTime

DATA = random.Random(4).randbytes(300_000)
LENGTH = len(DATA)


class Playing:
    """A stream over fakes, and what was seen of it."""

    def __init__(self, *sources: BreakingSource, span: ByteSpan | None = None, attempts: int = 8) -> None:
        self.time = FakeTime()
        self.events: list[Event] = []
        wanted = RangeRequest.of(span) if span else None
        limits = StreamLimits(65536, read_timeout=10, resume_attempts=attempts, resume_timeout=60)
        line: list[RecordingSource] = list(sources)
        self.stream = RecordingStream(
            sources[0].open("a", wanted),
            Decision(206 if span else 200, span),
            "a",
            line,
            list,
            limits,
            listener=Listener(),
            tell=self.events.append,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )

    def read(self) -> bytes:
        """Everything; raises StreamBroken where it is not available."""
        self.received = b""
        for chunk in self.stream:
            self.received += chunk
        return self.received

    @property
    def end(self) -> RecordingServed:
        end = self.events[-1]
        assert isinstance(end, RecordingServed)
        return end


def source(*breaks: int | None, name: str = "one", etag: str | None = "tag", data: bytes = DATA) -> BreakingSource:
    return BreakingSource({"a": data}, name, breaks=list(breaks), etag=etag)


@pytest.mark.parametrize("at", [1, 8192, 100_000, LENGTH - 1])
def test_the_same_source_with_a_strong_validator_is_asked_for_the_rest_only(at: int) -> None:
    one = source(at)
    assert Playing(one).read() == DATA
    assert one.wanted == [None, RangeRequest(at, LENGTH - 1)]


@pytest.mark.parametrize("at", [HEADER + ENOUGH, 100_000, LENGTH - 1])
def test_another_source_is_compared_in_the_last_64_kb(at: int) -> None:
    one, two = source(at, *[0] * 20), source(name="two", etag="other")
    playing = Playing(one, two)
    assert playing.read() == DATA
    assert two.wanted == [RangeRequest(max(at - TAIL, 0), LENGTH - 1)]
    assert playing.end.source == "two"


def test_a_source_without_a_strong_validator_is_compared_with_itself() -> None:
    one = source(100_000, etag=None)
    assert Playing(one).read() == DATA
    assert one.wanted == [None, RangeRequest(100_000 - TAIL, LENGTH - 1)]


MD5 = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("first", "second", "goes_on"),
    [
        (MD5, MD5, True),
        (MD5, MD5[::-1], False),
        (MD5, None, False),
        (None, MD5, False),
        ("tag", "tag", False),
        (MD5 + "-2", MD5 + "-2", False),
        (MD5.upper(), MD5.upper(), False),
    ],
)
def test_where_too_little_can_be_compared_only_an_equal_tag_with_an_md5s_shape_proves_anything(
    first: str | None, second: str | None, goes_on: bool
) -> None:
    playing = Playing(source(HEADER + ENOUGH - 1, *[0] * 20, etag=first), source(name="two", etag=second))
    if goes_on:
        assert playing.read() == DATA
    else:
        with pytest.raises(StreamBroken):
            playing.read()
        assert playing.received == DATA[: HEADER + ENOUGH - 1]


def silent(*sounds: tuple[int, int], run: int = LENGTH, at: int = 0) -> bytes:
    """A recording of silence, with noise from and to these positions, and runs of one byte in that of length `run`."""
    data = bytearray(b"\xff" * LENGTH)
    for start, stop in sounds:
        data[start:stop] = DATA[start:stop]
    for start in range(at, LENGTH, run + 1):
        data[start : start + run] = data[start : start + 1] * run if run < LENGTH else data[start : start + run]
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "start", "is_proof"),
    [
        (silent(), 0, False),
        (silent((0, HEADER)), 0, False),
        (silent((0, 20_000)), 0, False),  # longer ago than what is remembered
        (silent((60_000, 60_000 + ENOUGH)), 0, True),
        (silent((60_000, 60_000 + ENOUGH - 200)), 0, False),
        (silent((60_000, 62_000), (70_000, 73_000)), 0, True),
        (silent((0, LENGTH)), 100_000 - 1, False),
        (silent((0, LENGTH)), 100_000 - ENOUGH, True),
        (silent((0, LENGTH), run=64), 0, True),
        (silent((0, LENGTH), run=66), 0, False),
    ],
)
def test_silence_and_the_header_prove_nothing(data: bytes, start: int, is_proof: bool) -> None:
    cursor = Cursor(start, LENGTH)
    for position in range(start, 100_000, 8192):
        chunk = data[position : min(position + 8192, 100_000)]
        cursor.position += len(chunk)
        cursor.remember(chunk)

    assert cursor.has_proof() == is_proof


@pytest.mark.parametrize("sample", [b"\xff", b"\x00\x80", b"\x01\x00\x00", b"\x01\x00\xff\xff"])
def test_silence_of_any_sample_proves_nothing(sample: bytes) -> None:
    cursor = Cursor(100_000, LENGTH)
    cursor.position += 60_000
    cursor.remember(sample * (60_000 // len(sample)))
    assert not cursor.has_proof()


def test_two_recordings_that_are_silent_at_the_break_are_never_joined() -> None:
    one, two = source(100_000, *[0] * 20, etag=None, data=silent((0, 9000))), source(name="two", etag=None)
    two.recordings["a"] = silent((200_000, LENGTH))
    playing = Playing(one, two)
    with pytest.raises(StreamBroken):
        playing.read()
    assert playing.received == silent((0, 9000))[:100_000]
    assert two.wanted == [], "nothing that it could answer would prove anything"


def test_a_source_that_ignores_range_is_used_from_the_cursor_on() -> None:
    one, two = source(100_000, *[0] * 20), source(name="two")
    two.ignores_range = True
    assert Playing(one, two).read() == DATA


@pytest.mark.parametrize(
    ("two", "why"),
    [
        (source(name="two", data=DATA[:-1]), "another total length"),
        (source(name="two", data=DATA + b"x"), "another total length"),
        (source(name="two", data=DATA[:99_999] + b"x" + DATA[100_000:]), "other bytes where they were compared"),
    ],
    ids=["shorter", "longer", "another last byte"],
)
def test_what_is_not_proven_to_be_the_same_is_not_used(two: BreakingSource, why: str) -> None:
    assert DATA[0:1] != b"x" != DATA[99_999:100_000]
    playing = Playing(source(100_000, *[0] * 20), two)
    with pytest.raises(StreamBroken):
        playing.read()
    assert playing.received == DATA[:100_000]
    assert why in [event.reason for event in playing.events if isinstance(event, SourceFailed)]
    assert not playing.end.complete


def test_the_same_source_with_another_validator_is_not_used() -> None:
    one = source(100_000)
    playing = Playing(one)
    one.etag = "changed"
    with pytest.raises(StreamBroken):
        playing.read()
    assert playing.received == DATA[:100_000]
    assert len(one.wanted) == 2, "it is asked once: a recording that changed stays changed"


def test_a_stream_that_is_closed_while_it_is_read_opens_no_source_again() -> None:
    one = source()
    playing = Playing(one)
    chunks = iter(playing.stream)
    next(chunks)
    playing.stream.close()
    with pytest.raises(StreamBroken, match="closed"):
        next(chunks)
    assert [body.closed for body in one.bodies] == [True]


def test_a_refusal_is_final_and_costs_no_waiting() -> None:
    one = source(100_000, *[0] * 20)
    playing = Playing(one)
    one.failure = SourceUnavailable("status 403", status=403)
    with pytest.raises(StreamBroken):
        playing.read()
    assert playing.time.now == 0


def test_attempts_are_bounded_and_wait_longer_each_time() -> None:
    one = source(100_000, *[0] * 20)
    playing = Playing(one)
    with pytest.raises(StreamBroken):
        playing.read()
    assert len(one.wanted) == 1 + 8
    assert playing.time.now == sum(0.25 * 2**number for number in range(7))


def test_64_kb_of_progress_give_all_attempts_back() -> None:
    breaks: list[int | None] = []
    for _ in range(3):
        breaks += [*[0] * 7, 80_000]
    assert Playing(source(80_000, *breaks)).read() == DATA


def test_little_progress_gives_no_attempt_back() -> None:
    one = source(10_000, *[100] * 20)
    playing = Playing(one)
    with pytest.raises(StreamBroken):
        playing.read()
    assert playing.end.delivered == 10_000 + 8 * 100


def test_a_source_that_breaks_again_and_again_does_not_keep_the_healthy_one_waiting() -> None:
    one, two = source(10_000, *[100] * 20), source(name="two")
    playing = Playing(one, two)
    assert playing.read() == DATA
    assert len(one.wanted) == 2


def test_the_time_in_which_the_client_does_not_read_never_counts() -> None:
    playing = Playing(source(100_000, 0, 0, 100_000))
    received = b""
    for chunk in playing.stream:
        received += chunk
        playing.time.now += 600
    assert received == DATA


def test_time_is_bounded_too() -> None:
    one = source(100_000, *[0] * 20)
    playing = Playing(one, attempts=1000)
    with pytest.raises(StreamBroken):
        playing.read()
    assert playing.time.now == pytest.approx(60)


def test_a_source_that_was_left_proves_itself_by_its_validator_when_it_is_back() -> None:
    one = source(100_000, 0)
    two = source(TAIL + 10_000, *[0] * 20, name="two", etag="other")
    assert Playing(one, two).read() == DATA
    assert one.wanted[-1] == RangeRequest(110_000, LENGTH - 1)


def test_a_trickle_is_a_stall() -> None:
    one = source()
    playing = Playing(one)
    read = one.bodies[0].read

    def trickle(size: int) -> bytes:
        playing.time.now += 4
        return read(min(size, 100))

    one.bodies[0].read = trickle  # type: ignore[method-assign]
    assert playing.read() == DATA
    failed = [event for event in playing.events if isinstance(event, SourceFailed)]
    assert [event.position for event in failed] == [200]
    assert "stalled" in failed[0].reason


def test_the_cursor_remembers_the_last_64_kb_that_were_handed_out() -> None:
    cursor = Cursor(0, LENGTH)
    rng, position = random.Random(1), 0
    while position < LENGTH:
        chunk = DATA[position : position + rng.randrange(1, 90_000)]
        cursor.position += len(chunk)
        cursor.remember(chunk)
        position += len(chunk)
        assert cursor.tail == DATA[max(position - TAIL, 0) : position]


def test_a_source_that_carries_on_for_one_that_is_asked_no_more_is_compared() -> None:
    one, two, time = source(100_000), source(name="two", etag="other"), FakeTime()
    limits = StreamLimits(65536, read_timeout=10, resume_attempts=8, resume_timeout=60)
    opened, line = one.open("a"), [two]  # as where another of the first one's name has refused
    tools = {"listener": Listener(), "tell": lambda _: None, "clock": time.clock, "sleep": time.sleep}
    stream = RecordingStream(opened, Decision(200), "a", line, list, limits, **tools)  # type: ignore[arg-type]
    assert b"".join(stream) == DATA
    assert two.wanted == [RangeRequest(100_000 - TAIL, LENGTH - 1)]


def test_nothing_is_kept_for_a_proof_where_only_one_source_can_go_on_and_its_validator_proves_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[object] = []
    monkeypatch.setattr(Cursor, "remember", lambda _, chunk: kept.append(chunk))
    assert Playing(source(100_000)).read() == DATA
    assert kept == []


def test_a_process_that_can_map_no_more_memory_still_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("cxb_recordings.playback.splice.mmap", refuse)
    one, two = source(100_000, *[0] * 20), source(name="two", etag="other")
    assert Playing(one, two).read() == DATA
    assert two.wanted == [RangeRequest(100_000 - TAIL, LENGTH - 1)]


def test_a_stream_that_broke_is_freed_without_the_garbage_collector() -> None:
    playing = Playing(source(100_000, *[0] * 20))
    gc.disable()
    try:
        with pytest.raises(StreamBroken):
            playing.read()
        broken = weakref.ref(playing.stream)
        del playing.stream
        assert broken() is None
    finally:
        gc.enable()
