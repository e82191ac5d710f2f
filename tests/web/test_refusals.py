"""The log says why the admin route refused somebody; a key server that is down refuses nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token

from cxb_recordings import InMemoryCallRepository, register
from tests.servers import free_port

from .site import admin_headers, host_app
from .test_auth import APP, PATH, ask, assert_401, guarded_app, signed

LOGGER = "cxb_recordings.web.auth"
PRIVATE, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """The records of refusals since the last call, as level and text."""
    records = [(record.levelno, record.getMessage()) for record in caplog.records if record.name == LOGGER]
    caplog.clear()
    return records


def test_each_401_and_403_gives_one_record_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")
    app = guarded_app()
    with app.app_context():
        refresh = create_refresh_token("anna", additional_claims={"role": "admin"})
    head, claims, _ = signed(app).split(".")
    reasons = {
        None: "no token",
        "junk": "malformed token",
        signed(app, exp=1): "expired token",
        signed(app, nbf=2**40): "the token is not valid yet",
        signed(app, key="x" * 64): "wrong signature",
        f"{head}.{claims}.": "wrong signature",
        signed(app, algorithm="HS512"): "the algorithm is not allowed",
        signed(app, algorithm=None): "the algorithm is not allowed",
        refresh: "no access token, but a refresh token",
    }
    for token, reason in reasons.items():
        assert_401(ask(app, token))
        assert told(caplog) == [(logging.INFO, f"admin route: 401, {reason}")]
    for header in ("Bearer", "Bearer a b", ", ,", ",  ,,"):
        assert_401(app.test_client().get(PATH, headers={"Authorization": header}))
        assert told(caplog) == [(logging.INFO, "admin route: 401, malformed Authorization header")]
    for role, problem in (("user", "has no value that is allowed"), ([], "has no value that is allowed")):
        assert app.test_client().get(PATH, headers=admin_headers(app, role=role)).status_code == 403
        assert told(caplog) == [(logging.INFO, f"admin route: 403, the claim 'role' {problem}")]
    with app.app_context():
        plain = create_access_token("anna")
    assert ask(app, plain).status_code == 403
    assert told(caplog) == [(logging.INFO, "admin route: 403, the claim 'role' is missing")]
    assert app.test_client().get(PATH, headers=admin_headers(app)).status_code == 404
    assert told(caplog) == []


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"JWT_DECODE_AUDIENCE": "us"}, "a required claim is missing"),
        ({"JWT_DECODE_ISSUER": "us"}, "a required claim is missing"),
        ({"JWT_TOKEN_LOCATION": "cookies"}, "no token"),
    ],
)
def test_what_the_host_configured_is_a_reason_too(
    caplog: pytest.LogCaptureFixture, config: dict[str, Any], reason: str
) -> None:
    caplog.set_level(logging.INFO, LOGGER)

    assert_401(ask(guarded_app(**config), signed(APP)))

    assert told(caplog) == [(logging.INFO, f"admin route: 401, {reason}")]


@pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "user_lookup_loader", "token_verification_loader"])
def test_what_the_hosts_loaders_refuse_is_told(caplog: pytest.LogCaptureFixture, loader: str) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    app = host_app()
    getattr(JWTManager(app), loader)(lambda _header, _claims: loader == "token_in_blocklist_loader" or None)
    register(app, dict, InMemoryCallRepository())
    reasons = {"token_in_blocklist_loader": "revoked token", "user_lookup_loader": "unknown user"}

    assert_401(ask(app, signed(app)))

    reason = reasons.get(loader, "the host's own check of the claims refused the token")
    assert told(caplog) == [(logging.INFO, f"admin route: 401, {reason}")]


def key_loader(load: Callable[[str], Any]) -> Flask:
    """An app whose keys come from elsewhere, by their id."""
    app = host_app(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY=PRIVATE)
    JWTManager(app).decode_key_loader(lambda header, _claims: load(header.get("kid", "")))
    register(app, dict, InMemoryCallRepository())
    return app


def raising(exc: Exception) -> Callable[[str], Any]:
    def load(_: str) -> Any:
        raise exc

    return load


def from_jwks(port: int) -> Callable[[str], Any]:
    return lambda kid: jwt.PyJWKClient(f"http://127.0.0.1:{port}/keys", timeout=5).get_signing_key(kid).key


OUTAGES: list[Callable[[str], Any]] = [
    *map(raising, [jwt.PyJWKClientError("did not return a JSON object"), jwt.PyJWKSetError("no keys")]),
    *map(raising, [requests.ConnectionError(), requests.Timeout(), TimeoutError(), URLError("down"), OSError()]),
    *map(raising, [KeyError("keys"), IndexError(), ValueError("no JSON"), RuntimeError()]),
    from_jwks(free_port()),
]


@pytest.mark.parametrize("load", OUTAGES)
def test_a_key_server_that_is_down_is_503(caplog: pytest.LogCaptureFixture, load: Callable[[str], Any]) -> None:
    caplog.set_level(logging.DEBUG, "cxb_recordings")
    app = key_loader(load)
    headers = admin_headers(app)

    reply = app.test_client().get(PATH, headers=headers)

    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    [record] = [record for record in caplog.records if record.name.startswith("cxb_recordings.web")]
    assert (record.levelno, record.exc_info is not None) == (logging.ERROR, True)
    assert headers["Authorization"].removeprefix("Bearer ") not in caplog.text


def test_a_loader_that_hides_an_outage_in_a_jwt_error_is_503_as_well() -> None:
    def load(_: str) -> Any:
        try:
            raise requests.ConnectionError
        except requests.ConnectionError as exc:
            raise jwt.InvalidTokenError("no key") from exc

    app = key_loader(load)

    assert app.test_client().get(PATH, headers=admin_headers(app)).status_code == 503


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (raising(jwt.PyJWKClientError('Unable to find a signing key that matches: "k"')), "no key has the token's kid"),
        (raising(jwt.InvalidTokenError("no such key")), "malformed token"),
        (lambda _: OTHER.public_key(), "wrong signature"),
    ],
)
def test_a_key_server_that_does_not_know_the_key_is_401(
    caplog: pytest.LogCaptureFixture, load: Callable[[str], Any], reason: str
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    app = key_loader(load)

    assert_401(app.test_client().get(PATH, headers=admin_headers(app)))
    assert told(caplog) == [(logging.INFO, f"admin route: 401, {reason}")]
