"""The service: which source is asked when, what its signals say, and its bounds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from blinker import NamedSignal

from cxb_recordings import signals
from cxb_recordings.errors import RecordingMissing, RecordingUnreachable, TooManyStreams
from cxb_recordings.options import Options
from cxb_recordings.playback.byte_range import ByteSpan
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.playback.source import ContentInfo
from cxb_recordings.service import RecordingService
from cxb_recordings.testing import InMemorySource
from tests.servers import free_port, wait_until
from tests.servers.origin import Origin, OriginFactory

DATA = bytes(range(256)) * 400


def service(*hosts: Origin | str, **options: Any) -> RecordingService:
    fleet = [host if isinstance(host, str) else host.url for host in hosts]
    return RecordingService(lambda: {"cxbcore_fleet": fleet}, Options(**options))


def unreachable() -> str:
    return f"http://127.0.0.1:{free_port()}"


@contextmanager
def heard(signal: NamedSignal, sender: RecordingService) -> Iterator[list[Any]]:
    events: list[Any] = []

    def receive(_: object, event: object) -> None:
        events.append(event)

    with signal.connected_to(receive, sender):
        yield events


def play(sender: RecordingService) -> bytes:
    stream = sender.open("a.wav", PlaybackRequest()).stream
    assert stream is not None
    return b"".join(stream)


def test_an_unreachable_source_is_asked_once_and_then_last(make_origin: OriginFactory) -> None:
    recordings = service(unreachable(), make_origin({"a.wav": DATA}))
    with heard(signals.source_skipped, recordings) as skipped, heard(signals.source_put_aside, recordings) as aside:
        assert [play(recordings) for _ in range(3)] == [DATA] * 3
    assert len(skipped) == len(aside) == 1


def test_a_store_that_is_down_puts_no_other_tenants_store_aside(make_origin: OriginFactory) -> None:
    live: dict[str, Any] = make_origin({"a.wav": DATA}).fleet()
    recordings, other = RecordingService(lambda: live, Options()), make_origin({"a.wav": DATA})
    with heard(signals.source_put_aside, recordings) as aside, heard(signals.recording_served, recordings) as served:
        for endpoint in [unreachable(), other.url] * 2:
            live |= other.storage(endpoint=endpoint)
            assert play(recordings) == DATA
    assert [event.source for event in aside] == ["storage"]
    assert [event.source == "storage" for event in served] == [False, True] * 2


def test_a_recording_that_only_a_source_put_aside_has_is_still_asked_of_it(make_origin: OriginFactory) -> None:
    only = make_origin({"a.wav": DATA})
    recordings = service(only, make_origin())
    only.refuse()
    with heard(signals.source_back, recordings) as back:
        with pytest.raises(RecordingUnreachable):
            play(recordings)
        only.listen()
        assert play(recordings) == DATA
    assert [event.source for event in back] == [only.url]


def test_what_nginx_carries_takes_no_stream_and_what_it_can_not_carry_does() -> None:
    recordings = RecordingService(dict, Options(offload="/_protected/", max_streams=1))
    sources = [InMemorySource({"a.wav": DATA}, name="storage"), InMemorySource({"b.wav": DATA})]
    recordings.sources = recordings.sources.replaced(sources)
    fetched = recordings.open("b.wav", PlaybackRequest(), may_offload=True).stream
    assert fetched is not None, "only a fleet host has it"
    for _ in range(3):
        assert recordings.open("a.wav", PlaybackRequest(), may_offload=True).offloaded is not None
    assert (recordings.streams.taken, recordings.heads.taken) == (1, 0)
    for key, may_offload in (("b.wav", True), ("a.wav", False)):
        with pytest.raises(TooManyStreams):
            recordings.open(key, PlaybackRequest(), may_offload=may_offload)
    fetched.close()
    assert (recordings.streams.taken, recordings.heads.taken) == (0, 0)


class SlowSource(InMemorySource):
    """Answers when it is told to, and knows how many ask at once."""

    def __init__(self) -> None:
        super().__init__({"a.wav": DATA})
        self.go_on, self.lock = threading.Event(), threading.Lock()
        self.asking = self.most = 0

    def describe(self, key: str) -> ContentInfo:
        with self.lock:
            self.asking += 1
            self.most = max(self.most, self.asking)
        self.go_on.wait(30)
        with self.lock:
            self.asking -= 1
        return super().describe(key)


@pytest.mark.parametrize("max_streams", [1, 3])
def test_heads_have_a_bound_of_their_own_and_neither_wait_for_listeners_nor_keep_them_out(max_streams: int) -> None:
    recordings, source = service(max_streams=max_streams), SlowSource()
    recordings.sources = recordings.sources.replaced([source])

    def probe(_: int) -> int:
        try:
            return recordings.open("a.wav", PlaybackRequest(head=True)).decision.status
        except TooManyStreams:
            return 503

    source.go_on.set()
    streams = [recordings.open("a.wav", PlaybackRequest()).stream for _ in range(max_streams)]
    assert probe(0) == 200, "others who listen are no reason for a 503"
    source.most = 0
    source.go_on.clear()
    with ThreadPoolExecutor(12) as threads:
        replies = [threads.submit(probe, number) for number in range(12)]
        wait_until(lambda: sum(reply.done() for reply in replies) == 12 - max_streams, "the refusals")
        for stream in streams:
            assert stream is not None
            stream.close()
        source.go_on.set()
        assert play(recordings) == DATA
    assert sorted(reply.result() for reply in replies) == [200] * max_streams + [503] * (12 - max_streams)
    assert source.most <= max_streams + 1, "and the listener's own"
    assert (recordings.streams.taken, recordings.heads.taken) == (0, 0)
    assert probe(0) == 200


def test_a_search_that_finds_nothing_gives_its_place_back(make_origin: OriginFactory) -> None:
    recordings = service(make_origin({"a.wav": DATA}), max_streams=1)
    for _ in range(3):
        with pytest.raises(RecordingMissing):
            recordings.open("unknown.wav", PlaybackRequest())
    assert play(recordings) == DATA


def test_a_receiver_that_raises_breaks_no_stream(make_origin: OriginFactory, caplog: pytest.LogCaptureFixture) -> None:
    recordings = service(make_origin({"a.wav": DATA}))

    def receive(_: object, event: object) -> None:
        raise RuntimeError("by the test")

    breaking = signals.recording_started.connected_to(receive, recordings)
    with breaking, heard(signals.recording_served, recordings) as served:
        assert play(recordings) == DATA
    assert [(event.delivered, event.complete, event.broken) for event in served] == [(len(DATA), True, False)]
    assert "recording-started" in caplog.text


def test_what_was_served_is_told_with_range_source_times_and_end(make_origin: OriginFactory) -> None:
    host = make_origin({"a.wav": DATA})
    recordings = service(host)
    request = PlaybackRequest.from_headers("GET", {"Range": "bytes=5-9"})
    listener = signals.Listener("public", "session", token_fingerprint="0123456789ab")
    with heard(signals.recording_started, recordings) as started, heard(signals.recording_served, recordings) as served:
        stream = recordings.open("a.wav", request, listener).stream
        assert stream is not None
        assert b"".join(stream) == DATA[5:10]
    assert started == [signals.RecordingStarted(listener, host.url, 206)]
    (event,) = served
    told = (event.listener, event.source, event.status, event.delivered, event.complete, event.resumes, event.span)
    assert told == (listener, host.url, 206, 5, True, 0, ByteSpan(5, 10))
    assert 0 < event.first_byte_seconds <= event.seconds
