"""What an option of register changes, seen from outside."""

from __future__ import annotations

import pytest

from cxb_recordings import (
    InMemoryCallRepository,
    register,
)
from tests.servers.origin import OriginFactory

from .test_registration import CALL, KEY, host


def test_max_chunk_size_bounds_the_chunks(make_origin: OriginFactory) -> None:
    server = make_origin({KEY: bytes(2**20)})
    for ceiling, largest in ((8192, 8192), (32768, 32768)):
        app = host()
        register(app, lambda: {"cxbcore_fleet": [server.url]}, InMemoryCallRepository([CALL]), max_chunk_size=ceiling)
        with app.test_client().get("/api/v1/public/recordings/token-1") as reply:
            sizes = [len(chunk) for chunk in reply.iter_encoded()]
        assert sum(sizes) == 2**20
        assert sizes[0] >= 8192
        assert max(sizes) <= largest


def test_require_https_fleet_skips_plain_http_and_says_so(
    make_origin: OriginFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app, server = host(), make_origin({KEY: b"0123"})
    register(app, lambda: {"cxbcore_fleet": [server.url]}, InMemoryCallRepository([CALL]), require_https_fleet=True)

    assert app.test_client().get("/api/v1/public/recordings/token-1").status_code == 404
    assert server.requests == []
    assert "require_https_fleet" in caplog.text


def test_plain_http_hosts_are_warned_of_once_for_each_change(
    make_origin: OriginFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app, server = host(), make_origin({KEY: b"0123"}, secret="fleet-secret-12345")
    live: dict[str, object] = server.fleet()
    register(app, lambda: live, InMemoryCallRepository([CALL]))

    for _ in range(3):
        assert app.test_client().get("/api/v1/public/recordings/token-1").data == b"0123"
    assert caplog.text.count("plain http") == 1
    live["cxbcore_secret"] = "another-secret-12345"
    app.test_client().get("/api/v1/public/recordings/token-1")
    assert caplog.text.count("plain http") == 2
    assert "secret-12345" not in caplog.text
