"""An object in an archive: it is there, nobody can read it, and the store is still up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cxb_recordings.errors import RecordingArchived, RecordingMissing, RecordingUnreachable
from cxb_recordings.operations.trace import trace_session
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.settings import read_settings
from cxb_recordings.sources.storage.client import ObjectStorage
from cxb_recordings.sources.transport import Transport
from cxb_recordings.testing import InMemorySource
from tests.fakes import Searching
from tests.servers.moto_s3 import Bucket
from tests.servers.origin import OriginFactory
from tests.servers.replies import archived, reply, s3_error
from tests.web.site import KEY, ROUTES, Site

DATA = b"RIFF" + bytes(range(256))
CLASS, RESTORE, STATUS = "x-amz-storage-class", "x-amz-restore", "x-amz-archive-status"
DONE = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"'

READABLE: list[dict[str, str]] = [
    {},
    *({CLASS: name} for name in ("STANDARD", "STANDARD_IA", "GLACIER_IR", "INTELLIGENT_TIERING", "", "MY_GLACIER")),
    {CLASS: "GLACIER", RESTORE: DONE},
    {CLASS: "DEEP_ARCHIVE", RESTORE: 'ongoing-request="false"'},
    {CLASS: "DEEP_ARCHIVE", RESTORE: 'expiry-date="Fri, 21 Dec 2012 00:00:00 GMT",ongoing-request = "FALSE"'},
    {CLASS: "GLACIER", "X-AMZ-RESTORE": "ongoing-request=false"},
    {CLASS: "STANDARD", RESTORE: 'ongoing-request="true"'},
    {CLASS: "INTELLIGENT_TIERING", STATUS: " "},
]
ARCHIVED: list[dict[str, str]] = [
    {CLASS: "GLACIER"},
    {CLASS: "DEEP_ARCHIVE"},
    {"X-Amz-Storage-Class": " glacier "},
    {CLASS: "STANDARD, GLACIER"},
    *(
        {CLASS: "GLACIER", RESTORE: form}
        for form in (
            'ongoing-request="true"',
            "ongoing-request=true",
            "",
            "false",
            'ongoing-request="falsehood"',
            'ongoing-request=""',
            'ongoing-request="true", ongoing-request="false"',
            'expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
        )
    ),
    {CLASS: "INTELLIGENT_TIERING", STATUS: "ARCHIVE_ACCESS"},
    {CLASS: "INTELLIGENT_TIERING", STATUS: "DEEP_ARCHIVE_ACCESS", RESTORE: 'ongoing-request="true"'},
    {STATUS: "<a name of the future>"},
]


def storage(settings: dict[str, Any]) -> ObjectStorage:
    return ObjectStorage(read_settings(settings).require_storage(), Transport(5, 5))


@pytest.mark.parametrize("headers", READABLE, ids=str)
def test_a_head_of_an_object_that_can_be_read_describes_it(headers: dict[str, str], make_origin: OriginFactory) -> None:
    origin = make_origin(answer=lambda _: reply(200, {"Content-Length": "1000", **headers}))

    assert storage(origin.storage()).describe(KEY).length == 1000


REFUSED = s3_error(403, "InvalidObjectState")
LIES = [
    *(REFUSED, reply(403), reply(404), reply(405), reply(500), reply(416), b"", b"garbage", reply(206)),
    *(reply(200, {"Content-Length": "1000"}), reply(206, {"Content-Range": "bytes 5-5/1000"}, b"R")),
]


@pytest.mark.parametrize(
    ("headers", "to_get"), [*((each, REFUSED) for each in ARCHIVED), *((ARCHIVED[0], each) for each in LIES)]
)
def test_a_head_of_an_archived_object_says_so_unless_a_get_sends_its_first_byte(
    headers: dict[str, str], to_get: bytes, make_origin: OriginFactory
) -> None:
    to_head = reply(200, {"Content-Length": "1000", **headers})
    origin = make_origin(answer=lambda received: to_head if received.method == "HEAD" else to_get)
    source = storage(origin.storage())

    with pytest.raises(RecordingArchived, match=r"archived \([\w-]+\)"):
        source.describe(KEY)

    origin.answer = lambda received: (
        to_head if received.method == "HEAD" else reply(206, {"Content-Range": "bytes 0-0/1000"}, b"R")
    )
    assert source.describe(KEY).length == 1000


@pytest.mark.full
@pytest.mark.parametrize("name", ["seaweedfs", "rclone"])
def test_a_store_that_keeps_the_class_as_a_mere_name_has_the_recording(
    name: str, request: pytest.FixtureRequest
) -> None:
    bucket: Bucket = request.getfixturevalue(name).new_bucket()
    bucket.client.put_object(Bucket=bucket.name, Key=KEY, Body=DATA, StorageClass="GLACIER")
    site = Site({"minio": bucket.settings()})

    assert site.service.availability(KEY).length == len(DATA)
    assert site.ask("HEAD").status_code == site.ask("GET").status_code == 200


def test_a_recording_is_archived_until_it_is_restored(moto_bucket: Bucket) -> None:
    moto_bucket.client.put_object(Bucket=moto_bucket.name, Key=KEY, Body=DATA, StorageClass="GLACIER")
    site = Site({"minio": moto_bucket.settings()})

    assert site.service.availability(KEY).status == "archived"
    assert [site.ask(method).status_code for method in ("GET", "HEAD")] == [404, 404]
    moto_bucket.client.restore_object(Bucket=moto_bucket.name, Key=KEY, RestoreRequest={"Days": 1})
    assert site.service.availability(KEY)
    assert [site.ask(method).status_code for method in ("GET", "HEAD")] == [200, 200]


@pytest.mark.parametrize("headers", [{CLASS: "GLACIER"}, {STATUS: "ARCHIVE_ACCESS"}])
def test_bytes_that_a_store_sends_count_more_than_a_header(headers: dict[str, str], make_origin: OriginFactory) -> None:
    origin = make_origin(answer=lambda _: reply(200, headers, DATA))

    opened = storage(origin.storage()).open(KEY)
    assert opened.body.read(len(DATA)) == DATA
    opened.body.close()


@pytest.mark.parametrize("wanted", [None, RangeRequest(0, 0), RangeRequest(None, 5)])
def test_a_get_that_is_refused_for_the_objects_state_is_an_archived_recording(
    wanted: RangeRequest | None, make_origin: OriginFactory
) -> None:
    source = storage(make_origin(answer=archived).storage())

    with pytest.raises(RecordingArchived):
        source.open(KEY, wanted)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_archived_recording_is_no_outage_is_asked_for_once_and_plays_from_a_fleet_host(
    method: str, route: Any, make_origin: OriginFactory
) -> None:
    store, host = make_origin(answer=archived), make_origin()
    site = Site({**store.storage(), **host.fleet()}, outage_status=503)

    asked = ["GET"] if method == "GET" else ["HEAD", "GET"]
    for _ in range(2):
        assert site.ask(method, route=route).status_code == 404
    assert [each.method for each in store.requests] == asked * 2, "neither a retry nor a cooldown"
    assert len(host.requests) == 2

    host.recordings[KEY] = DATA
    played = site.ask(method, route=route)
    assert (played.status_code, played.data) == (200, DATA if method == "GET" else b"")
    assert [each.method for each in store.requests] == asked * 3
    assert len(host.requests) == 3


def in_archive(name: str = "storage") -> InMemorySource:
    return InMemorySource(name=name, is_down=True, failure=RecordingArchived("archived"))  # type: ignore[arg-type]


def others(error: Exception | None = None, **recordings: bytes) -> InMemorySource:
    source = InMemorySource(recordings, "other")
    if error is not None:
        source.is_down, source.failure = True, error  # type: ignore[assignment]
    return source


@pytest.mark.parametrize("ask", [Searching.play, Searching.probe])
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("other", "error"),
    [
        (others(RecordingMissing("404")), RecordingArchived),
        (others(a=b""), RecordingArchived),
        (others(RecordingArchived("archived")), RecordingArchived),
        (others(InMemorySource().failure), RecordingUnreachable),
    ],
    ids=["missing", "empty", "archived", "down"],
)
def test_an_archived_recording_is_less_than_a_failure_and_more_than_an_absence(
    ask: Callable[[Searching], object], is_first: bool, other: InMemorySource, error: type[Exception]
) -> None:
    sources = [in_archive(), other]
    searching = Searching(*(sources if is_first else reversed(sources)))

    with pytest.raises(error) as answer:
        ask(searching)

    assert type(answer.value) is error
    assert searching.pauses == []


def test_a_stream_that_breaks_goes_on_elsewhere_when_its_recording_is_archived_meanwhile() -> None:
    data = bytes(range(256)) * 1000
    one, two = InMemorySource({"a": data}, "one", breaks=[100_000]), InMemorySource({"a": data}, "two")
    searching = Searching(one, two)
    playback = searching.service.open("a", PlaybackRequest())
    one.is_down, one.failure = False, RecordingArchived("archived")  # type: ignore[assignment]
    one.breaks.append(0)

    assert playback.stream is not None
    assert b"".join(playback.stream) == data
    assert len(one.bodies) == 1


def test_a_trace_tells_what_to_do(make_origin: OriginFactory) -> None:
    store, host = make_origin(answer=archived), make_origin()
    site = Site({**store.storage(), **host.fleet()})
    site.calls.add({"session_id": "s-1", "recording_key": KEY})

    findings = {finding.check: finding for finding in trace_session(site.service, site.calls, "s-1")}
    assert (findings["storage"].status, findings["storage"].http_status) == ("warning", 403)
    assert "RestoreObject" in findings["recording"].remedy
    assert findings["recording"].status == "failure"

    for data, status in ((b"", "failure"), (DATA, "ok")):
        host.recordings[KEY] = data
        assert trace_session(site.service, site.calls, "s-1")[-1].status == status


def test_any_other_refusal_is_a_failure_as_before(make_origin: OriginFactory) -> None:
    for answer in (s3_error(403, "AccessDenied"), s3_error(400, "InvalidObjectState"), reply(403)):
        site = Site(make_origin(answer=lambda _, answer=answer: answer).storage(), outage_status=503)
        assert site.ask().status_code == 503
