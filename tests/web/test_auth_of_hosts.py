"""The admin route with what hosts give flask-jwt-extended besides a key: users, verification, fresh tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, jwt_required

from cxb_recordings import InMemoryCallRepository, register

from .site import admin_headers, host_app
from .test_auth import PATH, ask, assert_401, guarded_app, signed


def app_with_users(find: Callable[[str], object]) -> Flask:
    """An app that looks up each token's user, as hosts with a table of users do."""
    app = host_app()

    def look_up(_header: object, claims: dict[str, str]) -> object:
        return find(claims["sub"])

    JWTManager(app).user_lookup_loader(look_up)
    register(app, dict, InMemoryCallRepository())
    return app


def test_a_token_whose_user_is_gone_is_401() -> None:
    app = app_with_users({"berta": "her row"}.get)

    assert_401(ask(app, signed(app)))
    assert ask(app, signed(app, sub="berta")).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_user_lookup_that_raises_is_503_with_retry_after_and_a_traceback_in_the_log(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: str) -> object:
        raise LookupError("the database is away")

    app = app_with_users(away)
    token = signed(app)

    reply = app.test_client().open(PATH, method=method, headers={"Authorization": f"Bearer {token}"})

    assert (reply.status_code, reply.content_type) == (503, "application/problem+json")
    assert int(reply.headers["Retry-After"]) > 0
    assert b"database" not in reply.data
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert isinstance(record.exc_info[1], LookupError)
    assert token not in caplog.text


@pytest.mark.parametrize(("fresh", "status"), [(True, 404), (False, 401)])
def test_a_host_that_wants_fresh_tokens_only_says_so_with_its_own_decorator(fresh: bool, status: int) -> None:
    app = host_app()
    register(app, dict, InMemoryCallRepository(), require_admin=jwt_required(fresh=True))

    assert ask(app, signed(app, fresh=fresh)).status_code == status


def test_a_token_in_the_query_string_counts_only_where_the_host_says_so() -> None:
    strict, lenient = guarded_app(), guarded_app(JWT_TOKEN_LOCATION=["headers", "query_string"])
    link = f"{PATH}?jwt={signed(lenient)}"

    assert_401(strict.test_client().get(link))
    assert lenient.test_client().get(link).status_code == 404
    assert_401(lenient.test_client().get(f"{PATH}?jwt=forged"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_401_and_403_are_the_same_for_head_and_whatever_is_asked_besides(method: str) -> None:
    app = guarded_app()
    asked = {"Range": "bytes=9-", "If-None-Match": "*", "If-Match": '"x"'}

    refused = app.test_client().open(PATH, method=method, headers=asked)
    forbidden = app.test_client().open(PATH, method=method, headers=asked | admin_headers(app, role="user"))

    assert_401(refused)
    assert forbidden.status_code == 403
    for reply in (refused, forbidden):
        assert bool(reply.data) == (method == "GET")


def test_options_needs_no_token_and_tells_nothing_but_the_methods() -> None:
    reply = guarded_app().test_client().options(PATH)

    assert (reply.status_code, reply.data) == (200, b"")
    assert set(reply.allow or ()) == {"GET", "HEAD", "OPTIONS"}
