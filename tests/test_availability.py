"""Whether a recording is there: what a HEAD of its link would be answered, as a value, and why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from cxb_recordings import Availability, InMemoryCallRepository, RecordingService, register, signals
from cxb_recordings.errors import RecordingArchived, RecordingMissing, SourceUnavailable
from cxb_recordings.testing import InMemorySource
from tests.fakes import Searching
from tests.servers import free_port
from tests.servers.conversation import Received
from tests.servers.origin import OriginFactory
from tests.servers.replies import archived, chunked, reply, s3_error
from tests.web.site import KEY, Site, host_app

DATA = b"RIFF" + bytes(range(256))
PAGE = b"<!doctype html><title>Log in</title>"


def to_get(head: bytes, body: bytes) -> Callable[[Received], bytes]:
    """An answer to GET other than the one to HEAD."""
    return lambda received: head if received.method == "HEAD" else body


def always(answer: bytes) -> Callable[[Received], bytes]:
    return lambda _: answer


AUDIO = {"Content-Type": "audio/wav", "Content-Length": "1000"}
PART = reply(206, {"Content-Type": "audio/wav", "Content-Range": "bytes 0-0/1000"}, b"R")
ANSWERS: dict[str, tuple[Callable[[Received], bytes], str]] = {
    "a recording": (always(reply(200, AUDIO)), "available"),
    "one without a type": (always(reply(200, {"Content-Length": "1000"})), "available"),
    "one stored as bytes": (always(reply(200, AUDIO | {"Content-Type": "binary/octet-stream"})), "available"),
    "no Content-Length, and a range that tells it": (to_get(reply(200, length=False), PART), "available"),
    "no Content-Length anywhere": (
        to_get(reply(200, {"Transfer-Encoding": "chunked"}, length=False), chunked(DATA)),
        "available",
    ),
    "HEAD is not allowed": (to_get(reply(405, {"Allow": "GET"}), PART), "available"),
    "HEAD is not implemented": (to_get(reply(501), PART), "available"),
    "HEAD is not allowed, and nothing is there": (to_get(reply(405), reply(404)), "missing"),
    "an empty object": (always(reply(200, AUDIO | {"Content-Length": "0"})), "available"),
    "a page": (to_get(reply(200, {"Content-Type": "text/html"}, PAGE), reply(200, {}, PAGE)), "unreachable"),
    "a page that says it is JSON": (
        to_get(reply(200, {"Content-Type": "application/json", "Content-Length": "36"}), reply(200, {}, PAGE)),
        "unreachable",
    ),
    "a playlist": (
        to_get(
            reply(200, {"Content-Type": "audio/mpegurl", "Content-Length": "8"}),
            reply(200, {"Content-Type": "audio/mpegurl"}, b"#EXTM3U\n"),
        ),
        "unreachable",
    ),
    "audio that is stored as a page": (
        to_get(
            reply(200, {"Content-Type": "text/html", "Content-Length": str(len(DATA))}),
            reply(206, {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}, DATA),
        ),
        "available",
    ),
    "a coding": (always(reply(200, AUDIO | {"Content-Encoding": "gzip"})), "unreachable"),
    "a Content-Length that is none": (always(reply(200, AUDIO | {"Content-Length": "many"})), "unreachable"),
    "two lengths": (always(reply(200, AUDIO | {"Content-length": "999"})), "unreachable"),
    "a status 206 to HEAD": (always(reply(206, AUDIO)), "unreachable"),
    "a redirect": (always(reply(302, {"Location": "/elsewhere"})), "unreachable"),
    "no such key": (always(s3_error(404, "NoSuchKey")), "missing"),
    "403, as without s3:ListBucket": (to_get(reply(403), s3_error(403, "AccessDenied")), "unreachable"),
    "a failure that may pass": (always(s3_error(503, "SlowDown", headers={"Retry-After": "120"})), "unreachable"),
    "a head that is none": (always(b"garbage\r\n\r\n"), "unreachable"),
    "nothing": (always(b""), "unreachable"),
}


@pytest.mark.parametrize("kind", ["storage", "fleet"])
@pytest.mark.parametrize("name", ANSWERS)
def test_it_is_what_a_head_of_the_link_is_answered(name: str, kind: str, make_origin: OriginFactory) -> None:
    answer, status = ANSWERS[name]
    origin = make_origin(answer=answer)
    site = Site(origin.storage() if kind == "storage" else origin.fleet(), outage_status=503)

    found = site.service.availability(KEY)
    head = site.ask("HEAD")

    assert found.status == status
    assert head.status_code == {"available": 200, "missing": 404, "unreachable": 503}[status]
    assert bool(found) == (status == "available") == (not found.reasons)
    if found:
        assert found.source == ("storage" if kind == "storage" else origin.url)
        assert found.media_type == head.headers["Content-Type"]
        assert head.headers.get("Content-Length") == (None if found.length is None else str(found.length))


def test_nothing_but_the_first_byte_of_what_a_head_leaves_open_is_asked_for(make_origin: OriginFactory) -> None:
    store, host = make_origin(answer=archived), make_origin({KEY: DATA})
    site = Site({**store.storage(), **host.fleet()})

    assert site.service.availability(KEY) == Availability(
        "available",
        host.url,
        len(DATA),
        "audio/wav",
        (("storage", "archived (GLACIER): storage must restore it before anyone can read it"),),
    )
    assert [request.method for origin in (store, host) for request in origin.requests] == ["HEAD", "GET", "HEAD"]
    assert store.requests[1].headers["Range"] == "bytes=0-0"


@pytest.mark.parametrize("status", ["available", "missing", "archived", "unreachable"])
def test_its_result_is_a_frozen_value(status: Any) -> None:
    found = Availability(status, reasons=(("storage", "status 500"),))

    assert hash(found) == hash(Availability(status, reasons=(("storage", "status 500"),)))
    assert asdict(found)["reasons"] == (("storage", "status 500"),)
    with pytest.raises(FrozenInstanceError):
        found.status = "available"  # type: ignore[misc]


HAS, EMPTY = {"a": DATA}, {"a": b""}
ABSENT, ARCHIVED = RecordingMissing("404"), RecordingArchived("archived")
DOWN, BROKEN = SourceUnavailable("refused", responded=False), SourceUnavailable("status 403", status=403)
ODD = LookupError("a secret")


def source(name: str, state: Mapping[str, bytes] | Exception) -> InMemorySource:
    if isinstance(state, Exception):
        return InMemorySource(name=name, is_down=True, failure=state)  # type: ignore[arg-type]
    return InMemorySource(dict(state), name)


@pytest.mark.parametrize(
    ("one", "two", "status", "reasons"),
    [
        (HAS, DOWN, "available", {}),
        (ABSENT, HAS, "available", {"one": "404"}),
        (DOWN, HAS, "available", {"one": "refused"}),
        (ARCHIVED, HAS, "available", {"one": "archived"}),
        (EMPTY, HAS, "available", {"one": "the recording is empty there"}),
        (EMPTY, ABSENT, "available", {"two": "404"}),
        (ABSENT, ABSENT, "missing", {"one": "404", "two": "404"}),
        (ABSENT, DOWN, "unreachable", {"one": "404", "two": "refused"}),
        (BROKEN, ABSENT, "unreachable", {"one": "status 403", "two": "404"}),
        (EMPTY, DOWN, "unreachable", {"one": "the recording is empty there", "two": "refused"}),
        (ABSENT, ODD, "unreachable", {"one": "404", "two": "LookupError in the source"}),
        (ARCHIVED, ABSENT, "archived", {"one": "archived", "two": "404"}),
        (ABSENT, ARCHIVED, "archived", {"one": "404", "two": "archived"}),
        (ARCHIVED, EMPTY, "archived", {"one": "archived", "two": "the recording is empty there"}),
        (ARCHIVED, DOWN, "unreachable", {"one": "archived", "two": "refused"}),
    ],
)
def test_of_several_sources_one_that_has_it_is_enough_and_one_that_fails_leaves_it_open(
    one: Any, two: Any, status: str, reasons: dict[str, str]
) -> None:
    found = Searching(source("one", one), source("two", two)).service.availability("a")

    assert (found.status, dict(found.reasons)) == (status, reasons)


def test_a_source_that_is_down_is_asked_last_afterwards_and_one_with_an_archive_is_not() -> None:
    for state, order in ((DOWN, ["two", "one"]), (ARCHIVED, ["one", "two"])):
        searching = Searching(source("one", state), source("two", HAS))
        searching.service.availability("a")
        sources = searching.service.sources
        assert [each.name for each in sources.in_order(sources.of(()))] == order


def test_its_time_is_bounded_as_that_of_a_search(make_origin: OriginFactory) -> None:
    slow = [make_origin(fault="stall") for _ in range(4)]
    site = Site({"cxbcore_fleet": [each.url for each in slow]}, read_timeout=0.2, search_timeout=0.3)
    began = time.monotonic()

    found = site.service.availability(KEY)

    assert time.monotonic() - began < 5
    assert found.status == "unreachable"
    first, _second, *others = [len(each.requests) for each in slow]  # a busy machine may have no time for the second
    assert (first, *others) == (1, 0, 0)
    assert dict(found.reasons)[slow[3].url] == "not asked: the search has taken too long"


def test_a_failure_that_passes_is_outlived() -> None:
    one = InMemorySource(HAS, "one", is_down=True, failure=SourceUnavailable("status 503", status=503))
    searching = Searching(one, source("two", ABSENT))
    sleep = searching.service.sleep

    def mend(seconds: float) -> None:
        one.is_down = False
        sleep(seconds)

    searching.service.sleep = mend
    assert searching.service.availability("a").source == "one"
    assert searching.pauses


@pytest.mark.parametrize(
    ("call_or_key", "step"),
    [
        ({}, "call"),
        ({"session_id": "s", "recording_key": "", "recording_url": "https://h/a/"}, "call"),
        ({"recording_key": None, "recording_url": None}, "call"),
        ({"recording_key": 7}, "call"),
        ("", "key"),
        ("a/../b", "key"),
        ({"recording_key": "folder/"}, "key"),
        ("x" * 1025, "key"),
        ("\ud800", "key"),
    ],
)
def test_where_no_recording_can_be_nothing_is_asked_not_even_the_settings(call_or_key: Any, step: str) -> None:
    def provider() -> dict[str, Any]:
        raise AssertionError

    found = RecordingService(provider).availability(call_or_key)

    assert (found.status, [name for name, _ in found.reasons]) == ("missing", [step])


@pytest.mark.parametrize("wrong", [None, b"a.wav", 7, ["a.wav"], object()])
def test_what_is_neither_a_call_nor_a_key_is_told_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match="call_or_key: a call or a storage key is needed, not "):
        RecordingService(dict).availability(wrong)


@pytest.mark.parametrize("settings", [{}, None, [], {"minio": {"endpoint": "s3.example"}}, {"cxbcore_fleet": []}])
def test_without_a_usable_source_it_is_missing_as_the_link_says_and_the_reason_names_the_settings(
    settings: Any,
) -> None:
    found = RecordingService(lambda: settings).availability("a.wav")

    assert (found.status, [name for name, _ in found.reasons]) == ("missing", ["settings"])


def test_a_provider_that_raises_makes_it_unreachable_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def provider() -> None:
        raise LookupError("a secret")

    found = RecordingService(provider).availability("a.wav")

    assert found == Availability("unreachable", reasons=(("settings", "the provider raised LookupError"),))
    [record] = caplog.records
    assert record.exc_info


def test_a_provider_of_settings_by_call_is_given_the_call_and_none_for_a_key(make_origin: OriginFactory) -> None:
    host = make_origin({KEY: DATA})
    given: list[object] = []

    def provider(call: Mapping[str, Any] | None) -> dict[str, Any]:
        given.append(call)
        return host.fleet() if call is not None and call.get("tenant") == "acme" else {}

    service = RecordingService(provider)
    call = {"recording_url": "https://storage.example/calls/a.wav", "tenant": "acme"}
    host.recordings["a.wav"] = DATA

    assert service.availability(call)
    assert not service.availability("a.wav")
    assert given == [call, None]


def test_it_takes_no_place_of_a_listener_and_sends_no_signal_of_a_playback(make_origin: OriginFactory) -> None:
    host = make_origin({KEY: DATA})
    app = host_app()
    service = register(app, host.fleet, InMemoryCallRepository(), max_streams=1)
    heard: list[object] = []

    def hear(_: object, event: object) -> None:
        heard.append(event)

    for signal in signals.EVERY:
        signal.connect(hear, service)

    with app.app_context():
        for slots in (service.heads, service.streams):
            slots.add(object())  # type: ignore[arg-type]
        assert service.availability(KEY)
        assert service.availability("absent.wav").status == "missing"
    assert heard == []


def test_a_receiver_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    service = RecordingService(lambda: {"cxbcore_fleet": [f"http://127.0.0.1:{free_port()}"]})

    def raising(*_: object, **__: object) -> None:
        raise LookupError

    with signals.source_put_aside.connected_to(raising, service):
        assert service.availability("a.wav").status == "unreachable"
