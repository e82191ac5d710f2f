"""Who gets a playback URL, on which address, and what the logs say about it."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask_jwt_extended import create_access_token, get_csrf_token

from cxb_recordings.signals import RecordingNotFound, RecordingServed, RequestAnswered
from cxb_recordings.testing import InMemorySource, hold_in_memory
from tests.web.playback_site import (
    DATA,
    HOST,
    KEY,
    OTHER_DATA,
    PLAYBACK,
    RECORDINGS,
    Site,
    site,
)
from tests.web.site import PREFIXES, admin_headers, host_app
from tests.web.test_routes import raw

__all__ = ["site"]  # a fixture


@pytest.mark.parametrize(
    ("base_url", "start"),
    [
        ("https://calls.example.com", "https://calls.example.com/api"),
        ("http://localhost:8000", "http://localhost:8000/api"),
        ("https://calls.example.com/voice", "https://calls.example.com/voice/api"),
        ("https://calls.example.com/a b", "https://calls.example.com/a%20b/api"),
    ],
)
def test_without_a_host_the_address_is_that_of_the_request(site: Site, base_url: str, start: str) -> None:
    with site.app.test_request_context(base_url=base_url):
        assert site.service.playback_url("s-1").startswith(f"{start}/v1/playback/")


@pytest.mark.parametrize(
    ("trusted", "host", "status"),
    [
        ([HOST], HOST, 201),
        ([".example.com"], HOST, 201),
        ([HOST], "evil.example", 400),
        ([HOST], "calls.example.com.evil.example", 400),
        (None, "evil.example", 201),  # only the one who sent it gets the URL
        (None, "a/b?c#d", 400),
        (None, "user@evil.example", 400),
        (None, 'x"><script>', 400),
    ],
)
def test_a_host_that_is_malformed_or_not_trusted_is_400(site: Site, trusted: Any, host: str, status: int) -> None:
    site.app.config["TRUSTED_HOSTS"] = trusted
    headers = admin_headers(site.app) | {"Host": host}

    assert raw(site.client, f"{PREFIXES['admin']}/s-1/playback-url", "POST", headers.items()).status_code == status


# --- POST


@pytest.mark.parametrize("session_id", ["s-1", "a%2Fb%20%C3%BC%ED%A0%80", "other", "x/playback-url"])
def test_an_administrator_gets_a_url_that_plays(site: Site, session_id: str) -> None:
    unproven = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Prefix": "/evil"}
    reply = site.post(f"{PREFIXES['admin']}/{session_id}/playback-url", admin_headers(site.app) | unproven)

    if "%ED" in session_id:  # no text that UTF-8 has: a WSGI server's path can't be that session id
        assert reply.status_code == 404
        return
    told = reply.get_json()
    assert reply.status_code == 201
    assert set(told) == {"url", "expires_at"}
    assert told["expires_at"] == "2027-01-15T09:00:01Z"
    assert told["url"].startswith(f"https://{HOST}{PLAYBACK}/")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cross-Origin-Resource-Policy"] == "same-site"
    assert "Location" not in reply.headers
    played = site.client.get(urlsplit(told["url"]).path)
    assert played.data == (OTHER_DATA if session_id == "other" else DATA)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("s-1", {"X": ""}, 401),
        ("s-1", {"Authorization": "Bearer x"}, 401),
        ("unknown", None, 404),
        ("", None, 404),
        ("keyless", None, 404),
        ("s-1/playback-url", None, 404),
        ("%00", None, 404),
    ],
)
def test_who_may_not_or_has_no_call_gets_no_url(site: Site, path: str, headers: Any, status: int) -> None:
    reply = site.post(f"{PREFIXES['admin']}/{path}/playback-url", headers)

    assert reply.status_code == status
    assert "url" not in reply.get_json()
    assert reply.headers["Cache-Control"] == "no-store"
    sales = admin_headers(site.app, role="sales")
    assert site.post(f"{PREFIXES['admin']}/{path}/playback-url", sales).status_code == 403


def test_only_post_gives_a_url_and_other_paths_stay_calls(site: Site) -> None:
    path, admin = f"{PREFIXES['admin']}/s-1/playback-url", admin_headers(site.app)

    assert site.client.get(path, headers=admin).get_json()["step"] == "call"  # a session id may hold slashes
    assert site.post(f"{PREFIXES['admin']}/s-1").status_code == 405
    assert site.post(f"{path}/").status_code == 405
    assert site.client.put(path, headers=admin).status_code == 405
    assert "POST" in site.client.options(path).headers["Allow"]


@pytest.mark.parametrize(("sent", "status"), [("none", 401), ("wrong", 401), ("right", 201)])
def test_with_jwt_cookies_the_csrf_header_is_needed(sent: str, status: int) -> None:
    site = Site(host_app(SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers", "cookies"]))
    with site.app.app_context():
        token = create_access_token("anna", additional_claims={"role": "admin"})
        csrf = {"none": "", "wrong": "x", "right": get_csrf_token(token)}[sent]
    headers = {"Cookie": f"access_token_cookie={token}"} | ({"X-CSRF-TOKEN": csrf} if csrf else {})
    client = site.app.test_client(use_cookies=False)

    assert client.post(f"{PREFIXES['admin']}/s-1/playback-url", headers=headers).status_code == status
    assert client.get(f"{PREFIXES['admin']}/unknown", headers=headers).status_code == 404  # which reads only


@pytest.mark.parametrize(
    ("identity", "signed"),
    [("anna", "anna"), (None, None), (7, "7"), (UUID(int=5), str(UUID(int=5))), ("ü" * 128, "ü" * 128), ("", "")],
)
def test_the_identity_that_asked_is_signed(identity: object, signed: object) -> None:
    site = Site(require_admin=lambda view: view, identity=lambda: identity)

    path = urlsplit(site.post(f"{PREFIXES['admin']}/s-1/playback-url", {"X": ""}).get_json()["url"]).path

    claims = site.urls.read(path.rpartition("/")[2])
    assert claims is not None
    assert claims.identity == signed


@pytest.mark.parametrize("identity", ["x" * 129, {"name": "anna"}, object()])
def test_an_identity_that_can_not_be_signed_is_503_and_logged(
    identity: object, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(require_admin=lambda view: view, identity=lambda: identity)

    reply = site.post(f"{PREFIXES['admin']}/s-1/playback-url", {"X": ""})

    assert (reply.status_code, reply.get_json()["step"]) == (503, "playback URL")
    assert "identity: a string of at most 128 characters is needed" in caplog.text


# --- Logs and signals.


def test_logs_and_signals_name_identity_and_fingerprint_and_never_the_url(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with hold_in_memory(site.app, InMemorySource(RECORDINGS)) as held:
        made = site.post(f"{PREFIXES['admin']}/s-1/playback-url").get_json()
        path = urlsplit(made["url"]).path
        site.client.get(path)
        site.now += 4000
        site.client.get(path)
        site.client.get(f"{path}x")

    [served] = held.heard(RecordingServed)
    expired, forged = held.heard(RecordingNotFound)
    assert (served.listener.route, served.listener.identity, served.listener.session_id) == ("playback", "anna", "s-1")
    assert expired.listener == served.listener
    assert [expired.step, forged.step] == ["expired", "token"]
    assert (forged.listener.session_id, forged.listener.identity) == (None, None)
    assert [event.route for event in held.heard(RequestAnswered)] == ["admin", "playback", "playback", "playback"]
    record = next(record for record in caplog.records if "expired" in record.message)
    fingerprint = served.listener.token_fingerprint
    assert record.message == (
        f"recording not found: expired (playback URL {fingerprint}, session id 's-1', identity 'anna')"
    )
    assert (record.__dict__["identity"], record.__dict__["token_fingerprint"]) == ("anna", fingerprint)
    told = f"{held.events} {[(record.getMessage(), vars(record)) for record in caplog.records]}"
    for secret in (path, path.rpartition("/")[2], path.rpartition(".")[2]):
        assert secret not in told
    assert path not in repr(site.urls.make("s-1", HOST))
