"""An event is told once: one signal and, where it is logged, one record whose text says what it is about."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
from flask import Flask, Response

from cxb_recordings import InMemoryCallRepository, RecordingService, register, signals, stream_recording_key
from cxb_recordings.calls.tokens import fingerprint
from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.byte_range import ByteSpan
from cxb_recordings.playback.events import Event
from cxb_recordings.testing import InMemoryRecordings, InMemorySource, hold_in_memory
from tests.web.site import admin_headers, host_app

DATA = bytes(range(256)) * 1000
TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
PUBLIC = f"/api/v1/public/recordings/{TOKEN}"
ADMIN = "/api/v1/recordings/s-1"
CALLS = [{"session_id": "s-1", "recording_key": "a.wav", "recording_access_token": TOKEN}]

LISTENER = signals.Listener("admin", "s-1", identity=object())
LOGGED: list[tuple[Event, int, str]] = [
    (signals.SourceSkipped(LISTENER, "one", "404", False), logging.INFO, "source one skipped: 404 (session id 's-1')"),
    (
        signals.SourceSkipped(LISTENER, "one", "status 500", True),
        logging.WARNING,
        "source one skipped: status 500 (session id 's-1')",
    ),
    (signals.RecordingNotFound(LISTENER, "call"), logging.INFO, "recording not found: call (session id 's-1')"),
    (
        signals.RecordingNotFound(LISTENER, "sources", outage=True),
        logging.WARNING,
        "recording not found: sources (session id 's-1')",
    ),
    (
        signals.SourceFailed(LISTENER, "one", 7, "stalled"),
        logging.WARNING,
        "one failed at byte 7: stalled (session id 's-1')",
    ),
    (
        signals.StreamResumed(LISTENER, "two", 7),
        logging.INFO,
        "the recording goes on at byte 7 from two (session id 's-1')",
    ),
    (
        signals.RecordingServed(LISTENER, "two", 206, 9, False, "nothing goes on", 1, ByteSpan(0, 99), 0.1, 2.5),
        logging.ERROR,
        "the recording broke off after 9 bytes of two: nothing goes on (session id 's-1')",
    ),
    (
        signals.SourcePutAside("one", "refused", 10.0),
        logging.WARNING,
        "one can't be reached (refused) and is asked last for 10 s",
    ),
    (signals.SourceBack("one"), logging.INFO, "one answers again"),
]
NOT_LOGGED: list[Event] = [
    signals.RequestAnswered("admin", 200, "one"),
    signals.RecordingStarted(LISTENER, "one", 200),
    signals.RecordingOffloaded(LISTENER, "one", 200),
    signals.RecordingServed(LISTENER, "one", 200, 9, True, None, 0, None, 0.1, 2.5),
    signals.RecordingServed(LISTENER, "one", 200, 3, False, None, 0, None, 0.1, 2.5),
]


@pytest.fixture
def app() -> Flask:
    app = host_app()
    register(app, dict, InMemoryCallRepository(CALLS), resume_attempts=1)
    app.add_url_rule("/own", view_func=lambda: stream_recording_key("a.wav"))
    return app


@pytest.fixture
def held(app: Flask, caplog: pytest.LogCaptureFixture) -> Iterator[InMemoryRecordings]:
    """One source that refuses, and one that breaks after 100,000 bytes and then goes on, three times."""
    caplog.set_level(logging.INFO, "cxb_recordings")
    refusing = InMemorySource(name="refusing", is_down=True, failure=SourceUnavailable("status 403", status=403))
    breaking = InMemorySource({"a.wav": DATA}, "breaking", breaks=[100_000, None] * 3)
    with hold_in_memory(app, refusing, breaking) as held:
        yield held


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("cxb_recordings")]


@pytest.mark.parametrize(("event", "level", "text"), LOGGED, ids=lambda value: type(value).__name__)
def test_a_record_has_its_level_says_what_it_is_about_and_holds_it_as_fields(
    event: Event, level: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")

    signals.send(object(), event)

    [record] = records(caplog)
    assert (record.levelno, record.getMessage()) == (level, text)
    held = {name: value for name, value in vars(record).items() if name in event.fields}
    assert held == event.fields
    assert json.loads(json.dumps(held)) == held
    if isinstance(event, signals.PlaybackEvent):
        assert (held["playback_id"], held["session_id"]) == (LISTENER.playback_id, "s-1")
        assert "identity" not in held


@pytest.mark.parametrize("event", NOT_LOGGED, ids=lambda event: type(event).__name__)
def test_what_every_access_log_has_gives_no_record(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")

    signals.send(object(), event)

    assert records(caplog) == []


def test_every_kind_of_event_is_in_these_tables_and_has_one_signal() -> None:
    events = [*(event for event, *_ in LOGGED), *NOT_LOGGED]
    heard: list[object] = []

    def hear(_: object, event: object) -> None:
        heard.append(event)

    sender = object()
    for signal in signals.EVERY:
        signal.connect(hear, sender)
    for event in events:
        signals.send(sender, event)

    assert heard == events
    assert {type(event) for event in events} == {kind for kind in vars(signals).values() if _is_an_event(kind)}
    assert len({type(event) for event in events}) == len(signals.EVERY)


def _is_an_event(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Event) and kind not in (Event, signals.PlaybackEvent)


@pytest.mark.parametrize("path", [ADMIN, PUBLIC, "/own"])
def test_every_event_of_a_playback_has_one_id(
    app: Flask, held: InMemoryRecordings, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    ids = []
    for _ in range(2):
        held.events.clear()
        caplog.clear()

        assert app.test_client().get(path, headers=admin_headers(app)).data == DATA

        playing = [event for event in held.events if isinstance(event, signals.PlaybackEvent)]
        assert {type(event) for event in playing} == {
            *(signals.SourceSkipped, signals.RecordingStarted, signals.SourceFailed),
            *(signals.StreamResumed, signals.RecordingServed),
        }
        [playback_id] = {event.playback_id for event in playing}
        assert re.fullmatch("[0-9a-f]{12}", playback_id)
        assert {vars(record)["playback_id"] for record in records(caplog)} == {playback_id}
        assert [event.playback_id for event in held.heard(signals.RequestAnswered)] == [playback_id] * (path != "/own")
        ids.append(playback_id)

    assert ids[0] != ids[1]


def test_a_reply_is_told_whole_where_the_host_has_a_class_of_its_own_for_replies(
    app: Flask, held: InMemoryRecordings
) -> None:
    class HostResponse(Response):
        pass

    app.response_class = HostResponse
    assert app.test_client().get(PUBLIC).data == DATA

    [answered] = held.heard(signals.RequestAnswered)
    [served] = held.heard(signals.RecordingServed)
    assert (answered.source, answered.playback_id) == (held.sources[1].name, served.playback_id)


def test_a_404_and_its_reply_have_one_id_and_a_refused_request_has_none(app: Flask, held: InMemoryRecordings) -> None:
    client = app.test_client()
    for path in ("/api/v1/public/recordings/unknown", "/api/v1/public/recordings/%2a", "/api/v1/recordings/s-2"):
        held.events.clear()
        assert client.get(path, headers=admin_headers(app)).status_code == 404
        not_found, answered = held.events
        assert isinstance(not_found, signals.RecordingNotFound)
        assert isinstance(answered, signals.RequestAnswered)
        assert answered.playback_id == not_found.playback_id
    held.events.clear()
    client.get(ADMIN)
    assert [event.playback_id for event in held.heard(signals.RequestAnswered)] == [None]


@pytest.mark.parametrize(
    ("path", "about"),
    [
        (ADMIN, re.escape("(session id 's-1')")),
        (PUBLIC, re.escape(f"(token {fingerprint(TOKEN)}, session id 's-1')")),
        ("/own", r"\(playback [0-9a-f]{12}\)"),
    ],
)
def test_each_text_names_the_recording_that_was_asked_for(
    app: Flask, held: InMemoryRecordings, path: str, about: str, caplog: pytest.LogCaptureFixture
) -> None:
    held.sources[1].breaks, held.sources[1].failure = [100_000, 0, 0], SourceUnavailable("status 500", status=500)
    with pytest.raises(Exception, match="could carry on"):
        _ = app.test_client().get(path, headers=admin_headers(app)).data
    held.sources[1].recordings.clear()
    app.test_client().get(path, headers=admin_headers(app))

    texts = [record.getMessage() for record in records(caplog)]
    assert [text for text in texts if not re.search(f"{about}$", text)] == []
    for what in ("skipped", "failed at byte", "broke off after 100000 bytes", "not found"):
        assert any(what in text for text in texts), what
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("part", ["call repository", "settings"])
def test_a_part_of_the_host_that_raises_is_logged_with_the_playback(
    part: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, object]:
        raise RuntimeError("by the test")

    app = host_app()
    calls = InMemoryCallRepository(CALLS)
    recordings = register(app, broken if part == "settings" else dict, calls)
    if part == "call repository":
        monkeypatch.setattr(calls, "find_by_access_token", broken)
    answered: list[signals.RequestAnswered] = []

    def hear(_: RecordingService, event: signals.RequestAnswered) -> None:
        answered.append(event)

    with signals.request_answered.connected_to(hear, recordings):
        assert app.test_client().get(PUBLIC).status_code == 503

    [record] = [record for record in records(caplog) if record.levelno == logging.ERROR]
    assert record.getMessage().startswith(f"the {part} failed (token {fingerprint(TOKEN)}")
    assert vars(record)["playback_id"] == answered[0].playback_id


def test_a_stream_that_can_not_start_tells_nothing_of_itself(app: Flask, held: InMemoryRecordings) -> None:
    held.sources[1].breaks = [100]

    assert app.test_client().get(PUBLIC).data == DATA

    assert [body.closed for body in held.sources[1].bodies] == [True, True]
    assert len(held.heard(signals.RecordingStarted)) == len(held.heard(signals.RecordingServed)) == 1
    assert held.heard(signals.SourceFailed) == []


def test_a_body_whose_close_raises_frees_the_slot_and_its_end_is_told(
    app: Flask, held: InMemoryRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = app.test_client().get(PUBLIC, headers={"Range": "bytes=0-9"})
    assert held.service.streams.taken == 1

    def close() -> None:
        raise OSError("by the test")

    monkeypatch.setattr(held.sources[1].bodies[0], "close", close)
    with pytest.raises(OSError, match="by the test"):
        reply.close()

    assert held.service.streams.taken == 0
    assert len(held.heard(signals.RecordingServed)) == 1
