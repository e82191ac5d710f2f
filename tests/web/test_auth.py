"""Who may use the admin route: the default ``require_admin``, decorators of the host's own, and the listener's name."""

from __future__ import annotations

import base64
import hmac
import json
import logging
from functools import wraps
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask, Response, make_response
from flask_jwt_extended import JWTManager, create_access_token, set_access_cookies
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import ImATeapot
from werkzeug.test import TestResponse

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.signals import Listener, recording_started
from tests.servers.origin import OriginFactory

from .site import JWT_KEY, PREFIXES, Site, Upstream, admin_headers, host_app

PATH = f"{PREFIXES['admin']}/s-1"


def guarded_app(**config: object) -> Flask:
    """An app whose admin route has nothing to play: a user who is let through gets its 404."""
    app = host_app(**config)
    register(app, dict, InMemoryCallRepository())
    return app


APP = guarded_app()


def ask(app: Flask, token: str | None) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return app.test_client().get(PATH, headers=headers)


def signed(app: Flask, *, key: str = JWT_KEY, algorithm: str | None = "HS256", **changes: object) -> str:
    """An administrator's token with other claims, another key or another algorithm."""
    with app.app_context():
        token = create_access_token("anna", additional_claims={"role": "admin"})
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    return jwt.encode(claims, key if algorithm else None, algorithm=algorithm)  # type: ignore[arg-type]


def raw(header: object, payload: object, signature: bytes = b"signature") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def nested(depth: int) -> Any:
    return base64.urlsafe_b64encode(b"[" * depth).decode()


def assert_401(reply: TestResponse) -> None:
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert reply.content_type == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "token",
    [None, "", "junk", "a.b.c", "...", "é.é.é", "\x00.\x00.\x00", nested(20000), f"{nested(20000)}.{nested(20000)}.x"],
    ids=["missing", "empty", "junk", "three parts", "dots", "not ascii", "nul", "nested", "nested parts"],
)
def test_a_missing_or_malformed_token_is_401(token: str | None) -> None:
    assert_401(ask(guarded_app(), token))


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer a b", "bearer", "Token x", ","])
def test_an_authorization_of_another_kind_is_401(header: str) -> None:
    assert_401(guarded_app().test_client().get(PATH, headers={"Authorization": header}))


def test_a_forged_or_odd_token_is_401() -> None:
    app = guarded_app()
    unsigned = raw({"alg": "none", "typ": "JWT"}, {"role": "admin", "sub": "anna"}, b"")

    for token in (signed(app, sub=3), unsigned, signed(app)[:-2], signed(app).swapcase()):
        assert_401(ask(app, token))


def test_a_token_signed_with_a_public_key_as_secret_is_401() -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    app = guarded_app(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY=private, JWT_PUBLIC_KEY=public)
    genuine = admin_headers(app)
    head, claims, _ = genuine["Authorization"].removeprefix("Bearer ").split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    signature = hmac.digest(public, f"{head}.{claims}".encode(), "sha256")

    assert app.test_client().get(PATH, headers=genuine).status_code == 404
    assert_401(ask(app, f"{head}.{claims}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "sub", "exp", "type", "csrf"]), json_values
)


@settings(deadline=None)
@given(objects | json_values, objects | json_values, st.binary(max_size=40))
def test_no_unsigned_token_is_anything_but_401(header: object, payload: object, signature: bytes) -> None:
    assert_401(ask(APP, raw(header, payload, signature)))
    if isinstance(header, dict):
        assert_401(ask(APP, raw(header | {"alg": "HS256"}, payload, signature)))


def test_no_reply_to_a_bad_token_tells_why_or_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    app = guarded_app()
    tokens = [None, "junk", signed(app, exp=1), signed(app)[:-2], signed(app, algorithm="HS512")]

    assert len({ask(app, token).data for token in tokens}) == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_token_in_a_cookie_is_enough_where_the_host_says_so() -> None:
    app = guarded_app(JWT_TOKEN_LOCATION=["headers", "cookies"], JWT_COOKIE_SECURE=False)

    @app.post("/login")
    def login() -> Response:
        response = make_response("")
        set_access_cookies(response, create_access_token("anna", additional_claims={"role": "admin"}))
        return response

    client = app.test_client()
    assert_401(client.get(PATH))
    client.post("/login")
    assert client.get(PATH).status_code == 404
    assert client.head(PATH).status_code == 404


def test_a_cookie_is_not_enough_where_the_host_has_not_said_so() -> None:
    app = guarded_app()
    client = app.test_client()
    client.set_cookie("access_token_cookie", signed(app))

    assert_401(client.get(PATH))


def test_a_jwt_manager_without_a_key_is_503_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = guarded_app(JWT_SECRET_KEY=None)

    reply = ask(app, signed(APP))

    assert (reply.status_code, reply.content_type) == (503, "application/problem+json")
    assert "JWT_SECRET_KEY" in caplog.text


def test_an_http_exception_of_the_hosts_jwt_loaders_passes_through() -> None:
    app = host_app()

    def refuse(_header: object, _claims: object) -> bool:
        raise ImATeapot

    JWTManager(app).token_in_blocklist_loader(refuse)
    register(app, dict, InMemoryCallRepository())

    assert ask(app, signed(app)).status_code == 418


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_hosts_own_decorator_returns_reaches_the_client_untouched(upstream: Upstream, method: str) -> None:
    def sign_in_first(view: Any) -> Any:
        @wraps(view)
        def guarded(**arguments: object) -> object:
            return "sign in first", 302, {"Location": "/login", "X-Of-The-Host": "1"}

        return guarded

    app = host_app()
    register(app, upstream.provider, upstream.calls, require_admin=sign_in_first)

    reply = app.test_client().open(upstream.path(route="admin"), method=method)

    assert (reply.status_code, reply.headers["Location"], reply.headers["X-Of-The-Host"]) == (302, "/login", "1")
    assert "Content-Security-Policy" not in reply.headers
    assert reply.data == (b"sign in first" if method == "GET" else b"")
    assert upstream.requests == []


def test_the_hosts_own_decorator_lets_through_whom_it_will(upstream: Upstream) -> None:
    upstream.store(b"0123")
    app = host_app()
    register(app, upstream.provider, upstream.calls, require_admin=lambda view: view)

    assert app.test_client().get(upstream.path(route="admin")).data == b"0123"


@pytest.mark.parametrize("own", [None, lambda: "the host's name for her"])
def test_the_listener_on_the_admin_route_is_named_by_the_token_or_by_the_host(
    make_origin: OriginFactory, own: Any
) -> None:
    site = Site({"cxbcore_fleet": [make_origin({"a.wav": b"0123"}).url]}, identity=own)
    heard: list[Listener] = []

    def receive(_sender: object, event: Any) -> None:
        heard.append(event.listener)

    with recording_started.connected_to(receive, site.service):
        site.ask(key="a.wav", route="admin")
        site.ask(key="a.wav")

    admin, public = heard
    assert (admin.route, admin.session_id, admin.identity) == ("admin", "s-0", own() if own else "anna")
    assert (public.route, public.session_id, public.identity) == ("public", "s-0", None)
    assert public.token_fingerprint not in (None, site.path("a.wav").rpartition("/")[2])


def test_without_a_checked_token_the_listener_has_no_name(make_origin: OriginFactory) -> None:
    site = Site({"cxbcore_fleet": [make_origin({"a.wav": b"0123"}).url]}, require_admin=lambda view: view)
    heard: list[Listener] = []

    def receive(_sender: object, event: Any) -> None:
        heard.append(event.listener)

    with recording_started.connected_to(receive, site.service):
        assert site.client.get(site.path("a.wav", "admin")).status_code == 200

    assert heard[0].identity is None
