"""The two routes take any path below their prefix, and nothing ever redirects."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.testing import InMemorySource, hold_in_memory
from tests.web.site import PREFIXES, admin_headers, host_app

DATA = b"0123456789"
KEY = "calls/1.wav"
TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
SESSION_IDS = [
    "s-1",
    "a/b",
    "/a",
    "//a",
    "a//b",
    "a/",
    "a//",
    "/",
    "//",
    "///",
    "/a/b/",
    "1f2e@10.0.0.1:5060/udp",
    base64.b64encode(b"\xff\xef\xbe?>").decode(),
    "a\\b",
    "a%2Fb",
    "%",
    "a?b#c",
    "a;b=c",
    "a b",
    " ",
    "ü/ß",
    "a\nb",
    "\n",
    "a\x00b",
    "x" * 5000,
    "/".join("x" * 900),
]


def raw(client: FlaskClient, path: str, method: str = "GET", headers: Any = ()) -> TestResponse:
    """Ask for a path as a server passes it on: decoded, and nothing of it made tidy."""
    environ = EnvironBuilder(method=method, headers=dict(headers)).get_environ()
    environ["PATH_INFO"] = unquote(path, "latin-1")
    body, status, sent = run_wsgi_app(client.application, environ, buffered=True)
    return client.response_wrapper(body, status, sent, request=None)  # type: ignore[arg-type]


@pytest.fixture(params=[{}, {"strict_slashes": False}, {"merge_slashes": False}], ids=str)
def app(request: pytest.FixtureRequest) -> Flask:
    app = host_app()
    for name, value in request.param.items():
        setattr(app.url_map, name, value)
    app.add_url_rule("/<path:page>/", "pages", lambda page: page)  # one of those that Werkzeug redirects to
    calls = InMemoryCallRepository({"session_id": name, "recording_key": KEY} for name in SESSION_IDS)
    calls.add({"session_id": "public", "recording_key": KEY, "recording_access_token": TOKEN})
    register(app, dict, calls)
    return app


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_session_id_is_found_whatever_slashes_and_characters_it_has(app: Flask, method: str) -> None:
    client, admin = app.test_client(), admin_headers(app)
    with hold_in_memory(app, InMemorySource({KEY: DATA})):
        for session_id in SESSION_IDS:
            path = f"{PREFIXES['admin']}/{quote(session_id, safe='')}"
            reply = raw(client, path, method, admin)

            assert reply.status_code == 200, session_id
            assert reply.data == (DATA if method == "GET" else b"")


def test_url_for_gives_a_url_that_leads_back_to_the_session_id(app: Flask) -> None:
    client, admin = app.test_client(), admin_headers(app)
    with hold_in_memory(app, InMemorySource({KEY: DATA})):
        for session_id in SESSION_IDS:
            with app.test_request_context():
                url = url_for("cxb_recordings_admin.recording", session_id=session_id)
                assert url_for("cxb_recordings_public.recording", token=TOKEN) == f"{PREFIXES['public']}/{TOKEN}"
            assert url.isascii()
            assert "//" not in url
            assert raw(client, url, "GET", admin).data == DATA, session_id


NOT_FOUND = [
    *("/", "//", "///", "/a", "/a/b", "/a//b", "/a/b/c/d/e/", f"//{TOKEN}", f"/%2F{TOKEN}", f"/{TOKEN}/"),
    *(f"/{TOKEN}//", f"/{TOKEN}/a.wav", f"/x/../{TOKEN}", f"/{TOKEN}%00", f"/{TOKEN}%0A", f"/{TOKEN}%20", "/.", "/.."),
    *("/%2e%2e/x", "/%ff%fe", "/%C3%28", "/%ED%A0%80", "/%00", "/%0D%0AX-Evil:%201", "/%E2%80%AE", "/" + "x" * 60_000),
    *("/" + "x/" * 30_000, "/" * 30_000),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_path_below_the_public_prefix_without_a_recording_gets_the_one_404(app: Flask, method: str) -> None:
    client = app.test_client()
    one = raw(client, f"{PREFIXES['public']}/unknown", method)
    assert one.status_code == 404
    assert one.headers["Content-Type"] == "application/problem+json"

    for path in NOT_FOUND:
        reply = raw(client, PREFIXES["public"] + path, method)
        assert (reply.status, list(reply.headers), reply.data) == (one.status, list(one.headers), one.data), path[:80]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_nothing_redirects_and_no_token_is_in_a_header(app: Flask, method: str) -> None:
    client, admin = app.test_client(), admin_headers(app)
    allowed = (200, 404) if method in ("GET", "HEAD") else (200,) if method == "OPTIONS" else (405,)
    with hold_in_memory(app, InMemorySource({KEY: DATA})):
        for prefix in PREFIXES.values():
            for path in [*NOT_FOUND, f"/{TOKEN}", "/s-1", "/s-1/", "//s-1"]:
                reply = raw(client, prefix + path, method, admin)
                assert reply.status_code in allowed, path[:80]
                assert "Location" not in reply.headers
                assert TOKEN not in str(reply.headers)


@pytest.mark.parametrize("route", ["admin", "public"])
def test_several_slashes_within_a_prefix_do_not_redirect_either(route: str) -> None:
    app = host_app()
    register(app, dict, InMemoryCallRepository())

    for path in (PREFIXES[route].replace("/v1/", "//v1/"), PREFIXES[route].replace("/recordings", "///recordings")):
        for rest in (TOKEN, f"/{TOKEN}", f"{TOKEN}/"):
            reply = raw(app.test_client(), f"{path}/{rest}", "GET", admin_headers(app))
            assert reply.status_code == 404
            assert TOKEN not in str(reply.headers)


def test_the_prefix_with_a_slash_names_no_call_and_asks_for_none() -> None:
    class Asked(InMemoryCallRepository):
        def find_by_session_id(self, session_id: str) -> Any:
            raise AssertionError("asked for a call without an id")

    app = host_app()
    register(app, dict, Asked())

    reply = raw(app.test_client(), f"{PREFIXES['admin']}/", "GET", admin_headers(app))

    assert reply.status_code == 404
    assert reply.get_json()["step"] == "call"


@given(st.binary(min_size=1, max_size=40) | st.text("ab/\\%.\n\0ü", min_size=1, max_size=12).map(str.encode))
def test_the_repository_is_asked_for_the_very_path_that_was_sent(sent: bytes) -> None:
    asked = []

    class Asked(InMemoryCallRepository):
        def find_by_session_id(self, session_id: str) -> Any:
            asked.append(session_id)

    app = Flask("host")
    register(app, dict, Asked(), require_admin=lambda view: view)

    reply = raw(app.test_client(), f"{PREFIXES['admin']}/{quote_from_bytes(sent, safe='')}")

    assert reply.status_code == 404
    assert asked == [sent.decode(errors="replace")]
