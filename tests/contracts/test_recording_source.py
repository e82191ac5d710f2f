"""What every source of recordings does; the contract is the docstrings of ``cxb_recordings.playback.source``."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from cxb_recordings import Availability, RecordingService
from cxb_recordings.errors import NotModified, RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import LARGEST_POSITION, ByteSpan, RangeRequest
from cxb_recordings.playback.source import RecordingSource

from .sources import KEYS, Subject, ceph, fleet, memory, moto, rclone, seaweedfs

KEY = "2024/05/call one+ü(1).mp3"
DATA = random.Random(1).randbytes(300_000)
LONG = random.Random(2).randbytes(64 << 20)  # more than any buffer on the way


@pytest.fixture(params=[memory, moto, ceph, seaweedfs, rclone, fleet], ids=lambda make: make.__name__)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each source in turn, with nothing in it."""
    made: Subject = request.param(request)
    return made


@pytest.fixture(params=[moto, ceph, seaweedfs, rclone, fleet], ids=lambda make: make.__name__)
def served(request: pytest.FixtureRequest) -> Subject:
    """Each source behind which a server stands."""
    made: Subject = request.param(request)
    return made


@pytest.fixture(params=[ceph, seaweedfs, rclone, fleet], ids=lambda make: make.__name__)
def lasting(request: pytest.FixtureRequest) -> Subject:
    """Each source whose server keeps connections alive, and can be taken away; moto's does neither."""
    made: Subject = request.param(request)
    return made


def read(source: RecordingSource, key: str, wanted: RangeRequest | None = None, size: int = 65536) -> bytes:
    opened = source.open(key, wanted)
    try:
        return b"".join(iter(lambda: opened.body.read(size), b""))
    finally:
        opened.body.close()


def test_a_whole_recording_comes_with_what_is_known_of_it(subject: Subject) -> None:
    subject.put(KEY, DATA)

    opened = subject.source.open(KEY)

    assert opened.source is subject.source
    assert opened.span is None
    assert (opened.info.length, opened.info.media_type) == (len(DATA), "audio/wav")
    assert opened.info.strong_etag
    assert '"' not in opened.info.strong_etag
    opened.body.close()
    assert read(subject.source, KEY) == DATA


RANGES = {
    "the first half": (RangeRequest(0, 149_999), 0, 150_000),
    "the middle": (RangeRequest(100_000, 199_999), 100_000, 200_000),
    "to the end": (RangeRequest(200_000, None), 200_000, 300_000),
    "everything": (RangeRequest(0, None), 0, 300_000),
    "the first byte": (RangeRequest(0, 0), 0, 1),
    "one byte": (RangeRequest(77_777, 77_777), 77_777, 77_778),
    "the last byte": (RangeRequest(299_999, 299_999), 299_999, 300_000),
    "beyond the end": (RangeRequest(299_998, 300_000), 299_998, 300_000),
    "as far as can be": (RangeRequest(299_990, LARGEST_POSITION), 299_990, 300_000),
    "all, as far as can be": (RangeRequest(0, LARGEST_POSITION), 0, 300_000),
    "a suffix": (RangeRequest(None, 1000), 299_000, 300_000),
    "the last byte as a suffix": (RangeRequest(None, 1), 299_999, 300_000),
    "the whole as a suffix": (RangeRequest(None, 300_000), 0, 300_000),
    "a suffix that is too long": (RangeRequest(None, 300_001), 0, 300_000),
    "a suffix as long as can be": (RangeRequest(None, LARGEST_POSITION), 0, 300_000),
}


def test_a_range_carries_exactly_its_bytes_and_tells_the_length_of_the_whole(subject: Subject) -> None:
    subject.put(KEY, DATA)
    whole = subject.source.describe(KEY)

    for name, (wanted, start, stop) in RANGES.items():
        if name in subject.refused_ranges:
            with pytest.raises(RangeNotSatisfiable):
                subject.source.open(KEY, wanted)
            continue
        opened = subject.source.open(KEY, wanted)

        assert opened.span in (ByteSpan(start, stop), None), name
        assert opened.info == whole, name
        expected = DATA[start:stop] if opened.span else DATA  # a source may answer with the whole recording
        assert b"".join(iter(lambda body=opened.body: body.read(65536), b"")) == expected, name  # type: ignore[misc]
        opened.body.close()


@pytest.mark.parametrize("first", [300_000, 300_001, LARGEST_POSITION - 1, LARGEST_POSITION])
def test_a_range_outside_is_told_apart_from_an_absent_recording(subject: Subject, first: int) -> None:
    subject.put(KEY, DATA)

    for wanted in (RangeRequest(first, None), RangeRequest(first, LARGEST_POSITION)):
        with pytest.raises(RangeNotSatisfiable) as outside:
            subject.source.open(KEY, wanted)
        assert outside.value.length in (len(DATA), None if subject.hides_total else len(DATA))


def test_an_empty_recording_is_there_and_has_no_range(subject: Subject) -> None:
    subject.put(KEY, b"")

    assert subject.source.describe(KEY).length == 0
    assert read(subject.source, KEY) == b""
    with pytest.raises(RangeNotSatisfiable) as outside:
        subject.source.open(KEY, RangeRequest(0, None))
    assert outside.value.length in (0, None if subject.hides_total else 0)


@pytest.mark.parametrize("wanted", [None, RangeRequest(0, 9), RangeRequest(None, 9)])
def test_an_absent_recording_is_missing(subject: Subject, wanted: RangeRequest | None) -> None:
    subject.put(KEY, DATA)

    for key in (f"{KEY}x", "2024/05/call%20one%2B%C3%BC%281%29.mp3", "2024", "absent.wav"):
        with pytest.raises(RecordingMissing):
            subject.source.open(key, wanted)
        with pytest.raises(RecordingMissing):
            subject.source.describe(key)


def test_a_version_that_is_known_already_is_not_modified(subject: Subject) -> None:
    subject.put(KEY, DATA)
    known = subject.source.describe(KEY)
    assert known.strong_etag

    with pytest.raises(NotModified) as answer:
        subject.source.open(KEY, unless_etag=known.strong_etag)
    assert answer.value.info.strong_etag == known.strong_etag
    assert answer.value.info.length in (None, len(DATA))

    for other in ("another", ""):
        opened = subject.source.open(KEY, unless_etag=other)
        assert (opened.info, opened.span) == (known, None)
        opened.body.close()
    with pytest.raises(RecordingMissing):
        subject.source.open("absent.wav", unless_etag=known.strong_etag)


def test_describe_tells_what_open_tells(subject: Subject) -> None:
    for data in (DATA, b"x", b""):
        subject.put(KEY, data)
        opened = subject.source.open(KEY)
        opened.body.close()

        assert subject.source.describe(KEY) == opened.info
        assert opened.info.length == len(data)


def test_every_key_leads_to_its_own_recording(subject: Subject) -> None:
    bodies = {key: f"the body of {key}".encode() for key in KEYS}
    for key, body in bodies.items():
        subject.put(key, body)

    for key, body in bodies.items():
        assert read(subject.source, key) == body, key
        assert read(subject.source, key, RangeRequest(1, 3)) == body[1:4], key
        assert subject.source.describe(key).length == len(body), key


@pytest.mark.parametrize("size", [1, 1000, 8192, 1 << 20])
def test_a_read_returns_at_most_its_size_and_nothing_at_the_end_only(subject: Subject, size: int) -> None:
    data = DATA[: min(len(DATA), 100 * size)]
    subject.put(KEY, data)
    opened = subject.source.open(KEY)
    parts = list(iter(lambda: opened.body.read(size), b""))

    assert b"".join(parts) == data
    assert max(map(len, parts)) <= size
    assert [opened.body.read(size) for _ in range(3)] == [b"", b"", b""]
    for _ in range(3):
        opened.body.close()


def test_a_body_can_be_closed_unread_half_read_and_repeatedly(subject: Subject) -> None:
    subject.put(KEY, DATA)

    for bytes_read in (0, 10):
        opened = subject.source.open(KEY)
        assert len(opened.body.read(bytes_read) if bytes_read else b"") <= bytes_read
        for _ in range(3):
            opened.body.close()
    assert read(subject.source, KEY) == DATA


def test_many_bodies_may_be_open_at_once(subject: Subject) -> None:
    subject.put(KEY, DATA)
    opened = [subject.source.open(KEY, RangeRequest(start, start + 999)) for start in range(0, 20_000, 1000)]

    for number, each in reversed(list(enumerate(opened))):
        expected = DATA[number * 1000 : (number + 1) * 1000]
        assert b"".join(iter(lambda body=each.body: body.read(300), b"")) == expected  # type: ignore[misc]
        each.body.close()


def test_a_body_read_whole_leaves_its_connection_for_the_next_request(lasting: Subject) -> None:
    lasting.put(KEY, DATA)
    for _ in range(3):
        assert read(lasting.source, KEY) == DATA
        assert read(lasting.source, KEY, RangeRequest(5, 9)) == DATA[5:10]

    assert lasting.idle() == 1
    assert lasting.pool().num_connections == 1


def test_an_answer_without_a_recordings_bytes_leaves_its_connection_to_nobody(lasting: Subject) -> None:
    lasting.put(KEY, DATA)
    etag = lasting.source.describe(KEY).etag
    assert lasting.idle() == 0
    for _ in range(3):
        with pytest.raises(RecordingMissing):
            lasting.source.open("absent.wav")
        assert lasting.idle() == 0
        with pytest.raises(NotModified):
            lasting.source.open(KEY, unless_etag=etag)
        assert lasting.idle() == 0
        with pytest.raises(RangeNotSatisfiable):
            lasting.source.open(KEY, RangeRequest(len(DATA), None))
        assert lasting.idle() == 0


@pytest.mark.parametrize("bytes_read", [0, 10])
def test_a_body_closed_before_its_end_leaves_no_connection_open(served: Subject, bytes_read: int) -> None:
    served.put(KEY, LONG[: 4 << 20])
    opened = served.source.open(KEY)
    if bytes_read:
        opened.body.read(bytes_read)
    opened.body.close()

    assert served.idle() == 0


def test_a_source_shows_no_secret(subject: Subject, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    subject.put(KEY, DATA)
    opened = subject.source.open(KEY)
    texts = [subject.source.name, repr(subject.source), str(subject.source), repr(opened), repr(opened.body)]
    opened.body.close()
    asks: list[Callable[[], object]] = [
        lambda: subject.source.open("absent.wav"),
        lambda: subject.source.open(KEY, RangeRequest(len(DATA), None)),
        lambda: subject.source.open(KEY, unless_etag=opened.info.etag),
    ]
    for ask in asks:
        with pytest.raises((RecordingMissing, RangeNotSatisfiable, NotModified)) as answer:
            ask()
        texts += [str(answer.value), repr(answer.value), repr(answer.value.__dict__)]
    with (
        subject.gone() if subject.gone else nullcontext(),
        pytest.raises((SourceUnavailable, RecordingMissing)) as away,
    ):
        subject.source.open("another.wav")
    texts += [str(away.value), repr(away.value), repr(away.value.__dict__), caplog.text]

    for text in texts:
        assert not any(secret in text for secret in subject.secrets)
        assert "X-Amz-" not in text


def test_a_server_that_is_gone_is_unavailable_and_did_not_respond(served: Subject) -> None:
    served.put(KEY, DATA)
    assert read(served.source, KEY) == DATA
    assert served.gone

    with served.gone():
        for ask in (
            lambda: served.source.open(KEY),
            lambda: served.source.open(KEY, RangeRequest(0, 9)),
            lambda: served.source.describe(KEY),
        ):
            with pytest.raises(SourceUnavailable) as away:
                ask()
            assert (away.value.responded, away.value.status) == (False, None)
            assert "Connection refused" in away.value.reason


def test_availability_tells_a_recording_from_an_absent_one_and_both_from_a_server_that_is_gone(
    served: Subject,
) -> None:
    served.put(KEY, DATA)
    service = RecordingService(dict)
    service.sources = service.sources.replaced([served.source])

    assert service.availability(KEY) == Availability("available", served.source.name, len(DATA), "audio/wav")
    assert service.availability({"recording_key": "absent.wav"}).status == "missing"
    assert served.gone
    with served.gone():
        service.sources = service.sources.replaced([served.source])  # moto's is another one now
        for key in (KEY, "absent.wav"):
            away = service.availability(key)
            assert away.status == "unreachable"
            assert "Connection refused" in dict(away.reasons)[served.source.name]


def test_a_server_that_goes_in_the_middle_of_a_body_breaks_the_transfer(lasting: Subject) -> None:
    lasting.put(KEY, LONG)
    opened = lasting.source.open(KEY)
    received = opened.body.read(8192)
    assert lasting.gone

    with lasting.gone(), pytest.raises(SourceUnavailable) as broken:
        while part := opened.body.read(65536):
            received += part

    assert broken.value.responded
    assert LONG.startswith(received)
    assert len(received) < len(LONG)
    opened.body.close()
    assert lasting.idle() == 0
