"""Temporary credentials: their session token goes with every request and into every signed URL, and only there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cxb_recordings import RecordingService, enrich_call_with_accessible_url, generate_signed_url
from cxb_recordings.operations.doctor import check_sources
from cxb_recordings.options import Options
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.settings import read_settings
from tests.servers.origin import Origin

from . import signs_as_boto3

TOKEN = "FwoGZXIvYXdzEBYaDG+session/token=="
OK = b'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/10\r\nContent-Length: 1\r\nETag: "e"\r\n\r\nx'

WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "e"\r\n\r\n'


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin(answer=lambda request: OK if "Range" in request.headers else WHOLE)
    yield origin
    origin.stop()


def document(origin: Origin, **changes: object) -> dict[str, Any]:
    settings = origin.storage()
    return {"minio": {**settings["minio"], **changes}}


@pytest.fixture(params=[None, TOKEN], ids=["lasting", "temporary"])
def session_token(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    for name in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        monkeypatch.setenv(name, "of-the-environment")
    token: str | None = request.param
    return token


def test_requests_carry_the_configured_session_token_signed(origin: Origin, session_token: str | None) -> None:
    settings = document(origin, session_token=session_token)
    service = RecordingService(lambda: settings, Options(offload="/_protected/"))
    [source] = service.sources.of(service.settings().sections)

    source.open("a.wav", RangeRequest(0, 0)).body.close()
    source.describe("a.wav")
    list(check_sources(service.settings(), service.options.transport()))
    handed = service.open("a.wav", PlaybackRequest(), may_offload=True).offloaded

    assert len(origin.requests) > 3
    for request in origin.requests:
        assert request.headers.get("x-amz-security-token") == session_token
        assert ("x-amz-security-token" in request.headers["Authorization"]) == (session_token is not None)
    assert handed is not None
    assert parse_qs(urlsplit(handed.signed_url).query).get("X-Amz-Security-Token") == (
        session_token and [session_token]
    )


@pytest.mark.parametrize("key", ["a b.wav", "2026/ü~'(1)+%20.wav", "//a", "a/?b#c&d=e;f", "\N{PUNCTUATION SPACE}x*!"])
def test_signed_urls_are_those_of_boto3_with_the_session_token(
    origin: Origin, session_token: str | None, key: str
) -> None:
    settings = document(origin, session_token=session_token)

    assert signs_as_boto3(read_settings(settings).require_storage(), key)

    enriched = enrich_call_with_accessible_url({"recording_key": key}, settings)["recording_url"]
    for url in (generate_signed_url(settings, key, 60), enriched):
        assert parse_qs(urlsplit(url).query).get("X-Amz-Security-Token") == (session_token and [session_token])
    assert origin.requests == []


def test_a_session_token_is_in_no_repr_and_no_log(origin: Origin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")
    settings = document(origin, session_token=TOKEN)
    origin.answer = lambda _: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    service = RecordingService(lambda: settings)

    findings = list(check_sources(service.settings(), service.options.transport()))

    assert TOKEN not in repr(service.settings())
    assert TOKEN not in caplog.text + str(findings)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken"])
def test_the_doctor_names_the_session_token_where_the_store_refuses_it(origin: Origin, code: str) -> None:
    error = b"<Error><Code>%s</Code></Error>" % code.encode()
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(error)
    origin.answer = lambda _: head + error

    findings = list(check_sources(read_settings(document(origin, session_token=TOKEN)), Options().transport()))

    [failure] = [finding for finding in findings if finding.status == "failure"]
    assert failure.check == "storage credentials"
    assert code in failure.seen
