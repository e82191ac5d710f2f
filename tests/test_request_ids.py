"""The store's own ids of a request are in the events and the log records of its failures, as far as they are ids."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings import signals
from cxb_recordings.errors import RecordingError
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.playback.events import Event
from cxb_recordings.service import RecordingService
from cxb_recordings.sources.reply import request_id
from tests.servers.origin import OriginFactory
from tests.servers.replies import reply, s3_error

ID, ID_2 = "4442587FB7D0A2F9", "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo="
IDS = {"x-amz-request-id": ID, "x-amz-id-2": ID_2}


def play(service: RecordingService) -> list[Event]:
    """The failures that a playback told."""
    told: list[Event] = []

    def tell(_: object, event: Event) -> None:
        told.append(event)

    with signals.source_skipped.connected_to(tell, service), signals.source_failed.connected_to(tell, service):
        try:
            playback = service.open("a.wav", PlaybackRequest.from_headers("GET", {}))
            b"".join(playback.stream or ())
        except RecordingError:
            pass
    return told


@pytest.mark.parametrize(
    "sent",
    [
        s3_error(403, "AccessDenied", headers=IDS),
        reply(206, IDS | {"Content-Range": "bytes 7-8/9"}, b"ab"),
        reply(200, IDS | {"Content-Type": "audio/wav", "Content-Length": "40000"}, b"RIFF" * 5000),
    ],
    ids=["refused", "malformed", "broken off"],
)
def test_a_failure_has_the_ids_of_its_request(
    make_origin: OriginFactory, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    service = RecordingService(make_origin(answer=lambda _: sent).storage, sleep=lambda _: None)

    [event, *_] = play(service)

    assert getattr(event, "request_id", None) == f"{ID} {ID_2}"
    record = next(record for record in caplog.records if record.levelno == logging.WARNING)
    assert record.getMessage().endswith(f"[request {ID} {ID_2}]")
    assert record.__dict__["request_id"] == f"{ID} {ID_2}"


def test_a_failure_of_a_store_that_sends_none_has_none(
    make_origin: OriginFactory, caplog: pytest.LogCaptureFixture
) -> None:
    service = RecordingService(make_origin(answer=lambda _: s3_error(403, "AccessDenied")).storage)

    [event] = play(service)

    assert getattr(event, "request_id", None) == ""
    assert "[request" not in caplog.text


@given(st.text(max_size=300), st.text(max_size=300))
def test_nothing_but_two_short_words_of_plain_characters_is_taken_for_an_id(first: str, second: str) -> None:
    taken = request_id({"x-amz-request-id": first, "x-amz-id-2": second})

    assert len(taken) <= 257
    assert taken.isascii()
    assert taken.isprintable()
    for word in taken.split(" "):
        assert word in ("", first.strip(), second.strip())
