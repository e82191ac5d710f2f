"""How sources are reached: TLS, timeouts, nothing of the environment, a pool for each settings, none across a fork."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.gunicorn import GunicornFactory, host_source
from tests.servers.origin import Origin

from .site import KEY, Site, Upstream

DATA = b"0123456789"


def settings_of(kind: str, origin: Origin) -> dict[str, object]:
    return origin.storage() if kind == "storage" else origin.fleet()


@pytest.fixture
def tls_origin(tls: ssl.SSLContext) -> Iterator[Origin]:
    """A source that speaks TLS with a certificate that nobody trusts by default."""
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
def test_settings_that_alternate_share_the_connections_to_one_address(kind: str) -> None:
    with Origin({KEY: DATA}) as origin:
        live: dict[str, object] = {}
        site = Site(lambda: live)
        for region in ("us-east-1", "eu-west-1") * 3:
            live = origin.storage(region=region) if kind == "storage" else origin.fleet()
            assert site.ask().data == DATA

        assert origin.accepted == 1


@pytest.mark.parametrize("kind", ["storage", "fleet"])
def test_listeners_who_come_at_once_get_one_pool(kind: str) -> None:
    with Origin({KEY: DATA}) as origin:
        site = Site(settings_of(kind, origin))
        paths = [site.path()] * 8
        with ThreadPoolExecutor(8) as threads:  # before there is any pool
            assert list(threads.map(lambda path: site.app.test_client().get(path).data, paths)) == [DATA] * 8
        together = origin.accepted
        with ExitStack() as playing:
            for _ in range(together):
                playing.enter_context(site.client.get(site.path()))

            assert origin.accepted == together, "all of those connections are kept"


@pytest.mark.parametrize("upstream", ["ceph", "fleet"], indirect=True)  # moto's server closes each connection
def test_a_worker_that_is_forked_after_a_playback_makes_a_connection_of_its_own(
    upstream: Upstream, gunicorn: GunicornFactory
) -> None:
    upstream.store(DATA, "a.wav")
    before = upstream.relay.accepted
    source = host_source(upstream.provider(), {"token": "a.wav"})
    source += f"assert app.test_client().get('/api/v1/recordings/token').data == {DATA!r}\n"
    server = gunicorn(source, "--preload")
    assert upstream.relay.accepted == before + 1, "the connection that was pooled before the fork"

    with urllib.request.urlopen(f"{server.url}/api/v1/public/recordings/token", timeout=30) as answer:
        assert answer.read() == DATA

    assert upstream.relay.accepted == before + 2
