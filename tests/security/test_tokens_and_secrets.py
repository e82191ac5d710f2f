"""Tokens and secrets: what is taken back stops at once, and none stands where it can be read."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient

from cxb_recordings import (
    InMemoryCallRepository,
    register,
)
from tests.servers import free_port, wait_until
from tests.servers.gunicorn import GunicornFactory
from tests.servers.nginx import NginxFactory
from tests.servers.origin import OriginFactory
from tests.web.site import host_app

from .doors import DATA, FLEET_SECRET, KEY, TOKEN, assert_no_secret

LOGS_PAGE = (Path(__file__).parents[2] / "docs/tokens-in-logs.md").read_text()

APP = f"""
from flask import Flask
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register
app = Flask("host")
app.config["JWT_SECRET_KEY"] = "for this test only, thirty-two bytes and more"
JWTManager(app)
register(app, dict, InMemoryCallRepository([{{"session_id": "1", "recording_access_token": "{TOKEN}"}}]))
"""


def host(calls: InMemoryCallRepository, fleet: list[object]) -> FlaskClient:
    app = host_app()
    register(app, lambda: {"cxbcore_fleet": fleet}, calls)
    return app.test_client()


@pytest.mark.parametrize("how", ["revoked", "rotated", "expired"])
@pytest.mark.parametrize("conditional", [True, False])
def test_a_token_that_is_taken_back_stops_at_once_even_before_a_304(
    make_origin: OriginFactory, how: str, conditional: bool
) -> None:
    calls = InMemoryCallRepository([{"session_id": "1", "recording_key": KEY, "recording_access_token": TOKEN}])
    client = host(calls, [make_origin({KEY: DATA}).url])
    path = f"/api/v1/public/recordings/{TOKEN}"
    etag = client.get(path).headers["ETag"]
    headers = {"If-None-Match": etag} if conditional else {}
    assert client.get(path, headers=headers).status_code == (304 if conditional else 200)
    if how == "revoked":
        calls.revoke("1")
    elif how == "rotated":
        calls.rotate("1")
    else:
        calls.set_expiry("1", datetime.now(timezone.utc) - timedelta(seconds=1))
    assert client.get(path, headers=headers).status_code == 404


def test_a_fleet_host_that_refuses_the_secret_leaks_it_into_no_record(
    make_origin: OriginFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="cxb_recordings")
    calls = InMemoryCallRepository([{"session_id": "1", "recording_key": KEY, "recording_access_token": TOKEN}])
    refusing = make_origin({KEY: DATA}, secret="another")
    client = host(calls, [{"url": refusing.url, "secret": FLEET_SECRET}, f"http://127.0.0.1:{free_port()}"])
    assert client.get(f"/api/v1/public/recordings/{TOKEN}").status_code == 404
    assert "status 403" in caplog.text
    for record in caplog.records:
        if record.name.startswith("cxb_recordings"):
            assert_no_secret(f"{record.getMessage()} {vars(record)}")


def test_gunicorns_access_log_without_the_path_holds_no_token(gunicorn: GunicornFactory) -> None:
    match = re.search(r'--access-logformat "(.*)"', LOGS_PAGE)
    assert match is not None
    server = gunicorn(APP, "--access-logfile", "-", "--access-logformat", match[1])
    assert requests.get(f"{server.url}/api/v1/public/recordings/{TOKEN}", timeout=10).status_code == 404
    wait_until(lambda: "GET 404" in server.log.read_text(), "the access log")
    assert_no_secret(server.log.read_text())


def test_nginxs_access_log_without_the_path_holds_no_token(nginx: NginxFactory) -> None:
    log_format = re.search(r"```nginx\n(log_format.*?)```", LOGS_PAGE, re.DOTALL)
    assert log_format is not None
    port = free_port()
    location = "location /api/ { access_log logs/recordings.log recordings; return 404; }"
    server = nginx(f"{log_format[1]}\nserver {{ listen 127.0.0.1:{port}; {location} }}", port)

    assert requests.get(f"http://127.0.0.1:{port}/api/v1/public/recordings/{TOKEN}", timeout=10).status_code == 404

    log = server.directory / "logs/recordings.log"
    wait_until(lambda: "GET 404" in log.read_text(), "nginx's access log")
    assert_no_secret(log.read_text())
