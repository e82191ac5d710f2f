"""Keys for which no source is asked, and odd ones that storage may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cxb_recordings import RecordingService, enrich_call_with_accessible_url, stream_recording_key
from cxb_recordings.errors import RecordingMissing
from cxb_recordings.operations.trace import trace_session
from cxb_recordings.options import Options
from cxb_recordings.playback.conditions import PlaybackRequest
from tests.web.site import ROUTES, Scripted

LISTING = b"<ListBucketResult><Contents><Key>private.wav</Key></Contents></ListBucketResult>"
NO_KEYS = ["../x.wav", "a/../x.wav", "./x", "a/.", "..", "a\x00b", "a\nb", "\x7f", "\ud800", "x" * 1025]
FOLDERS = ["/", "//", "///", "a/", "/a/", "2024/05/", "a//", " /", "\\/", "x" * 1023 + "/"]
ODD = ["/a", "//a", "a//b", "a\\b", "\\", " ", "a/ "]


@pytest.fixture(params=["storage", "fleet"])
def scripted(request: pytest.FixtureRequest) -> Iterator[Scripted]:
    site = Scripted(request.param)
    site.answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LISTING), LISTING))
    yield site
    site.origin.stop()


@pytest.mark.parametrize("key", [*FOLDERS, *NO_KEYS])
def test_for_a_key_that_no_recording_can_have_no_source_is_asked(scripted: Scripted, key: str) -> None:
    for route in ROUTES:
        for method in ("GET", "HEAD"):
            assert scripted.ask(method, key=key, route=route).status_code == 404
    offloading = RecordingService(scripted.provider, Options(offload="/_protected/"))
    with pytest.raises(RecordingMissing):
        offloading.open(key, PlaybackRequest(), may_offload=True)
    path = scripted.path(key, "admin")
    findings = trace_session(scripted.service, scripted.calls, path.rpartition("/")[2])

    assert [finding.check for finding in findings if finding.status == "failure"] == ["key"]
    assert "no recording can have" in findings[-1].seen
    assert scripted.origin.requests == []


@pytest.mark.parametrize(
    "url", ["https://storage.example/calls/a%2F", "https://storage.example/calls/%2F", "https://h/a/"]
)
def test_nor_is_one_that_a_url_gives(scripted: Scripted, url: str) -> None:
    scripted.calls.add({"session_id": "s", "recording_url": url, "recording_access_token": "t"})

    assert scripted.client.get("/api/v1/public/recordings/t").status_code == 404
    assert enrich_call_with_accessible_url({"recording_url": url}, scripted.provider())["recording_url"] == url
    assert scripted.origin.requests == []


def test_a_trace_does_not_advise_to_store_one(scripted: Scripted) -> None:
    scripted.answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    scripted.calls.add(
        {"session_id": "s", "recording_key": "a", "recording_url": "https://storage.example/recordings/b/"}
    )

    findings = trace_session(scripted.service, scripted.calls, "s")

    assert "under which key" in next(finding for finding in findings if finding.check == "recording").remedy


@pytest.mark.parametrize("key", [uuid4(), None, 7, b"a.wav", Path("a.wav"), ["a.wav"], object()])
def test_a_key_that_is_no_string_is_a_mistake_of_the_host_that_is_told_at_once(scripted: Scripted, key: Any) -> None:
    with scripted.app.test_request_context(), pytest.raises(TypeError, match="key: a string is needed, not "):
        stream_recording_key(key)
    with pytest.raises(TypeError):  # before it needs a request, or a registration
        stream_recording_key(key, name="unknown")
    assert scripted.origin.requests == []


@pytest.mark.parametrize("name", ["unknown", "flask-jwt-extended", None])
def test_so_is_the_name_of_no_registration(scripted: Scripted, name: Any) -> None:
    with scripted.app.test_request_context(), pytest.raises(ValueError, match="call register"):
        stream_recording_key("a.wav", name=name)


@pytest.mark.parametrize("key", ODD)
def test_slashes_elsewhere_and_backslashes_are_for_storage_alone(scripted: Scripted, key: str) -> None:
    status = scripted.ask(key=key).status_code

    is_for_all = not (key.startswith("/") or "//" in key or "\\" in key)
    assert (status, len(scripted.origin.requests)) == (
        (200, 1) if scripted.kind == "storage" or is_for_all else (404, 0)
    )
