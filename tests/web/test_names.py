"""A file name behind the token, and what CRMs do with it, as they are documented to fetch recordings."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, unquote, urlsplit

import pytest
from flask import Flask

from cxb_recordings import InMemoryCallRepository, RecordingService, register, signals
from cxb_recordings.calls.tokens import fingerprint
from cxb_recordings.testing import InMemoryRecordings, InMemorySource, hold_in_memory

from .site import host_app, serving

DATA = bytes(range(256)) * 400
CALLS = [
    {"session_id": "s-1", "recording_key": "2026/05/s-1.mp3", "recording_access_token": "token-1"},
    {
        "session_id": "s-2",
        "recording_key": "2026/05/s-2.mp3",
        "recording_access_token": "token-2",
        "recording_filename": "Call with Anna.mp3",
    },
]


@pytest.fixture
def app() -> Flask:
    app = host_app()
    register(app, dict, InMemoryCallRepository(CALLS))
    return app


@pytest.fixture
def held(app: Flask) -> Iterator[InMemoryRecordings]:
    with hold_in_memory(app, InMemorySource({"2026/05/s-1.mp3": DATA, "2026/05/s-2.mp3": DATA})) as held:
        yield held


def fetched(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """What a client gets that follows no redirect."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        connection.request(method, parts.path, headers=headers)
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()


class Bitrix24:
    """Fetches a recording once and keeps a copy, under the last segment of the path, with the type of its ending."""

    def attach(self, url: str) -> tuple[str, bytes]:
        status, _, body = fetched(url)
        assert status == 200
        return unquote(urlsplit(url).path.rpartition("/")[2]), body


class AmoCRM:
    """Shows a player for a link that ends in .mp3, and no other; the player seeks."""

    def play_from(self, url: str, position: int) -> bytes:
        assert url.endswith(".mp3")
        status, headers, body = fetched(url, Range=f"bytes={position}-")
        assert (status, headers["Content-Range"]) == (206, f"bytes {position}-{len(DATA) - 1}/{len(DATA)}")
        return body


class HubSpot:
    """Asks by HEAD first and wants exactly 200 and a type of audio, then plays."""

    def play(self, url: str) -> bytes:
        status, headers, body = fetched(url, "HEAD")
        assert (status, body, headers["Content-Type"]) == (200, b"", "audio/mpeg")
        status, _, body = fetched(url)
        assert status == 200
        return body


def test_crms_that_look_at_the_end_of_the_link_play_and_keep_the_recording(
    app: Flask, held: InMemoryRecordings
) -> None:
    with serving(app) as (host, port):
        url = held.service.build_public_recording_url(
            f"{host}:{port}", "token-1", filename="Anruf für Anna.mp3", scheme="http"
        )

        assert Bitrix24().attach(url) == ("Anruf für Anna.mp3", DATA)
        assert AmoCRM().play_from(url, 5000) == DATA[5000:]
        assert HubSpot().play(url) == DATA


@pytest.mark.parametrize("behind", ["", "/", "/call.mp3", "/any.html", "/a/b/c.mp3", "//", "/%2e%2e", "/" + "x" * 300])
def test_whatever_follows_the_token_the_same_recording_plays(app: Flask, held: InMemoryRecordings, behind: str) -> None:
    client = app.test_client()

    for method in ("GET", "HEAD"):
        reply = client.open(f"/api/v1/public/recordings/token-1{behind}", method=method)
        assert (reply.status_code, reply.content_type) == (200, "audio/mpeg")
        assert reply.data == (DATA if method == "GET" else b"")
    listeners = [event.listener for event in held.heard(signals.RecordingServed)]
    assert [listener.token_fingerprint for listener in listeners] == [fingerprint("token-1")]


@pytest.mark.parametrize("path", ["unknown/call.mp3", "/token-1", "tok/en-1", "a b/token-1"])
def test_a_name_without_a_token_is_404(app: Flask, held: InMemoryRecordings, path: str) -> None:
    assert app.test_client().get(f"/api/v1/public/recordings/{path}").status_code == 404


@pytest.mark.parametrize(
    ("path", "filename"),
    [
        ("token-1", "s-1.mp3"),
        ("token-1/", "s-1.mp3"),
        ("token-1/Anna.mp3", "Anna.mp3"),
        ("token-1/run.bat", "run.mp3"),
        ("token-1/page.html", "page.mp3"),
        ("token-2", "Call with Anna.mp3"),
        ("token-2/other.mp3", "Call with Anna.mp3"),
    ],
)
def test_a_copy_is_called_as_the_call_says_else_as_the_url_says_else_as_the_key_does(
    app: Flask, held: InMemoryRecordings, path: str, filename: str
) -> None:
    reply = app.test_client().get(f"/api/v1/public/recordings/{path}?download=1")

    assert re.sub('"', "", reply.headers["Content-Disposition"]) == f"attachment; filename={filename}"
    assert reply.content_type == "audio/mpeg"


@pytest.mark.parametrize(
    "named", [None, "", 7, b"x", ["a"], "\ud800", "\r\nSet-Cookie: a=b", "/", "a/b.bat", "x" * 5000]
)
def test_no_file_name_of_a_call_breaks_a_reply(named: object) -> None:
    app = host_app()
    call = CALLS[0] | {"recording_filename": named}
    service: RecordingService = register(app, dict, InMemoryCallRepository([call]))
    with hold_in_memory(app, InMemorySource({"2026/05/s-1.mp3": DATA})):
        for name in ("", "/" + quote("\r\nX: y.mp3")):
            reply = app.test_client().get(f"/api/v1/public/recordings/token-1{name}")
            assert (reply.status_code, reply.data) == (200, DATA)
            assert reply.headers["Content-Disposition"].isascii()
            assert reply.headers["Content-Disposition"].isprintable()
    assert service.streams.taken == 0
