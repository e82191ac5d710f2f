"""How sources are reached: TLS, timeouts, nothing of the environment, a pool for each settings, none across a fork."""

from __future__ import annotations

import ssl
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cxb_recordings.sources import sources
from tests.servers.gunicorn import GunicornFactory
from tests.servers.origin import Origin

from .site import KEY, Site, Upstream

DATA = b"0123456789"


def settings_of(kind: str, origin: Origin) -> dict[str, object]:
    return origin.storage() if kind == "storage" else origin.fleet()


@pytest.fixture
def tls_origin(tls: ssl.SSLContext) -> Iterator[Origin]:
    """A source that speaks TLS with a certificate that nobody trusts unless told."""
    with Origin({KEY: DATA}, tls=tls) as origin:
        yield origin


@pytest.mark.parametrize("kind", ["storage", "fleet"])
def test_a_private_ca_is_trusted_where_ca_bundle_names_it_and_not_otherwise(
    kind: str, tls_origin: Origin, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(kind, tls_origin)

    assert Site(settings, ca_bundle=certificate).ask().data == DATA
    assert caplog.text == ""
    assert Site(settings).ask().status_code == 404
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text or "SSLError" in caplog.text


@pytest.mark.parametrize("kind", ["storage", "fleet"])
def test_require_https_fleet_is_content_with_https(kind: str, tls_origin: Origin, certificate: Path) -> None:
    site = Site(settings_of(kind, tls_origin), ca_bundle=certificate, require_https_fleet=True)

    assert site.ask().data == DATA


@pytest.mark.parametrize("kind", ["storage", "fleet"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_source_that_says_nothing_is_left_after_the_read_timeout(
    kind: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()

    def silent(_: object) -> bytes:
        over.wait(30)
        return b""

    origin = Origin(answer=silent)
    try:
        assert Site(settings_of(kind, origin), read_timeout=0.2).ask(method).status_code == 404
        assert len(origin.requests) == 1, "not asked again and again"
        assert "ReadTimeout" in caplog.text
    finally:
        over.set()
        origin.stop()


ENVIRONMENT = {
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "NO_PROXY": "",
    "no_proxy": "",
    "REQUESTS_CA_BUNDLE": "/no/such/file",
    "CURL_CA_BUNDLE": "/no/such/file",
    "AWS_CA_BUNDLE": "/no/such/file",
    "AWS_PROFILE": "nobody",
    "AWS_ACCESS_KEY_ID": "someone-else",
    "AWS_SECRET_ACCESS_KEY": "something-else",
    "AWS_SESSION_TOKEN": "something-else",
    "AWS_DEFAULT_REGION": "mars-north-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_MAX_ATTEMPTS": "9",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
}


@pytest.mark.parametrize("upstream", ["moto", "ceph", "fleet"], indirect=True)
def test_the_environment_changes_nothing(upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    upstream.store(DATA)
    profile = "[nobody]\nregion = mars-north-1\nendpoint_url = http://127.0.0.1:1\naws_access_key_id = x\n"
    (tmp_path / "aws").write_text(profile)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    files = {"AWS_CONFIG_FILE": "aws", "AWS_SHARED_CREDENTIALS_FILE": "aws", "NETRC": ".netrc", "HOME": ""}
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name, file in files.items():
        monkeypatch.setenv(name, str(tmp_path / file))

    assert Site(upstream.provider()).ask().data == DATA
    [sent] = upstream.requests
    authorization = sent.headers["Authorization"]
    if upstream.kind == "fleet":
        assert authorization is None
    else:
        assert "someone-else" not in authorization
        assert "/us-east-1/s3/aws4_request" in authorization
        assert authorization.startswith("AWS4-HMAC-SHA256 ")
        assert sent.headers["X-Amz-Security-Token"] is None


def test_one_pool_is_made_for_each_distinct_settings(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream.store(DATA)
    made: list[str] = []
    for name in ("ObjectStorage", "make_session"):
        original = getattr(sources, name)

        def counted(*args: Any, name: str = name, original: Any = original, **options: Any) -> Any:
            made.append(name)
            return original(*args, **options)

        monkeypatch.setattr(sources, name, counted)
    live: Any = upstream.provider()
    site = Site(lambda: live)
    paths = [site.path()] * 8
    with ThreadPoolExecutor(8) as threads:  # all at once, before there is any pool
        bodies = list(threads.map(lambda path: site.app.test_client().get(path).data, paths))

    assert bodies == [DATA] * 8
    assert made == ["make_session" if upstream.kind == "fleet" else "ObjectStorage"]
    if upstream.kind != "fleet":
        first, second = live, {"minio": live["minio"] | {"region": "eu-west-1"}}
        for settings in (second, first, second, first):
            live = settings
            site.ask()
        assert made == ["ObjectStorage"] * 2


FORKING_HOST = """\
from flask import Flask
from cxb_recordings import InMemoryCallRepository, register

app = Flask("host")
calls = InMemoryCallRepository([{{"session_id": "s", "recording_key": "a.wav", "recording_access_token": "token"}}])
register(app, lambda: {settings!r}, calls, require_admin=lambda view: view)
assert app.test_client().get("/api/v1/recordings/s").data == b"0123456789"
"""


@pytest.mark.parametrize("upstream", ["ceph", "fleet"], indirect=True)  # moto's server closes each connection
def test_a_worker_that_is_forked_after_a_playback_makes_a_connection_of_its_own(
    upstream: Upstream, gunicorn: GunicornFactory
) -> None:
    upstream.store(DATA, "a.wav")
    before = upstream.relay.accepted
    server = gunicorn(FORKING_HOST.format(settings=upstream.provider()), "--preload")
    assert upstream.relay.accepted == before + 1, "the connection that was pooled before the fork"

    with urllib.request.urlopen(f"{server.url}/api/v1/public/recordings/token", timeout=30) as answer:
        assert answer.read() == DATA

    assert upstream.relay.accepted == before + 2
